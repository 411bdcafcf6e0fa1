/**
 * MODP groups of RFC 3526 by OpenSSL through node:crypto. Private values are given to it as PKCS #8: `createDiffieHellman(prime)` would test the
 * prime each time (0.3 s for 2048 bits, 30 s for 8192), and `getDiffieHellman` draws private values from a source that is not our `random`.
 */
import { createPrivateKey, createPublicKey, diffieHellman, getDiffieHellman, type KeyObject } from 'node:crypto';
import { concat } from '../../bytes/bytes.ts';
import type { Agreement } from '../agreement.ts';
import type { KeyExchangeFault, Random } from '../types.ts';

/** By IANA group number. Octets of private value: RFC 3526 §8, the higher estimate of each group's strength, rounded up. */
export const modpAgreements: ReadonlyMap<number, Agreement<KeyObject>> = new Map([
  [14, modpAgreement('modp14', 40)],
  [15, modpAgreement('modp15', 53)],
  [16, modpAgreement('modp16', 60)],
  [17, modpAgreement('modp17', 68)],
  [18, modpAgreement('modp18', 78)],
]);

interface Group {
  readonly prime: Uint8Array;
  /** The prime without the last octet's lowest bit: p-1. */
  readonly primeMinusOne: Uint8Array;
  /** DER of the AlgorithmIdentifier of PKCS #3 with prime and generator. */
  readonly algorithm: Uint8Array;
}

function modpAgreement(name: string, privateBytes: number): Agreement<KeyObject> {
  let cached: Group | undefined;
  const group = (): Group => {
    cached ??= makeGroup(name);
    return cached;
  };

  function start(random: Random) {
    const { algorithm, prime } = group();
    const exponent = random(privateBytes);
    // PKCS #3 §7.1: 2^(l-1) <= x < 2^l, so x is never 0 or 1 and its length tells nothing.
    exponent[0] |= 0x80;
    const der = sequence(integer(Uint8Array.of(0)), algorithm, tlv(0x04, integer(exponent)));
    exponent.fill(0);
    const secret = createPrivateKey({
      key: Buffer.from(der.buffer, der.byteOffset, der.byteLength),
      format: 'der',
      type: 'pkcs8',
    });
    der.fill(0);
    const spki = createPublicKey(secret).export({ format: 'der', type: 'spki' });
    return { secret, publicValue: publicValueOf(spki, prime.length) };
  }

  function derive(secret: KeyObject, peer: Uint8Array): Uint8Array | KeyExchangeFault {
    const { algorithm, prime, primeMinusOne } = group();
    // RFC 7296 §3.4: the length of the value must equal that of the prime, zeros prepended.
    if (peer.length !== prime.length) return { fault: 'length' };
    // RFC 6989 §2.1: 1 < r < p-1; p is a safe prime, nothing more is asked for.
    if (isZeroOrOne(peer) || !isBelow(peer, primeMinusOne)) return { fault: 'range' };
    const spki = sequence(algorithm, tlv(0x03, Uint8Array.of(0), integer(peer)));
    const publicKey = createPublicKey({
      key: Buffer.from(spki.buffer, spki.byteOffset, spki.byteLength),
      format: 'der',
      type: 'spki',
    });
    const shared = diffieHellman({ privateKey: secret, publicKey });
    // RFC 7296 §2.14: g^ir is padded with zeros to the length of the modulus. Node does so too, but does not promise it.
    const padded = new Uint8Array(prime.length);
    padded.set(shared, prime.length - shared.length);
    shared.fill(0);
    return padded;
  }

  return { start, derive };
}

function makeGroup(name: string): Group {
  const constants = getDiffieHellman(name);
  const prime = Uint8Array.from(constants.getPrime());
  const primeMinusOne = prime.slice();
  primeMinusOne[prime.length - 1] &= 0xfe;
  const dhKeyAgreement = Uint8Array.of(0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x03, 0x01);
  const algorithm = sequence(dhKeyAgreement, sequence(integer(prime), integer(Uint8Array.from(constants.getGenerator()))));
  return { prime, primeMinusOne, algorithm };
}

/** The public value in the SubjectPublicKeyInfo OpenSSL wrote (RFC 5280 §4.1: algorithm, BIT STRING holding the INTEGER), padded to `length`. */
function publicValueOf(spki: Uint8Array, length: number): Uint8Array {
  const outer = contentAt(spki, 0);
  const algorithm = contentAt(spki, outer.from);
  const bitString = contentAt(spki, algorithm.to);
  const { from, to } = contentAt(spki, bitString.from + 1);
  const value = spki.subarray(spki[from] === 0 ? from + 1 : from, to);
  const out = new Uint8Array(length);
  out.set(value, length - value.length);
  return out;
}

/** Where the content of the DER element at `at` is; for OpenSSL's own output only, so nothing is checked. */
function contentAt(der: Uint8Array, at: number): { readonly from: number; readonly to: number } {
  const first = der[at + 1];
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  const length =
    lengthBytes === 0 ? first : der.subarray(at + 2, at + 2 + lengthBytes).reduce((sum, octet) => sum * 256 + octet, 0);
  const from = at + 2 + lengthBytes;
  return { from, to: from + length };
}

function isZeroOrOne(value: Uint8Array): boolean {
  return value.subarray(0, -1).every((octet) => octet === 0) && value[value.length - 1] <= 1;
}

function isBelow(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] < b[i];
  return false;
}

function sequence(...parts: Uint8Array[]): Uint8Array {
  return tlv(0x30, ...parts);
}

/** A non-negative INTEGER from a magnitude that may have leading zeros. */
function integer(magnitude: Uint8Array): Uint8Array {
  let from = 0;
  while (from < magnitude.length - 1 && magnitude[from] === 0) from++;
  const digits = magnitude.subarray(from);
  return digits[0] >= 0x80 ? tlv(0x02, Uint8Array.of(0), digits) : tlv(0x02, digits);
}

function tlv(tag: number, ...parts: Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return concat(Uint8Array.of(tag, ...derLength(length)), ...parts);
}

function derLength(length: number): number[] {
  if (length < 0x80) return [length];
  if (length < 0x100) return [0x81, length];
  return [0x82, length >>> 8, length & 0xff];
}
