import { createHash } from 'node:crypto';
import { fromHex } from '../../../core/bytes/bytes.ts';
import { byKeyword } from '../../../core/crypto/transforms.ts';
import type { EncrTransform, IntegTransform, KeTransform, PrfTransform, Random } from '../../../core/crypto/types.ts';

export function hex(text: string): Uint8Array {
  const value = fromHex(text);
  if (value === undefined) throw new Error(`not hex: ${text}`);
  return value;
}

export function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Octets that depend on the seed only: SHA-256 in counter mode. For tests, never for keys. */
export function seededRandom(seed: string): Random {
  let counter = 0;
  return (length) => {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += 32) {
      const block = createHash('sha256').update(`${seed}/${counter++}`).digest();
      out.set(block.subarray(0, Math.min(32, length - at)), at);
    }
    return out;
  };
}

/** Gives the same octets each time, padded with zeros on the left to what is asked for. */
export function fixedRandom(octets: Uint8Array): Random {
  return (length) => {
    if (octets.length > length) throw new Error(`${octets.length} octets do not fit in ${length}`);
    const out = new Uint8Array(length);
    out.set(octets, length - octets.length);
    return out;
  };
}

/** What `random` must give for the private scalar d of a prime curve: the exchange takes (octets mod (n-1)) + 1. */
export function scalarRandom(d: Uint8Array): Random {
  const less = (BigInt(`0x${Buffer.from(d).toString('hex')}`) - 1n).toString(16);
  return fixedRandom(hex(less.padStart(2 * d.length, '0')));
}

export function encr(keyword: string): EncrTransform {
  const row = byKeyword(keyword);
  if (row?.type !== 1) throw new Error(`no ENCR ${keyword}`);
  return row;
}

export function prfRow(keyword: string): PrfTransform {
  const row = byKeyword(keyword);
  if (row?.type !== 2) throw new Error(`no PRF ${keyword}`);
  return row;
}

export function integRow(keyword: string): IntegTransform {
  const row = byKeyword(keyword);
  if (row?.type !== 3) throw new Error(`no INTEG ${keyword}`);
  return row;
}

export function ke(keyword: string): KeTransform {
  const row = byKeyword(keyword);
  if (row?.type !== 4) throw new Error(`no KE ${keyword}`);
  return row;
}
