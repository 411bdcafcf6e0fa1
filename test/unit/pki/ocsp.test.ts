import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildOcspRequest, consultOcsp, maxOcspOctets, NONCE_OCTETS, parseOcsp } from '../../../core/pki/ocsp.ts';
import type { CertificateSpec } from '../../authority/certificate.ts';
import { explicit, implicit, nothing, octetString } from '../../authority/der.ts';
import { answerOcsp, makeOcsp, type OcspSpec, readOcspRequest, type SingleSpec } from '../../authority/ocsp.ts';
import { ago, at, certificate, gateway, office, other, root } from './revocationScene.ts';

const HOUR = 3_600_000;
const subject = certificate(gateway);
const issuer = certificate(office);
const nonce = new Uint8Array(NONCE_OCTETS).fill(7);
const mine: SingleSpec = { certificate: gateway };

/** `good`, `revoked REASON`, or the code of the fault. */
function told(spec: OcspSpec, sent: Uint8Array | 'none' = nonce): string {
  return toldBy(makeOcsp(office, { singles: [mine], ...spec }), sent);
}

function toldBy(octets: Uint8Array, sent: Uint8Array | 'none' = nonce): string {
  const answer = parseOcsp(octets);
  if (!answer.ok) return answer.error.code;
  const said = consultOcsp(answer.value, { certificate: subject, issuer, at, nonce: sent === 'none' ? undefined : sent });
  if (!said.ok) return said.error.code;
  return said.value.reason === undefined ? said.value.status : `${said.value.status} ${said.value.reason}`;
}

const delegate = (spec: Partial<CertificateSpec> = {}, by = office) =>
  by.issue({ subject: 'CN=Responder', eku: ['ocspSigning'], noCheck: true, ...spec });

test('RFC 6960 §4.1, RFC 8954 §2.1: the request names the certificate by hashes and has a nonce of 32 octets', () => {
  for (const hash of ['sha1', 'sha256'] as const) {
    const request = readOcspRequest(buildOcspRequest(subject, issuer, nonce, hash));
    assert.ok(request);
    assert.deepEqual(request.nonce, nonce);
    assert.deepEqual(
      request.asked.map(({ serial }) => serial),
      [gateway.serial],
    );
    assert.equal(toldBy(answerOcsp(office, buildOcspRequest(subject, issuer, nonce, hash))), 'good', hash);
  }
});

test('§2.2: good, revoked with its reason, unknown; by name and by key, with either hash', () => {
  for (const by of ['key', 'name'] as const) {
    for (const hash of ['sha1', 'sha256', 'sha384'] as const) {
      const single = { ...mine, hash };
      assert.equal(told({ by, singles: [single] }), 'good');
      assert.equal(told({ by, singles: [{ ...single, status: 'revoked', reason: 'keyCompromise' }] }), 'revoked keyCompromise');
      assert.equal(told({ by, singles: [{ ...single, status: 'unknown' }] }), 'unknown');
    }
  }
});

test('§3.2: an answer about another serial, name or key is none', () => {
  assert.equal(told({ singles: [] }), 'no-answer');
  assert.equal(told({ singles: [{ certificate: other }] }), 'no-answer');
  assert.equal(told({ singles: [{ ...mine, issuer: root }] }), 'no-answer');
  const sameName = root.authority({ subject: office.subject });
  assert.equal(told({ singles: [{ ...mine, issuer: sameName }] }), 'no-answer', 'same name, another key');
  assert.equal(
    told({ singles: [{ ...mine, issuer: { ...office, subject: root.subject } }] }),
    'no-answer',
    'same key, another name',
  );
  assert.equal(told({ singles: [{ certificate: other, status: 'revoked' }, mine] }), 'good');
  assert.equal(told({ singles: [mine, { ...mine, status: 'revoked' }] }), 'revoked', 'of two words the worse one');
});

test('§4.2.2.2: the authority and its designated delegates may sign, nobody else', () => {
  const by = (responder: ReturnType<typeof delegate>, more: OcspSpec = {}) => told({ responder, ...more });
  assert.equal(by(delegate()), 'good');
  assert.equal(by(delegate(), { by: 'name' }), 'good');
  assert.equal(by(delegate({ eku: undefined })), 'not-authorized', 'no EKU');
  assert.equal(by(delegate({ eku: ['any'] })), 'not-authorized', 'anyExtendedKeyUsage designates nobody');
  assert.equal(by(delegate({ eku: ['serverAuth'] })), 'not-authorized');
  assert.equal(by(delegate({}, root)), 'not-authorized', 'designated by the authority above');
  assert.equal(by(delegate({ issuer: office.subject }, root)), 'bad-signature', 'pretends to be designated');
  assert.equal(by(delegate({ keyUsage: ['keyAgreement'] })), 'not-authorized');
  assert.equal(by(delegate({ notAfter: ago(HOUR), notBefore: ago(2 * HOUR) })), 'not-authorized');
  assert.equal(by(delegate({ notBefore: ago(-HOUR) })), 'not-authorized');
  assert.equal(by(delegate({ extensions: [{ oid: '1.2.3.4', critical: true, value: nothing() }] })), 'not-authorized');
  assert.equal(by(delegate({ signature: { hash: 'sha1' } })), 'weak-signature');
  assert.equal(by(delegate(), { certificates: [] }), 'not-authorized', 'whose certificate is not sent');
  assert.equal(by(delegate(), { certificates: [other, delegate(), gateway] }), 'not-authorized');
  assert.equal(by(gateway), 'not-authorized', 'the certificate itself');
  const below = office.authority({ subject: 'CN=Below' });
  assert.equal(by(below), 'not-authorized', 'an authority below is not its delegate');
});

test('a signature by another key, a broken one and one with SHA-1 are not believed', () => {
  assert.equal(told({ signedBy: root.key }), 'bad-signature');
  assert.equal(told({ signature: { broken: true } }), 'bad-signature');
  assert.equal(told({ signature: { hash: 'sha1' } }), 'weak-signature');
  assert.equal(told({ responder: delegate(), signedBy: office.key }), 'bad-signature');
  assert.equal(
    told({ signedBy: root.key, singles: [{ ...mine, status: 'revoked' }] }),
    'bad-signature',
    'also when it says revoked',
  );
});

test('§4.4.1: a nonce that is not ours is refused; none, and one nobody asked for, is taken', () => {
  assert.equal(told({ nonce }), 'good');
  assert.equal(told({ nonce: new Uint8Array(NONCE_OCTETS) }), 'nonce');
  assert.equal(told({ nonce: nonce.subarray(1) }), 'nonce');
  assert.equal(told({}), 'good');
  assert.equal(told({ nonce: new Uint8Array(16) }, 'none'), 'good');
  assert.equal(
    told({ extensions: [{ oid: '1.3.6.1.5.5.7.48.1.2', critical: true, value: octetString(nonce) }] }),
    'good',
    'critical',
  );
  assert.equal(told({ extensions: [{ oid: '1.3.6.1.5.5.7.48.1.2', value: nonce }] }), 'good', 'without its OCTET STRING');
  assert.equal(told({ nonce: new Uint8Array(0) }), 'malformed');
  assert.equal(told({ nonce: new Uint8Array(129) }, 'none'), 'malformed');
});

test('§4.2.2.1: only a current answer says good, but an old one still says revoked', () => {
  const single = (spec: SingleSpec): OcspSpec => ({ singles: [{ ...mine, ...spec }] });
  const old = { thisUpdate: ago(48 * HOUR), nextUpdate: ago(24 * HOUR) };
  assert.equal(told(single(old)), 'stale');
  assert.equal(told(single({ ...old, status: 'revoked' })), 'revoked');
  assert.equal(told(single({ thisUpdate: ago(-HOUR), nextUpdate: ago(-2 * HOUR) })), 'not-yet-valid');
  assert.equal(told({ producedAt: ago(-HOUR) }), 'not-yet-valid');
  assert.equal(told(single({ thisUpdate: ago(-60_000) })), 'good', 'clocks differ by a minute');
  assert.equal(told(single({ thisUpdate: ago(1000), nextUpdate: null })), 'good');
  assert.equal(told(single({ thisUpdate: ago(2 * HOUR), nextUpdate: null })), 'stale', 'newer is always to be had');
});

test('§2.3: an answer that is a refusal says why', () => {
  for (const [status, word] of [
    ['tryLater', 'try later'],
    ['unauthorized', 'may not answer'],
    ['internalError', 'internal error'],
    ['malformedRequest', 'malformed'],
    ['sigRequired', 'signed'],
  ] as const) {
    const answer = parseOcsp(makeOcsp(office, { status }));
    assert.ok(!answer.ok && answer.error.code === 'refused' && answer.error.evidence.includes(word), status);
  }
});

test('a critical extension that is not known, of the answer or the statement, spoils it', () => {
  const strange = { oid: '1.2.3.4', critical: true, value: nothing() };
  assert.equal(told({ extensions: [strange] }), 'unknown-critical-extension');
  assert.equal(told({ singles: [{ ...mine, extensions: [strange] }] }), 'unknown-critical-extension');
  assert.equal(told({ extensions: [{ ...strange, critical: false }] }), 'good');
});

test('octets that are no answer are malformed, whatever they are cut to, and too many are not read', () => {
  const der = makeOcsp(office, { singles: [mine], responder: delegate(), nonce });
  for (let length = 0; length < der.length; length++) {
    const answer = parseOcsp(der.subarray(0, length));
    assert.ok(!answer.ok && answer.error.code === 'malformed');
  }
  assert.equal(told({ version: 1 }), 'good', 'the default spelt out');
  assert.equal(told({ version: 2 }), 'malformed');
  assert.equal(told({ responseType: '1.2.3' }), 'malformed');
  assert.equal(told({ responderId: implicit(3, nonce) }), 'malformed');
  assert.equal(told({ responderId: explicit(2, nothing()) }), 'malformed');
  assert.equal(told({ certificates: Array.from({ length: 9 }, () => other) }), 'malformed');
  assert.equal(told({ singles: Array.from({ length: 65 }, () => mine) }), 'malformed');
  assert.equal(toldBy(gateway.der), 'malformed');
  assert.equal(toldBy(new Uint8Array(maxOcspOctets + 1)), 'too-large');
});

test('a delegate that its authority does not exempt from being checked is marked', () => {
  const marked = (responder: ReturnType<typeof delegate> | undefined) => {
    const answer = parseOcsp(makeOcsp(office, { singles: [mine], ...(responder && { responder }) }));
    assert.ok(answer.ok);
    const said = consultOcsp(answer.value, { certificate: subject, issuer, at, nonce });
    return said.ok && said.value.delegateUnchecked;
  };
  assert.equal(marked(undefined), false);
  assert.equal(marked(delegate()), false);
  assert.equal(marked(delegate({ noCheck: false })), true);
});
