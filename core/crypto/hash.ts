import { md5 as nobleMd5, sha1 as nobleSha1 } from '@noble/hashes/legacy.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { hmacOnce } from './noble/hmac.ts';
import type { SignatureHash } from './signatureTypes.ts';

/** SHA-1 over the parts in order, 20 octets: for NAT detection (RFC 7296 §2.23), which is no security function. */
export function sha1(...parts: readonly Uint8Array[]): Uint8Array {
  return digest('sha1', ...parts);
}

/** MD5 over the parts in order, 16 octets: for EAP-MD5 and what is inside old EAP methods, where nothing else is spoken. */
export function md5(...parts: readonly Uint8Array[]): Uint8Array {
  const state = nobleMd5.create();
  for (const part of parts) state.update(part);
  return state.digest();
}

/** The hash over the parts in order. SHA-1 only where it names something, as a key identifier does, never to be sure of it. */
export function digest(hash: SignatureHash, ...parts: readonly Uint8Array[]): Uint8Array {
  const state = hashes[hash].create();
  for (const part of parts) state.update(part);
  return state.digest();
}

const hashes = { sha1: nobleSha1, sha256, sha384, sha512 } as const;

/** HMAC-SHA-1 over the parts in order, 20 octets: for the cryptobinding of PEAP. */
export function hmacSha1(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  return hmacOnce('sha1', key, parts);
}
