/**
 * An independent, slow implementation of what core/ip does fast: packets are built, checked and segmented through DataView, big endian,
 * with allocation everywhere. Nothing here imports from core.
 */

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
  const header = spec.version === 4 ? ipv4Of(spec, transport.length) : ipv6Of(spec, transport.length);
  const packet = joined(header, transport);
  finishTransport(packet, header.length, spec.protocol);
  return packet;
}

/** The same as the host hands it out for segmentation: the checksum is the pseudo header's sum only. */
export function superPacketOf(spec: PacketSpec): Uint8Array {
  const packet = packetOf(spec);
  const at = transportAt(packet);
  const field = at + (spec.protocol === 'tcp' ? 16 : 6);
  new DataView(packet.buffer).setUint16(field, sum16(pseudoHeader(packet, at)));
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
  if (view.getUint16(at + virtio.checksumOffset) !== sum16(pseudoHeader(packet, at)))
    throw new Error('not the sum of the pseudo header');
  const total = version === 4 ? view.getUint16(2) : 40 + view.getUint16(4);
  if (total !== packet.length) throw new Error('length of the IP header');
  if (version === 4 && sum16(packet.subarray(0, (packet[0] & 15) * 4)) !== 0xffff) throw new Error('IPv4 header checksum');
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
    finishTransport(one, at, isTcp ? 'tcp' : 'udp');
    out.push(one);
  }
  return out;
}

/** Whether the receiving host takes it: lengths and all checksums. */
export function isIntact(packet: Uint8Array): boolean {
  const version = packet[0] >>> 4;
  if (version === 4 && sum16(packet.subarray(0, (packet[0] & 15) * 4)) !== 0xffff) return false;
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

/** Ones' complement sum of big-endian words. */
export function sum16(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes[i] * 256 + (i + 1 < bytes.length ? bytes[i + 1] : 0);
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum;
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

export function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((octets, part) => octets + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function ipv4Of(spec: PacketSpec, transport: number): Uint8Array {
  const header = joined(new Uint8Array(20), spec.ipOptions ?? new Uint8Array());
  const view = new DataView(header.buffer);
  header[0] = 0x40 | (header.length / 4);
  header[1] = spec.tos ?? 0;
  view.setUint16(2, header.length + transport);
  view.setUint16(4, spec.id ?? 0);
  view.setUint16(6, (spec.dontFragment ?? true) ? 0x4000 : 0);
  header[8] = spec.ttl ?? 64;
  header[9] = spec.protocol === 'tcp' ? 6 : 17;
  header.set(spec.source, 12);
  header.set(spec.destination, 16);
  finishIpv4(header);
  return header;
}

function ipv6Of(spec: PacketSpec, transport: number): Uint8Array {
  const header = joined(new Uint8Array(40), spec.extensions ?? new Uint8Array());
  const view = new DataView(header.buffer);
  view.setUint32(0, 0x60000000 + (spec.tos ?? 0) * 0x100000 + (spec.flowLabel ?? 0));
  view.setUint16(4, header.length - 40 + transport);
  header[6] = spec.extensions === undefined ? (spec.protocol === 'tcp' ? 6 : 17) : (spec.nextHeader ?? 60);
  header[7] = spec.ttl ?? 64;
  header.set(spec.source, 8);
  header.set(spec.destination, 24);
  return header;
}

function transportOf(spec: PacketSpec): Uint8Array {
  if (spec.protocol === 'udp') {
    const out = joined(new Uint8Array(8), spec.payload);
    const view = new DataView(out.buffer);
    view.setUint16(0, spec.sourcePort);
    view.setUint16(2, spec.destinationPort);
    view.setUint16(4, out.length);
    return out;
  }
  const options = spec.options ?? new Uint8Array();
  const out = joined(new Uint8Array(20), options, spec.payload);
  const view = new DataView(out.buffer);
  view.setUint16(0, spec.sourcePort);
  view.setUint16(2, spec.destinationPort);
  view.setUint32(4, spec.sequence ?? 0);
  view.setUint32(8, spec.acknowledgement ?? 0);
  out[12] = ((20 + options.length) / 4) << 4;
  out[13] = spec.flags ?? ACK;
  view.setUint16(14, spec.window ?? 1000);
  view.setUint16(18, spec.urgent ?? 0);
  return out;
}

function finishIpv4(packet: Uint8Array<ArrayBuffer> | Uint8Array): void {
  packet[10] = 0;
  packet[11] = 0;
  const checksum = 0xffff - sum16(packet.subarray(0, (packet[0] & 15) * 4));
  packet[10] = checksum >>> 8;
  packet[11] = checksum & 0xff;
}

function finishTransport(packet: Uint8Array, at: number, protocol: 'tcp' | 'udp'): void {
  const field = at + (protocol === 'tcp' ? 16 : 6);
  packet[field] = 0;
  packet[field + 1] = 0;
  let checksum = 0xffff - sum16(joined(pseudoHeader(packet, at), packet.subarray(at)));
  if (checksum === 0 && protocol === 'udp') checksum = 0xffff;
  packet[field] = checksum >>> 8;
  packet[field + 1] = checksum & 0xff;
}

function finished(packet: Uint8Array, virtio: Virtio): Uint8Array {
  const out = packet.slice();
  const checksum = 0xffff - sum16(packet.subarray(virtio.checksumStart)) || 0xffff;
  out[virtio.checksumStart + virtio.checksumOffset] = checksum >>> 8;
  out[virtio.checksumStart + virtio.checksumOffset + 1] = checksum & 0xff;
  return out;
}

function pseudoHeader(packet: Uint8Array, at: number): Uint8Array {
  const addresses = packet[0] >>> 4 === 4 ? packet.subarray(12, 20) : packet.subarray(8, 40);
  const length = packet.length - at;
  let protocol = packet[9];
  if (packet[0] >>> 4 === 6) {
    protocol = packet[6];
    for (let next = 40; next < at; next += 8 * (1 + packet[next + 1])) protocol = packet[next];
  }
  return joined(addresses, Uint8Array.of(0, 0, length >>> 8, length & 0xff, 0, 0, 0, protocol));
}
