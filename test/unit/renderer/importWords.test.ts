import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fieldKey, noteValues } from '../../../renderer/components/importWords.ts';
import { languages } from '../../../renderer/i18n/languages.ts';
import { baseOf, placeholders, renderer, textsOf } from './texts.ts';

/** Codes of the contract, each with what its comment says is quoted: `| 'weak-key' // {subject} {value}`. */
function codes(): ReadonlyMap<string, readonly string[]> {
  const contract = readFileSync(join(renderer, '../core/rpc/contract.ts'), 'utf8');
  const list = /export type ImportNoteCode =\n([\s\S]*?);\n\n/.exec(contract)?.[1] ?? '';
  const lines = [...list.matchAll(/^ +\| '([\w-]+)'(?: *\/\/(.*))?$/gm)];
  return new Map(
    lines.map(([, code = '', comment = '']) => [code, [...comment.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '')]),
  );
}

for (const language of languages) {
  test(`${language}: every code of an import note has words, and there are none for others`, () => {
    const told = [...textsOf(language).keys()].filter((key) => key.startsWith('common:importNote.'));
    assert.ok(codes().size > 30);
    assert.deepEqual(
      [...new Set(told.map((key) => baseOf(key).slice('common:importNote.'.length)))].sort(),
      [...codes().keys()].sort(),
    );
  });

  test(`${language}: a sentence quotes nothing but what its note has`, () => {
    for (const [key, text] of textsOf(language)) {
      if (!key.startsWith('common:importNote.')) continue;
      const given = codes().get(baseOf(key).slice('common:importNote.'.length)) ?? [];
      const has = given.map((name) => (name === 'days' ? 'count' : name));
      assert.deepEqual(
        placeholders(text).filter((name) => !has.includes(name)),
        [],
        key,
      );
    }
  });
}

test('what is counted chooses the plural form', () => {
  assert.deepEqual(noteValues({ values: { subject: 'CN=alice', days: 1 } }), { subject: 'CN=alice', days: 1, count: 1 });
  assert.equal(noteValues({ values: { count: 3 } }).count, 3);
  assert.equal(noteValues({}).count, 0);
});

test('a field of ours has a name in words, another is shown as the file spells it', () => {
  assert.equal(fieldKey('auth.secret'), 'importField.secret');
  assert.equal(fieldKey('toString'), undefined);
  assert.equal(fieldKey('remote.certs[0]'), undefined);
});
