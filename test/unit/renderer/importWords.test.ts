import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { importProfile } from '../../../core/profile/import.ts';
import { noteWords } from '../../../renderer/components/importWords.ts';
import { renderer, textsOf } from './texts.ts';

const minimal = {
  sallyport: 1,
  name: ' Büro ',
  gateway: 'büro.example',
  localId: 'alice@office.example',
  auth: { method: 'psk', secret: 'short' },
  remoteNetworks: ['10.1.2.3/16'],
  someday: true,
};

function notesOf(file: unknown) {
  const imported = importProfile(JSON.stringify(file));
  assert.ok(imported.ok, imported.ok ? '' : imported.error.detail);
  return imported.value.notes.filter(({ outcome }) => outcome !== 'kept');
}

test('every note of the importer has words in the window', () => {
  const { secret: _, ...without } = minimal.auth;
  const notes = [...notesOf(minimal), ...notesOf({ ...minimal, remoteId: '%any' }), ...notesOf({ ...minimal, auth: without })];
  assert.ok(notes.length >= 8);
  assert.deepEqual(
    notes.filter((note) => noteWords(note) === undefined),
    [],
  );
  assert.equal(noteWords({ field: 'remoteNetworks', why: '10.1.2.3/16 is the network 10.1.0.0/16' })?.value, '10.1.0.0/16');
});

test('so have the notes of the helper, and nothing else', () => {
  const handlers = readFileSync(join(renderer, '../core/helper/profileHandlers.ts'), 'utf8');
  const told = [...handlers.matchAll(/notes\.push\(\{\s*field: '([^']+)',\s*outcome: '\w+',\s*why: (?:'([^']+)'|`([^`]+)`)/g)];
  assert.ok(told.length >= 3);
  for (const [, field = '', quoted, template] of told) assert.ok(noteWords({ field, why: quoted ?? template ?? '' }), field);
  assert.equal(noteWords({ field: 'mtu', why: 'something new' }), undefined);
});

test('the words are there in every language', () => {
  for (const language of ['en', 'ko', 'de'] as const) {
    const keys = [...textsOf(language).keys()].filter((key) => key.startsWith('common:importNote.'));
    assert.equal(keys.length, 11);
  }
});
