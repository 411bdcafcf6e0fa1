/**
 * The flows that `mill.ts` sends: each writes frames with a virtio header as a host does, and judges what comes out at the far end as a host
 * would: order, lengths, checksums, payload. It shares no code with core but the layout of the virtio header.
 */
import { VirtioHeader } from '../../../core/ip/virtio.ts';
import { octets } from '../esp/suites.ts';

export interface Judgement {
  fault(kind: string, detail: string): void;
}

export interface Flow {
  /** Packets that the last frame written becomes. */
  readonly packets: number;
  /** Writes the next frame, virtio header first; `random` decides its size. Octets. */
  write(bytes: Uint8Array, at: number, random: number): number;
  /** Packets of the frame of so many octets in all. */
  judge(frame: Buffer, length: number, judgement: Judgement): number;
}

/** Half TCP, half UDP; half IPv4, half IPv6. */
export function makeFlows(): readonly Flow[] {
  return Array.from({ length: 16 }, (_, i) => new WireFlow(i, i % 2 === 0 ? 4 : 6, i % 4 < 2 ? 6 : 17));
}

const virtioBytes = 10;
const innerMtu = 1400;
/** A prime, so that no length of segments falls in step with it. */
const period = 65_521;
const pattern = Buffer.concat([octets(period, 99), octets(period, 99)]);
const twoTo32 = 0x1_0000_0000;
/** TCP with timestamps. */
const tcpBytes = 32;
const udpBytes = 8;
const needsChecksum = 1;
const psh = 0x08;

class WireFlow implements Flow {
  packets = 0;
  readonly #version: 4 | 6;
  readonly #protocol: 6 | 17;
  /** IP and transport header. */
  readonly #template: Buffer;
  readonly #ipBytes: number;
  readonly #headers: number;
  /** Octets of the largest payload in one packet. */
  readonly #room: number;
  readonly #virtio = new VirtioHeader();
  /** Position in the TCP stream, its sequence number modulo 2^32, or number of the next UDP datagram; and the same at the far end. */
  #sent: number;
  #seen: number;
  #identification: number;
  #identificationSeen: number;
  #pushed = 0;

  constructor(index: number, version: 4 | 6, protocol: 6 | 17) {
    this.#version = version;
    this.#protocol = protocol;
    this.#ipBytes = version === 4 ? 20 : 40;
    this.#headers = this.#ipBytes + (protocol === 6 ? tcpBytes : udpBytes);
    this.#room = innerMtu - this.#headers;
    // Numbers wrap within the first megabytes.
    this.#sent = protocol === 6 ? 0xffff_0000 + index : 0;
    this.#seen = this.#sent;
    this.#identification = 0xfff0;
    this.#identificationSeen = this.#identification;
    this.#template = Buffer.alloc(this.#headers);
    this.#fillTemplate(index);
  }

  write(bytes: Uint8Array, at: number, random: number): number {
    const udp = this.#protocol === 17;
    // Runs of segments for most, single packets of any size for the rest; in a UDP run all datagrams but the last are alike.
    const single = (random & 3) === 0;
    const size = udp ? 8 + ((random >>> 8) % (single ? this.#room - 8 : 200)) : this.#room;
    const count = single ? 1 : 1 + ((random >>> 20) % (udp ? 32 : 44));
    const tail = single && !udp ? 1 + ((random >>> 8) % size) : (random & 4) === 0 ? size : 4 + ((random >>> 9) % (size - 3));
    const payload = (count - 1) * size + tail;
    const frame = at + virtioBytes;
    this.packets = count;
    this.#writeHeaders(bytes, frame, payload, count, (random & 16) !== 0);
    this.#writeVirtio(bytes, at, payload, size);
    const from = frame + this.#headers;
    if (udp) {
      for (let i = 0; i < count; i++) this.#writeDatagram(bytes, from + i * size, i < count - 1 ? size : tail);
    } else {
      const start = this.#sent % period;
      pattern.copy(bytes, from, start, start + payload);
      this.#sent += payload;
    }
    return virtioBytes + this.#headers + payload;
  }

  judge(frame: Buffer, length: number, judgement: Judgement): number {
    const virtio = this.#virtio;
    virtio.read(frame, 0);
    const packet = length - virtioBytes;
    const payload = packet - this.#headers;
    const segmented = virtio.gsoType !== 0;
    const count = segmented ? Math.ceil(payload / virtio.gsoSize) : 1;
    const largest = segmented ? virtio.gsoSize : payload;
    if (payload <= 0 || largest > this.#room || (segmented && count < 2))
      judgement.fault('length', `${length} of ${virtio.gsoSize}`);
    this.#judgeIp(frame, packet, count, judgement);
    this.#judgeChecksum(frame, packet, judgement);
    if (this.#protocol === 6) this.#judgeTcp(frame, payload, judgement);
    else
      for (let i = 0; i < count; i++)
        this.#judgeDatagram(frame, i * largest, Math.min(largest, payload - i * largest), judgement);
    return count;
  }

  #fillTemplate(index: number): void {
    const t = this.#template;
    if (this.#version === 4) {
      t[0] = 0x45;
      t[6] = 0x40; // DF
      t[8] = 64;
      t[9] = this.#protocol;
      t.set([10, 0, 0, 1, 10, 1, 2, 3], 12);
    } else {
      t[0] = 0x60;
      t[6] = this.#protocol;
      t[7] = 64;
      t.set([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9], 8);
    }
    const transport = this.#ipBytes;
    t.writeUInt16BE(0x4000 + index, transport);
    t.writeUInt16BE(443, transport + 2);
    if (this.#protocol === 17) return;
    t[transport + 12] = (tcpBytes / 4) << 4;
    t[transport + 13] = 0x10; // ACK
    t.set([1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8], transport + 20);
  }

  #writeHeaders(bytes: Uint8Array, at: number, payload: number, count: number, push: boolean): void {
    this.#template.copy(bytes, at);
    const total = this.#headers + payload;
    if (this.#version === 4) {
      putU16(bytes, at + 2, total);
      putU16(bytes, at + 4, this.#identification);
      this.#identification = (this.#identification + count) & 0xffff;
      putU16(bytes, at + 10, ~sum(bytes, at, 20, 0) & 0xffff);
    } else putU16(bytes, at + 4, total - 40);
    const transport = at + this.#ipBytes;
    const transportLength = total - this.#ipBytes;
    const pseudo = this.#pseudo(bytes, at, transportLength);
    if (this.#protocol === 17) {
      putU16(bytes, transport + 4, transportLength);
      putU16(bytes, transport + 6, pseudo);
      return;
    }
    const sequence = this.#sent % twoTo32;
    putU16(bytes, transport + 4, sequence >>> 16);
    putU16(bytes, transport + 6, sequence & 0xffff);
    if (push) {
      bytes[transport + 13] |= psh;
      this.#pushed++;
    }
    putU16(bytes, transport + 16, pseudo);
  }

  #writeVirtio(bytes: Uint8Array, at: number, payload: number, size: number): void {
    const virtio = this.#virtio;
    const udp = this.#protocol === 17;
    const segmented = payload > size;
    virtio.flags = needsChecksum;
    virtio.gsoType = segmented ? (udp ? 5 : this.#version === 4 ? 1 : 4) : 0;
    virtio.gsoSize = segmented ? size : 0;
    virtio.headerLength = this.#headers;
    virtio.checksumStart = this.#ipBytes;
    virtio.checksumOffset = udp ? 6 : 16;
    virtio.write(bytes, at);
  }

  #writeDatagram(bytes: Uint8Array, at: number, length: number): void {
    const number = this.#sent++;
    putU16(bytes, at, number >>> 16);
    putU16(bytes, at + 2, number & 0xffff);
    const start = (number * 7919) % period;
    pattern.copy(bytes, at + 4, start, start + length - 4);
  }

  #judgeIp(frame: Buffer, packet: number, count: number, judgement: Judgement): void {
    const at = virtioBytes;
    if (this.#version === 4) {
      if (u16(frame, at + 2) !== packet) judgement.fault('length', `total length ${u16(frame, at + 2)} of ${packet}`);
      if (sum(frame, at, 20, 0) !== 0xffff) judgement.fault('checksum', 'of the IPv4 header');
      if (u16(frame, at + 4) !== this.#identificationSeen) judgement.fault('sequence', `identification ${u16(frame, at + 4)}`);
      this.#identificationSeen = (this.#identificationSeen + count) & 0xffff;
    } else if (u16(frame, at + 4) !== packet - 40) judgement.fault('length', `payload length ${u16(frame, at + 4)} of ${packet}`);
  }

  /** Left to the host: then the field has the pseudo header's sum. Else it is right. */
  #judgeChecksum(frame: Buffer, packet: number, judgement: Judgement): void {
    const { flags, checksumStart, checksumOffset, gsoType } = this.#virtio;
    const transport = this.#ipBytes;
    const field = this.#protocol === 6 ? 16 : 6;
    const pseudo = this.#pseudo(frame, virtioBytes, packet - transport);
    if ((flags & needsChecksum) !== 0) {
      const right =
        checksumStart === transport && checksumOffset === field && u16(frame, virtioBytes + transport + field) === pseudo;
      if (!right) judgement.fault('checksum', 'left to the host');
    } else if (gsoType !== 0) judgement.fault('checksum', 'segments without a sum to finish');
    else if (sum(frame, virtioBytes + transport, packet - transport, pseudo) !== 0xffff)
      judgement.fault('checksum', 'of the packet');
  }

  #judgeTcp(frame: Buffer, payload: number, judgement: Judgement): void {
    const at = virtioBytes + this.#ipBytes;
    const sequence = ((u16(frame, at + 4) << 16) | u16(frame, at + 6)) >>> 0;
    if (sequence !== this.#seen % twoTo32) judgement.fault('sequence', `${sequence} for ${this.#seen}`);
    const start = this.#seen % period;
    const from = at + tcpBytes;
    if (frame.compare(pattern, start, start + payload, from, from + payload) !== 0)
      judgement.fault('payload', `TCP at ${sequence}`);
    this.#seen += payload;
    if ((frame[at + 13] & psh) !== 0 && --this.#pushed < 0) judgement.fault('header', 'PSH that nobody sent');
  }

  #judgeDatagram(frame: Buffer, offset: number, length: number, judgement: Judgement): void {
    const at = virtioBytes + this.#headers + offset;
    const number = ((u16(frame, at) << 16) | u16(frame, at + 2)) >>> 0;
    if (number !== this.#seen) judgement.fault('sequence', `datagram ${number} for ${this.#seen}`);
    const start = (number * 7919) % period;
    if (frame.compare(pattern, start, start + length - 4, at + 4, at + length) !== 0) judgement.fault('payload', `UDP ${number}`);
    this.#seen = number + 1;
  }

  /** Sum of the pseudo header (RFC 9293 §3.1, RFC 8200 §8.1). */
  #pseudo(bytes: Uint8Array, at: number, length: number): number {
    const from = this.#version === 4 ? 12 : 8;
    return sum(bytes, at + from, this.#ipBytes - from, this.#protocol + length);
  }
}

/** RFC 1071, big endian; `length` and what is added so far. */
function sum(bytes: Uint8Array, at: number, length: number, start: number): number {
  let total = start;
  const even = length & ~1;
  for (let i = 0; i < even; i += 2) total += (bytes[at + i] << 8) | bytes[at + i + 1];
  if (even < length) total += bytes[at + even] << 8;
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}

function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}
