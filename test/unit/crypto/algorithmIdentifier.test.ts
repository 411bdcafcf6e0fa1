import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { toHex } from '../../../core/bytes/bytes.ts';
import { derContext, derElement, derInteger, derNull, derOid, derSequence } from '../../../core/bytes/derWriter.ts';
import { encodeSignatureAlgorithm, readSignatureAlgorithm } from '../../../core/crypto/algorithmIdentifier.ts';
import type { SignatureAlgorithm } from '../../../core/crypto/signatureTypes.ts';
import { hex } from './support.ts';

/** RFC 7427 Appendix A. */
const appendixA: readonly (readonly [string, string, SignatureAlgorithm])[] = [
  ['A.1.1', '300d06092a864886f70d0101050500', { kind: 'rsa-pkcs1', hash: 'sha1' }],
  ['A.1.2', '300d06092a864886f70d01010b0500', { kind: 'rsa-pkcs1', hash: 'sha256' }],
  ['A.1.3', '300d06092a864886f70d01010c0500', { kind: 'rsa-pkcs1', hash: 'sha384' }],
  ['A.1.4', '300d06092a864886f70d01010d0500', { kind: 'rsa-pkcs1', hash: 'sha512' }],
  ['A.3.1', '300906072a8648ce3d0401', { kind: 'ecdsa', hash: 'sha1', format: 'der' }],
  ['A.3.2', '300a06082a8648ce3d040302', { kind: 'ecdsa', hash: 'sha256', format: 'der' }],
  ['A.3.3', '300a06082a8648ce3d040303', { kind: 'ecdsa', hash: 'sha384', format: 'der' }],
  ['A.3.4', '300a06082a8648ce3d040304', { kind: 'ecdsa', hash: 'sha512', format: 'der' }],
  ['A.4.1', '300d06092a864886f70d01010a3000', { kind: 'rsa-pss', hash: 'sha1', saltLength: 20 }],
  // RFC 8420 Appendix A
  ['Ed25519', '300506032b6570', { kind: 'ed25519' }],
  ['Ed448', '300506032b6571', { kind: 'ed448' }],
];

/** With defaults spelt out: the appendix is not normative, and RFC 4055 §3.1 forbids writing them. */
const readOnly: readonly (readonly [string, string, SignatureAlgorithm])[] = [
  [
    'A.4.2',
    '303e06092a864886f70d01010a3031a00b300906052b0e03021a0500a118301606092a864886f70d010108300906052b0e03021a0500a203020114a303020101',
    { kind: 'rsa-pss', hash: 'sha1', saltLength: 20 },
  ],
  [
    'A.4.3',
    '304606092a864886f70d01010a3039a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120a303020101',
    { kind: 'rsa-pss', hash: 'sha256', saltLength: 32 },
  ],
];

for (const [clause, octets, algorithm] of [...appendixA, ...readOnly]) {
  test(`RFC 7427 ${clause}: ${algorithm.kind} is read`, () => {
    assert.deepEqual(readSignatureAlgorithm(hex(octets)), algorithm);
  });
}

for (const [clause, octets, algorithm] of appendixA) {
  test(`RFC 7427 ${clause}: ${algorithm.kind} is written with the same octets`, () => {
    assert.equal(toHex(encodeSignatureAlgorithm(algorithm)), octets);
  });
}

test('RFC 4055 §3.1: the trailer is left out when PSS is written', () => {
  // OpenSSL 3: openssl req -x509 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sha256
  const octets =
    '304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120';
  assert.equal(toHex(encodeSignatureAlgorithm({ kind: 'rsa-pss', hash: 'sha256', saltLength: 32 })), octets);
});

test('every algorithm survives writing and reading', () => {
  const hash = fc.constantFrom('sha1' as const, 'sha256' as const, 'sha384' as const, 'sha512' as const);
  const pss = fc.record({ kind: fc.constant('rsa-pss' as const), hash, saltLength: fc.nat(2048) }, { noNullPrototype: true });
  fc.assert(
    fc.property(pss, (algorithm) => assert.deepEqual(readSignatureAlgorithm(encodeSignatureAlgorithm(algorithm)), algorithm)),
  );
});

const sha256 = derSequence(derOid('2.16.840.1.101.3.4.2.1'), derNull());
const sha512 = derSequence(derOid('2.16.840.1.101.3.4.2.3'), derNull());
const mgf1 = (hash: Uint8Array): Uint8Array => derSequence(derOid('1.2.840.113549.1.1.8'), hash);
const pssWith = (...fields: Uint8Array[]): Uint8Array => derSequence(derOid('1.2.840.113549.1.1.10'), derSequence(...fields));
const rsa = derOid('1.2.840.113549.1.1.11');

test('RFC 4055 §5: absent parameters of RSA are taken', () => {
  assert.deepEqual(readSignatureAlgorithm(derSequence(rsa)), { kind: 'rsa-pkcs1', hash: 'sha256' });
});

test('RFC 4055 §2.1: hash identifiers without NULL are taken', () => {
  const bare = derSequence(derOid('2.16.840.1.101.3.4.2.1'));
  const read = readSignatureAlgorithm(pssWith(derContext(0, bare), derContext(1, mgf1(bare)), derContext(2, derInteger(32))));
  assert.deepEqual(read, { kind: 'rsa-pss', hash: 'sha256', saltLength: 32 });
});

const refused: Readonly<Record<string, Uint8Array>> = {
  'nothing at all': new Uint8Array(0),
  'an octet more': hex('300506032b657000'),
  'a length in too many octets': hex('30810506032b6570'),
  'parameters of Ed25519': hex('300706032b65700500'),
  'NULL with ECDSA': hex('300c06082a8648ce3d0403020500'),
  'RSA with parameters other than NULL': derSequence(rsa, derSequence()),
  'two parameters': derSequence(rsa, derNull(), derNull()),
  'MD5 with RSA': derSequence(derOid('1.2.840.113549.1.1.4'), derNull()),
  'SHA-224 with RSA': derSequence(derOid('1.2.840.113549.1.1.14'), derNull()),
  DSA: derSequence(derOid('2.16.840.1.101.3.4.3.2')),
  'PSS without parameters': derSequence(derOid('1.2.840.113549.1.1.10')),
  'PSS with NULL': derSequence(derOid('1.2.840.113549.1.1.10'), derNull()),
  'PSS: MGF1 with another hash': pssWith(derContext(0, sha256), derContext(1, mgf1(sha512))),
  'PSS: MGF1 with the default hash': pssWith(derContext(0, sha256)),
  'PSS: another mask function': pssWith(derContext(0, sha256), derContext(1, derSequence(derOid('1.2.3'), sha256))),
  'PSS: a negative salt': pssWith(derContext(0, sha256), derContext(1, mgf1(sha256)), derContext(2, derInteger(-1))),
  'PSS: a salt of 2^31-1': pssWith(derContext(0, sha256), derContext(1, mgf1(sha256)), derContext(2, derInteger(0x7fff_ffff))),
  'PSS: a salt of 2^64': pssWith(derContext(0, sha256), derContext(1, mgf1(sha256)), derContext(2, derInteger(1n << 64n))),
  'PSS: another trailer': pssWith(derContext(0, sha256), derContext(1, mgf1(sha256)), derContext(3, derInteger(2))),
  'PSS: fields out of order': pssWith(derContext(1, mgf1(sha256)), derContext(0, sha256)),
  'PSS: a field twice': pssWith(derContext(0, sha256), derContext(0, sha256), derContext(1, mgf1(sha256))),
  'PSS: an unknown field': pssWith(derContext(0, sha256), derContext(1, mgf1(sha256)), derContext(4, derInteger(1))),
  'PSS: an empty field': pssWith(derContext(0), derContext(1, mgf1(sha256))),
  'more octets than an AUTH payload can say': derSequence(rsa, derElement(0x04, new Uint8Array(300))),
};

for (const [what, octets] of Object.entries(refused)) {
  test(`is refused: ${what}`, () => assert.equal(readSignatureAlgorithm(octets), undefined));
}

test('any octets are answered without a throw', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (octets) => void readSignatureAlgorithm(octets)));
  const whole = hex(readOnly[1][1]);
  for (let at = 0; at < whole.length; at++) {
    for (const value of [0, 1, 0x30, 0x7f, 0x80, 0xff]) {
      const changed = whole.slice();
      changed[at] = value;
      readSignatureAlgorithm(changed);
    }
  }
});
