/** HMAC (RFC 2104) of OpenSSL's hashes, in the shape of core/crypto/noble/hmac.ts. */
import { hash as digest } from 'node:crypto';
import { concat } from '../../core/bytes/bytes.ts';
import type { HashName, HmacWithKey } from '../../core/crypto/noble/hmac.ts';

const blockBytes: Readonly<Record<HashName, number>> = { sha1: 64, sha256: 64, sha384: 128, sha512: 128 };

export function hmacWithKey(hash: HashName, key: Uint8Array): HmacWithKey {
  const own = key.slice();
  return (...data) => hmacOnce(hash, own, data);
}

export function hmacOnce(hash: HashName, key: Uint8Array, data: readonly Uint8Array[]): Uint8Array {
  const size = blockBytes[hash];
  const short = key.length <= size ? key : digest(hash, key, 'buffer');
  const inner = new Uint8Array(size).fill(0x36);
  const outer = new Uint8Array(size).fill(0x5c);
  for (let i = 0; i < short.length; i++) {
    inner[i] ^= short[i];
    outer[i] ^= short[i];
  }
  return new Uint8Array(digest(hash, concat(outer, digest(hash, concat(inner, ...data), 'buffer')), 'buffer'));
}
