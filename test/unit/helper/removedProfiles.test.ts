import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createRemovedProfiles } from '../../../core/helper/removedProfiles.ts';
import { importProfile } from '../../../core/profile/import.ts';
import { openProfileStore, type ProfileStore } from '../../../core/profile/store.ts';
import { profileText } from '../profile/sample.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-removed-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let stores = 0;

const ALICE = 1000;

function setUp(keepFor?: number) {
  const place = join(folder, String(stores++));
  const real = openProfileStore(place, () => {});
  /** Secrets that were taken out of the store, to see them wiped. */
  const taken: Uint8Array[] = [];
  const profiles: ProfileStore = {
    ...real,
    secretOf: (stored) => {
      const secret = real.secretOf(stored);
      if (secret.ok) taken.push(secret.value.psk ?? assert.fail());
      return secret;
    },
  };
  const removed = createRemovedProfiles({ profiles, ...(keepFor !== undefined && { keepFor }) });
  const add = (changes: Readonly<Record<string, unknown>> = {}) => {
    const imported = importProfile(profileText(changes));
    assert.ok(imported.ok);
    const planned = profiles.plan(imported.value, ALICE, false);
    assert.ok(planned.ok);
    const saved = profiles.save(planned.value, imported.value);
    assert.ok(saved.ok);
    return saved.value;
  };
  const remove = (changes: Readonly<Record<string, unknown>> = {}) => {
    const undo = removed.remove(add(changes), ALICE);
    assert.ok(undo.ok);
    return undo.value;
  };
  return { profiles, removed, add, remove, taken, files: () => readdirSync(join(place, String(ALICE))) };
}

const codeOf = (result: { readonly ok: boolean; readonly error?: { readonly code: string } }) =>
  result.ok ? 'ok' : result.error?.code;
const wiped = (secrets: readonly Uint8Array[]) => secrets.length > 0 && secrets.every((one) => one.every((octet) => octet === 0));

test('the files are gone at once; the undo brings profile and secret back, once', () => {
  const { profiles, removed, remove, taken, files } = setUp();
  const undo = remove({ folder: 'Work', locked: ['gateway'] });
  assert.deepEqual([files(), profiles.list(ALICE)], [[], []]);
  const back = removed.restore(undo, ALICE);
  assert.ok(back.ok);
  assert.deepEqual([back.value.profile.folder, back.value.profile.locked], ['Work', ['gateway']]);
  assert.equal(wiped(taken), true, 'what was kept in memory is wiped');
  const secret = profiles.secretOf(back.value);
  assert.equal(secret.ok && new TextDecoder().decode(secret.value.psk), 'correct horse battery staple');
  assert.equal(codeOf(removed.restore(undo, ALICE)), 'undo-unknown');
});

test('only who removed it, and root, may have it back', () => {
  const { removed, remove } = setUp();
  const undo = remove();
  assert.equal(codeOf(removed.restore(undo, 1001)), 'undo-unknown');
  assert.equal(codeOf(removed.restore('nonsense', ALICE)), 'undo-unknown');
  assert.equal(codeOf(removed.restore(undo, 0)), 'ok');
});

test('when its time is over it is gone and the secret is wiped', async () => {
  const { removed, remove, taken } = setUp(20);
  const undo = remove();
  assert.equal(wiped(taken), false);
  // The timer alone does not keep a process alive, so this one must.
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(wiped(taken), true);
  assert.equal(codeOf(removed.restore(undo, ALICE)), 'undo-unknown');
});

test('one without a secret, and one that was imported again meanwhile', () => {
  const { removed, remove, add } = setUp();
  const bare = remove({ auth: { method: 'psk' } });
  const back = removed.restore(bare, ALICE);
  assert.deepEqual([back.ok, back.ok && back.value.secrets], [true, []]);
  const undo = remove();
  add();
  assert.equal(codeOf(removed.restore(undo, ALICE)), 'undo-unknown');
});

test('of many the oldest are given up, wiped', () => {
  const { removed, remove, taken } = setUp();
  const undos = Array.from({ length: 51 }, (_, i) => remove({ uuid: undefined, name: `Office ${i}` }));
  assert.equal(codeOf(removed.restore(undos[0] ?? '', ALICE)), 'undo-unknown');
  assert.equal(wiped(taken.slice(0, 1)), true);
  assert.equal(codeOf(removed.restore(undos[1] ?? '', ALICE)), 'ok');
});
