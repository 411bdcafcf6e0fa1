import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createProfileHandlers } from '../../../core/helper/profileHandlers.ts';
import { createRemovedProfiles } from '../../../core/helper/removedProfiles.ts';
import type { RpcPeer } from '../../../core/helper/rpcServer.ts';
import { openProfileStore } from '../../../core/profile/store.ts';
import type { ProfileSummary, Results, ValidParams } from '../../../core/rpc/contract.ts';
import { profileText } from '../profile/sample.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-handlers-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let stores = 0;

const ROOT = 0;
const ALICE = 1000;
const BOB = 1001;

type Save = ValidParams<'profile.save'>;

function setUp() {
  const logged: string[] = [];
  const log = (...line: readonly unknown[]) => logged.push(JSON.stringify(line));
  const profiles = openProfileStore(join(folder, String(stores++)), log);
  const inUse = new Set<string>();
  const handlers = createProfileHandlers({
    profiles,
    removed: createRemovedProfiles({ profiles }),
    tunnel: { inUse: ({ profile }) => inUse.has(profile.id) },
    log,
  });
  const peer = (uid: number): RpcPeer => ({ id: 1, uid, gid: uid, pid: 1, send: () => {} });
  const save = async (uid: number, given: Partial<Save>): Promise<Results['profile.save'] | string> => {
    const done = await handlers['profile.save'](
      { fields: {}, shared: false, forgetSecret: false, forgetPassword: false, forgetKey: false, dryRun: false, ...given },
      peer(uid),
    );
    return done.ok ? done.value : done.error.code;
  };
  const create = async (uid: number, more: Partial<Save> = {}): Promise<ProfileSummary> => {
    const done = await save(uid, { fields: { name: 'Office', gateway: '192.0.2.1', localId: 'alice' }, ...more });
    assert.ok(typeof done === 'object' && done.profile, JSON.stringify(done));
    return done.profile;
  };
  const duplicate = async (uid: number, profile: string): Promise<ProfileSummary> => {
    const done = await handlers['profile.duplicate']({ profile }, peer(uid));
    assert.ok(done.ok);
    return done.value;
  };
  const secretOf = (uid: number, id: string) => {
    const found = profiles.find(id, uid);
    assert.ok(found.ok);
    const secret = profiles.secretOf(found.value);
    return secret.ok ? new TextDecoder().decode(secret.value.psk) : secret.error.code;
  };
  return { handlers, profiles, logged, inUse, peer, save, create, duplicate, secretOf };
}

test('an edit keeps the secret, changes it, or forgets it, as asked', async () => {
  const { create, save, secretOf, logged } = setUp();
  const { id } = await create(ALICE, { secret: 'the first secret of all' });
  await save(ALICE, { profile: id, fields: { mtu: 1300 }, secret: '' });
  assert.equal(secretOf(ALICE, id), 'the first secret of all', 'an empty field of a form is no secret');
  await save(ALICE, { profile: id, secret: 'the second secret of all', dryRun: true });
  assert.equal(secretOf(ALICE, id), 'the first secret of all', 'a dry run stores nothing');
  await save(ALICE, { profile: id, secret: 'the second secret of all' });
  assert.equal(secretOf(ALICE, id), 'the second secret of all');
  const failed = await save(ALICE, { profile: id, fields: { mtu: 1 }, secret: 'the third secret of all' });
  assert.ok(typeof failed === 'object' && failed.profile === null);
  assert.equal(secretOf(ALICE, id), 'the second secret of all', 'with problems nothing is stored');
  const forgot = await save(ALICE, { profile: id, forgetSecret: true });
  assert.equal(typeof forgot === 'object' && forgot.profile?.hasSecret, false);
  assert.equal(secretOf(ALICE, id), 'profile-secret-missing');
  assert.equal(/secret of all/.test(logged.join('')), false);
});

test('who may make and change what', async () => {
  const { create, save } = setUp();
  const hers = await create(ALICE);
  assert.deepEqual([hers.owner, hers.shared], [ALICE, false]);
  assert.equal(await save(BOB, { profile: hers.id, fields: { mtu: 1300 } }), 'profile-unknown');
  assert.equal(await save(ALICE, { fields: { name: 'x', gateway: 'y', localId: 'z' }, shared: true }), 'not-permitted');
  const shared = await create(ROOT, { shared: true });
  assert.deepEqual([shared.owner, shared.shared], [ROOT, true]);
  assert.equal(await save(BOB, { profile: shared.id, fields: { mtu: 1300 } }), 'not-permitted');
  const byRoot = await save(ROOT, { profile: hers.id, fields: { mtu: 1300 } });
  assert.equal(typeof byRoot === 'object' && byRoot.profile?.owner, ALICE, 'root’s edit does not take it away');
});

test('a name is one profile’s of an owner', async () => {
  const { create, save } = setUp();
  const { id } = await create(ALICE);
  const other = await create(ALICE, { fields: { name: 'Other', gateway: '192.0.2.1', localId: 'alice' } });
  const problems = async (given: Partial<Save>) => {
    const done = await save(ALICE, given);
    return typeof done === 'object' ? done.problems.map(({ field, code }) => `${field} ${code}`) : done;
  };
  const fields = { name: ' Office ', gateway: '192.0.2.1', localId: 'alice' };
  assert.deepEqual(await problems({ fields }), ['name name-taken']);
  assert.deepEqual(await problems({ fields: { ...fields, mtu: 1 } }), ['mtu out-of-range', 'name name-taken']);
  assert.deepEqual(await problems({ profile: other.id, fields: { name: 'Office' } }), ['name name-taken']);
  assert.deepEqual(await problems({ profile: id, fields: { name: 'Office', mtu: 1300 } }), []);
  await create(BOB);
});

test('a copy: of one’s own with its secret, of everybody’s without, locks and all', async () => {
  const { handlers, peer, create, duplicate, secretOf, save } = setUp();
  const { id } = await create(ALICE, { secret: 'a secret of alice only' });
  const copy = await duplicate(ALICE, id);
  assert.deepEqual([copy.name, copy.hasSecret, copy.owner], ['Office 2', true, ALICE]);
  assert.equal(secretOf(ALICE, copy.id), 'a secret of alice only');
  assert.equal((await duplicate(ALICE, id)).name, 'Office 3');
  const text = profileText({ uuid: undefined, name: 'Company', locked: ['gateway'] });
  const given = await handlers['profile.import']({ text, shared: true, dryRun: false }, peer(ROOT));
  assert.ok(given.ok);
  const own = await duplicate(BOB, 'Company');
  assert.deepEqual([own.name, own.shared, own.owner, own.hasSecret], ['Company 2', false, BOB, false]);
  const edited = await save(BOB, { profile: own.id, fields: { gateway: 'evil.test' } });
  assert.deepEqual(typeof edited === 'object' && edited.problems.map(({ code }) => code), ['locked']);
});

test('remove and restore, but not what is connected', async () => {
  const { handlers, peer, create, inUse, secretOf } = setUp();
  const { id } = await create(ALICE, { secret: 'a secret of alice only' });
  inUse.add(id);
  const busy = await handlers['profile.remove']({ profile: id }, peer(ALICE));
  assert.equal(busy.ok || busy.error.code, 'profile-in-use');
  inUse.clear();
  const removed = await handlers['profile.remove']({ profile: id }, peer(ALICE));
  assert.ok(removed.ok);
  const back = await handlers['profile.restore']({ undo: removed.value.undo }, peer(ALICE));
  assert.deepEqual([back.ok && back.value.id, secretOf(ALICE, id)], [id, 'a secret of alice only']);
});

test('an import without a secret says whether the old one stays', async () => {
  const { handlers, peer } = setUp();
  const give = async (changes: Readonly<Record<string, unknown>>) => {
    const done = await handlers['profile.import']({ text: profileText(changes), shared: false, dryRun: false }, peer(ALICE));
    assert.ok(done.ok);
    const note = done.value.notes.find(({ field }) => field === 'auth.secret');
    return [done.value.profile.hasSecret, note?.why];
  };
  assert.deepEqual(await give({ auth: { method: 'psk' } }), [false, 'not given: it is asked for when connecting']);
  assert.deepEqual(await give({}), [true, undefined]);
  assert.deepEqual(await give({ auth: { method: 'psk' }, mtu: 1300 }), [true, 'not given: the one you have stays']);
  assert.deepEqual(await give({ auth: { method: 'psk' }, gateway: 'evil.test' }), [
    false,
    'not given: it is asked for when connecting',
  ]);
});
