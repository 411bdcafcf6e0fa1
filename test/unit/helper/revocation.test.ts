import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createRevocationCheck, limitChecks } from '../../../core/helper/revocation.ts';
import { openRevocationCache, type RevocationCache } from '../../../core/helper/revocationCache.ts';
import { createRevocationFetch } from '../../../core/helper/revocationFetch.ts';
import { parseCertificate } from '../../../core/pki/certificate.ts';
import type { RevocationPolicy } from '../../../core/pki/revocation.ts';
import { type Authority, authority, type Entity } from '../../authority/authority.ts';
import { answerOcsp } from '../../authority/ocsp.ts';
import { type RevocationServer, startRevocationServer } from '../../authority/revocationServer.ts';

let server: RevocationServer;
let folder = '';
let root: Authority;
let gateway: Entity;

before(async () => {
  server = await startRevocationServer();
  folder = mkdtempSync(join(tmpdir(), 'sallyport-revocation-'));
  root = authority.root();
  gateway = root.issue({ subject: 'CN=vpn.office.test', crlUrl: `${server.url}/office.crl`, ocspUrl: `${server.url}/ocsp` });
});
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

let caches = 0;
const newCache = () => {
  caches += 1;
  return openRevocationCache({ directory: join(folder, String(caches)), now: Date.now, log: () => undefined });
};
const soft: RevocationPolicy = { crl: true, ocsp: true, strict: false };

interface Limits {
  /** Of all together; of each fetch. What is there must be got on a machine that stands still for a moment, too. */
  readonly within?: number;
  readonly each?: number;
}

async function check(
  policy: RevocationPolicy,
  cache: RevocationCache = newCache(),
  { within = 30_000, each = 20_000 }: Limits = {},
) {
  const path = [gateway, root].map(({ der }) => {
    const parsed = parseCertificate(der);
    assert.ok(parsed.ok);
    return parsed.value;
  });
  const fetch = createRevocationFetch({ reach: () => 'public', connectWithin: each, within: each });
  const before_ = server.requests.length;
  const run = createRevocationCheck({ fetch, cache, now: Date.now, within });
  const { verdicts, fault } = await run({ path, ocsp: [], policy, signal: new AbortController().signal });
  const asked = server.requests.slice(before_).map((request) => request.path);
  return { word: `${verdicts[0].status} by ${verdicts[0].source}`, fault: fault?.code, asked, evidence: verdicts[0].evidence };
}

function serve(revoked: boolean): void {
  const list = revoked ? [{ certificate: gateway }] : [];
  server.set('/office.crl', { kind: 'octets', body: root.crl({ revoked: list }).der });
  server.set('/ocsp', { kind: 'ocsp', answer: (request) => answerOcsp(root, request, { revoked: list }) });
}

test('over HTTP: good by OCSP, then from the cache without asking anybody', async () => {
  serve(false);
  const cache = newCache();
  assert.deepEqual((await check(soft, cache)).asked, ['/ocsp']);
  const second = await check({ ...soft, strict: true }, cache);
  assert.equal(second.word, 'good by cache');
  assert.deepEqual(second.asked, []);
});

test('over HTTP: good by CRL, then from the cache', async () => {
  serve(false);
  const cache = newCache();
  assert.equal((await check({ ...soft, ocsp: false }, cache)).word, 'good by crl');
  assert.deepEqual((await check({ ...soft, ocsp: false }, cache)).asked, []);
});

test('over HTTP: revoked by either', async () => {
  serve(true);
  assert.deepEqual((await check(soft)).fault, 'revoked');
  const byList = await check({ ...soft, ocsp: false });
  assert.deepEqual([byList.word, byList.fault], ['revoked by crl', 'revoked']);
});

test('SECURITY.md 7: responders that misbehave cost a bounded time, and are unknown: soft goes on, strict does not', async () => {
  for (const answer of [
    { kind: 'never-ends' },
    { kind: 'silent' },
    { kind: 'huge', octets: 100 << 20, announced: false },
    { kind: 'redirect', location: 'file:///etc/passwd' },
    { kind: 'redirect', location: 'https://127.0.0.1/' },
    { kind: 'octets', body: new TextEncoder().encode('<html>') },
    { kind: 'reset' },
  ] as const) {
    server.set('/ocsp', answer);
    server.set('/office.crl', answer);
    const started = performance.now();
    const softly = await check(soft, newCache(), { each: 300 });
    assert.equal(softly.word, 'unknown by none', answer.kind);
    assert.equal(softly.fault, undefined);
    assert.match(softly.evidence, /^OCSP http:.*; CRL http:[^\n]*$/);
    assert.equal((await check({ ...soft, strict: true }, newCache(), { each: 300 })).fault, 'revocation-unknown', answer.kind);
    assert.ok(performance.now() - started < 6000, answer.kind);
  }
});

test('all fetches together have one limit in time', async () => {
  server.set('/ocsp', { kind: 'silent' });
  const { word, evidence, asked } = await check(soft, newCache(), { within: 300 });
  assert.equal(word, 'unknown by none');
  assert.deepEqual(asked.slice(1), []);
  assert.match(evidence, /taken too long/);
});

test('a bounded number of checks at once: the next one hears that it was not checked, and later ones are', async () => {
  const path = [gateway, root].map(({ der }) => {
    const parsed = parseCertificate(der);
    return parsed.ok ? parsed.value : assert.fail(parsed.error.evidence);
  });
  const open: (() => void)[] = [];
  const limited = limitChecks(() => new Promise((resolve) => open.push(() => resolve({ verdicts: [], fault: undefined }))), 2);
  const ask = (policy = soft) => limited({ path, ocsp: [], policy, signal: new AbortController().signal });
  const first = [ask(), ask()];
  const { verdicts, fault } = await ask();
  assert.deepEqual([verdicts.map(({ status }) => status), fault, open.length], [['not-checked'], undefined, 2]);
  assert.equal((await ask({ ...soft, strict: true })).fault?.code, 'revocation-unknown');
  for (const finish of open) finish();
  await Promise.all(first);
  void ask();
  assert.equal(open.length, 3);
});
