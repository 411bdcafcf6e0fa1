/** Where the parts of an ESP packet lie, for the backends that work on addresses: nothing else stands between a wrong number and memory. */
import { espHeaderBytes } from './espCipher.ts';

/** Throws unless header, IV, `length` octets and ICV lie within the buffer. */
export function checkRoom(buffer: Uint8Array, at: number, length: number, overhead: number): void {
  // Comparisons that are false for NaN as well; `>>> 0` lets only whole numbers that are not negative be themselves.
  if (at >>> 0 === at && length >>> 0 === length && at + length + overhead <= buffer.length) return;
  throw new RangeError(`no room for ${length} octets of ESP payload at ${at} in ${buffer.length}`);
}

/** The eight octets of IV of an AEAD's packet at `at`, to the end of a nonce. */
export function copyIv8(to: Uint8Array, offset: number, buffer: Uint8Array, at: number): void {
  const iv = at + espHeaderBytes;
  to[offset] = buffer[iv];
  to[offset + 1] = buffer[iv + 1];
  to[offset + 2] = buffer[iv + 2];
  to[offset + 3] = buffer[iv + 3];
  to[offset + 4] = buffer[iv + 4];
  to[offset + 5] = buffer[iv + 5];
  to[offset + 6] = buffer[iv + 6];
  to[offset + 7] = buffer[iv + 7];
}

/**
 * The additional data of an AEAD (RFC 4106 §5, RFC 7634 §2.1): SPI | sequence number, with ESN SPI | high half | low half. Returns its length.
 */
export function writeAad(to: Uint8Array, offset: number, buffer: Uint8Array, at: number, esn: boolean, seqHigh: number): 8 | 12 {
  to[offset] = buffer[at];
  to[offset + 1] = buffer[at + 1];
  to[offset + 2] = buffer[at + 2];
  to[offset + 3] = buffer[at + 3];
  const low = esn ? offset + 8 : offset + 4;
  to[low] = buffer[at + 4];
  to[low + 1] = buffer[at + 5];
  to[low + 2] = buffer[at + 6];
  to[low + 3] = buffer[at + 7];
  if (!esn) return 8;
  writeU32(to, offset + 4, seqHigh);
  return 12;
}

export function writeU32(to: Uint8Array, offset: number, value: number): void {
  to[offset] = value >>> 24;
  to[offset + 1] = value >>> 16;
  to[offset + 2] = value >>> 8;
  to[offset + 3] = value;
}

/** Whether `length` octets are equal, in a time that does not tell where they differ. */
export function sameOctets(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, length: number): boolean {
  let difference = 0;
  for (let i = 0; i < length; i++) difference |= a[aAt + i] ^ b[bAt + i];
  return difference === 0;
}
