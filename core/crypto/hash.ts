import { sha1 as nobleSha1 } from '@noble/hashes/legacy.js';

/** SHA-1 over the parts in order, 20 octets: for NAT detection (RFC 7296 §2.23), which is no security function. */
export function sha1(...parts: readonly Uint8Array[]): Uint8Array {
  const state = nobleSha1.create();
  for (const part of parts) state.update(part);
  return state.digest();
}
