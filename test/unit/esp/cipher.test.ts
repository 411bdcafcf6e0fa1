import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../../core/bytes/bytes.ts';
import type { EspBackend } from '../../../core/crypto/espCipher.ts';
import { nobleEspBackend as nobleBackend } from '../../../core/crypto/noble/esp.ts';
import { nodeEspBackend } from '../../../core/crypto/node/esp.ts';
import { allSuites, keysFor, octets, suiteName, suiteOf } from './suites.ts';
import { cbcVectors, chachaVectors, gcmVectors, type Vector } from './vectors.ts';

const backends: readonly EspBackend[] = [nodeEspBackend, nobleBackend];

test('the table gives every suite the product offers: 9 GCM, ChaCha20-Poly1305, 3 CBC with 4 HMACs, each without and with ESN', () => {
  assert.equal(allSuites.length, 2 * (9 + 1 + 3 * 4));
});

for (const backend of backends) {
  test(`${backend.name}: GCM test cases for ESP of draft-mcgrew-gcm-test-01`, () => {
    assert.equal(gcmVectors.length, 14);
    for (const vector of gcmVectors) check(backend, vector);
  });
  test(`${backend.name}: RFC 7634 appendix A`, () => {
    for (const vector of chachaVectors) check(backend, vector);
  });
  test(`${backend.name}: tunnel-mode packets of RFC 3602 §4, which have no ICV`, () => {
    for (const vector of cbcVectors) check(backend, vector);
  });
}

test('both implementations write the same octets for every suite, and open what the other sealed', () => {
  for (const suite of allSuites) {
    const name = suiteName(suite);
    const keys = keysFor(suite);
    const node = cipherOf(nodeEspBackend, suite, keys);
    const noble = cipherOf(nobleBackend, suite, keys);
    for (const units of [1, 2, 5, 23]) {
      const length = units * node.alignment;
      const plain = octets(8 + node.ivBytes + length, units + 3);
      const a = room(plain, node.icvBytes);
      const b = room(plain, node.icvBytes);
      node.seal(a, 5, length, 0x01020304);
      noble.seal(b, 5, length, 0x01020304);
      assert.equal(toHex(a), toHex(b), name);
      assert.ok(node.open(b, 5, length, 0x01020304), name);
      assert.ok(noble.open(a, 5, length, 0x01020304), name);
      assert.equal(toHex(a.subarray(5, 5 + plain.length)), toHex(plain), name);
      assert.equal(toHex(b.subarray(5, 5 + plain.length)), toHex(plain), name);
    }
  }
});

test('one wrong bit anywhere in the packet, and with ESN in the high half, fails every suite and leaves the buffer as it was', () => {
  for (const suite of allSuites) {
    const cipher = cipherOf(nodeEspBackend, suite, keysFor(suite));
    const length = 2 * cipher.alignment;
    const sealed = room(octets(8 + cipher.ivBytes + length, 9), cipher.icvBytes);
    cipher.seal(sealed, 5, length, 1);
    const end = 5 + 8 + cipher.ivBytes + length + cipher.icvBytes;
    for (let at = 5; at < end; at++) {
      const forged = sealed.slice();
      forged[at] ^= 1 << (at & 7);
      const before = toHex(forged);
      assert.equal(cipher.open(forged, 5, length, 1), false, `${suiteName(suite)} octet ${at - 5}`);
      assert.equal(toHex(forged), before);
    }
    const copy = sealed.slice();
    assert.equal(cipher.open(copy, 5, length, 2), !suite.esn, `${suiteName(suite)}: the high half counts exactly with ESN`);
  }
});

test('keys of a wrong length and impossible pairs get no cipher', () => {
  const gcm = suiteOf('aes128gcm16');
  const keys = keysFor(gcm);
  assert.equal(nodeEspBackend.cipher(gcm, { ...keys, encryption: keys.encryption.slice(1) }), undefined);
  assert.equal(nodeEspBackend.cipher(gcm, { ...keys, integrity: new Uint8Array(1) }), undefined);
  assert.equal(nodeEspBackend.cipher({ ...gcm, integ: suiteOf('aes128-sha256').integ }, keys), undefined);
  const cbc = suiteOf('aes128-sha256');
  assert.equal(nodeEspBackend.cipher({ ...cbc, integ: undefined }, keysFor(cbc)), undefined);
  assert.equal(nodeEspBackend.cipher({ ...gcm, encr: { ...gcm.encr, id: 3 } }, keys), undefined);
});

test('the cipher keeps its own copy of the keys', () => {
  const suite = suiteOf('aes256-sha512');
  const keys = keysFor(suite);
  const cipher = cipherOf(nodeEspBackend, suite, keys);
  const expected = cipherOf(nodeEspBackend, suite, keysFor(suite));
  keys.encryption.fill(0);
  keys.integrity.fill(0);
  const a = room(octets(8 + 16 + 16, 1), 32);
  const b = a.slice();
  cipher.seal(a, 5, 16, 0);
  expected.seal(b, 5, 16, 0);
  assert.equal(toHex(a), toHex(b));
});

type Cipher = NonNullable<ReturnType<EspBackend['cipher']>>;

function cipherOf(backend: EspBackend, ...args: Parameters<EspBackend['cipher']>): Cipher {
  const cipher = backend.cipher(...args);
  assert.ok(cipher, suiteName(args[0]));
  return cipher;
}

/** The octets at offset 5 of a buffer with room behind, so that wrong offsets show. */
function room(plain: Uint8Array, icvBytes: number): Uint8Array {
  const buffer = new Uint8Array(5 + plain.length + icvBytes + 3);
  buffer.set(plain, 5);
  return buffer;
}

function check(backend: EspBackend, vector: Vector): void {
  const suite = suiteOf(vector.suite);
  const keys = { encryption: bytes(vector.key), integrity: octets(suite.integ?.keyBytes ?? 0, 1) };
  const cipher = cipherOf(backend, suite, keys);
  const plain = bytes(vector.head + vector.plain);
  const length = bytes(vector.plain).length;
  const buffer = room(plain, cipher.icvBytes);
  cipher.seal(buffer, 5, length, vector.seqHigh);
  const expected = toHex(bytes(vector.head + vector.cipher + (vector.icv ?? '')));
  assert.equal(toHex(buffer.subarray(5, 5 + expected.length / 2)), expected);
  assert.ok(cipher.open(buffer, 5, length, vector.seqHigh));
  assert.equal(toHex(buffer.subarray(5, 5 + plain.length)), toHex(plain));
}

function bytes(hex: string): Uint8Array {
  const out = fromHex(hex);
  assert.ok(out);
  return out;
}
