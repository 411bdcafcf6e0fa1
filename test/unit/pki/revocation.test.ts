import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RevocationPolicy } from '../../../core/pki/revocation.ts';
import { answerOcsp, type OcspSpec } from '../../authority/ocsp.ts';
import { ago, CRL_URL, certificate, gateway, OCSP_URL, office, path, root, run, SUB_CRL_URL } from './revocationScene.ts';

const HOUR = 3_600_000;
const soft: RevocationPolicy = { crl: true, ocsp: true, strict: false };
const strict: RevocationPolicy = { ...soft, strict: true };
const responder =
  (spec: OcspSpec = {}) =>
  (body: Uint8Array | undefined) =>
    answerOcsp(office, body ?? new Uint8Array(0), spec);
const revoking = responder({ singles: [{ certificate: gateway, status: 'revoked', reason: 'keyCompromise' }] });

const rootList = root.crl().der;
const officeList = office.crl().der;
const revokedList = office.crl({ revoked: [{ certificate: gateway, reason: 'superseded' }] }).der;
const all = { [SUB_CRL_URL]: rootList, [CRL_URL]: officeList, [OCSP_URL]: responder() };

const words = ({ verdicts }: ReturnType<typeof run>) => verdicts.map(({ status, source }) => `${status} by ${source}`);

test('the authority is asked about before those below it, OCSP before the list', () => {
  const outcome = run({}, { answers: all });
  assert.deepEqual(outcome.asked, [SUB_CRL_URL, OCSP_URL]);
  assert.deepEqual(words(outcome), ['good by ocsp', 'good by crl']);
  assert.equal(outcome.fault, undefined);
  assert.deepEqual(
    outcome.verdicts.map(({ subject }) => subject),
    ['CN=vpn.office.test', 'CN=Office CA,O=Office'],
  );
});

test('revoked is a fault in soft mode too, and names certificate and reason', () => {
  const byList = run({ policy: { ...soft, ocsp: false } }, { answers: { ...all, [CRL_URL]: revokedList } });
  assert.equal(byList.fault?.code, 'revoked');
  assert.match(byList.fault?.evidence ?? '', /vpn\.office\.test.*superseded.*http:\/\/crl\.office\.test\/office\.crl/);
  assert.deepEqual(words(byList), ['revoked by crl', 'good by crl']);
  const byAnswer = run({}, { answers: { ...all, [OCSP_URL]: revoking } });
  assert.equal(byAnswer.fault?.code, 'revoked');
  assert.equal(byAnswer.verdicts[0].reason, 'keyCompromise');
});

test('when an authority is revoked nobody below it is asked about', () => {
  const outcome = run({}, { answers: { ...all, [SUB_CRL_URL]: root.crl({ revoked: [{ certificate: office }] }).der } });
  assert.equal(outcome.fault?.code, 'revoked');
  assert.match(outcome.fault?.evidence ?? '', /Office CA/);
  assert.deepEqual(outcome.asked, [SUB_CRL_URL]);
  assert.deepEqual(words(outcome), ['not-checked by none', 'revoked by crl']);
});

test('nothing to be had: unknown in soft mode, a fault in strict', () => {
  const softly = run({}, {});
  assert.deepEqual(words(softly), ['unknown by none', 'unknown by none']);
  assert.equal(softly.fault, undefined);
  assert.match(softly.verdicts[0].evidence, /OCSP http:\/\/ocsp\.office\.test\/: timed out; CRL .*: timed out/);
  const strictly = run({ policy: strict }, { answers: { [SUB_CRL_URL]: rootList } });
  assert.equal(strictly.fault?.code, 'revocation-unknown');
  assert.match(strictly.fault?.evidence ?? '', /vpn\.office\.test/);
  assert.equal(run({ policy: strict }, { answers: all }).fault, undefined);
});

test('a certificate that does not say where to ask is unknown', () => {
  const plain = [office.issue({ subject: 'CN=plain' }), office, root].map(certificate);
  const outcome = run({ path: plain, policy: strict }, { answers: all });
  assert.equal(outcome.fault?.code, 'revocation-unknown');
  assert.match(outcome.fault?.evidence ?? '', /does not say where to ask/);
});

test('what is switched off is not asked, and an anchor alone is nobody to ask about', () => {
  const off = { ...soft, crl: false, ocsp: false };
  for (const policy of [off, { ...off, strict: true }]) {
    const outcome = run({ policy });
    assert.deepEqual(outcome.asked, []);
    assert.deepEqual(words(outcome), ['not-checked by none', 'not-checked by none']);
    assert.equal(outcome.fault?.code, policy.strict ? 'revocation-unknown' : undefined);
    assert.equal(run({ path: path.slice(0, 1), policy }).fault, undefined);
  }
  assert.deepEqual(run({ policy: { ...soft, ocsp: false } }, { answers: all }).asked, [SUB_CRL_URL, CRL_URL]);
  assert.deepEqual(run({ policy: { ...soft, crl: false } }, { answers: all }).asked, [OCSP_URL]);
  assert.deepEqual(run({ path: path.slice(0, 1), policy: strict }).verdicts, []);
});

test('an answer that cannot be believed leads on to the list', () => {
  for (const spec of [
    { signature: { broken: true } },
    { status: 'tryLater' },
    { nonce: new Uint8Array(32) },
  ] satisfies OcspSpec[]) {
    const outcome = run({}, { answers: { ...all, [OCSP_URL]: office.ocsp({ singles: [{ certificate: gateway }], ...spec }) } });
    assert.deepEqual(words(outcome), ['good by crl', 'good by crl']);
    assert.match(outcome.verdicts[0].evidence, /OCSP .*; CRL .*: good/);
  }
  const unknown = run(
    {},
    { answers: { ...all, [OCSP_URL]: responder({ singles: [{ certificate: gateway, status: 'unknown' }] }) } },
  );
  assert.deepEqual(words(unknown), ['good by crl', 'good by crl']);
  assert.deepEqual(
    unknown.keeps.map(({ key }) => key.slice(0, 4)),
    ['crl ', 'crl '],
    'that somebody does not know is not worth keeping',
  );
});

test('RFC 4806: an answer sent along in IKE spares asking, and is checked as any other', () => {
  const good = office.ocsp({ singles: [{ certificate: gateway }] });
  const sent = (...ocsp: Uint8Array[]) => run({ inBand: { ocsp, crls: [] } }, { answers: all });
  const outcome = sent(good);
  assert.deepEqual(words(outcome), ['good by ocsp-in-band', 'good by crl']);
  assert.deepEqual(outcome.asked, [SUB_CRL_URL]);
  assert.equal(sent(office.ocsp({ singles: [{ certificate: gateway, status: 'revoked' }] })).fault?.code, 'revoked');
  assert.deepEqual(words(sent(office.ocsp({ singles: [{ certificate: gateway }], signature: { broken: true } }))), [
    'good by ocsp',
    'good by crl',
  ]);
  const old = { thisUpdate: ago(9 * HOUR), nextUpdate: ago(8 * HOUR) };
  assert.deepEqual(words(sent(office.ocsp({ singles: [{ certificate: gateway, ...old }] }))), ['good by ocsp', 'good by crl']);
});

test('lists at hand are used for the certificates of their issuer', () => {
  const outcome = run({ inBand: { ocsp: [], crls: [rootList, revokedList] } });
  assert.equal(outcome.fault?.code, 'revoked');
  assert.deepEqual(words(outcome), ['revoked by crl', 'good by crl']);
  assert.deepEqual(outcome.asked, []);
});

test('what was fetched and is current is kept until its nextUpdate, and is used when it is recalled', () => {
  const until = new Date(Math.floor(Date.now() / 1000) * 1000 + 3 * HOUR);
  const list = office.crl({ nextUpdate: until }).der;
  const answer = responder({ singles: [{ certificate: gateway, nextUpdate: until }] });
  const first = run({}, { answers: { ...all, [OCSP_URL]: answer } });
  assert.deepEqual(first.keeps.map(({ until: end }) => end)[1], until.getTime());
  const second = run({}, { kept: new Map(first.keeps.map(({ key, octets }) => [key, octets])) });
  assert.deepEqual(words(second), ['good by cache', 'good by cache']);
  assert.deepEqual(second.asked, []);
  const listed = run({ policy: { ...soft, ocsp: false } }, { answers: { ...all, [CRL_URL]: list } });
  assert.deepEqual(
    listed.keeps.map(({ key }) => key),
    [`crl ${SUB_CRL_URL}`, `crl ${CRL_URL}`],
  );
});

test('what cannot be believed is not kept, and what was kept is checked again', () => {
  const stale = { thisUpdate: ago(9 * HOUR), nextUpdate: ago(8 * HOUR) };
  const none = run({}, { answers: { [CRL_URL]: office.crl(stale).der, [SUB_CRL_URL]: office.crl().der, [OCSP_URL]: rootList } });
  assert.deepEqual(none.keeps, []);
  const kept = new Map([
    [`crl ${CRL_URL}`, office.crl({ signature: { broken: true } }).der],
    [`crl ${SUB_CRL_URL}`, new Uint8Array(12)],
  ]);
  const outcome = run({ policy: { ...soft, ocsp: false } }, { kept, answers: all });
  assert.deepEqual(words(outcome), ['good by crl', 'good by crl']);
});

test('RFC 5280 §5.2.6: a list that points to its delta is not the last word', () => {
  const DELTA = 'http://crl.office.test/delta.crl';
  const base = office.crl({ number: 5, freshest: [{ uris: [DELTA] }] }).der;
  const policy = { ...soft, ocsp: false };
  const with_ = (delta: Uint8Array | string) => run({ policy }, { answers: { ...all, [CRL_URL]: base, [DELTA]: delta } });
  const revoked = with_(office.crl({ number: 6, deltaBase: 5, revoked: [{ certificate: gateway }] }).der);
  assert.equal(revoked.fault?.code, 'revoked');
  assert.deepEqual(revoked.asked, [SUB_CRL_URL, CRL_URL, DELTA]);
  const good = with_(office.crl({ number: 6, deltaBase: 5 }).der);
  assert.equal(good.verdicts[0].status, 'good');
  const late = with_(office.crl({ number: 8, deltaBase: 7 }).der);
  assert.equal(late.verdicts[0].status, 'good', 'the base is current, so it holds');
  assert.match(late.verdicts[0].evidence, /delta CRL .*later base/);
  assert.match(with_('timed out').verdicts[0].evidence, /delta CRL .*timed out/);
  const hold = office.crl({
    number: 5,
    freshest: [{ uris: [DELTA] }],
    revoked: [{ certificate: gateway, reason: 'certificateHold' }],
  }).der;
  const released = office.crl({ number: 6, deltaBase: 5, revoked: [{ certificate: gateway, reason: 'removeFromCRL' }] }).der;
  assert.equal(run({ policy }, { answers: { ...all, [CRL_URL]: hold, [DELTA]: released } }).verdicts[0].status, 'good');
  assert.equal(run({ policy }, { answers: { ...all, [CRL_URL]: hold } }).fault?.code, 'revoked');
});

test('however many addresses certificates have, only so many are fetched, and no list twice', () => {
  const urls = (host: string) => Array.from({ length: 40 }, (_, i) => `http://${host}.test/${i}`);
  let issuer = root;
  const chain = [root];
  for (let i = 0; i < 9; i++) {
    issuer = issuer.authority({ subject: `CN=Level ${i}`, crlUrl: urls(`crl${i}`), ocspUrl: urls(`ocsp${i}`) });
    chain.unshift(issuer);
  }
  const outcome = run({ path: chain.map(certificate) });
  assert.equal(outcome.asked.length, 8);
  const shared = office.issue({ subject: 'CN=shared', crlUrl: [SUB_CRL_URL] });
  const twice = run({ path: [shared, office, root].map(certificate) }, {});
  assert.deepEqual(twice.asked, [SUB_CRL_URL]);
});

test('strict wants a responder that nobody has to check again; soft takes it', () => {
  const spec: OcspSpec = { responder: office.issue({ subject: 'CN=Responder', eku: ['ocspSigning'] }) };
  const answers = { [SUB_CRL_URL]: rootList, [OCSP_URL]: responder(spec) };
  assert.deepEqual(words(run({}, { answers })), ['good by ocsp', 'good by crl']);
  const outcome = run({ policy: strict }, { answers });
  assert.equal(outcome.fault?.code, 'revocation-unknown');
  assert.match(outcome.fault?.evidence ?? '', /nocheck/);
  assert.deepEqual(words(run({ policy: strict }, { answers: { ...answers, [CRL_URL]: officeList } })), [
    'good by crl',
    'good by crl',
  ]);
});

test('evidence is one printable line, whatever a certificate is called and wherever it points', () => {
  const odd = office.issue({ subject: 'CN=a\u0007b\nc', crlUrl: ['http://x.test/\u0001', `http://x.test/${'y'.repeat(900)}`] });
  const outcome = run({ path: [odd, office, root].map(certificate), policy: strict }, { answers: { [SUB_CRL_URL]: rootList } });
  for (const text of [outcome.fault?.evidence ?? '', ...outcome.verdicts.flatMap((one) => [one.evidence, one.subject])]) {
    assert.match(text, /^[^\p{C}]*$/u);
    assert.ok(text.length < 2000);
  }
});

test('RFC 5280 §6.3.3: a distribution point for some reasons says revoked, but not good', () => {
  const partly = office.issue({ subject: 'CN=partly', crlUrl: [{ uris: [CRL_URL], reasons: ['keyCompromise'] }] });
  const check = (list: Uint8Array) =>
    run({ path: [partly, office, root].map(certificate), policy: strict }, { answers: { ...all, [CRL_URL]: list } });
  assert.match(check(officeList).fault?.evidence ?? '', /for some reasons only/);
  assert.equal(check(office.crl({ revoked: [{ certificate: partly }] }).der).fault?.code, 'revoked');
});

test('a list made by another authority is not fetched, and that is said', () => {
  const foreign = office.issue({ subject: 'CN=foreign', crlUrl: [{ uris: ['http://other.test/'], issuer: 'CN=Other' }] });
  const outcome = run({ path: [foreign, office, root].map(certificate), policy: strict }, { answers: all });
  assert.match(outcome.fault?.evidence ?? '', /indirect/);
  assert.deepEqual(outcome.asked, [SUB_CRL_URL]);
});

test('a list that is published as PEM is read', () => {
  const pem = (revoked: boolean) =>
    new TextEncoder().encode(office.crl({ revoked: revoked ? [{ certificate: gateway }] : [] }).pem);
  const check = (list: Uint8Array) => run({ policy: { ...soft, ocsp: false } }, { answers: { ...all, [CRL_URL]: list } });
  assert.deepEqual(words(check(pem(false))), ['good by crl', 'good by crl']);
  assert.equal(check(pem(true)).fault?.code, 'revoked');
  assert.equal(check(new TextEncoder().encode('-----BEGIN X509 CRL-----\nAAAA')).verdicts[0].status, 'unknown');
});
