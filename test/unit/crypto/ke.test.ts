import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, toHex } from '../../../core/bytes/bytes.ts';
import { answerKeyExchange, startKeyExchange } from '../../../core/crypto/ke.ts';
import { transforms } from '../../../core/crypto/transforms.ts';
import type { AnsweredKeyExchange, KeTransform } from '../../../core/crypto/types.ts';
import { rfc5903Vectors } from './rfc5903.ts';
import { fixedRandom, hex, ke, scalarRandom, seededRandom } from './support.ts';

const groups = transforms.filter((row): row is KeTransform => row.type === 4);
const prime = {
  ecp256: (1n << 256n) - (1n << 224n) + (1n << 192n) + (1n << 96n) - 1n,
  ecp384: (1n << 384n) - (1n << 128n) - (1n << 96n) + (1n << 32n) - 1n,
  ecp521: (1n << 521n) - 1n,
} as const;

/** The responder's value to this initiator. */
function answerTo(group: KeTransform, publicValue: Uint8Array, seed: string): AnsweredKeyExchange {
  const answered = answerKeyExchange(group, publicValue, seededRandom(seed));
  assert.ok('shared' in answered, JSON.stringify(answered));
  return answered;
}

/** Neighbours of a good value that are none. */
function wrongLengths(good: Uint8Array): readonly Uint8Array[] {
  return [
    new Uint8Array(0),
    good.slice(1),
    good.slice(0, -1),
    concat(Uint8Array.of(0), good),
    concat(good, Uint8Array.of(0)),
    concat(Uint8Array.of(4), good),
  ];
}

for (const group of groups) {
  test(`${group.name}: two sides agree, sizes are those of the table`, () => {
    const initiator = startKeyExchange(group, seededRandom(`i ${group.name}`));
    const { publicValue, shared } = answerTo(group, initiator.publicValue, `r ${group.name}`);
    assert.equal(initiator.publicValue.length, group.publicBytes);
    assert.equal(publicValue.length, group.answerBytes);
    assert.notDeepEqual(initiator.publicValue, publicValue);
    const a = initiator.derive(publicValue);
    assert.ok(a instanceof Uint8Array);
    assert.equal(a.length, group.sharedBytes);
    assert.deepEqual(a, shared);
  });

  test(`${group.name}: a public value of a wrong length is refused by both sides`, () => {
    const exchange = startKeyExchange(group, seededRandom(`length ${group.name}`));
    const { publicValue } = answerTo(group, exchange.publicValue, 'other');
    for (const peer of wrongLengths(publicValue)) assert.deepEqual(exchange.derive(peer), { fault: 'length' });
    for (const peer of wrongLengths(exchange.publicValue))
      assert.deepEqual(answerKeyExchange(group, peer, seededRandom('wrong')), { fault: 'length' });
    // RFC 6989 §2.5: a bad value is dropped and the exchange goes on waiting for a good one.
    assert.ok(exchange.derive(publicValue) instanceof Uint8Array);
  });

  test(`${group.name}: a private value serves one peer`, () => {
    const exchange = startKeyExchange(group, seededRandom(`once ${group.name}`));
    const { publicValue } = answerTo(group, exchange.publicValue, 'peer');
    assert.ok(exchange.derive(publicValue) instanceof Uint8Array);
    assert.throws(() => exchange.derive(publicValue), /used twice/);
  });
}

for (const keyword of ['mlkem512', 'mlkem768', 'mlkem1024']) {
  test(`${keyword}: an encapsulation key with a coefficient that is not below q is refused (FIPS 203 §7.2)`, () => {
    const { publicValue } = startKeyExchange(ke(keyword), seededRandom(keyword));
    const last = publicValue.length - 32 - 3;
    for (const at of [0, 3 * 100, last]) {
      // Each three octets are two coefficients of 12 bits, little-endian; q is 0xd01.
      for (const bad of [Uint8Array.of(0x01, 0x0d, 0), Uint8Array.of(0, 0x10, 0xd0), Uint8Array.of(0xff, 0xff, 0xff)]) {
        const value = publicValue.slice();
        value.set(bad, at);
        assert.deepEqual(answerKeyExchange(ke(keyword), value, seededRandom('r')), { fault: 'range' });
      }
      const largest = publicValue.slice();
      largest.set(Uint8Array.of(0x00, 0x0d, 0xd0), at);
      assert.ok('shared' in answerKeyExchange(ke(keyword), largest, seededRandom('r')), 'q - 1 is below q');
    }
  });

  test(`${keyword}: a ciphertext that was changed gives a secret that nobody else has, the same each time`, () => {
    const initiator = () => startKeyExchange(ke(keyword), seededRandom(keyword));
    const { publicValue, shared } = answerTo(ke(keyword), initiator().publicValue, 'r');
    const changed = publicValue.slice();
    changed[0] = (changed[0] as number) ^ 1;
    const other = initiator().derive(changed);
    assert.ok(other instanceof Uint8Array);
    assert.notDeepEqual(other, shared);
    assert.deepEqual(initiator().derive(changed), other);
    assert.deepEqual(initiator().derive(publicValue), shared);
  });

  test(`${keyword}: two encapsulations to one key differ`, () => {
    const { publicValue } = startKeyExchange(ke(keyword), seededRandom(keyword));
    const [a, b] = [answerTo(ke(keyword), publicValue, 'same'), answerTo(ke(keyword), publicValue, 'same')];
    assert.notDeepEqual(a.publicValue, b.publicValue);
    assert.notDeepEqual(a.shared, b.shared);
  });
}

for (const vector of rfc5903Vectors) {
  test(`${vector.keyword}: RFC 5903 ${vector.section}`, () => {
    const initiator = startKeyExchange(ke(vector.keyword), scalarRandom(hex(vector.i)));
    const responder = startKeyExchange(ke(vector.keyword), scalarRandom(hex(vector.r)));
    assert.equal(toHex(initiator.publicValue), vector.gix + vector.giy);
    assert.equal(toHex(responder.publicValue), vector.grx + vector.gry);
    const shared = initiator.derive(responder.publicValue);
    assert.ok(shared instanceof Uint8Array);
    assert.equal(toHex(shared), vector.girx);
  });

  test(`${vector.keyword}: a point off the curve, and coordinates not below p (RFC 6989 §2.3)`, () => {
    const exchange = startKeyExchange(ke(vector.keyword), seededRandom('off'));
    const size = vector.gix.length / 2;
    const coordinate = (value: bigint) => hex(value.toString(16).padStart(2 * size, '0'));
    const p = prime[vector.keyword];
    const x = hex(vector.gix);
    const y = BigInt(`0x${vector.giy}`);
    assert.deepEqual(exchange.derive(concat(x, coordinate(y ^ 1n))), { fault: 'off-curve' });
    assert.deepEqual(exchange.derive(concat(coordinate(y), x)), { fault: 'off-curve' });
    assert.deepEqual(exchange.derive(new Uint8Array(2 * size)), { fault: 'off-curve' });
    assert.deepEqual(exchange.derive(new Uint8Array(2 * size).fill(0xff)), { fault: 'range' });
    assert.deepEqual(exchange.derive(concat(coordinate(p), coordinate(y))), { fault: 'range' });
    assert.deepEqual(exchange.derive(concat(x, coordinate(p))), { fault: 'range' });
    // The mirrored point is on the curve: same x, same secret.
    assert.ok(exchange.derive(concat(x, coordinate(p - y))) instanceof Uint8Array);
  });
}

test('x25519: RFC 8031 Appendix A', () => {
  const i = hex('75 1f b4 30 86 55 b4 76 b6 78 9b 73 25 f9 ea 8c dd d1 6a 58 53 3f f6 d9 e6 00 09 46 4a 5f 9d 94');
  const r = hex('0a 54 64 52 53 29 0d 60 dd ad d0 e0 30 ba cd 9e 55 01 ef dc 22 07 55 a1 e9 78 f1 b8 39 a0 56 88');
  const initiator = startKeyExchange(ke('x25519'), fixedRandom(i));
  const responder = startKeyExchange(ke('x25519'), fixedRandom(r));
  assert.equal(toHex(initiator.publicValue), '48d5ddd4061257ba166fa3f9bbdb74f1a4e81c089384fa77f790709f0dfbc766');
  assert.equal(toHex(responder.publicValue), '0be7c1f5aad87d7e448662673298a443478b859745179eaf564c79c0ef6eee25');
  const shared = initiator.derive(responder.publicValue);
  assert.ok(shared instanceof Uint8Array);
  assert.equal(toHex(shared), 'c74950607a12327f3204d94b6825bfb068b7f8319a9e3708ed3d43ce8130c950');
});

test('x25519 and x448: RFC 7748 §6.1 and §6.2', () => {
  const cases = [
    {
      keyword: 'x25519',
      a: '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a',
      publicA: '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
      b: '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb',
      publicB: 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
      shared: '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
    },
    {
      keyword: 'x448',
      a: '9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b',
      publicA: '9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c22c5d9bbc836647241d953d40c5b12da88120d53177f80e532c41fa0',
      b: '1c306a7ac2a0e2e0990b294470cba339e6453772b075811d8fad0d1d6927c120bb5ee8972b0d3e21374c9c921b09d1b0366f10b65173992d',
      publicB: '3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609',
      shared: '07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56fd2464c335543936521c24403085d59a449a5037514a879d',
    },
  ];
  for (const vector of cases) {
    const a = startKeyExchange(ke(vector.keyword), fixedRandom(hex(vector.a)));
    const b = startKeyExchange(ke(vector.keyword), fixedRandom(hex(vector.b)));
    assert.equal(toHex(a.publicValue), vector.publicA);
    assert.equal(toHex(b.publicValue), vector.publicB);
    const shared = a.derive(b.publicValue);
    assert.ok(shared instanceof Uint8Array);
    assert.equal(toHex(shared), vector.shared);
  }
});

test('x25519 and x448: small-order points give the all-zero secret and are refused', () => {
  // u = 0, 1, p-1, and the two points of order 8 of curve25519 (https://cr.yp.to/ecdh.html#validate).
  const smallOrder = [
    '00'.repeat(32),
    `01${'00'.repeat(31)}`,
    `ec${'ff'.repeat(30)}7f`,
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    // p and p+1: zero and one written in another way.
    `ed${'ff'.repeat(30)}7f`,
    `ee${'ff'.repeat(30)}7f`,
  ];
  for (const peer of smallOrder) {
    assert.deepEqual(startKeyExchange(ke('x25519'), seededRandom(peer)).derive(hex(peer)), { fault: 'zero' }, peer);
  }
  for (const peer of ['00'.repeat(56), `01${'00'.repeat(55)}`, `fe${'ff'.repeat(27)}fe${'ff'.repeat(27)}`]) {
    assert.deepEqual(startKeyExchange(ke('x448'), seededRandom(peer)).derive(hex(peer)), { fault: 'zero' }, peer);
  }
});

test('x25519: the top bit is masked and non-canonical values are accepted (RFC 8031 §3.2)', () => {
  const derive = (peer: string) => startKeyExchange(ke('x25519'), seededRandom('canon')).derive(hex(peer));
  const base = derive(`09${'00'.repeat(31)}`);
  assert.ok(base instanceof Uint8Array);
  assert.deepEqual(derive(`09${'00'.repeat(30)}80`), base);
  // 2^255 - 10 = p + 9
  assert.deepEqual(derive(`f6${'ff'.repeat(30)}7f`), base);
});

test('random that gives another number of octets is a mistake of the program', () => {
  for (const group of groups) assert.throws(() => startKeyExchange(group, () => new Uint8Array(3)), RangeError);
});

test('the array that random gave is left alone', () => {
  for (const keyword of ['x25519', 'ecp256', 'modp2048']) {
    const given = new Uint8Array(99).fill(0x11);
    const random = (length: number) => given.subarray(0, length);
    startKeyExchange(ke(keyword), random).derive(startKeyExchange(ke(keyword), seededRandom('other')).publicValue);
    assert.ok(given.every((octet) => octet === 0x11));
  }
});
