/**
 * The octets that all packets of one lane lie in: one buffer whose address is taken once, with the two operations on long runs of
 * octets that the packet path needs. Implementations: this file (plain TypeScript) and `simdMemory.ts`.
 */

export interface PacketMemory {
  /** Never replaced or resized: system calls and ciphers use its address. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * Ones' complement sum (RFC 1071) of `length` octets at `at`, folded to 16 bits. Words are taken as the processor has them (little
   * endian), the first at `at`; an odd last octet is the low half of a word. To store the sum, or its complement, as a checksum,
   * write the low octet first.
   */
  sum(at: number, length: number): number;
  /** Copies between ranges that do not overlap, and returns `sum` of what was copied. */
  copy(to: number, from: number, length: number): number;
}

/** The plain implementation, for processors without SIMD and as the other one's judge. */
export function plainMemory(octets: number): PacketMemory {
  const bytes = new Uint8Array(octets);
  const sum = (at: number, length: number): number => sumOf(bytes, at, length);
  return {
    bytes,
    sum,
    copy(to, from, length) {
      bytes.copyWithin(to, from, from + length);
      return sum(to, length);
    },
  };
}

/** `PacketMemory.sum` over any octets. */
export function sumOf(bytes: Uint8Array, at: number, length: number): number {
  const end = at + length;
  let total = 0; // exact: 2^53 is far above 2^16 times any buffer's length
  let i = at;
  for (; i + 1 < end; i += 2) total += bytes[i] | (bytes[i + 1] << 8);
  if (i < end) total += bytes[i];
  return fold(total);
}

/** A sum of many 16-bit words brought to 16 bits, the carries added back in. */
export function fold(total: number): number {
  let sum = total;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}
