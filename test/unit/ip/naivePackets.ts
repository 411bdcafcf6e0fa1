/** Inner packets written and judged the slow way: big endian, an octet at a time, sharing nothing with `core/ip`. */
import assert from 'node:assert/strict';

/** RFC 1071, as the book has it. */
export function internetChecksum(octets: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < octets.length; i += 2) {
    sum += (octets[i] << 8) + (i + 1 < octets.length ? octets[i + 1] : 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return 0xffff - sum;
}

export interface Ipv4Fields {
  readonly tos?: number;
  readonly id?: number;
  /** Flags and fragment offset. */
  readonly flags?: number;
  readonly protocol?: number;
  readonly source?: readonly number[];
  readonly destination?: readonly number[];
  readonly options?: readonly number[];
  readonly payload?: Uint8Array;
}

export function ipv4Packet(fields: Ipv4Fields = {}): Uint8Array {
  const { tos = 0, id = 0x1234, flags = 0, protocol = 17, options = [], payload = new Uint8Array(0) } = fields;
  const { source = [10, 0, 0, 1], destination = [10, 1, 2, 3] } = fields;
  assert.equal(options.length % 4, 0);
  const header = 20 + options.length;
  const total = header + payload.length;
  const out = Uint8Array.of(
    ...[0x40 | (header / 4), tos, total >>> 8, total, id >>> 8, id, flags >>> 8, flags, 64, protocol, 0, 0],
    ...source,
    ...destination,
    ...options,
    ...payload,
  );
  const checksum = internetChecksum(out.subarray(0, header));
  out[10] = checksum >>> 8;
  out[11] = checksum;
  return out;
}

export interface Ipv6Fields {
  readonly trafficClass?: number;
  readonly flowLabel?: number;
  readonly next?: number;
  readonly source?: readonly number[];
  readonly destination?: readonly number[];
  /** Extension headers, already chained. */
  readonly extensions?: readonly number[];
  readonly payload?: Uint8Array;
}

export const ipv6Source = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
export const ipv6Destination = [0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

export function ipv6Packet(fields: Ipv6Fields = {}): Uint8Array {
  const { trafficClass = 0, flowLabel = 0, next = 17, extensions = [], payload = new Uint8Array(0) } = fields;
  const { source = ipv6Source, destination = ipv6Destination } = fields;
  const length = extensions.length + payload.length;
  return Uint8Array.of(
    ...[0x60 | (trafficClass >>> 4), ((trafficClass & 0x0f) << 4) | (flowLabel >>> 16), flowLabel >>> 8, flowLabel],
    ...[length >>> 8, length, next, 64],
    ...source,
    ...destination,
    ...extensions,
    ...payload,
  );
}

/** A TCP segment without checksum; `options` must fill whole words. */
export function tcpSegment(flags: number, options: readonly number[], data: readonly number[] = []): Uint8Array {
  assert.equal(options.length % 4, 0);
  const fixed = [0x30, 0x39, 0x01, 0xbb, 1, 2, 3, 4, 5, 6, 7, 8, ((20 + options.length) / 4) << 4, flags, 0xfa, 0xf0, 0, 0, 0, 0];
  return Uint8Array.of(...fixed, ...options, ...data);
}

/** The checksum that the transport of the packet should have, its field at `field` of the segment taken as zero. */
export function transportChecksum(packet: Uint8Array, headerLength: number, protocol: number, field: number): number {
  const version4 = packet[0] >>> 4 === 4;
  const segment = packet.slice(headerLength);
  segment[field] = 0;
  segment[field + 1] = 0;
  return internetChecksum(Uint8Array.of(...pseudoHeader(packet, version4, segment.length, protocol), ...segment));
}

/** The sum that is there while the checksum is left to somebody else: that of the pseudo header, not complemented. */
export function pseudoOnly(packet: Uint8Array, headerLength: number, protocol: number): number {
  const version4 = packet[0] >>> 4 === 4;
  return 0xffff - internetChecksum(Uint8Array.from(pseudoHeader(packet, version4, packet.length - headerLength, protocol)));
}

function pseudoHeader(packet: Uint8Array, version4: boolean, length: number, protocol: number): readonly number[] {
  const tail = [length >>> 24, length >>> 16, length >>> 8, length];
  return version4
    ? [...packet.subarray(12, 20), 0, protocol, ...tail.slice(2)]
    : [...packet.subarray(8, 40), ...tail, 0, 0, 0, protocol];
}

export function setU16(packet: Uint8Array, at: number, value: number): void {
  packet[at] = value >>> 8;
  packet[at + 1] = value;
}

export function getU16(packet: Uint8Array, at: number): number {
  return (packet[at] << 8) | packet[at + 1];
}

/** Whether an IPv4 header sums to what it must. */
export function headerIsRight(packet: Uint8Array): boolean {
  return internetChecksum(packet.subarray(0, (packet[0] & 0x0f) * 4)) === 0;
}

/**
 * Runs `act` on the packet in two memories that differ in everything around it. Nothing around it may change, and what comes out may not
 * depend on it: then nothing outside was read or written. Returns what came out.
 */
export function confined<T>(
  packet: Uint8Array,
  act: (bytes: Uint8Array, at: number) => T,
): { readonly result: T; readonly packet: Uint8Array } {
  const outcomes = [0x00, 0xff, 0x42].map((filler) => {
    const bytes = new Uint8Array(packet.length + 2 * margin).fill(filler);
    bytes.set(packet, margin);
    const result = act(bytes, margin);
    const end = margin + packet.length;
    const around = [...bytes.subarray(0, margin), ...bytes.subarray(end)];
    assert.ok(
      around.every((octet) => octet === filler),
      'an octet outside the packet changed',
    );
    return { result, packet: bytes.slice(margin, end) };
  });
  for (const outcome of outcomes) assert.deepEqual(outcome, outcomes[0], 'octets outside the packet were read');
  // And at the very end of a memory, where there is nothing to read.
  const exact = packet.slice();
  assert.deepEqual({ result: act(exact, 0), packet: exact }, outcomes[0]);
  return outcomes[0];
}

const margin = 96;
