import assert from 'node:assert/strict';
import { getDiffieHellman } from 'node:crypto';
import { test } from 'node:test';
import { startKeyExchange } from '../../../core/crypto/ke.ts';
import { fixedRandom, hex, ke, seededRandom } from './support.ts';

/** RFC 3526 §3 to §7: p = 2^bits - 2^(bits-64) - 1 + 2^64 * ([2^(bits-130) pi] + addend). */
const groups = [
  { keyword: 'modp2048', bits: 2048, addend: 124476n },
  { keyword: 'modp3072', bits: 3072, addend: 1690314n },
  { keyword: 'modp4096', bits: 4096, addend: 240904n },
  { keyword: 'modp6144', bits: 6144, addend: 929484n },
  { keyword: 'modp8192', bits: 8192, addend: 4743158n },
] as const;

/** RFC 3526 §8, higher estimate, in octets rounded up. */
const exponentBytes = { modp2048: 40, modp3072: 53, modp4096: 60, modp6144: 68, modp8192: 78 } as const;

/** floor(2^bits * pi) by Machin's formula with 64 guard bits. */
function pi(bits: number): bigint {
  const one = 1n << BigInt(bits + 64);
  const arctan = (inverse: bigint) => {
    let term = one / inverse;
    let sum = term;
    for (let n = 3n; term !== 0n; n += 2n) {
      term /= -(inverse * inverse);
      sum += term / n;
    }
    return sum;
  };
  return (4n * (4n * arctan(5n) - arctan(239n))) >> 64n;
}

function primeOf(group: (typeof groups)[number]): bigint {
  const { bits, addend } = group;
  return (1n << BigInt(bits)) - (1n << BigInt(bits - 64)) - 1n + (1n << 64n) * (pi(bits - 130) + addend);
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  let square = base % modulus;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

function toBytes(value: bigint, length: number): Uint8Array {
  return hex(value.toString(16).padStart(2 * length, '0'));
}

function toBig(octets: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(octets).toString('hex')}`);
}

for (const group of groups) {
  const size = group.bits / 8;

  test(`${group.keyword}: OpenSSL's prime is that of RFC 3526, made from pi`, () => {
    const name = { 2048: 'modp14', 3072: 'modp15', 4096: 'modp16', 6144: 'modp17', 8192: 'modp18' }[group.bits];
    assert.equal(toBig(getDiffieHellman(name).getPrime()), primeOf(group));
    assert.equal(toBig(getDiffieHellman(name).getGenerator()), 2n);
  });

  test(`${group.keyword}: public value and secret are 2^x and y^x by plain big integers`, () => {
    const p = primeOf(group);
    const peer = power(2n, 0x1234567890abcdefn, p);
    const x =
      toBig(seededRandom(group.keyword)(exponentBytes[group.keyword])) | (1n << BigInt(8 * exponentBytes[group.keyword] - 1));
    const exchange = startKeyExchange(ke(group.keyword), seededRandom(group.keyword));
    assert.equal(toBig(exchange.publicValue), power(2n, x, p));
    const shared = exchange.derive(toBytes(peer, size));
    assert.ok(shared instanceof Uint8Array);
    assert.equal(toBig(shared), power(peer, x, p));
  });

  test(`${group.keyword}: only 1 < y < p-1 is accepted (RFC 6989 §2.1)`, () => {
    const p = primeOf(group);
    const exchange = startKeyExchange(ke(group.keyword), seededRandom('range'));
    for (const y of [0n, 1n, p - 1n, p, p + 1n, (1n << BigInt(group.bits)) - 1n]) {
      assert.deepEqual(exchange.derive(toBytes(y, size)), { fault: 'range' }, `y = ${y.toString(16).slice(-20)}`);
    }
    for (const y of [2n, p - 2n]) {
      const fresh = startKeyExchange(ke(group.keyword), seededRandom('range'));
      assert.ok(fresh.derive(toBytes(y, size)) instanceof Uint8Array);
    }
  });
}

test('modp2048: a secret with a leading zero octet keeps its full width (RFC 7296 §2.14)', () => {
  const p = primeOf(groups[0]);
  const x = toBig(seededRandom('pad')(40)) | (1n << 319n);
  const own = power(2n, x, p);
  // The peer's exponent k, counted up until (2^k)^x begins with a zero octet.
  let k = 2n;
  let shared = (own * own) % p;
  while (shared >> 2040n !== 0n) {
    k += 1n;
    shared = (shared * own) % p;
  }
  const got = startKeyExchange(ke('modp2048'), seededRandom('pad')).derive(toBytes(power(2n, k, p), 256));
  assert.deepEqual(got, toBytes(shared, 256));
});

test('modp2048: a public value with leading zero octets keeps its full width (RFC 7296 §3.4)', () => {
  const p = primeOf(groups[0]);
  for (const zeroBits of [1n, 8n, 9n]) {
    let x = 1n << 319n;
    let y = power(2n, x, p);
    while (y >> (2048n - zeroBits) !== 0n) {
      x += 1n;
      y = (y * 2n) % p;
    }
    const exchange = startKeyExchange(ke('modp2048'), fixedRandom(toBytes(x, 40)));
    assert.deepEqual(exchange.publicValue, toBytes(y, 256));
  }
});

test('modp2048: whatever random gives, the exponent is large', () => {
  const zeros = startKeyExchange(ke('modp2048'), (length) => new Uint8Array(length));
  assert.equal(toBig(zeros.publicValue), power(2n, 1n << 319n, primeOf(groups[0])));
});
