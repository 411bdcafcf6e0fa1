/** What goes wrong with credentials on the command line: told by the name of the file, with what to do, by an exit code. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { CertificateReport } from '../../core/rpc/contract.ts';
import { reasons } from '../../core/tunnel/reasons.ts';
import { alice, encryptedKey, root, sub } from '../unit/profile/credentials.ts';
import { assertRefused, command } from './command.ts';
import { type FakeHelper, startFakeHelper } from './fakeHelper.ts';

// The client refuses a helper that is not root's.
const skip = process.getuid?.() === 0 ? false : 'needs root: the client trusts a socket of root only';

const helpers: FakeHelper[] = [];
after(async () => {
  for (const helper of helpers) await helper.close();
});

async function scene() {
  const helper = await startFakeHelper();
  helpers.push(helper);
  const run = (...args: string[]) => command(helper.socket, args);
  const write = (name: string, content: string | Uint8Array) => {
    const file = join(helper.folder, name);
    writeFileSync(file, content);
    return file;
  };
  return { run, write };
}

test('of several files the one that is wrong is named by its name', { skip }, async () => {
  const { run, write } = await scene();
  const certificate = write('alice.pem', alice.pem);
  const broken = write('broken.key', alice.key.pkcs8Pem.replace(/\n../, '\n!!'));
  assertRefused(await run('import', certificate, broken, '--gateway', 'x.test'), 'profile-malformed', /broken\.key: PEM: /);
  assertRefused(await run('import', certificate, write('a.txt', 'x')), 'profile-malformed', /a\.txt: several files make/);
});

test('what is typed wrong is no matter of versions, and what is no profile is no file either', { skip }, async () => {
  const { run, write } = await scene();
  const file = write('alice.pem', alice.pem);
  assertRefused(await run('cert', 'show', 'alice.pme'), 'profile-unknown', /nor is there a file "alice\.pme"/);
  assertRefused(await run('cert', 'fetch', 'a b'), 'usage', /gateway: expected a host name or an address/);
  assertRefused(await run('cert', 'show', file, '--expect', 'a b@'), 'usage', /expect: a name, an address/);
  for (const day of ['2027-02-30', '2027-13-01', '27-01-01']) {
    assertRefused(await run('cert', 'show', file, '--at', day), 'usage', /--at: expected a day/);
  }
  assert.equal((await run('cert', 'show', file, '--at', '2028-02-29')).code, 0);
  const create = ['create', 'name=E', 'gateway=x.test', 'auth=eap', 'trust={"what":1}'];
  assertRefused(await run(...create), 'usage', /trust\.what: no such field/);
});

test('an encrypted key and a key that is missing say which option gives them', { skip }, async () => {
  const { run, write } = await scene();
  const key = write('alice.key', encryptedKey(alice, 'geheim'));
  const fields = ['create', 'name=C', 'gateway=x.test', 'auth=certificate', '--certificate', write('alice.pem', alice.pem)];
  const ca = ['--ca', write('ca.pem', root.pem)];
  const locked = await run(...fields, ...ca, '--key-file', key);
  assert.equal(locked.code, reasons['profile-invalid'].exitCode);
  assert.match(locked.stderr, /^key: the private key is encrypted; `--key-password-file` gives its password$/m);
  assert.equal((await run(...fields, ...ca, '--key-file', write('plain.key', alice.key.pkcs8Pem))).code, 0);
  assert.equal((await run('edit', 'C', '--forget-key')).code, 0);
  assert.match((await run('show', 'C')).stdout, /^Stored +no private key: .*--key-file FILE` adds it$/m);
});

test('a user’s certificate that is over is one’s own, and days are counted as people count them', { skip }, async () => {
  const { run, write } = await scene();
  const ago = (hours: number) => new Date(Date.now() - hours * 3_600_000);
  const over = async (hours: number) => {
    const old = sub.issue({ subject: 'CN=old', eku: ['clientAuth'], notBefore: ago(1000), notAfter: ago(hours) });
    const file = write('old.pem', old.pem);
    const report: CertificateReport = JSON.parse((await run('--json', 'cert', 'show', file)).stdout);
    assert.equal(report.warnings[0]?.code, 'client-certificate-expires');
    return /^ {2}Valid .*, (.*)$/m.exec((await run('cert', 'show', file)).stdout)?.[1];
  };
  assert.equal(await over(1), 'over for less than a day');
  assert.equal(await over(30), 'over for 1 day');
  assert.equal(await over(50), 'over for 2 days');
});

test('a key that is too weak is told in words', { skip }, async () => {
  const { run, write } = await scene();
  const weak = write('weak.pem', root.issue({ subject: 'CN=weak', key: 'rsa1024' }).pem);
  const said = await run('cert', 'check', weak, '--ca', write('ca.pem', root.pem), '--offline');
  assert.equal(said.code, reasons['certificate-refused'].exitCode);
  assert.match(said.stdout, /^Problem: .*CN=weak: its key is too short; RSA of 2048 to 8192 bits is taken \(weak-key\)$/m);
});

test('an empty list of certificates is told what it should be; a key that stays is called a key', { skip }, async () => {
  const { run, write } = await scene();
  const file = (auth: object) =>
    write(
      'own.json',
      JSON.stringify({ sallyport: 1, name: 'Own', gateway: 'x.test', auth, gatewayAuth: { authorities: root.pem } }),
    );
  const auth = { method: 'certificate', certificate: alice.pem, key: alice.key.pkcs8Pem };
  const empty = await run('import', file({ ...auth, certificate: [] }));
  assertRefused(empty, 'profile-malformed', /auth\.certificate: expected 1 to 100 texts, each PEM text of a certificate/);
  assert.equal((await run('import', file(auth))).code, 0);
  const again = await run('import', file({ ...auth, key: undefined }));
  assert.match(again.stderr, /^Note: auth\.key: not given: the one you have stays$/m);
  assert.doesNotMatch(again.stderr, /auth\.secret/);
});

test('a chain in reverse is judged by its end, not by its root', { skip }, async () => {
  const { run, write } = await scene();
  const day = (days: number) => new Date(Date.now() + days * 86_400_000);
  const old = sub.issue({ subject: 'CN=old', notBefore: day(-30), notAfter: day(-3) });
  const file = write('reverse.pem', root.pem + sub.pem + old.pem);
  const said = await run('cert', 'check', file, '--ca', write('ca.pem', root.pem), '--offline');
  assert.equal(said.code, reasons['certificate-refused'].exitCode, said.stdout);
  assert.match(said.stdout, /^Problem: .*CN=old: .*\(expired\)$/m);
});

test('more files than are taken are told before anything is sent', { skip }, async () => {
  const { run, write } = await scene();
  const many = new Array<string>(17).fill(write('ca.pem', root.pem));
  assertRefused(await run('import', ...many, '--gateway', 'x.test'), 'usage', /at most 16 files at once/);
});
