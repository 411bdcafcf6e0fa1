/** The ESP packet format around the cipher: trailer and lengths (RFC 4303 §2). Pure arithmetic and octets. */
import { type EspCipher, espHeaderBytes } from '../crypto/espCipher.ts';

/** Values of the next header field in tunnel mode (IANA protocol numbers). */
export const nextHeaderIpv4 = 4;
export const nextHeaderIpv6 = 41;
/** "No next header": a dummy packet, to be discarded without complaint (RFC 4303 §2.6). */
export const nextHeaderDummy = 59;

/** Octets in front of the payload: SPI, sequence number and IV. */
export function headBytes(cipher: EspCipher): number {
  return espHeaderBytes + cipher.ivBytes;
}

/** The most octets that can follow a payload: padding, pad length, next header, ICV. */
export function maxTailBytes(cipher: EspCipher): number {
  return cipher.alignment - 1 + 2 + cipher.icvBytes;
}

/** The fewest padding octets that bring payload, padding, pad length and next header to the alignment (RFC 4303 §2.4). */
export function padLength(payloadLength: number, alignment: number): number {
  const over = (payloadLength + 2) % alignment;
  return over === 0 ? 0 : alignment - over;
}

/** Writes padding, pad length and next header at `at`. */
export function writeTrailer(buffer: Uint8Array, at: number, padding: number, nextHeader: number): void {
  for (let i = 0; i < padding; i++) buffer[at + i] = i + 1; // RFC 4303 §2.4: 1, 2, 3, …
  buffer[at + padding] = padding;
  buffer[at + padding + 1] = nextHeader;
}

/**
 * Octets of payload in `length` decrypted octets at `at`, or -1 when the padding is not as it must be. The next header is the last
 * of the octets. Padding is inspected because no cipher here defines another one (RFC 4303 §2.4).
 */
export function payloadLength(buffer: Uint8Array, at: number, length: number): number {
  const padding = buffer[at + length - 2];
  const payload = length - 2 - padding;
  if (payload < 0) return -1;
  for (let i = 0; i < padding; i++) if (buffer[at + payload + i] !== i + 1) return -1;
  return payload;
}

export function writeU32(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value >>> 24;
  buffer[at + 1] = value >>> 16;
  buffer[at + 2] = value >>> 8;
  buffer[at + 3] = value;
}

export function readU32(buffer: Uint8Array, at: number): number {
  return ((buffer[at] << 24) | (buffer[at + 1] << 16) | (buffer[at + 2] << 8) | buffer[at + 3]) >>> 0;
}
