/**
 * An independent, slow implementation of what core/ip does fast: packets are written, checked and segmented big endian, with allocation
 * everywhere. Nothing here imports from core.
 */
import assert from 'node:assert/strict';

type Octets = readonly number[] | Uint8Array;

export interface PacketSpec {
  readonly version: 4 | 6;
  readonly protocol: 'tcp' | 'udp';
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
  readonly ttl?: number;
  readonly tos?: number;
  /** IPv4. */
  readonly id?: number;
  readonly dontFragment?: boolean;
  readonly ipOptions?: Uint8Array;
  /** IPv6. */
  readonly flowLabel?: number;
  /** IPv6: octets between fixed and transport header, the first one's number in `nextHeader`, the last one naming the transport. */
  readonly extensions?: Uint8Array;
  readonly nextHeader?: number;
  /** TCP. */
  readonly sequence?: number;
  readonly acknowledgement?: number;
  readonly flags?: number;
  readonly window?: number;
  readonly urgent?: number;
  readonly options?: Uint8Array;
}

export interface Virtio {
  readonly flags: number;
  readonly gsoType: number;
  readonly headerLength: number;
  readonly gsoSize: number;
  readonly checksumStart: number;
  readonly checksumOffset: number;
}

const tcp = 6;
const udp = 17;

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;
export const URG = 0x20;
export const ECE = 0x40;
export const CWR = 0x80;

/** The whole packet with all checksums. */
export function packetOf(spec: PacketSpec): Uint8Array {
  const transport = transportOf(spec);
  const protocol = spec.protocol === 'tcp' ? tcp : udp;
  const { source, destination, ttl } = spec;
  const packet =
    spec.version === 4
      ? ipv4Packet({
          ...{ source, destination, ttl, tos: spec.tos, protocol, payload: transport },
          ...{ id: spec.id ?? 0, flags: (spec.dontFragment ?? true) ? 0x4000 : 0, options: spec.ipOptions },
        })
      : ipv6Packet({
          ...{ source, destination, ttl, trafficClass: spec.tos, flowLabel: spec.flowLabel, payload: transport },
          ...{ extensions: spec.extensions, next: spec.extensions === undefined ? protocol : (spec.nextHeader ?? 60) },
        });
  finishTransport(packet, packet.length - transport.length, protocol);
  return packet;
}

/** The same as the host hands it out for segmentation: the checksum is the pseudo header's sum only. */
export function superPacketOf(spec: PacketSpec): Uint8Array {
  const packet = packetOf(spec);
  const at = transportAt(packet);
  setU16(packet, at + (spec.protocol === 'tcp' ? 16 : 6), pseudoOnly(packet, at));
  return packet;
}

export function virtioOf(bytes: Uint8Array): Virtio {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 10);
  return {
    flags: view.getUint8(0),
    gsoType: view.getUint8(1),
    headerLength: view.getUint16(2, true),
    gsoSize: view.getUint16(4, true),
    checksumStart: view.getUint16(6, true),
    checksumOffset: view.getUint16(8, true),
  };
}

interface Whole {
  readonly data: Uint8Array;
  readonly from: number;
  readonly more: boolean;
}

/** Puts fragments together as RFC 791 §3.2 has it, in any order, insisting on no hole and no overlap. */
export function reassemble(fragments: readonly Uint8Array[]): Whole {
  const parts = fragments
    .map((fragment) => ({
      from: (getU16(fragment, 6) & 0x1fff) * 8,
      more: (getU16(fragment, 6) & 0x2000) !== 0,
      data: fragment.subarray((fragment[0] & 0x0f) * 4),
    }))
    .sort((a, b) => a.from - b.from);
  let at = parts[0].from;
  for (const [i, part] of parts.entries()) {
    assert.equal(part.from, at, 'a hole or an overlap');
    if (i < parts.length - 1) {
      assert.ok(part.more, 'more fragments follow');
      assert.equal(part.data.length % 8, 0);
      assert.ok(part.data.length > 0);
    }
    at += part.data.length;
  }
  return {
    data: Uint8Array.from(parts.flatMap(({ data }) => [...data])),
    from: parts[0].from,
    more: parts[parts.length - 1].more,
  };
}

/** What a device does with a frame: the packets that come out of it, with all checksums. Throws where it makes no sense. */
export function segmented(packet: Uint8Array, virtio: Virtio): Uint8Array[] {
  if (virtio.gsoType === 0) return [(virtio.flags & 1) === 0 ? packet.slice() : finished(packet, virtio)];
  const version = packet[0] >>> 4;
  const at = transportAt(packet);
  const isTcp = virtio.gsoType === 1 || virtio.gsoType === 4;
  if (!isTcp && virtio.gsoType !== 5) throw new Error(`gso type ${virtio.gsoType}`);
  if (isTcp && (virtio.gsoType === 1) !== (version === 4)) throw new Error('gso type of the other version');
  if (virtio.checksumStart !== at || virtio.checksumOffset !== (isTcp ? 16 : 6)) throw new Error('checksum place');
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  if (view.getUint16(at + virtio.checksumOffset) !== pseudoOnly(packet, at)) throw new Error('not the sum of the pseudo header');
  const total = version === 4 ? view.getUint16(2) : 40 + view.getUint16(4);
  if (total !== packet.length) throw new Error('length of the IP header');
  if (version === 4 && !headerIsRight(packet)) throw new Error('IPv4 header checksum');
  if (!isTcp && view.getUint16(at + 4) !== packet.length - at) throw new Error('length of the UDP header');
  const headers = at + (isTcp ? (packet[at + 12] >>> 4) * 4 : 8);
  const out: Uint8Array[] = [];
  for (let from = headers, i = 0; from < packet.length; from += virtio.gsoSize, i++) {
    const payload = packet.subarray(from, Math.min(packet.length, from + virtio.gsoSize));
    const last = from + payload.length === packet.length;
    const one = joined(packet.subarray(0, headers), payload);
    const v = new DataView(one.buffer);
    if (version === 4) {
      v.setUint16(2, one.length);
      v.setUint16(4, (view.getUint16(4) + i) & 0xffff);
      finishIpv4(one);
    } else v.setUint16(4, one.length - 40);
    if (isTcp) {
      v.setUint32(at + 4, (view.getUint32(at + 4) + i * virtio.gsoSize) % 2 ** 32);
      if (!last) one[at + 13] &= ~(FIN | PSH);
      if (i > 0) one[at + 13] &= ~CWR;
    } else v.setUint16(at + 4, one.length - at);
    finishTransport(one, at, isTcp ? tcp : udp);
    out.push(one);
  }
  return out;
}

/** Whether the receiving host takes it: lengths and all checksums. */
export function isIntact(packet: Uint8Array): boolean {
  if (packet[0] >>> 4 === 4 && !headerIsRight(packet)) return false;
  const at = transportAt(packet);
  return sum16(joined(pseudoHeader(packet, at), packet.subarray(at))) === 0xffff;
}

export function transportAt(packet: Uint8Array): number {
  if (packet[0] >>> 4 === 4) return (packet[0] & 15) * 4;
  let at = 40;
  for (let next = packet[6]; next === 0 || next === 43 || next === 60; ) {
    next = packet[at];
    at += 8 * (1 + packet[at + 1]);
  }
  return at;
}

// --- packets by their fields -------------------------------------------------------------------------------------------------------

export interface Ipv4Fields {
  readonly tos?: number;
  readonly id?: number;
  /** Flags and fragment offset. */
  readonly flags?: number;
  readonly protocol?: number;
  readonly source?: Octets;
  readonly destination?: Octets;
  readonly options?: Octets;
  readonly payload?: Uint8Array;
  readonly ttl?: number;
}

export function ipv4Packet(fields: Ipv4Fields = {}): Uint8Array<ArrayBuffer> {
  const { tos = 0, id = 0x1234, flags = 0, protocol = udp, ttl = 64, options = [], payload = new Uint8Array(0) } = fields;
  const { source = [10, 0, 0, 1], destination = [10, 1, 2, 3] } = fields;
  assert.equal(options.length % 4, 0);
  const header = 20 + options.length;
  const total = header + payload.length;
  const start = [0x40 | (header / 4), tos, total >>> 8, total, id >>> 8, id, flags >>> 8, flags, ttl, protocol, 0, 0];
  const out = joined(start, source, destination, options, payload);
  finishIpv4(out);
  return out;
}

export interface Ipv6Fields {
  readonly trafficClass?: number;
  readonly flowLabel?: number;
  readonly next?: number;
  readonly source?: Octets;
  readonly destination?: Octets;
  /** Extension headers, already chained. */
  readonly extensions?: Octets;
  readonly payload?: Uint8Array;
  readonly ttl?: number;
}

export const ipv6Source = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
export const ipv6Destination = [0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

export function ipv6Packet(fields: Ipv6Fields = {}): Uint8Array<ArrayBuffer> {
  const { trafficClass = 0, flowLabel = 0, next = udp, ttl = 64, extensions = [], payload = new Uint8Array(0) } = fields;
  const { source = ipv6Source, destination = ipv6Destination } = fields;
  const length = extensions.length + payload.length;
  const start = [0x60 | (trafficClass >>> 4), ((trafficClass & 0x0f) << 4) | (flowLabel >>> 16), flowLabel >>> 8, flowLabel];
  return joined(start, [length >>> 8, length, next, ttl], source, destination, extensions, payload);
}

/** A TCP segment without checksum; `options` must fill whole words. */
export function tcpSegment(flags: number, options: Octets, data: Octets = []): Uint8Array {
  assert.equal(options.length % 4, 0);
  const fixed = [0x30, 0x39, 0x01, 0xbb, 1, 2, 3, 4, 5, 6, 7, 8, ((20 + options.length) / 4) << 4, flags, 0xfa, 0xf0, 0, 0, 0, 0];
  return joined(fixed, options, data);
}

function transportOf(spec: PacketSpec): Uint8Array {
  if (spec.protocol === 'udp') {
    const out = joined(new Uint8Array(8), spec.payload);
    for (const [i, word] of [spec.sourcePort, spec.destinationPort, out.length].entries()) setU16(out, 2 * i, word);
    return out;
  }
  const out = tcpSegment(spec.flags ?? ACK, spec.options ?? [], spec.payload);
  const view = new DataView(out.buffer);
  view.setUint16(0, spec.sourcePort);
  view.setUint16(2, spec.destinationPort);
  view.setUint32(4, spec.sequence ?? 0);
  view.setUint32(8, spec.acknowledgement ?? 0);
  view.setUint16(14, spec.window ?? 1000);
  view.setUint16(18, spec.urgent ?? 0);
  return out;
}

// --- sums --------------------------------------------------------------------------------------------------------------------------

/** Ones' complement sum of big-endian words. */
export function sum16(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes[i] * 256 + (i + 1 < bytes.length ? bytes[i + 1] : 0);
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum;
}

/** RFC 1071. */
export function internetChecksum(octets: Uint8Array): number {
  return 0xffff - sum16(octets);
}

/** Whether an IPv4 header sums to what it must. */
export function headerIsRight(packet: Uint8Array): boolean {
  return internetChecksum(packet.subarray(0, (packet[0] & 0x0f) * 4)) === 0;
}

/** The checksum that the transport of the packet should have, its field at `field` of the segment taken as zero. */
export function transportChecksum(packet: Uint8Array, headerLength: number, protocol: number, field: number): number {
  const segment = packet.slice(headerLength);
  setU16(segment, field, 0);
  return internetChecksum(joined(pseudoHeader(packet, headerLength, protocol), segment));
}

/** The sum that is there while the checksum is left to somebody else: that of the pseudo header, not complemented. */
export function pseudoOnly(packet: Uint8Array, headerLength: number, protocol = protocolAt(packet, headerLength)): number {
  return sum16(pseudoHeader(packet, headerLength, protocol));
}

/** IPv6's (RFC 8200 §8.1); for IPv4 its sum is the same as of the shorter one (RFC 9293 §3.1). */
function pseudoHeader(packet: Uint8Array, at: number, protocol = protocolAt(packet, at)): Uint8Array {
  const addresses = packet[0] >>> 4 === 4 ? packet.subarray(12, 20) : packet.subarray(8, 40);
  const length = packet.length - at;
  return joined(addresses, [length >>> 24, length >>> 16, length >>> 8, length, 0, 0, 0, protocol]);
}

/** The number of the protocol whose header is at `at`. */
function protocolAt(packet: Uint8Array, at: number): number {
  if (packet[0] >>> 4 === 4) return packet[9];
  let protocol = packet[6];
  for (let next = 40; next < at; next += 8 * (1 + packet[next + 1])) protocol = packet[next];
  return protocol;
}

function finishIpv4(packet: Uint8Array): void {
  setU16(packet, 10, 0);
  setU16(packet, 10, internetChecksum(packet.subarray(0, (packet[0] & 15) * 4)));
}

function finishTransport(packet: Uint8Array, at: number, protocol: number): void {
  const field = protocol === tcp ? 16 : 6;
  const checksum = transportChecksum(packet, at, protocol, field);
  setU16(packet, at + field, checksum === 0 && protocol === udp ? 0xffff : checksum);
}

function finished(packet: Uint8Array, virtio: Virtio): Uint8Array {
  const out = packet.slice();
  const checksum = 0xffff - sum16(packet.subarray(virtio.checksumStart)) || 0xffff;
  out[virtio.checksumStart + virtio.checksumOffset] = checksum >>> 8;
  out[virtio.checksumStart + virtio.checksumOffset + 1] = checksum & 0xff;
  return out;
}

// --- octets ------------------------------------------------------------------------------------------------------------------------

export function setU16(packet: Uint8Array, at: number, value: number): void {
  packet[at] = value >>> 8;
  packet[at + 1] = value;
}

export function getU16(packet: Uint8Array, at: number): number {
  return (packet[at] << 8) | packet[at + 1];
}

/** A generator of numbers below `n`, the same for the same seed (mulberry32). */
export function numbers(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

export function joined(...parts: readonly Octets[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((octets, part) => octets + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
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
