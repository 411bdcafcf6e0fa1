import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { type Authority, authority, type Entity } from './authority.ts';
import type { CrlSpec } from './crl.ts';
import { inFolder, openssl, writeBundle, writePem } from './files.ts';
import { answerOcsp, type OcspSpec } from './ocsp.ts';
import { startRevocationServer } from './revocationServer.ts';

const root = authority.root({ key: 'p256' });
const good = root.issue({ subject: 'CN=good' });
const bad = root.issue({ subject: 'CN=bad' });

test('openssl verify -crl_check tells revoked from good by our CRL, and refuses its wrong signature', () => {
  const crl: CrlSpec = { revoked: [{ certificate: bad, reason: 'keyCompromise' }, { serial: 7 }] };
  assert.equal(byCrl(good, crl), 'OK');
  assert.match(byCrl(bad, crl), /certificate revoked/);
  assert.match(byCrl(good, { ...crl, signature: { broken: true } }), /CRL signature failure/);
  assert.match(byCrl(good, { ...crl, nextUpdate: new Date(Date.now() - 1000) }), /CRL has expired/);
  assert.match(
    byCrl(good, { ...crl, distributionPoint: { onlyCa: true } }),
    /different CRL scope|unable to get certificate CRL/i,
  );
});

test('openssl reads delta, partitioned and indirect CRLs as they were written', () => {
  const text = (spec: CrlSpec) =>
    openssl(['crl', '-noout', '-text'], Buffer.from(root.crl(spec).pem))
      .toString()
      .replace(/\s+/g, ' ');
  assert.match(text({ deltaBase: 4, number: 5 }), /CRL Number: 5 X509v3 Delta CRL Indicator: critical 4/);
  const parts = text({
    distributionPoint: { uris: ['http://crl.test/x'], onlyUser: true, reasons: ['superseded'], indirect: true },
    revoked: [{ serial: 5, issuer: 'CN=Other', reason: 'certificateHold' }],
  });
  assert.match(parts, /Full Name: URI:http:\/\/crl.test\/x Only User Certificates Indirect CRL Only Some Reasons: Superseded/);
  assert.match(parts, /Certificate Hold .* DirName:\/?CN ?= ?Other/);
});

test('openssl ocsp tells good, revoked and unknown by our answers, signed by the authority or its delegate', () => {
  const delegate = root.issue({ subject: 'CN=Responder', eku: ['ocspSigning'], noCheck: true });
  for (const how of [{}, { by: 'name' }, { responder: delegate }, { responder: delegate, by: 'name' }] satisfies OcspSpec[]) {
    for (const status of ['good', 'revoked', 'unknown'] as const) {
      assert.match(
        byOcsp(good, root, { ...how, singles: [{ certificate: good, status }] }),
        new RegExp(`: ${status}.*verify OK`, 's'),
      );
    }
  }
  const stranger = root.issue({ subject: 'CN=Not a responder' });
  assert.match(
    byOcsp(good, root, { responder: stranger, singles: [{ certificate: good }] }),
    /Verify Failure|missing ocspsigning/i,
  );
  assert.match(byOcsp(good, root, { status: 'tryLater' }), /trylater/i);
});

test('openssl ocsp -url is answered with its nonce', async () => {
  const server = await startRevocationServer({
    answers: { '/': { kind: 'ocsp', answer: (request) => answerOcsp(root, request, { revoked: [{ certificate: bad }] }) } },
  });
  try {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-ocsp-'));
    const issuer = writePem(folder, 'root', root).certificate;
    const ask = async (entity: Entity) => {
      const { certificate } = writePem(folder, 'entity', entity);
      const run = promisify(execFile);
      const { stdout, stderr } = await run('openssl', [
        'ocsp',
        ...['-issuer', issuer, '-cert', certificate, '-CAfile', issuer, '-url', `${server.url}/`],
      ]);
      return stdout + stderr;
    };
    const words = await ask(good);
    assert.match(words, /: good.*verify OK/s);
    assert.doesNotMatch(words, /nonce/i);
    assert.match(await ask(bad), /: revoked.*verify OK/s);
    rmSync(folder, { recursive: true });
  } finally {
    await server.close();
  }
});

function byCrl(entity: Entity, spec: CrlSpec): string {
  return inFolder((folder) => {
    const { certificate } = writePem(folder, 'entity', entity);
    const crl = join(folder, 'crl.pem');
    writeFileSync(crl, root.crl(spec).pem);
    const anchors = writeBundle(join(folder, 'anchors.pem'), [root]);
    const said = words(['verify', '-crl_check', '-extended_crl', '-CAfile', anchors, '-CRLfile', crl, certificate]);
    return said.trim().endsWith(': OK') ? 'OK' : said;
  });
}

function byOcsp(entity: Entity, by: Authority, spec: OcspSpec): string {
  return inFolder((folder) => {
    const { certificate } = writePem(folder, 'entity', entity);
    const issuer = writePem(folder, 'issuer', by).certificate;
    const response = join(folder, 'response.der');
    writeFileSync(response, by.ocsp(spec));
    return words(['ocsp', '-respin', response, '-issuer', issuer, '-cert', certificate, '-CAfile', issuer]);
  });
}

/** All openssl says, whether it fails or not. */
function words(args: readonly string[]): string {
  const { stdout, stderr } = spawnSync('openssl', [...args], { encoding: 'utf8' });
  return stdout + stderr;
}
