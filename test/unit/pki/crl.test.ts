import assert from 'node:assert/strict';
import { test } from 'node:test';
import { believeCrl, type Crl, consultCrl, deltaFault, maxCrlOctets, parseCrl } from '../../../core/pki/crl.ts';
import { authority } from '../../authority/authority.ts';
import { type CrlSpec, invalidityDate, makeCrl, manyRevoked } from '../../authority/crl.ts';
import { integer, nothing, octetString, oid, sequence, tlv } from '../../authority/der.ts';
import { ago, at, CRL_URL, certificate, gateway, office, other, root } from './revocationScene.ts';

const subject = certificate(gateway);
const issuer = certificate(office);
const HOUR = 3_600_000;

/** `good`, `revoked REASON`, or the code of the fault. */
function told(spec: CrlSpec, by = office, about = subject): string {
  const list = parseCrl(makeCrl(by, spec).der);
  if (!list.ok) return list.error.code;
  const fault = believeCrl(list.value, issuer);
  if (fault !== undefined) return fault.code;
  const said = consultCrl(list.value, undefined, about, at);
  if (!said.ok) return said.error.code;
  return said.value.reason === undefined ? said.value.status : `${said.value.status} ${said.value.reason}`;
}

function read(spec: CrlSpec): Crl {
  const list = parseCrl(makeCrl(office, spec).der);
  assert.ok(list.ok);
  return list.value;
}

const mine = { certificate: gateway } as const;

test('RFC 5280 §5: a list tells the revoked with the reason, and the others as good', () => {
  assert.equal(told({}), 'good');
  assert.equal(told({ revoked: [{ certificate: other }] }), 'good');
  assert.equal(told({ revoked: [{ certificate: other }, mine] }), 'revoked');
  assert.equal(
    told({ revoked: [{ ...mine, reason: 'keyCompromise', extensions: [invalidityDate(ago(HOUR))] }] }),
    'revoked keyCompromise',
  );
  assert.equal(told({ revoked: [{ ...mine, reason: 'certificateHold' }] }), 'revoked certificateHold');
});

test('the date of the revocation and those of the list come with it', () => {
  const when = new Date('2026-01-02T03:04:05Z');
  const list = read({ revoked: [{ ...mine, at: when }], thisUpdate: when, nextUpdate: new Date('2051-01-01T00:00:00Z') });
  const said = consultCrl(list, undefined, subject, at);
  assert.deepEqual(said, {
    ok: true,
    value: { status: 'revoked', producedAt: when.getTime(), nextUpdate: Date.UTC(2051, 0, 1), revokedAt: when.getTime() },
  });
});

test('an entry without a date is malformed; one with an impossible date is revoked since the list', () => {
  const dated = (text: string) => tlv(0x17, new TextEncoder().encode(text));
  const list = read({ revoked: [{ ...mine, at: dated('269901000000Z') }], thisUpdate: new Date('2026-01-02T03:04:05Z') });
  const said = consultCrl(list, undefined, subject, at);
  assert.equal(said.ok && said.value.revokedAt, Date.UTC(2026, 0, 2, 3, 4, 5));
  for (const entry of [integer(5), dated('260101000000'), dated('26010100000000'), nothing()])
    assert.equal(told({ revoked: [{ certificate: other, at: entry }] }), 'malformed');
});

test('§6.3.3 (f): a list by another name, another key, or a key that may not sign lists is not believed', () => {
  assert.equal(told({}, root), 'wrong-issuer');
  assert.equal(told({ issuer: 'CN=office ca,O=OFFICE' }), 'good', 'names are compared by §7.1');
  assert.equal(told({ signedBy: root.key }), 'bad-signature');
  assert.equal(told({ signature: { broken: true } }), 'bad-signature');
  assert.equal(told({ signature: { hash: 'sha1' } }), 'weak-signature');
  const mute = certificate(root.authority({ subject: 'CN=Office CA,O=Office', key: office.key, keyUsage: ['keyCertSign'] }));
  assert.equal(believeCrl(read({}), mute)?.code, 'not-authorized');
  const unmarked = certificate(root.authority({ subject: 'CN=Office CA,O=Office', key: office.key, keyUsage: null }));
  assert.equal(believeCrl(read({}), unmarked), undefined);
});

test('§5.1.2.4, §5.1.2.5: only a current list says good, but an old one still says revoked', () => {
  const old: CrlSpec = { thisUpdate: ago(48 * HOUR), nextUpdate: ago(24 * HOUR) };
  assert.equal(told(old), 'stale');
  assert.equal(told({ ...old, revoked: [mine] }), 'revoked');
  assert.equal(told({ thisUpdate: ago(-HOUR), nextUpdate: ago(-2 * HOUR) }), 'not-yet-valid');
  assert.equal(told({ thisUpdate: ago(-60_000) }), 'good', 'clocks differ by a minute');
  assert.equal(told({ nextUpdate: ago(60_000) }), 'good');
  assert.equal(told({ nextUpdate: null }), 'stale');
});

test('§5.2.3: a list has a number, which is not critical', () => {
  assert.equal(told({ number: null }), 'malformed');
  assert.equal(told({ number: null, revoked: [mine] }), 'revoked');
  assert.equal(told({ extensions: [{ oid: '2.5.29.20', critical: true, value: integer(1) }] }), 'malformed');
  assert.equal(told({ version: 1 }), 'malformed', 'version 1 has none');
});

test('§5.2, §5.3: a critical extension that is not known spoils the whole list', () => {
  const strange = { oid: '1.2.3.4', critical: true, value: nothing() };
  assert.equal(told({ extensions: [strange] }), 'unknown-critical-extension');
  assert.equal(told({ extensions: [{ ...strange, critical: false }] }), 'good');
  assert.equal(told({ revoked: [{ certificate: other, extensions: [strange] }, mine] }), 'unknown-critical-extension');
});

test('§5.2.5: a list is good for what it is about only', () => {
  assert.equal(told({ distributionPoint: { onlyUser: true } }), 'good');
  assert.equal(told({ distributionPoint: { onlyCa: true } }), 'scope');
  assert.equal(told({ distributionPoint: { onlyAttribute: true } }), 'scope');
  assert.equal(told({ distributionPoint: { reasons: ['keyCompromise'] } }), 'scope');
  assert.equal(told({ distributionPoint: { reasons: ['keyCompromise'] }, revoked: [mine] }), 'revoked');
  assert.equal(told({ distributionPoint: { uris: [CRL_URL] } }), 'good');
  assert.equal(told({ distributionPoint: { uris: ['http://crl.office.test/part2.crl'] } }), 'scope');
  const authorityBelow = certificate(office.authority({ subject: 'CN=Below' }));
  assert.equal(told({ distributionPoint: { onlyUser: true } }, office, authorityBelow), 'scope');
  assert.equal(told({ distributionPoint: { onlyCa: true } }, office, authorityBelow), 'good');
});

test('indirect lists are refused by name, however they show', () => {
  assert.equal(told({ distributionPoint: { indirect: true } }), 'indirect');
  assert.equal(told({ revoked: [{ certificate: other, issuer: 'CN=Somebody' }] }), 'indirect');
});

test('§5.2.4: a delta is newer than its base, on it, and of the same scope', () => {
  const base = read({ number: 5 });
  assert.equal(deltaFault(base, read({ number: 6, deltaBase: 5 }), at), undefined);
  assert.equal(deltaFault(base, read({ number: 300, deltaBase: 2 }), at), undefined);
  for (const delta of [
    { number: 7, deltaBase: 6 },
    { number: 5, deltaBase: 4 },
    { number: 6 },
    { number: 6, deltaBase: 5, distributionPoint: { onlyUser: true } },
    { number: 6, deltaBase: 5, nextUpdate: null },
  ] satisfies CrlSpec[]) {
    assert.equal(deltaFault(base, read(delta), at)?.code, 'delta', JSON.stringify(delta));
  }
  assert.equal(deltaFault(base, read({ number: 6, deltaBase: 5, nextUpdate: ago(HOUR / 2) }), at)?.code, 'stale');
  assert.equal(told({ number: 6, deltaBase: 5 }), 'delta', 'a delta alone says nothing');
});

test('a delta revokes what its base does not, and takes a hold back', () => {
  const delta = (spec: CrlSpec) => read({ number: 6, deltaBase: 5, ...spec });
  const status = (base: CrlSpec, over: CrlSpec) => {
    const said = consultCrl(read({ number: 5, ...base }), delta(over), subject, at);
    return said.ok ? said.value.status : said.error.code;
  };
  const held: CrlSpec = { revoked: [{ ...mine, reason: 'certificateHold' }] };
  assert.equal(status({}, { revoked: [mine] }), 'revoked');
  assert.equal(status(held, {}), 'revoked');
  assert.equal(status(held, { revoked: [{ ...mine, reason: 'removeFromCRL' }] }), 'good');
});

test('a serial is compared as the octets it is: nothing is cut, nothing is added', () => {
  const sister = (serial: Uint8Array) => certificate(office.issue({ subject: 'CN=x', serial }));
  const list = read({ revoked: [{ serial: Uint8Array.of(0x00, 0x80, 0x01) }] });
  const status = (serial: Uint8Array) => {
    const said = consultCrl(list, undefined, sister(serial), at);
    return said.ok && said.value.status;
  };
  assert.equal(status(Uint8Array.of(0x00, 0x80, 0x01)), 'revoked');
  assert.equal(status(Uint8Array.of(0x00, 0x80, 0x01, 0x00)), 'good');
  assert.equal(status(Uint8Array.of(0x00, 0x80)), 'good');
  assert.equal(status(Uint8Array.of(0x80, 0x01)), 'good');
});

test('octets that are no list are malformed, whatever they are cut to', () => {
  const { der } = makeCrl(office, { revoked: [mine] });
  for (let length = 0; length < der.length; length++) {
    const list = parseCrl(der.subarray(0, length));
    assert.ok(!list.ok && list.error.code === 'malformed');
  }
  for (const spec of [
    { extensions: [{ oid: '2.5.29.28', critical: true, value: octetString(new Uint8Array(3)) }] },
    { extensions: [{ oid: '2.5.29.46', value: nothing() }] },
    { innerAlgorithm: nothing() },
    { innerAlgorithm: sequence(oid('1.3.101.112')) },
    { version: 3 },
    { version: 1, extensions: [{ oid: '2.5.29.20', value: integer(1) }] },
  ] satisfies CrlSpec[]) {
    assert.equal(told(spec), 'malformed');
  }
  assert.equal(parseCrl(gateway.der).ok, false);
});

test('a list of 200,000 entries is read and searched in seconds; one of more than 10 MB is refused unread', (t) => {
  const big = makeCrl(office, { revoked: [...manyRevoked(200_000), mine] });
  const started = performance.now();
  const list = parseCrl(big.der);
  assert.ok(list.ok);
  assert.equal(list.value.entries, 200_001);
  const said = consultCrl(list.value, undefined, subject, at);
  const took = performance.now() - started;
  t.diagnostic(`${big.der.length} octets in ${took.toFixed(0)} ms`);
  assert.ok(said.ok && said.value.status === 'revoked');
  assert.ok(took < 5000, `${took} ms`);
  const refused = parseCrl(new Uint8Array(maxCrlOctets + 1));
  assert.ok(!refused.ok && refused.error.code === 'too-large');
});

test('every key kind signs lists', () => {
  for (const key of ['rsa', 'p384', 'p521', 'ed25519', 'ed448'] as const) {
    const ca = authority.root({ subject: 'CN=Kinds', key });
    const list = parseCrl(makeCrl(ca).der);
    assert.ok(list.ok && believeCrl(list.value, certificate(ca)) === undefined, key);
  }
});
