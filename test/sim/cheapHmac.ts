/** Something of the lengths of HMAC, in the shape of core/crypto/noble/hmac.ts. */
import type { HashName, HmacWithKey } from '../../core/crypto/noble/hmac.ts';
import { mixed } from './mixing.ts';

const lengths: Readonly<Record<HashName, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 };

export function hmacWithKey(hash: HashName, key: Uint8Array): HmacWithKey {
  const own = key.slice();
  return (...data) => hmacOnce(hash, own, data);
}

export function hmacOnce(hash: HashName, key: Uint8Array, data: readonly Uint8Array[]): Uint8Array {
  return mixed(lengths[hash], key, data);
}
