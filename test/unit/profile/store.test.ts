import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Imported } from '../../../core/profile/convert.ts';
import { importProfile } from '../../../core/profile/import.ts';
import { defaultTrust } from '../../../core/profile/model.ts';
import { LOCKABLE, LOCKABLE_BEFORE_CERTIFICATES, LOCKABLE_BEFORE_WINDOW } from '../../../core/profile/schema.ts';
import { openProfileStore, type ProfileStore } from '../../../core/profile/store.ts';
import { alice, bob, root, sub } from './credentials.ts';
import { profileText } from './sample.ts';

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-store-'));
  folders.push(folder);
  return folder;
}

function read(changes: Readonly<Record<string, unknown>> = {}): Imported {
  const imported = importProfile(profileText(changes));
  assert.ok(imported.ok);
  return imported.value;
}

function put(store: ProfileStore, imported: Imported, owner: number, shared = false): { id: string; replaced: boolean } {
  const planned = store.plan(imported, owner, shared);
  assert.ok(planned.ok);
  const saved = store.save(planned.value, imported);
  assert.ok(saved.ok);
  return { id: saved.value.profile.id, replaced: planned.value.replaces !== undefined };
}

const silent = () => {};
const ALICE = 1000;
const BOB = 1001;

test('kept over a restart, with its secret apart, readable by nobody else', () => {
  const folder = newFolder();
  const { id } = put(openProfileStore(folder, silent), read(), ALICE);
  const files = readdirSync(join(folder, '1000'));
  assert.equal(files.length, 2);
  for (const file of files) assert.equal(statSync(join(folder, '1000', file)).mode & 0o777, 0o600);
  assert.equal(statSync(join(folder, '1000')).mode & 0o777, 0o700);
  assert.equal(readFileSync(join(folder, '1000', `${id}.json`), 'utf8').includes('correct horse'), false);
  const again = openProfileStore(folder, silent);
  const found = again.find('Office', ALICE);
  assert.ok(found.ok);
  assert.deepEqual(found.value.profile, { ...read().profile, id });
  const secret = again.secretOf(found.value);
  assert.ok(secret.ok);
  assert.equal(new TextDecoder().decode(secret.value.psk), 'correct horse battery staple');
});

test('a user sees their own and what is shared; root sees all', () => {
  const store = openProfileStore(newFolder(), silent);
  put(store, read({ uuid: undefined, name: 'mine' }), ALICE);
  put(store, read({ uuid: undefined, name: 'his' }), BOB);
  put(store, read({ uuid: undefined, name: 'ours' }), 0, true);
  const names = (uid: number) => store.list(uid).map(({ profile }) => profile.name);
  assert.deepEqual(names(ALICE), ['mine', 'ours']);
  assert.deepEqual(names(BOB), ['his', 'ours']);
  assert.deepEqual(names(0), ['his', 'mine', 'ours']);
  const his = store.find('his', ALICE);
  assert.equal(his.ok || his.error.code, 'profile-unknown');
  const [ours] = store.list(ALICE).filter(({ shared }) => shared);
  assert.ok(ours);
  const removed = store.remove(ours, ALICE);
  assert.equal(removed.ok || removed.error.code, 'not-permitted');
  const shared = store.plan(read(), ALICE, true);
  assert.equal(shared.ok || shared.error.code, 'not-permitted');
});

test('the same uuid of the same owner replaces; another owner’s is another profile', () => {
  const store = openProfileStore(newFolder(), silent);
  assert.equal(put(store, read(), ALICE).replaced, false);
  assert.equal(put(store, read({ name: 'Renamed' }), ALICE).replaced, true);
  assert.equal(put(store, read(), BOB).replaced, false);
  assert.deepEqual(
    store.list(ALICE).map(({ profile }) => profile.name),
    ['Renamed'],
  );
  assert.equal(store.list(0).length, 2);
});

test('without a uuid the profile of the same name is replaced, and an ambiguous name is an error', () => {
  const store = openProfileStore(newFolder(), silent);
  const first = put(store, read({ uuid: undefined }), ALICE);
  const second = put(store, read({ uuid: undefined, gateway: 'other.office.test' }), ALICE);
  assert.deepEqual(second, { id: first.id, replaced: true });
  put(store, read(), ALICE);
  const found = store.find('Office', ALICE);
  assert.equal(found.ok || found.error.code, 'profile-ambiguous');
  assert.ok(store.find(first.id.toUpperCase(), ALICE).ok);
});

test('root names what two users imported from the same file by whose it is', () => {
  const store = openProfileStore(newFolder(), silent);
  const { id } = put(store, read(), ALICE);
  put(store, read(), BOB);
  put(store, read(), 0, true);
  assert.ok(store.remove(mustFind(store, `shared/${id}`, 0), 0).ok);
  const both = store.find(id, 0);
  assert.deepEqual(!both.ok && both.error, {
    code: 'profile-ambiguous',
    detail: `2 profiles are so named: 1000/${id}, 1001/${id}`,
  });
  for (const owner of [ALICE, BOB]) assert.equal(mustFind(store, `${owner}/${id.toUpperCase()}`, 0).owner, owner);
  const others = store.find(`${BOB}/${id}`, ALICE);
  assert.equal(others.ok || others.error.code, 'profile-unknown', 'which is not to be seen');
  assert.equal(mustFind(store, id, ALICE).owner, ALICE);
});

function mustFind(store: ProfileStore, reference: string, viewer: number) {
  const found = store.find(reference, viewer);
  assert.ok(found.ok, found.ok ? '' : found.error.detail);
  return found.value;
}

test('one’s own comes before what is shared', () => {
  const store = openProfileStore(newFolder(), silent);
  put(store, read({ uuid: undefined, gateway: 'shared.test' }), 0, true);
  put(store, read({ uuid: undefined, gateway: 'own.test' }), ALICE);
  const mine = store.find('Office', ALICE);
  assert.equal(mine.ok && mine.value.profile.gateway, 'own.test');
  const his = store.find('Office', BOB);
  assert.equal(his.ok && his.value.profile.gateway, 'shared.test');
});

test('removing takes the secret too', () => {
  const folder = newFolder();
  const store = openProfileStore(folder, silent);
  put(store, read(), ALICE);
  const found = store.find('Office', ALICE);
  assert.ok(found.ok && store.remove(found.value, ALICE).ok);
  assert.deepEqual(readdirSync(join(folder, '1000')), []);
  const gone = store.secretOf(found.value);
  assert.equal(gone.ok || gone.error.code, 'profile-secret-missing');
});

test('what a crash left is swept up; what is damaged is left alone and said', () => {
  const folder = newFolder();
  const { id } = put(openProfileStore(folder, silent), read(), ALICE);
  const inner = join(folder, '1000');
  writeFileSync(join(inner, `${id}.0000000000000000.secret`), 'orphan');
  writeFileSync(join(inner, `${id}.json.part`), 'half');
  writeFileSync(join(inner, '3f1c5f0a-5b0a-4a55-9d7e-3f1c5f0a8b11.json'), '{"format":1}');
  const said: string[] = [];
  const store = openProfileStore(folder, (_level, _area, text) => said.push(text));
  assert.equal(store.list(ALICE).length, 1);
  assert.equal(said.length, 1);
  assert.deepEqual(
    readdirSync(inner).filter((file) => file.endsWith('.part') || file.includes('0000000000000000')),
    [],
  );
  assert.ok(readdirSync(inner).includes('3f1c5f0a-5b0a-4a55-9d7e-3f1c5f0a8b11.json'));
});

test('what belongs to a record of a later version is still there after going back and forth', () => {
  const folder = newFolder();
  const { id } = put(openProfileStore(folder, silent), read(), ALICE);
  const path = join(folder, '1000', `${id}.json`);
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace('"fragmentation": "yes"', '"fragmentation": "of-tomorrow"'));
  assert.deepEqual(openProfileStore(folder, silent).list(ALICE), []);
  writeFileSync(path, text);
  const store = openProfileStore(folder, silent);
  const found = store.find(id, ALICE);
  assert.ok(found.ok);
  const secret = store.secretOf(found.value);
  assert.equal(secret.ok && new TextDecoder().decode(secret.value.psk), 'correct horse battery staple');
});

test('a file where a folder should be is said, and keeps nobody from the other profiles', () => {
  const folder = newFolder();
  put(openProfileStore(folder, silent), read(), ALICE);
  writeFileSync(join(folder, '1001'), 'not ours');
  const said: string[] = [];
  const store = openProfileStore(folder, (_level, _area, text) => said.push(text));
  assert.equal(store.list(ALICE).length, 1);
  assert.deepEqual(said, ['a folder of stored profiles cannot be read and was left out']);
});

test('a write that fails leaves no piece of a secret behind', () => {
  const folder = newFolder();
  const store = openProfileStore(folder, silent);
  const { id } = put(store, read(), ALICE);
  // Where the record is to come stands a folder: the last step fails, as it may on a full disk.
  const inner = join(folder, '1000');
  rmSync(join(inner, `${id}.json`));
  mkdirSync(join(inner, `${id}.json`));
  const before = readdirSync(inner).sort();
  const imported = read({ auth: { method: 'psk', secret: 'quite another secret' } });
  const planned = store.plan(imported, ALICE, false);
  assert.ok(planned.ok);
  const saved = store.save(planned.value, imported);
  assert.equal(saved.ok || saved.error.code, 'profile-store');
  assert.deepEqual(readdirSync(inner).sort(), before);
});

test('a file in another user’s folder does not become that user’s profile', () => {
  const folder = newFolder();
  const { id } = put(openProfileStore(folder, silent), read(), ALICE);
  const text = readFileSync(join(folder, '1000', `${id}.json`), 'utf8').replace('"owner": 1000', '"owner": 1001');
  writeFileSync(join(folder, '1000', `${id}.json`), text);
  const store = openProfileStore(folder, silent);
  assert.deepEqual(store.list(0), []);
});

test('a folder that cannot be written is an error, and nothing is half done', {
  skip: process.getuid?.() === 0 && 'root writes everywhere',
}, () => {
  const folder = newFolder();
  const store = openProfileStore(folder, silent);
  chmodSync(folder, 0o500);
  const imported = read();
  const planned = store.plan(imported, ALICE, false);
  assert.ok(planned.ok);
  const saved = store.save(planned.value, imported);
  chmodSync(folder, 0o700);
  assert.equal(saved.ok || saved.error.code, 'profile-store');
  assert.deepEqual(store.list(ALICE), []);
});

test('a profile without a secret is kept without one, and can get and lose it', () => {
  const folder = newFolder();
  const store = openProfileStore(folder, silent);
  put(store, read({ auth: { method: 'psk' } }), ALICE);
  const files = () => readdirSync(join(folder, '1000'));
  const [stored] = openProfileStore(folder, silent).list(ALICE);
  assert.deepEqual([stored?.secrets.length, files().length], [0, 1]);
  assert.ok(stored);
  const missing = store.secretOf(stored);
  assert.equal(missing.ok || missing.error.code, 'profile-secret-missing');
  const set = store.put(stored, { kind: 'set', secret: { psk: new TextEncoder().encode('typed') } });
  assert.ok(set.ok && set.value.secrets.length === 1);
  const kept = store.put({ ...set.value, profile: { ...set.value.profile, mtu: 1300 } }, { kind: 'keep' });
  assert.ok(kept.ok && kept.value.secrets.length === 1);
  const again = openProfileStore(folder, silent);
  const [reloaded] = again.list(ALICE);
  assert.ok(reloaded?.secrets.length === 1 && reloaded.profile.mtu === 1300);
  const secret = again.secretOf(reloaded);
  assert.equal(secret.ok && new TextDecoder().decode(secret.value.psk), 'typed');
  assert.equal(files().length, 2);
  assert.equal(store.put(reloaded, { kind: 'forget' }).ok, true);
  assert.deepEqual(files(), [`${reloaded.profile.id}.json`]);
});

test('a file without a secret keeps the one there is, but never for another gateway or identity', () => {
  const bare = { auth: { method: 'psk' } };
  const hasSecret = (changes: Readonly<Record<string, unknown>>) => {
    const folder = newFolder();
    const store = openProfileStore(folder, silent);
    put(store, read(), ALICE);
    put(store, read({ ...bare, ...changes }), ALICE);
    const [stored] = store.list(ALICE);
    assert.equal(
      readdirSync(join(folder, '1000')).length,
      stored?.secrets.length === 1 ? 2 : 1,
      'the file is there exactly when it counts',
    );
    return stored?.secrets.length === 1;
  };
  assert.equal(hasSecret({ mtu: 1300, name: 'Renamed' }), true);
  assert.equal(hasSecret({ gateway: 'evil.test', remoteId: 'vpn.office.test' }), false);
  assert.equal(hasSecret({ remoteId: '%any' }), false);
  assert.equal(hasSecret({ gatewayPorts: { ike: 1500 } }), false);
  assert.equal(hasSecret({ localId: 'bob@office.test' }), false);
});

test('a password is not kept for a file that trusts in another way', () => {
  const kept = (gatewayAuth: Readonly<Record<string, unknown>>) => {
    const store = openProfileStore(newFolder(), silent);
    const auth = { method: 'eap', identity: 'alice', methods: ['mschapv2'] };
    const file = (more: object) => ({ auth: { ...auth, ...more }, localId: undefined });
    put(store, read({ ...file({ password: 'geheim' }), gatewayAuth: { authorities: root.pem } }), ALICE);
    put(store, read({ ...file({}), gatewayAuth: { authorities: root.pem, ...gatewayAuth } }), ALICE);
    return store.list(ALICE)[0]?.secrets.includes('password');
  };
  assert.equal(kept({ certreq: false }), true);
  assert.equal(kept({ systemRoots: true }), false);
  assert.equal(kept({ commonName: true }), false);
  assert.equal(kept({ revocation: { crl: false, ocsp: false } }), false);
});

test('records of before certificates load with what they meant; who locked all of them locked the new fields too', () => {
  const folder = newFolder();
  const { id } = put(openProfileStore(folder, silent), read({ locked: true }), ALICE);
  const file = join(folder, '1000', `${id}.json`);
  const record = JSON.parse(readFileSync(file, 'utf8'));
  const {
    certificates: _c,
    eap: _e,
    trust: _t,
    replayWindow: _r,
    gateways: _g,
    whenLost: _w,
    fragmentation: _f,
    tcp: _tcp,
    tcpPorts: _ports,
    redirect: _1,
    resumption: _2,
    childless: _3,
    initialContact: _4,
    reauthenticateEvery: _5,
    rekeyIke: _6,
    rekeyChild: _7,
    rekeyBytes: _8,
    rekeyPackets: _9,
    rekeyRehearsal: _10,
    mobike: _11,
    additionalChildren: _12,
    ...old
  } = record.profile;
  writeFileSync(file, JSON.stringify({ ...record, profile: { ...old, locked: LOCKABLE_BEFORE_CERTIFICATES } }));
  const store = openProfileStore(folder, silent);
  const [stored] = store.list(ALICE);
  assert.ok(stored);
  assert.deepEqual(stored.profile, { ...read({ locked: true }).profile, trust: defaultTrust('psk') });
  const secret = store.secretOf(stored);
  assert.equal(secret.ok && new TextDecoder().decode(secret.value.psk), 'correct horse battery staple');
});

test('records of before the replay window have the usual one, locked where all there was is', () => {
  const folder = newFolder();
  for (const [locked, expected] of [
    [LOCKABLE_BEFORE_WINDOW, LOCKABLE],
    [LOCKABLE_BEFORE_CERTIFICATES, LOCKABLE_BEFORE_CERTIFICATES],
  ]) {
    const { id } = put(openProfileStore(folder, silent), read({ replayWindow: 64 }), ALICE);
    const file = join(folder, '1000', `${id}.json`);
    const { profile, ...record } = JSON.parse(readFileSync(file, 'utf8'));
    assert.equal(profile.replayWindow, 64);
    const {
      replayWindow: _r,
      gateways: _g,
      whenLost: _w,
      fragmentation: _f,
      tcp: _tcp,
      tcpPorts: _ports,
      redirect: _1,
      resumption: _2,
      childless: _3,
      initialContact: _4,
      reauthenticateEvery: _5,
      rekeyIke: _6,
      rekeyChild: _7,
      rekeyBytes: _8,
      rekeyPackets: _9,
      rekeyRehearsal: _10,
      mobike: _11,
      additionalChildren: _12,
      ...old
    } = profile;
    writeFileSync(file, JSON.stringify({ ...record, profile: { ...old, locked } }));
    const [stored] = openProfileStore(folder, silent).list(ALICE);
    assert.deepEqual([stored?.profile.replayWindow, stored?.profile.locked], [1024, expected]);
  }
});

const own = {
  method: 'certificate-eap',
  certificate: [alice.pem],
  key: alice.key.pkcs8Pem,
  identity: 'alice',
  password: 'geheim',
};
const trusted = { auth: own, gatewayAuth: { authorities: root.pem }, localId: undefined };

test('password and key each have a file of their own, and go each for itself', () => {
  const folder = newFolder();
  put(openProfileStore(folder, silent), read(trusted), ALICE);
  const files = () => readdirSync(join(folder, '1000')).sort();
  assert.equal(files().length, 3);
  for (const file of files()) assert.equal(statSync(join(folder, '1000', file)).mode & 0o777, 0o600);
  const store = openProfileStore(folder, silent);
  const [stored] = store.list(ALICE);
  assert.ok(stored);
  assert.deepEqual(stored.secrets, ['password', 'key']);
  const secret = store.secretOf(stored);
  assert.ok(secret.ok);
  assert.deepEqual(
    [new TextDecoder().decode(secret.value.password), secret.value.key, secret.value.psk],
    ['geheim', alice.key.pkcs8, undefined],
  );
  const changed = store.put(stored, { kind: 'change', set: { password: new TextEncoder().encode('neu') }, forget: ['key'] });
  assert.ok(changed.ok);
  assert.deepEqual([changed.value.secrets, files().length], [['password'], 2]);
  const now = store.secretOf(changed.value);
  assert.equal(now.ok && new TextDecoder().decode(now.value.password), 'neu');
  const text = readFileSync(join(folder, '1000', `${stored.profile.id}.json`), 'utf8');
  assert.equal(text.includes('neu'), false);
});

test('a password is not kept for whom other authorities vouch, a key not for another certificate', () => {
  const kept = (changes: Readonly<Record<string, unknown>>) => {
    const folder = newFolder();
    const store = openProfileStore(folder, silent);
    put(store, read(trusted), ALICE);
    const { password: _p, key: _k, ...bare } = own;
    put(store, read({ ...trusted, auth: bare, ...changes }), ALICE);
    return store.list(ALICE)[0]?.secrets;
  };
  const { password: _p, key: _k, ...bare } = own;
  assert.deepEqual(kept({ mtu: 1300 }), ['password', 'key']);
  assert.deepEqual(kept({ gatewayAuth: { authorities: sub.pem } }), []);
  assert.deepEqual(kept({ gatewayAuth: { authorities: root.pem, systemRoots: true } }), []);
  assert.deepEqual(kept({ gatewayAuth: { method: 'psk' } }), []);
  assert.deepEqual(kept({ auth: { ...bare, methods: ['gtc'] } }), []);
  assert.deepEqual(kept({ auth: { ...bare, certificate: bob.pem } }), ['password']);
});

test('a post-quantum preshared key is a secret of its own: apart from the profile, kept under its name, forgotten with it', () => {
  const folder = newFolder();
  const store = openProfileStore(folder, silent);
  const secret = 'thirty-two octets that both know.';
  put(store, read({ ppk: { id: 'one', secret, required: true } }), ALICE);
  const [stored] = store.list(ALICE);
  assert.ok(stored);
  assert.deepEqual(stored.profile.ppk, { id: 'one', required: true });
  assert.ok(stored.secrets.includes('ppk'));
  assert.doesNotMatch(JSON.stringify(stored), /thirty-two/);
  const taken = store.secretOf(stored);
  assert.ok(taken.ok);
  assert.equal(new TextDecoder().decode(taken.value.ppk), secret);
  // After a start of the helper.
  const [again] = openProfileStore(folder, silent).list(ALICE);
  assert.deepEqual([again?.profile.ppk, again?.secrets.includes('ppk')], [{ id: 'one', required: true }, true]);
  put(store, read({ ppk: { id: 'one' } }), ALICE);
  assert.deepEqual(
    [store.list(ALICE)[0]?.profile.ppk, store.list(ALICE)[0]?.secrets.includes('ppk')],
    [{ id: 'one', required: false }, true],
  );
  put(store, read({ ppk: { id: 'two' } }), ALICE);
  assert.equal(store.list(ALICE)[0]?.secrets.includes('ppk'), false, 'another key is not the one that was there');
});
