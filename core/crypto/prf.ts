import { hmacOnce } from './noble/hmac.ts';
import type { IntegTransform, PrfTransform } from './types.ts';

/** `prf(key, data)` of RFC 7296 §2.13 over the concatenation of `data`; `outBytes` octets. The key may have any length. */
export function prf(transform: PrfTransform, key: Uint8Array, ...data: Uint8Array[]): Uint8Array {
  return hmacOnce(transform.hash, key, data);
}

/**
 * `prf+(key, seed)` of RFC 7296 §2.13, the first `length` octets.
 * Throws when more than 255 blocks are asked for: prf+ is not defined beyond that.
 */
export function prfPlus(transform: PrfTransform, key: Uint8Array, seed: Uint8Array, length: number): Uint8Array {
  const blocks = Math.ceil(length / transform.outBytes);
  if (!Number.isInteger(length) || length < 0 || blocks > 255) throw new RangeError(`prf+ cannot give ${length} octets`);
  const out = new Uint8Array(length);
  let previous = new Uint8Array(0);
  for (let counter = 1; counter <= blocks; counter++) {
    // T1 = prf(K, S | 0x01), Tn = prf(K, Tn-1 | S | n)
    const block = new Uint8Array(hmacOnce(transform.hash, key, [previous, seed, Uint8Array.of(counter)]));
    const at = (counter - 1) * transform.outBytes;
    out.set(block.subarray(0, Math.min(block.length, length - at)), at);
    previous.fill(0);
    previous = block;
  }
  previous.fill(0);
  return out;
}

/** The integrity check value over the concatenation of `data`, truncated to `icvBytes` (RFC 2404, RFC 4868 §2.3). */
export function integ(transform: IntegTransform, key: Uint8Array, ...data: Uint8Array[]): Uint8Array {
  return hmacOnce(transform.hash, key, data).subarray(0, transform.icvBytes);
}
