import { hmac } from '@noble/hashes/hmac.js';
import { sha1 } from '@noble/hashes/legacy.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import type { PrfTransform } from '../types.ts';

export type HashName = PrfTransform['hash'];

/** HMAC (RFC 2104) over the parts in order; `key` of any length. Whole output, never truncated. */
export type HmacWithKey = (...data: Uint8Array[]) => Uint8Array;

const hashes = { sha1, sha256, sha384, sha512 } as const;

/** HMAC with the key's two blocks hashed once; for keys that protect many messages. The state holds secrets and cannot be wiped. */
export function hmacWithKey(hash: HashName, key: Uint8Array): HmacWithKey {
  const keyed = hmac.create(hashes[hash], key);
  return (...data) => {
    const state = keyed.clone();
    for (const part of data) state.update(part);
    return state.digest();
  };
}

export function hmacOnce(hash: HashName, key: Uint8Array, data: readonly Uint8Array[]): Uint8Array {
  const state = hmac.create(hashes[hash], key);
  for (const part of data) state.update(part);
  return state.digest();
}
