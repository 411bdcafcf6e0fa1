/** Certificates in and out: import of .sswan, PKCS #12 and PEM, the certificate lens; through the real command line, RPC and store. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { CertificateReport, ImportNote, ProfileView, Results } from '../../core/rpc/contract.ts';
import { reasons } from '../../core/tunnel/reasons.ts';
import { authority } from '../authority/authority.ts';
import { alice, base64, bob, encryptedKey, gateway, P12_PASSWORD, pkcs12, root, sub } from '../unit/profile/credentials.ts';
import { profileText } from '../unit/profile/sample.ts';
import { assertRefused, command } from './command.ts';
import { type FakeHelper, startFakeHelper } from './fakeHelper.ts';
import { terminal } from './terminal.ts';

// The client refuses a helper that is not root's.
const skip = process.getuid?.() === 0 ? false : 'needs root: the client trusts a socket of root only';

const helpers: FakeHelper[] = [];
after(async () => {
  for (const helper of helpers) await helper.close();
});

async function helperWith(): Promise<FakeHelper & { write(name: string, content: string | Uint8Array): string }> {
  const helper = await startFakeHelper();
  helpers.push(helper);
  const write = (name: string, content: string | Uint8Array) => {
    const file = join(helper.folder, name);
    writeFileSync(file, content);
    return file;
  };
  return { ...helper, write };
}

async function json<T>(socket: string, args: readonly string[], input?: string): Promise<T> {
  const ended = await command(socket, ['--json', ...args], input);
  assert.equal(ended.code, 0, `${ended.stdout}${ended.stderr}`);
  return JSON.parse(ended.stdout) as T;
}

/** Every file of the store, and everything the helper logged. */
function stored({ folder, journal }: FakeHelper): {
  readonly names: readonly string[];
  readonly text: string;
  readonly modes: readonly number[];
} {
  const below = join(folder, 'profiles', '0');
  const names = readdirSync(below).sort();
  const modes = names.map((name) => statSync(join(below, name)).mode & 0o777);
  const text = names.filter((name) => name.endsWith('.json')).map((name) => readFileSync(join(below, name), 'latin1'));
  return { names, text: `${text.join('')}${journal.join('')}`, modes };
}

test('PKCS #12 and a gateway make a profile: report first, then stored apart, the password nowhere', { skip }, async () => {
  const helper = await helperWith();
  const { socket, write } = helper;
  const file = write('alice.dat', pkcs12(alice));
  const password = write('password', `${P12_PASSWORD}\n`);
  const args = ['import', file, '--gateway', 'vpn.office.test', '--password-file', password];
  assertRefused(await command(socket, ['import', file, '--password-file', password]), 'import-gateway-needed');
  assertRefused(await command(socket, ['import', file, '--gateway', 'vpn.office.test']), 'import-password-needed');
  const wrong = write('wrong', 'wrong');
  assertRefused(
    await command(socket, ['import', file, '--gateway', 'vpn.office.test', '--password-file', wrong]),
    'import-password-wrong',
  );
  const dry = await command(socket, [...args, '--dry-run']);
  assert.match(dry.stderr, /^Note: gatewayAuth\.authorities: .*CN=Office Root/m);
  assert.match(dry.stderr, /^Note: localId: alice@office\.test, as your certificate says$/m);
  assert.deepEqual(await json(socket, ['list']), { profiles: [] });
  assert.equal((await command(socket, [...args, '--name', 'Office'])).code, 0);
  const view = await json<ProfileView>(socket, ['show', 'Office']);
  assert.deepEqual(
    [view.auth, view.gateway, view.localId, view.secrets, view.hasSecret, view.trust.method, view.trust.systemRoots],
    ['certificate', 'vpn.office.test', '', ['key'], true, 'certificate', false],
  );
  assert.deepEqual(view.certificates, [base64(alice.der), base64(sub.der)]);
  assert.deepEqual(view.trust.authorities, [base64(root.der)]);
  assert.match((await command(socket, ['show', 'Office'])).stdout, /^Your proof +certificate$/m);
  const kept = stored(helper);
  assert.deepEqual([kept.names.length, kept.modes], [2, [0o600, 0o600]]);
  assert.deepEqual(
    new Uint8Array(readFileSync(join(helper.folder, 'profiles', '0', kept.names.find((name) => name.endsWith('.secret')) ?? ''))),
    alice.key.pkcs8,
  );
  for (const secret of [P12_PASSWORD, base64(alice.key.pkcs8).slice(0, 60)]) assert.equal(kept.text.includes(secret), false);
});

test('PKCS #12 of long ago is refused with the command that makes it new', { skip }, async () => {
  const { socket, write } = await helperWith();
  const file = write('old.p12', pkcs12(alice, { legacy: true }));
  assertRefused(
    await command(socket, ['import', file, '--gateway', 'vpn.office.test']),
    'import-unsupported',
    /openssl pkcs12 -legacy/,
  );
});

test('PEM and DER files of one profile; a key that is somebody else’s', { skip }, async () => {
  const { socket, write } = await helperWith();
  const key = write('key', encryptedKey(alice, 'of the key'));
  const password = write('password', 'of the key');
  const certificate = write('certificate', alice.pem);
  const more = ['--gateway', '192.0.2.1', '--name', 'PEM', '--password-file', password];
  const notes = await json<Results['profile.import']>(socket, [
    'import',
    key,
    certificate,
    write('ca', root.der),
    write('sub', sub.pem),
    ...more,
  ]);
  assert.equal(notes.profile.auth, 'certificate');
  const view = await json<ProfileView>(socket, ['show', 'PEM']);
  assert.deepEqual([view.certificates.length, view.trust.authorities], [2, [base64(root.der)]]);
  assertRefused(
    await command(socket, ['import', key, write('other', bob.pem), ...more]),
    'profile-malformed',
    /none of the certificates is the private key’s/,
  );
  assertRefused(await command(socket, ['import', certificate, '--gateway', 'x']), 'profile-malformed', /no private key/);
  const two = ['import', key, write('bob.key', bob.key.pkcs8Pem), certificate, ...more];
  assertRefused(await command(socket, two), 'profile-malformed', /several private keys/);
});

const sswan = {
  uuid: '7b4b1bc2-7d7c-4bfb-9a4a-5a8a2f3c7a11',
  name: 'Head office ',
  type: 'ikev2-cert-eap',
  remote: {
    addr: 'vpn.office.test',
    cert: base64(root.der).replace(/.{64}/g, '$&\n'),
    certreq: 'false',
    revocation: { strict: 'true' },
  },
  local: {
    p12: base64(pkcs12(alice)).replace(/.{76}/g, '$&\r\n'),
    eap_id: 'alice',
    shared_secret: 'hunter2 hunter2',
    'rsa-pss': 'true',
  },
  'ike-proposal': 'aes256-sha256-curve25519-ke1_frodoa3',
  'split-tunneling': { subnets: '10.0.0.0/8 192.168.0.0/24', excluded: ['10.128.0.0/9'] },
  'dns-servers': '10.0.0.1 10.0.0.2',
  mtu: 1200,
  colour: 'red',
};

test('.sswan with its quirks: every field is told of, the report comes before anything is stored', { skip }, async () => {
  const helper = await helperWith();
  const { socket, write } = helper;
  const file = write('office.sswan', JSON.stringify(sswan));
  const password = write('password', P12_PASSWORD);
  assertRefused(await command(socket, ['import', file]), 'import-password-needed', /local\.p12/);
  const dry = await json<Results['profile.import']>(socket, ['import', file, '--password-file', password, '--dry-run']);
  assert.deepEqual(await json(socket, ['list']), { profiles: [] });
  const outcome = (field: string) =>
    dry.notes.filter((note) => note.field === field).map((note: ImportNote) => `${note.outcome} ${note.code}`);
  assert.deepEqual(outcome('name'), ['changed blanks-removed']);
  assert.deepEqual(outcome('remote.cert'), ['kept kept']);
  assert.deepEqual(outcome('remote.certreq'), ['changed written-otherwise']);
  assert.deepEqual(outcome('local.shared_secret'), ['kept kept', 'warning clear-text']);
  assert.deepEqual(outcome('ike-proposal'), ['changed proposal-translated']);
  assert.deepEqual(outcome('split-tunneling.excluded'), ['changed written-otherwise']);
  assert.deepEqual(outcome('dns-servers'), ['dropped not-supported']);
  assert.deepEqual(outcome('mtu'), ['changed nearest-taken']);
  assert.deepEqual(outcome('colour'), ['dropped unknown-field']);
  const imported = await json<Results['profile.import']>(socket, ['import', file, '--password-file', password]);
  assert.equal(imported.profile.id, sswan.uuid);
  const view = await json<ProfileView>(socket, ['show', 'Head office']);
  assert.deepEqual(
    [
      view.auth,
      view.eap?.identity,
      view.secrets,
      view.trust.certreq,
      view.trust.revocation.strict,
      view.mtu,
      view.remoteNetworks,
    ],
    ['certificate-eap', 'alice', ['password', 'key'], false, true, 1280, ['10.0.0.0/9', '192.168.0.0/24']],
  );
  const again = await json<Results['profile.import']>(socket, ['import', file, '--password-file', password]);
  assert.equal(again.replaced, true, 'the same uuid replaces');
  const kept = stored(helper);
  assert.equal(kept.names.length, 3);
  for (const secret of ['hunter2', P12_PASSWORD]) assert.equal(kept.text.includes(secret), false);
});

test('files of other programs are called by their name', { skip }, async () => {
  const { socket } = await helperWith();
  const cases = [
    ['<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "&b;">]><plist/>', /Apple configuration profile/],
    ['<VPNProfile></VPNProfile>', /Windows VPN profile/],
    ['[connection]\nid=Office\n', /NetworkManager/],
    [JSON.stringify({ ...sswan, type: 'ikev2-byod-eap' }), /health report/],
  ] as const;
  for (const [text, why] of cases) assertRefused(await command(socket, ['import', '-'], text), 'import-unsupported', why);
  assertRefused(
    await command(socket, ['import', '-'], JSON.stringify({ ...sswan, type: 'ikev2-psk' })),
    'profile-malformed',
    /type: expected ikev2-eap/,
  );
});

test('a profile is turned from key to certificate and password by hand, and its secrets with it', { skip }, async () => {
  const helper = await helperWith();
  const { socket, write } = helper;
  const psk = write('psk', 'a long pre-shared key of the office');
  assert.equal(
    (
      await command(socket, [
        'create',
        'name=Office',
        'gateway=vpn.office.test',
        'localId=alice@office.test',
        '--secret-file',
        psk,
      ])
    ).code,
    0,
  );
  const certificate = ['--certificate', write('alice.pem', alice.pem), '--certificate', write('sub.der', sub.der)];
  const key = ['--key-file', write('alice.key', encryptedKey(alice, 'kp')), '--key-password-file', write('kp', 'kp')];
  assertRefused(await command(socket, ['edit', 'Office', 'auth=certificate']), 'profile-invalid', /certificates/);
  const otherKey = ['--key-file', write('bob.key', bob.key.pkcs8Pem)];
  const mismatch = await command(socket, ['edit', 'Office', 'auth=certificate', ...certificate, ...otherKey]);
  assertRefused(mismatch, 'profile-invalid', /\(key\)/);
  const turned = await command(socket, [
    'edit',
    'Office',
    'auth=certificate',
    ...certificate,
    ...key,
    '--ca',
    write('root.pem', root.pem),
  ]);
  assert.equal(turned.code, 0, turned.stderr);
  const view = await json<ProfileView>(socket, ['show', 'Office']);
  assert.deepEqual(
    [view.auth, view.secrets, view.certificates.length, view.trust.authorities.length],
    ['certificate', ['key'], 2, 1],
  );
  assert.equal(stored(helper).names.length, 2, 'the pre-shared key is gone');
  const password = write('password', 'of alice');
  const eap = await command(socket, [
    'edit',
    'Office',
    'auth=eap',
    'eap={"identity":"alice","methods":["mschapv2"]}',
    '--password-file',
    password,
  ]);
  assert.equal(eap.code, 0, eap.stderr);
  const after = await json<ProfileView>(socket, ['show', 'Office']);
  assert.deepEqual([after.auth, after.eap?.methods, after.hasSecret], ['eap', ['mschapv2'], true]);
  const forgot = await json<Results['profile.save']>(socket, ['edit', 'Office', '--forget-password']);
  assert.equal(forgot.profile?.hasSecret, false);
});

test('another certificate of the same key keeps the key; of another one loses it, and says so', { skip }, async () => {
  const { socket, write } = await helperWith();
  const args = ['--gateway', 'vpn.office.test', '--name', 'Office'];
  assert.equal((await command(socket, ['import', write('p12', pkcs12(alice, { password: '' })), ...args])).code, 0);
  const renewed = sub.issue({ subject: 'CN=alice, O=Office', key: alice.key, serial: 77 });
  const kept = await command(socket, ['edit', 'Office', '--certificate', write('renewed.pem', renewed.pem)]);
  assert.equal(kept.code, 0, kept.stderr);
  assert.deepEqual((await json<ProfileView>(socket, ['show', 'Office'])).secrets, ['key']);
  const other = await command(socket, ['edit', 'Office', '--certificate', write('bob.pem', bob.pem)]);
  assert.match(other.stderr, /^Warning: key: the one you have does not fit the new certificate/m);
  assert.deepEqual((await json<ProfileView>(socket, ['show', 'Office'])).secrets, []);
});

test('cert show and check: the chain, the name, the key, the days; what does not hold has an exit code', { skip }, async () => {
  const { socket, write } = await helperWith();
  const ca = write('root.pem', root.pem);
  const file = write('gateway.pem', gateway.pem);
  const good = await command(socket, ['cert', 'check', file, '--ca', ca, '--expect', 'vpn.office.test', '--offline']);
  assert.equal(good.code, 0, good.stderr);
  for (const line of [
    /^The chain holds\./,
    /^Name: fits vpn\.office\.test$/m,
    /Trusted authority:\n +Subject +CN=Office Root/,
    /For +serverAuth/,
    /364 days left/,
  ])
    assert.match(good.stdout, line);
  const wrongName = await command(socket, ['--json', 'cert', 'check', file, '--ca', ca, '--expect', 'other.test', '--offline']);
  assert.equal(wrongName.code, reasons['certificate-refused'].exitCode);
  assert.equal(JSON.parse(wrongName.stdout).error.report.problems[0].code, 'wrong-name');
  const later = await json<CertificateReport>(socket, ['cert', 'show', file, '--ca', ca, '--at', '2035-01-01']);
  assert.deepEqual([later.verdict, later.problems[0]?.code], ['refused', 'expired']);
  const soon = await json<CertificateReport>(socket, [
    'cert',
    'show',
    file,
    '--ca',
    ca,
    '--at',
    new Date(Date.now() + 360 * 86_400_000).toISOString().slice(0, 10),
  ]);
  assert.equal(soon.warnings[0]?.code, 'gateway-certificate-expires');
  const stranger = authority.root({ subject: 'CN=Somebody' });
  const refused = await command(socket, ['cert', 'check', file, '--ca', write('stranger.pem', stranger.pem), '--offline']);
  assert.equal(refused.code, reasons['certificate-refused'].exitCode);
  assert.match(refused.stdout, /^Problem: .*\(untrusted\)$/m);
  assertRefused(await command(socket, ['cert', 'show', '-'], 'nothing of the kind'), 'certificate-unreadable');
  assertRefused(await command(socket, ['cert', 'show', file, '--at', 'tomorrow']), 'usage');
});

test('cert show of PKCS #12 and of a profile; cert fetch without a gateway that answers', { skip }, async () => {
  const { socket, write } = await helperWith();
  const password = write('password', P12_PASSWORD);
  const p12 = write('alice.p12', pkcs12(alice));
  assertRefused(await command(socket, ['cert', 'show', p12]), 'import-password-needed');
  const file = await json<CertificateReport>(socket, ['cert', 'show', p12, '--password-file', password]);
  assert.deepEqual([file.verdict, file.key?.fits, file.chain.length], ['unanchored', true, 3]);
  assert.match(file.chain[0]?.fingerprint ?? '', /^[0-9a-f]{64}$/);
  assert.equal(
    (await command(socket, ['import', p12, '--gateway', 'vpn.office.test', '--name', 'Office', '--password-file', password]))
      .code,
    0,
  );
  const profile = await json<CertificateReport>(socket, ['cert', 'show', 'Office']);
  assert.deepEqual([profile.verdict, profile.chain[0]?.subject], ['trusted', 'CN=alice,O=Office']);
  const own = await command(socket, ['cert', 'check', write('gateway.der', gateway.der), '--profile', 'Office', '--offline']);
  assert.equal(own.code, 0, own.stderr);
  assertRefused(await command(socket, ['cert', 'fetch']), 'usage');
  assertRefused(await command(socket, ['cert', 'show', 'nowhere']), 'profile-unknown');
  assert.equal((await command(socket, ['import', write('keyed.json', profileText({ name: 'Keyed' }))])).code, 0);
  assertRefused(await command(socket, ['cert', 'check', 'Keyed']), 'usage');
  const alone = await command(socket, ['cert', 'check', write('alone.der', gateway.der)]);
  assert.match(alone.stdout, /^Not held against any authority/);
  assertRefused({ ...alone, stdout: '' }, 'usage', /nothing to hold it against/);
});

test('the password of a file is asked for at a terminal, again when it was wrong, and not shown', { skip }, async () => {
  const { socket, write } = await helperWith();
  const it = terminal(socket, 'import', write('alice.p12', pkcs12(alice)), '--gateway', 'vpn.office.test');
  await it.says('Password of the file: ');
  it.type('mistyped\r');
  await it.says('That was not right. Password of the file: ');
  it.type(`${P12_PASSWORD}\r`);
  assert.equal(await it.ended, 0, it.said());
  assert.match(it.said(), /Imported "vpn\.office\.test"/);
  for (const typed of ['mistyped', P12_PASSWORD]) assert.equal(it.said().includes(typed), false);
});
