import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  certificatePayloads,
  certificateRequests,
  readCertificates,
  requestedAuthorities,
} from '../../../../core/ike/auth/certificates.ts';
import type { Payload } from '../../../../core/ike/wire/message.ts';

const cert = (encoding: number, octets: number): Payload => ({
  kind: 'CERT',
  encoding,
  data: new Uint8Array(octets).fill(encoding),
});
const many = (count: number, encoding: number, octets: number) => Array.from({ length: count }, () => cert(encoding, octets));

test('certificates in their order, OCSP answers apart, all else ignored', () => {
  // 1: PKCS #7, 7: CRL, 12 and 13: hash and URL.
  const read = readCertificates([cert(4, 3), cert(12, 40), cert(14, 5), cert(13, 40), cert(1, 9), cert(7, 9), cert(4, 2)]);
  assert.ok(read.ok);
  assert.deepEqual(
    read.value.certificates.map(({ length }) => length),
    [3, 2],
  );
  assert.deepEqual(
    read.value.ocsp.map(({ length }) => length),
    [5],
  );
});

test('what is too much is refused, by number and by size, ignored encodings included', () => {
  assert.ok(readCertificates(many(32, 4, 10)).ok);
  assert.ok(!readCertificates(many(33, 4, 10)).ok);
  assert.ok(readCertificates(many(8, 14, 10)).ok);
  assert.ok(!readCertificates(many(9, 14, 10)).ok);
  assert.ok(readCertificates(many(2, 4, 65_536)).ok);
  assert.ok(!readCertificates([...many(2, 4, 65_536), cert(4, 1)]).ok);
  assert.ok(!readCertificates(many(200, 12, 60_000)).ok, '12 MB of what nobody asked for');
});

test('what is kept is a copy', () => {
  const data = Uint8Array.of(1, 2, 3);
  const read = readCertificates([{ kind: 'CERT', encoding: 4, data }]);
  data.fill(9);
  assert.ok(read.ok);
  assert.deepEqual([...read.value.certificates[0]], [1, 2, 3]);
});

test('RFC 7296 §3.6, §3.7: one certificate per payload, all hashes in one request; OCSP apart (RFC 4806 §4.1)', () => {
  const [a, b] = [new Uint8Array(20).fill(1), new Uint8Array(20).fill(2)];
  assert.deepEqual(certificatePayloads([a, b]), [
    { kind: 'CERT', encoding: 4, data: a },
    { kind: 'CERT', encoding: 4, data: b },
  ]);
  assert.deepEqual(certificateRequests([], false), []);
  const [request, ocsp, ...more] = certificateRequests([a, b], true);
  assert.deepEqual(more, []);
  assert.deepEqual(ocsp, { kind: 'CERTREQ', encoding: 14, data: new Uint8Array(0) });
  assert.ok(request);
  assert.deepEqual(requestedAuthorities([request, ocsp]), [a, b]);
});

test('hashes of a request: half a one is none, and there is an end', () => {
  assert.deepEqual(requestedAuthorities([{ kind: 'CERTREQ', encoding: 4, data: new Uint8Array(39) }]).length, 1);
  assert.deepEqual(requestedAuthorities([{ kind: 'CERTREQ', encoding: 4, data: new Uint8Array(19) }]), []);
  assert.deepEqual(requestedAuthorities([{ kind: 'CERTREQ', encoding: 12, data: new Uint8Array(20) }]), []);
  assert.equal(requestedAuthorities([{ kind: 'CERTREQ', encoding: 4, data: new Uint8Array(60_000) }]).length, 1024);
});
