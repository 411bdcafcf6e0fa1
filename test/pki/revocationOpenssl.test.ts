/** openssl as the independent judge of lists and answers: what it makes we read, what we ask it answers, and both see the same. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseCertificate } from '../../core/pki/certificate.ts';
import type { Certificate } from '../../core/pki/contract.ts';
import { believeCrl, consultCrl, parseCrl } from '../../core/pki/crl.ts';
import { buildOcspRequest, consultOcsp, parseOcsp } from '../../core/pki/ocsp.ts';
import { authority, type Entity } from '../authority/authority.ts';
import type { CrlSpec, RevokedSpec } from '../authority/crl.ts';
import { openssl, writePem } from '../authority/files.ts';
import type { KeyName } from '../authority/keys.ts';
import { makeOcsp, type OcspSpec } from '../authority/ocsp.ts';
import { createPrng, type Prng } from '../fuzz/mutate.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-openssl-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string) => join(folder, name);
const HOUR = 3_600_000;
const at = Date.now();

function certificate({ der }: Entity): Certificate {
  const parsed = parseCertificate(der);
  assert.ok(parsed.ok);
  return parsed.value;
}

/** openssl's database of an authority, by `openssl-ca(1)`. */
function writeIndex(revoked: readonly (readonly [Entity, string])[], valid: readonly Entity[]): void {
  const hex = ({ serial }: Entity) => Buffer.from(serial).toString('hex').toUpperCase();
  const lines = [
    ...valid.map((one) => `V\t401231235959Z\t\t${hex(one)}\tunknown\t/CN=x`),
    ...revoked.map(([one, reason]) => `R\t401231235959Z\t260101000000Z${reason}\t${hex(one)}\tunknown\t/CN=x`),
  ];
  writeFileSync(file('index.txt'), `${lines.join('\n')}\n`);
  writeFileSync(file('index.txt.attr'), 'unique_subject = no\n');
  writeFileSync(file('crlnumber'), '1F\n');
  writeFileSync(
    file('ca.cnf'),
    [
      '[ca]\ndefault_ca = office\n[office]',
      ...[`database = ${file('index.txt')}`, `crlnumber = ${file('crlnumber')}`, 'default_md = sha256', 'crl_extensions = crl'],
      '[crl]\nauthorityKeyIdentifier = keyid\n',
    ].join('\n'),
  );
}

const kinds: readonly KeyName[] = ['rsa', 'p256', 'p384', 'ed25519'];

for (const key of kinds) {
  test(`a list that openssl ca makes with ${key} says what it was told`, () => {
    const root = authority.root({ key });
    const [good, bad, held] = ['good', 'bad', 'held'].map((name) => root.issue({ subject: `CN=${name}` }));
    const files = writePem(folder, 'root', root);
    writeIndex(
      [
        [bad, ',keyCompromise'],
        [held, ',certificateHold'],
      ],
      [good],
    );
    const md = key.startsWith('ed') ? ['-md', 'null'] : [];
    openssl([
      'ca',
      '-gencrl',
      '-config',
      file('ca.cnf'),
      '-cert',
      files.certificate,
      '-keyfile',
      files.key,
      '-crldays',
      '1',
      ...md,
      '-out',
      file('crl.pem'),
    ]);
    const list = parseCrl(new Uint8Array(openssl(['crl', '-in', file('crl.pem'), '-outform', 'DER'])));
    assert.ok(list.ok, list.ok ? '' : list.error.evidence);
    assert.equal(believeCrl(list.value, certificate(root)), undefined);
    const said = [good, bad, held].map((one) => consultCrl(list.value, undefined, certificate(one), Date.now()));
    assert.deepEqual(
      said.map((one) => one.ok && [one.value.status, one.value.reason, one.value.revokedAt]),
      [
        ['good', undefined, undefined],
        ['revoked', 'keyCompromise', Date.UTC(2026, 0, 1)],
        ['revoked', 'certificateHold', Date.UTC(2026, 0, 1)],
      ],
    );
  });

  test(`openssl ocsp answers our request with ${key}, by itself and by a delegate, and we understand it`, () => {
    const root = authority.root({ key });
    const [good, bad, unheard] = ['good', 'bad', 'unheard'].map((name) => root.issue({ subject: `CN=${name}` }));
    const delegate = root.issue({ subject: 'CN=Responder', key, eku: ['ocspSigning'], noCheck: true });
    writeIndex([[bad, ',superseded']], [good]);
    const ca = writePem(folder, 'root', root);
    const nonce = new Uint8Array(32).fill(9);
    for (const signer of [ca, writePem(folder, 'delegate', delegate)]) {
      const words = [good, bad, unheard].map((one) => {
        writeFileSync(file('request'), buildOcspRequest(certificate(one), certificate(root), nonce));
        openssl([
          ...['ocsp', '-index', file('index.txt'), '-CA', ca.certificate, '-rsigner', signer.certificate, '-rkey', signer.key],
          ...['-reqin', file('request'), '-respout', file('response'), '-ndays', '1'],
        ]);
        const answer = parseOcsp(new Uint8Array(readFileSync(file('response'))));
        assert.ok(answer.ok, answer.ok ? '' : answer.error.evidence);
        assert.deepEqual(answer.value.nonce, nonce);
        const said = consultOcsp(answer.value, {
          certificate: certificate(one),
          issuer: certificate(root),
          at: Date.now(),
          nonce,
        });
        return said.ok ? `${said.value.status} ${said.value.reason ?? ''}`.trim() : said.error.evidence;
      });
      assert.deepEqual(words, ['good', 'revoked superseded', 'unknown']);
    }
  });
}

test('openssl reads our request: the certificate, the hash and the nonce', () => {
  const root = authority.root();
  const one = root.issue({ subject: 'CN=x', serial: 0x00c0ffee });
  const nonce = new Uint8Array(32).fill(0xab);
  for (const [hash, name] of [
    ['sha1', 'sha1'],
    ['sha256', 'sha256'],
  ] as const) {
    writeFileSync(file('request'), buildOcspRequest(certificate(one), certificate(root), nonce, hash));
    const text = openssl(['ocsp', '-reqin', file('request'), '-req_text']).toString();
    assert.match(text, /Serial Number: C0FFEE/);
    assert.match(text, new RegExp(`Hash Algorithm: ${name}`));
    assert.match(text, /OCSP Nonce:\s+0420ABABAB/);
  }
});

const SEED = 6960;
const LISTS = 150;
const ANSWERS = 100;

test(`openssl verify -crl_check and our reading of ${LISTS} lists agree (seed ${SEED})`, (t) => {
  const prng = createPrng(SEED);
  const root = authority.root();
  const stranger = authority.root();
  const subject = root.issue({ subject: 'CN=subject', crlUrl: 'http://crl.test/1' });
  const anchor = writePem(folder, 'anchor', root).certificate;
  const entity = writePem(folder, 'subject', subject).certificate;
  const counts: Record<string, number> = {};
  for (let i = 0; i < LISTS; i++) {
    const { name, listed, spec } = randomList(prng, subject, stranger);
    const made = root.crl(spec);
    writeFileSync(file('crl.pem'), made.pem);
    const args = ['verify', '-crl_check', '-extended_crl', '-CAfile', anchor, '-CRLfile', file('crl.pem'), entity];
    const { stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
    const theirs = /certificate revoked/.test(stderr) ? 'revoked' : stdout.trim().endsWith(': OK') ? 'good' : 'none';
    const list = parseCrl(made.der);
    const believed = list.ok && believeCrl(list.value, certificate(root)) === undefined ? list.value : undefined;
    const said = believed && consultCrl(believed, undefined, certificate(subject), at);
    const ours = said?.ok ? said.value.status : 'none';
    counts[`${ours}`] = (counts[`${ours}`] ?? 0) + 1;
    assert.equal(ours, expectedOfUs(theirs, listed, spec), `list ${i}: ${name}\n${stderr}`);
  }
  t.diagnostic(JSON.stringify(counts));
  assert.ok(Object.keys(counts).length === 3);
});

/** The differences there may be, each on purpose: see `consultCrl`. */
function expectedOfUs(theirs: 'good' | 'revoked' | 'none', listed: boolean, spec: CrlSpec): string {
  // RFC 5280 §5.1.2.5, §5.2.3: openssl takes a list without nextUpdate or number as current.
  if (theirs === 'good' && (spec.number === null || spec.nextUpdate === null)) return 'none';
  // A true word of the authority that this certificate is revoked counts, though the list is about others; openssl does not look.
  const { onlyCa, uris } = spec.distributionPoint ?? {};
  return theirs === 'none' && listed && (onlyCa || uris !== undefined) ? 'revoked' : theirs;
}

function randomList(prng: Prng, subject: Entity, stranger: Entity): { name: string; listed: boolean; spec: CrlSpec } {
  const times = prng.pick([
    ...Array.from({ length: 6 }, () => ({ name: 'current', thisUpdate: -HOUR, nextUpdate: HOUR })),
    { name: 'old', thisUpdate: -2 * HOUR, nextUpdate: -HOUR },
    { name: 'future', thisUpdate: HOUR, nextUpdate: 2 * HOUR },
    { name: 'open', thisUpdate: -HOUR, nextUpdate: null },
  ]);
  const revoked: RevokedSpec[] = Array.from({ length: prng.below(5) }, () => ({ serial: 1 + prng.below(1_000_000) }));
  const listed = prng.oneIn(3) && times.name === 'current';
  if (listed)
    revoked.splice(prng.below(revoked.length + 1), 0, { certificate: subject, ...(prng.oneIn(2) && { reason: 'superseded' }) });
  const fault = prng.pick([
    'none',
    'none',
    'none',
    'none',
    'none',
    'none',
    'none',
    'signature',
    'key',
    'name',
    'number',
    'only-ca',
    'only-user',
    'point',
    'other-point',
    'critical',
  ] as const);
  const faults: Readonly<Record<typeof fault, CrlSpec>> = {
    none: {},
    signature: { signature: { broken: true } },
    key: { signedBy: stranger.key },
    name: { issuer: 'CN=Somebody' },
    number: { number: null },
    'only-ca': { distributionPoint: { onlyCa: true } },
    'only-user': { distributionPoint: { onlyUser: true } },
    point: { distributionPoint: { uris: ['http://crl.test/1'] } },
    'other-point': { distributionPoint: { uris: ['http://crl.test/2'] } },
    critical: { extensions: [{ oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }] },
  };
  const date = (offset: number) => new Date(at + offset);
  const spec: CrlSpec = {
    thisUpdate: date(times.thisUpdate),
    nextUpdate: times.nextUpdate === null ? null : date(times.nextUpdate),
    revoked,
    ...faults[fault],
  };
  return { name: `${times.name}, ${listed ? 'listed' : 'not listed'}, ${fault}`, listed, spec };
}

test(`openssl ocsp and our reading of ${ANSWERS} answers agree (seed ${SEED})`, (t) => {
  const prng = createPrng(SEED);
  const root = authority.root();
  const subject = root.issue({ subject: 'CN=subject' });
  const other = root.issue({ subject: 'CN=other' });
  const issuer = writePem(folder, 'issuer', root).certificate;
  const entity = writePem(folder, 'entity', subject).certificate;
  const signers = {
    itself: undefined,
    delegate: root.issue({ subject: 'CN=Delegate', eku: ['ocspSigning'] }),
    'no usage': root.issue({ subject: 'CN=No usage' }),
    'any usage': root.issue({ subject: 'CN=Any usage', eku: ['any'] }),
    stranger: authority.root({ subject: 'CN=Stranger' }).issue({ subject: 'CN=Stranger', eku: ['ocspSigning'] }),
    expired: root.issue({
      subject: 'CN=Old',
      eku: ['ocspSigning'],
      notBefore: new Date(at - 9 * HOUR),
      notAfter: new Date(at - HOUR),
    }),
  };
  const counts: Record<string, number> = {};
  for (let i = 0; i < ANSWERS; i++) {
    const [signer, responder] = prng.pick(Object.entries(signers).slice(0, prng.oneIn(2) ? 2 : undefined));
    const age = prng.pick([0, 0, 0, 0, 0, 0, 0, 0, -5 * HOUR, 5 * HOUR]);
    const spec: OcspSpec = {
      by: prng.pick(['key', 'name']),
      ...(responder && { responder }),
      ...(prng.oneIn(10) && { signature: { broken: true } }),
      singles: [
        {
          certificate: prng.oneIn(10) ? other : subject,
          status: age === 0 ? prng.pick(['good', 'revoked', 'unknown'] as const) : 'good',
          hash: prng.pick(['sha1', 'sha256'] as const),
          thisUpdate: new Date(at - HOUR + age),
          nextUpdate: new Date(at + HOUR + age),
        },
      ],
    };
    const octets = makeOcsp(root, spec);
    writeFileSync(file('response'), octets);
    const hash = spec.singles?.[0].hash === 'sha256' ? ['-sha256'] : [];
    const args = ['ocsp', '-respin', file('response'), '-issuer', issuer, ...hash, '-cert', entity, '-CAfile', issuer];
    const { stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
    const status = /entity\.pem: (good|revoked|unknown)/.exec(stdout)?.[1];
    const theirs = /verify OK/.test(stderr) && !/Status times invalid/.test(stderr + stdout) ? (status ?? 'none') : 'none';
    const answer = parseOcsp(octets);
    const question = { certificate: certificate(subject), issuer: certificate(root), at, nonce: undefined };
    const said = answer.ok ? consultOcsp(answer.value, question) : answer;
    const ours = said.ok ? said.value.status : 'none';
    counts[ours] = (counts[ours] ?? 0) + 1;
    assert.equal(
      ours,
      theirs,
      `answer ${i}: by ${signer}, ${JSON.stringify(spec.singles?.[0].status)}, age ${age}\n${stdout}${stderr}`,
    );
  }
  t.diagnostic(JSON.stringify(counts));
  assert.ok(Object.keys(counts).length === 4);
});
