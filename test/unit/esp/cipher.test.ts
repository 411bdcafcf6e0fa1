import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { equalBytes, fromHex, toHex } from '../../../core/bytes/bytes.ts';
import type { EspBackend, EspCipher, EspSuite } from '../../../core/crypto/espCipher.ts';
import { nodeEspBackend } from '../../../core/crypto/node/esp.ts';
import { contenders } from './contenders.ts';
import { allSuites, keysFor, octets, suiteName, suiteOf } from './suites.ts';
import { cbcVectors, chachaVectors, gcmVectors, type Vector } from './vectors.ts';

const ipsecMbSuites = allSuites.filter(({ encr }) => encr.aead);

test('the table gives every suite the product offers: 9 GCM, ChaCha20-Poly1305, 3 CBC with 4 HMACs, each without and with ESN', () => {
  assert.equal(allSuites.length, 2 * (9 + 1 + 3 * 4));
});

for (const { name, backend } of contenders) {
  const skip = typeof backend === 'string' ? backend : false;
  const given = (): EspBackend => (typeof backend === 'string' ? assert.fail(backend) : backend);
  const suites = name.startsWith('ipsec-mb') ? ipsecMbSuites : allSuites;

  test(`${name}: has ${suites.length} of ${allSuites.length} suites`, { skip }, () => {
    const has = allSuites.filter((suite) => given().cipher(suite, keysFor(suite)) !== undefined);
    assert.deepEqual(has.map(suiteName), suites.map(suiteName));
  });

  test(`${name}: GCM for ESP of draft-mcgrew-gcm-test-01, RFC 7634 appendix A, RFC 3602 §4 (which has no ICVs)`, { skip }, () => {
    assert.equal(gcmVectors.length, 14);
    for (const vector of [...gcmVectors, ...chachaVectors, ...cbcVectors]) {
      if (suites.some(({ encr }) => vector.suite.startsWith(encr.keyword))) checkVector(given(), vector);
    }
  });

  test(`${name}: writes what node:crypto writes and opens it, every suite, random sizes and places`, { skip }, () => {
    const random = numbers(name.length);
    for (const suite of suites) {
      const cipher = cipherOf(given(), suite);
      const judge = cipherOf(nodeEspBackend, suite);
      const step = suite.integ === undefined ? 1 : cipher.alignment;
      for (const most of [0, 1, 40, 40, 200, 200, 1500, 1500, 9000]) {
        const length = step * Math.floor(random(most + 1) / step);
        sameAsJudge(cipher, judge, { at: random(64), length, seqHigh: random(2 ** 32) }, suiteName(suite));
      }
      cipher.destroy();
      judge.destroy();
    }
  });

  test(`${name}: places 0 to 63 in a buffer, lengths 0 to 160`, { skip }, () => {
    for (const text of ['aes256gcm16', 'aes128gcm8-esn', 'chacha20poly1305', 'aes256-sha512']) {
      const suite = suiteOf(text);
      if (!suites.some((one) => suiteName(one) === text)) continue;
      const cipher = cipherOf(given(), suite);
      const judge = cipherOf(nodeEspBackend, suite);
      for (let at = 0; at < 64; at++) sameAsJudge(cipher, judge, { at, length: 16 * (at % 7), seqHigh: at }, text);
      const step = suite.integ === undefined ? 1 : 16;
      for (let length = 0; length <= 160; length += step) sameAsJudge(cipher, judge, { at: 3, length, seqHigh: 7 }, text);
    }
  });

  test(`${name}: one wrong bit anywhere, and with ESN in the high half, fails and leaves the buffer as it was`, { skip }, () => {
    for (const suite of suites) {
      const cipher = cipherOf(given(), suite);
      const length = 2 * cipher.alignment;
      const sealed = room(octets(8 + cipher.ivBytes + length, 9), 5, cipher.icvBytes);
      cipher.seal(sealed, 5, length, 1);
      const end = 5 + 8 + cipher.ivBytes + length + cipher.icvBytes;
      for (let at = 5; at < end; at++) refused(cipher, sealed, { flip: at, at: 5, length }, suiteName(suite));
      const copy = sealed.slice();
      assert.equal(cipher.open(copy, 5, length, 2), !suite.esn, `${suiteName(suite)}: the high half counts exactly with ESN`);
    }
  });

  test(`${name}: a long packet with one wrong bit in each octet of the ICV in turn`, { skip }, () => {
    for (const suite of suites) {
      const cipher = cipherOf(given(), suite);
      const sealed = room(octets(8 + cipher.ivBytes + 1408, 9), 2, cipher.icvBytes);
      cipher.seal(sealed, 2, 1408, 1);
      const icv = 2 + 8 + cipher.ivBytes + 1408;
      for (let i = 0; i < cipher.icvBytes; i++) refused(cipher, sealed, { flip: icv + i, at: 2, length: 1408 }, suiteName(suite));
      assert.ok(cipher.open(sealed, 2, 1408, 1), `${suiteName(suite)}: a good one after the bad`);
    }
  });

  test(`${name}: keys of a wrong length and impossible pairs get no cipher`, { skip }, () => {
    for (const suite of suites) {
      const keys = keysFor(suite);
      assert.equal(given().cipher(suite, { ...keys, encryption: keys.encryption.slice(1) }), undefined);
      assert.equal(given().cipher(suite, { ...keys, encryption: new Uint8Array(0) }), undefined);
      assert.equal(given().cipher(suite, { ...keys, integrity: new Uint8Array(1) }), undefined);
      assert.equal(given().cipher({ ...suite, encr: { ...suite.encr, id: 3 } }, keys), undefined);
    }
    const gcm = suiteOf('aes128gcm16');
    const cbc = suiteOf('aes128-sha256');
    assert.equal(given().cipher({ ...gcm, integ: cbc.integ }, keysFor(gcm)), undefined);
    assert.equal(given().cipher({ ...cbc, integ: undefined }, keysFor(cbc)), undefined);
  });

  test(`${name}: the cipher keeps its own copy of the keys, and works no more without it`, { skip }, () => {
    for (const suite of suites) {
      const keys = keysFor(suite);
      const cipher = given().cipher(suite, keys);
      assert.ok(cipher);
      const expected = cipherOf(given(), suite);
      keys.encryption.fill(0);
      keys.integrity.fill(0);
      const a = room(octets(8 + cipher.ivBytes + 16, 1), 5, cipher.icvBytes);
      const b = a.slice();
      cipher.seal(a, 5, 16, 0);
      expected.seal(b, 5, 16, 0);
      assert.equal(toHex(a), toHex(b));
      cipher.destroy();
      cipher.destroy();
      assert.throws(() => cipher.seal(b, 5, 16, 0), /destroyed/);
      assert.throws(() => cipher.open(a, 5, 16, 0), /destroyed/);
      assert.ok(expected.open(a, 5, 16, 0), 'another cipher under the same key is not touched');
    }
  });

  test(`${name}: two ciphers in turn, two buffers in turn`, { skip }, () => {
    const suite = suiteOf('aes256gcm16');
    const one = cipherOf(given(), suite);
    const other = given().cipher(suite, keysFor(suite, 99));
    assert.ok(other);
    const a = room(octets(8 + 8 + 64, 1), 0, 16);
    const b = room(octets(8 + 8 + 64, 2), 9, 16);
    const [plainA, plainB] = [toHex(a), toHex(b)];
    one.seal(a, 0, 64, 0);
    other.seal(b, 9, 64, 0);
    assert.equal(other.open(a, 0, 64, 0), false);
    assert.ok(one.open(a, 0, 64, 0));
    assert.ok(other.open(b, 9, 64, 0));
    assert.equal(toHex(a).slice(0, 160), plainA.slice(0, 160));
    assert.equal(toHex(b).slice(18, 178), plainB.slice(18, 178));
  });

  test(`${name}: what does not lie in the buffer is never touched`, { skip }, () => {
    for (const suite of suites) {
      const cipher = cipherOf(given(), suite);
      const overhead = 8 + cipher.ivBytes + cipher.icvBytes;
      const buffer = new Uint8Array(overhead + 32);
      for (const [at, length] of [
        [1, 32],
        [0, 48],
        [-1, 16],
        [0, -16],
        [Number.NaN, 16],
        [0, Number.NaN],
        [0.5, 16],
        [2 ** 32, 16],
        [0, 2 ** 32],
        [buffer.length, 0],
      ]) {
        assert.throws(() => cipher.seal(buffer, at, length, 0), RangeError, `${suiteName(suite)} ${at} ${length}`);
        assert.throws(() => cipher.open(buffer, at, length, 0), RangeError, `${suiteName(suite)} ${at} ${length}`);
      }
      assert.ok(buffer.every((octet) => octet === 0));
      const gone = new Uint8Array(overhead + 16);
      cipher.seal(gone, 0, 16, 0);
      structuredClone(gone, { transfer: [gone.buffer] });
      assert.throws(() => cipher.seal(gone, 0, 16, 0), RangeError, 'its memory was given away');
    }
  });

  if (!suites.some(({ integ }) => integ !== undefined)) continue;

  test(`${name}: CBC takes whole blocks only; an authentic packet of others is not opened`, { skip }, () => {
    const suite = suiteOf('aes128-sha256');
    const cipher = cipherOf(given(), suite);
    const buffer = room(octets(8 + 16 + 20, 1), 0, 16);
    assert.throws(() => cipher.seal(buffer, 0, 20, 0));
    const icv = createHmac('sha256', keysFor(suite).integrity).update(buffer.subarray(0, 44)).digest();
    buffer.set(icv.subarray(0, 16), 44);
    assert.equal(cipher.open(buffer, 0, 20, 0), false);
  });
}

/** Seals the same packet by both, compares every octet of the buffers, opens both by the other. */
function sameAsJudge(
  cipher: EspCipher,
  judge: EspCipher,
  { at, length, seqHigh }: { readonly at: number; readonly length: number; readonly seqHigh: number },
  name: string,
): void {
  const what = `${name}, ${length} octets at ${at}`;
  const plain = room(octets(8 + cipher.ivBytes + length, 3 + at + length), at, cipher.icvBytes);
  const ours = plain.slice();
  const theirs = plain.slice();
  cipher.seal(ours, at, length, seqHigh);
  judge.seal(theirs, at, length, seqHigh);
  assert.ok(equalBytes(ours, theirs), `${what}: sealed`);
  assert.ok(cipher.open(theirs, at, length, seqHigh), `${what}: opened`);
  assert.ok(judge.open(ours, at, length, seqHigh), `${what}: opened by the judge`);
  // The ICV stays where it was.
  const end = at + 8 + cipher.ivBytes + length;
  assert.ok(equalBytes(theirs.subarray(0, end), plain.subarray(0, end)), `${what}: plaintext`);
  assert.ok(equalBytes(theirs, ours), `${what}: around the packet`);
}

function refused(
  cipher: EspCipher,
  sealed: Uint8Array,
  { flip, at, length }: { readonly flip: number; readonly at: number; readonly length: number },
  name: string,
): void {
  const forged = sealed.slice();
  forged[flip] ^= 1 << (flip & 7);
  const before = forged.slice();
  assert.equal(cipher.open(forged, at, length, 1), false, `${name} octet ${flip - at}`);
  assert.ok(equalBytes(forged, before), `${name} octet ${flip - at}: the buffer is as it was`);
}

function cipherOf(backend: EspBackend, suite: EspSuite): EspCipher {
  const cipher = backend.cipher(suite, keysFor(suite));
  assert.ok(cipher, suiteName(suite));
  return cipher;
}

/** The octets at `at` of a buffer with room behind, other octets around them, so that wrong offsets show. */
function room(plain: Uint8Array, at: number, icvBytes: number): Uint8Array {
  const buffer = new Uint8Array(at + plain.length + icvBytes + 19).fill(0xa5);
  buffer.set(plain, at);
  return buffer;
}

/** Whole numbers below the argument, that look random and are the same every time. */
function numbers(seed: number): (below: number) => number {
  const stream = octets(40_000, seed);
  let next = 0;
  return (below) => {
    const word = stream.slice(next, next + 4).reduce((value, octet) => value * 256 + octet, 0);
    next = (next + 4) % stream.length;
    return word % below;
  };
}

function checkVector(backend: EspBackend, vector: Vector): void {
  const suite = suiteOf(vector.suite);
  const cipher = backend.cipher(suite, {
    encryption: bytes(vector.key),
    integrity: octets(suite.integ?.keyBytes ?? 0, 1),
  });
  assert.ok(cipher, vector.suite);
  const plain = bytes(vector.head + vector.plain);
  const length = bytes(vector.plain).length;
  const buffer = room(plain, 5, cipher.icvBytes);
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
