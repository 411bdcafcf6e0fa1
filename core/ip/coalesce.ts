/**
 * Coalescing of inner packets, in the order in which they came, into frames for a TUN device with offloads: segments of one flow become
 * one super-packet, which costs the host little more than a single packet. The rules are those of Linux's inet_gro_receive,
 * ipv6_gro_receive, tcp_gro_receive and udp_gro_receive_segment, tightened so that segmenting a super-packet again gives the octets that
 * came in, but for the identification of IPv4 packets with DF.
 *
 * A super-packet says that its checksums are right, and its segments are given new ones. So a packet takes part only when its own were
 * verified; any other is a frame of its own, unchanged, which the host verifies and drops.
 *
 * Within a flow the order never changes: a packet that cannot join its flow's open super-packet closes it. Flows may overtake each other
 * until `flush`.
 */
import { foldSum, swapWord, wordAt } from './checksum.ts';
import type { PacketMemory } from './packetMemory.ts';
import { describeSuperPacket } from './superPacket.ts';
import { checksumValid, VirtioHeader, virtioHeaderBytes } from './virtio.ts';

/** Takes frames: `Tun` of core/system/ports.ts. The pieces are valid during the call. */
export interface FrameSink {
  /** False when there is no room. */
  write(memory: PacketMemory, pieces: Frame): boolean;
  /** The last frame was taken and thrown away: nobody can write it. */
  readonly refused?: boolean;
}

/** Pieces of a packet memory, in order: together one frame. */
export interface Frame {
  readonly offset: Uint32Array;
  readonly length: Uint32Array;
  count: number;
}

/** What the device takes: `TunFeatures` of core/system/ports.ts. */
export interface FrameFeatures {
  readonly headers: boolean;
  readonly tcp: boolean;
  readonly udp: boolean;
}

/** One per lane. */
export class Coalescer {
  /** May change while nothing is pending. */
  features: FrameFeatures = { headers: false, tcp: false, udp: false };
  readonly #memory: PacketMemory;
  readonly #view: DataView;
  readonly #virtio = new VirtioHeader();
  readonly #frame: Frame;

  // Packets: what of them goes into the frame, and the next one of the same frame, or -1.
  readonly #pieceAt: Uint32Array;
  readonly #pieceLength: Uint32Array;
  readonly #next: Int32Array;
  #packets = 0;

  // Frames, in the order of their first packets, which is the order in which they are written.
  readonly #first: Int32Array;
  readonly #last: Int32Array;
  readonly #pieces: Uint8Array;
  /** Octets of the super-packet so far. */
  readonly #octets: Uint32Array;
  /** A kind as `#read` returns it; `tcp` and `udp` were verified. */
  readonly #kindOf: Uint8Array;
  /** Octets of payload of the first packet. */
  readonly #gsoSize: Uint16Array;
  /** FIN and PSH of the last packet. */
  readonly #finPsh: Uint16Array;
  #frames = 0;
  #written = 0;
  /** Packets in frames that the sink refused. */
  #refused = 0;

  // Open flows. `#order` has all slots, the open ones first, the last used foremost.
  readonly #order = new Uint8Array(maxFlows);
  #open = 0;
  readonly #frameOf = new Int32Array(maxFlows);
  readonly #ports = new Int32Array(maxFlows);
  /** Protocol and version. */
  readonly #protocol = new Int32Array(maxFlows);
  readonly #nextSequence = new Int32Array(maxFlows);

  // The packet at hand.
  #version = 0;
  #transport = 0;
  /** Octets in front of its payload. */
  #headers = 0;
  #payload = 0;

  /** Takes up to `capacity` packets between flushes. All packets lie in `memory`. */
  constructor(memory: PacketMemory, capacity: number) {
    this.#memory = memory;
    this.#view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset, memory.bytes.byteLength);
    this.#frame = { offset: new Uint32Array(maxPieces), length: new Uint32Array(maxPieces), count: 0 };
    this.#pieceAt = new Uint32Array(capacity);
    this.#pieceLength = new Uint32Array(capacity);
    this.#next = new Int32Array(capacity);
    this.#first = new Int32Array(capacity);
    this.#last = new Int32Array(capacity);
    this.#pieces = new Uint8Array(capacity);
    this.#octets = new Uint32Array(capacity);
    this.#kindOf = new Uint8Array(capacity);
    this.#gsoSize = new Uint16Array(capacity);
    this.#finPsh = new Uint16Array(capacity);
    for (let i = 0; i < maxFlows; i++) this.#order[i] = i;
  }

  /**
   * Takes the packet of `length` octets at `at`; false when there is no more room before a `flush`. Until then the memory must keep
   * it, and 16 octets in front of it that nobody else uses: the virtio header goes there. Never changes anything before `flush`.
   */
  add(at: number, length: number): boolean {
    const packet = this.#packets;
    if (packet === this.#next.length) return false;
    this.#packets = packet + 1;
    this.#next[packet] = -1;
    const kind = this.#read(at, length);
    if (kind === opaque) this.#closeAddresses(at);
    else if (kind !== single) {
      const known = this.#find(at);
      if (kind === lone || !this.#intact(at, length)) {
        if (known) this.#close(0);
      } else {
        if (known && this.#joins(kind, at)) this.#join(packet, kind, at);
        else {
          if (known) this.#close(0);
          this.#start(packet, kind, at, length);
        }
        return true;
      }
    }
    this.#newFrame(packet, kind === tcp || kind === udp ? lone : kind, at, length);
    return true;
  }

  /**
   * Gives all frames to the sink, in order. False when it had no room for one of them: it and what follows is still pending, for the next
   * `flush` or `clear`.
   */
  flush(sink: FrameSink): boolean {
    this.#open = 0;
    for (; this.#written < this.#frames; this.#written++) {
      this.#assemble(this.#written);
      if (!sink.write(this.#memory, this.#frame)) return false;
      if (sink.refused === true) this.#refused += this.#pieces[this.#written];
    }
    this.#reset();
    return true;
  }

  /** Forgets what is pending; the number of packets. */
  clear(): number {
    let packets = 0;
    for (let f = this.#written; f < this.#frames; f++) packets += this.#pieces[f];
    this.#reset();
    return packets;
  }

  /** Packets that the sink took and threw away since this was asked last. */
  takeRefused(): number {
    const refused = this.#refused;
    this.#refused = 0;
    return refused;
  }

  #reset(): void {
    this.#open = 0;
    this.#packets = 0;
    this.#frames = 0;
    this.#written = 0;
  }

  /** What can become of the packet at hand; sets its fields where it has ports. */
  #read(at: number, length: number): number {
    const { bytes } = this.#memory;
    const { headers, tcp: withTcp, udp: withUdp } = this.features;
    if (!headers || !(withTcp || withUdp)) return single;
    const version = bytes[at] >>> 4;
    this.#version = version;
    let protocol: number;
    if (version === 4) {
      if (length < 20) return single;
      // No options, no fragment, no reserved flag, nothing behind the packet.
      if (bytes[at] !== 0x45 || ((bytes[at + 6] & 0xbf) | bytes[at + 7]) !== 0) return opaque;
      if (swapWord(wordAt(bytes, at + 2)) !== length) return opaque;
      protocol = bytes[at + 9];
      this.#transport = 20;
    } else if (version === 6) {
      if (length < 40) return single;
      if (swapWord(wordAt(bytes, at + 4)) !== length - 40) return opaque;
      protocol = bytes[at + 6];
      this.#transport = 40;
    } else return single;
    const rest = length - this.#transport;
    if (protocol === 6) return rest < 20 ? opaque : withTcp ? this.#readTcp(bytes, at + this.#transport, rest) : single;
    if (protocol === 17) return rest < 8 ? opaque : withUdp ? this.#readUdp(bytes, at + this.#transport, rest) : single;
    return opaque;
  }

  #readTcp(bytes: Uint8Array, at: number, rest: number): number {
    // Octet 12 has the offset, and four bits that are 0 (RFC 9293 §3.1) or AccECN's.
    const octets = (bytes[at + 12] >>> 4) * 4;
    if (octets < 20 || octets >= rest || (bytes[at + 12] & 0x0f) !== 0) return lone;
    // ACK, and no SYN, RST, URG or CWR: what they say holds for one place in the stream.
    if ((bytes[at + 13] & ~(psh | fin | ece)) !== ack) return lone;
    this.#headers = this.#transport + octets;
    this.#payload = rest - octets;
    return tcp;
  }

  #readUdp(bytes: Uint8Array, at: number, rest: number): number {
    // RFC 768: a checksum of 0 is none, so nothing can be verified.
    if (rest === 8 || swapWord(wordAt(bytes, at + 4)) !== rest || wordAt(bytes, at + 6) === 0) return lone;
    this.#headers = this.#transport + 8;
    this.#payload = rest - 8;
    return udp;
  }

  /** Whether the checksums of the IPv4 header and of TCP or UDP are right. */
  #intact(at: number, length: number): boolean {
    const view = this.#view;
    const rest = length - this.#transport;
    let sum = 0;
    if (this.#version === 4) {
      sum = halves(view.getInt32(at + 12, true)) + halves(view.getInt32(at + 16, true));
      const header = halves(view.getInt32(at, true)) + halves(view.getInt32(at + 4, true)) + halves(view.getInt32(at + 8, true));
      if (foldSum(sum + header) !== 0xffff) return false;
      sum += view.getUint8(at + 9) << 8;
    } else {
      for (let i = at + 8; i < at + 40; i += 4) sum += halves(view.getInt32(i, true));
      sum += view.getUint8(at + 6) << 8;
    }
    return foldSum(sum + swapWord(rest) + this.#memory.sum(at + this.#transport, rest)) === 0xffff;
  }

  // --- flows -----------------------------------------------------------------------------------------------------------------

  /** Whether the packet's flow is open; it is then the foremost. */
  #find(at: number): boolean {
    const order = this.#order;
    const ports = this.#view.getInt32(at + this.#transport, true);
    const protocol = this.#protocolAt(at);
    for (let k = 0; k < this.#open; k++) {
      const slot = order[k];
      if (this.#ports[slot] !== ports || this.#protocol[slot] !== protocol || !this.#sameAddresses(slot, at)) continue;
      if (k > 0) this.#toFront(k);
      return true;
    }
    return false;
  }

  #toFront(k: number): void {
    const order = this.#order;
    const slot = order[k];
    for (let i = k; i > 0; i--) order[i] = order[i - 1];
    order[0] = slot;
  }

  #protocolAt(at: number): number {
    return this.#version === 4 ? 0x400 | this.#memory.bytes[at + 9] : 0x600 | this.#memory.bytes[at + 6];
  }

  /** Only for the same version. */
  #sameAddresses(slot: number, at: number): boolean {
    const view = this.#view;
    const other = this.#pieceAt[this.#first[this.#frameOf[slot]]];
    if (this.#version === 4) {
      return (
        view.getInt32(at + 12, true) === view.getInt32(other + 12, true) &&
        view.getInt32(at + 16, true) === view.getInt32(other + 16, true)
      );
    }
    for (let i = 8; i < 40; i += 4) if (view.getInt32(at + i, true) !== view.getInt32(other + i, true)) return false;
    return true;
  }

  /** Closes the flow in place `k` of the order. */
  #close(k: number): void {
    const order = this.#order;
    const slot = order[k];
    this.#open--;
    for (let i = k; i < this.#open; i++) order[i] = order[i + 1];
    order[this.#open] = slot;
  }

  /** A packet without ports to see, such as a fragment, may belong to any flow between its addresses. */
  #closeAddresses(at: number): void {
    for (let k = this.#open - 1; k >= 0; k--) {
      const slot = this.#order[k];
      if (this.#protocol[slot] >>> 8 === this.#version && this.#sameAddresses(slot, at)) this.#close(k);
    }
  }

  // --- super-packets -----------------------------------------------------------------------------------------------------------

  /** Whether the packet continues the super-packet of the foremost flow. */
  #joins(kind: number, at: number): boolean {
    const view = this.#view;
    const slot = this.#order[0];
    const f = this.#frameOf[slot];
    const other = this.#pieceAt[this.#first[f]];
    if (this.#payload > this.#gsoSize[f] || this.#octets[f] + this.#payload > maxOctets) return false;
    if (this.#version === 4) {
      if (view.getUint16(at) !== view.getUint16(other)) return false; // version, header length, DSCP, ECN
      const flags = view.getUint16(at + 6);
      if (flags !== view.getUint16(other + 6) || view.getUint16(at + 8) !== view.getUint16(other + 8)) return false; // DF; TTL
      // RFC 6864 §4.1: with DF the identification means nothing and must be ignored. Without, it must stay what it was if the host
      // forwards the segments, and segmentation counts upwards by one.
      if (flags === 0 && view.getUint16(at + 4) !== ((view.getUint16(other + 4) + this.#pieces[f]) & 0xffff)) return false;
    } else {
      if (view.getInt32(at) !== view.getInt32(other)) return false; // version, traffic class, flow label
      if (view.getUint16(at + 6) !== view.getUint16(other + 6)) return false; // next header, hop limit
    }
    return kind === udp || this.#continues(slot, at + this.#transport, other + this.#transport);
  }

  /** The same for the TCP headers at `at` and, of the first packet, at `other`. */
  #continues(slot: number, at: number, other: number): boolean {
    const view = this.#view;
    if (view.getInt32(at + 4) !== this.#nextSequence[slot] || view.getInt32(at + 8) !== view.getInt32(other + 8)) return false;
    // Offset, flags and window: all but FIN and PSH, which the first one, being open, has not.
    if (((view.getInt32(at + 12) ^ view.getInt32(other + 12)) & ~((fin | psh) << 16)) !== 0) return false;
    if (view.getUint16(at + 18) !== view.getUint16(other + 18)) return false; // means nothing without URG, but is there
    const end = this.#headers - this.#transport;
    for (let i = 20; i < end; i += 4) if (view.getInt32(at + i) !== view.getInt32(other + i)) return false;
    return true;
  }

  #join(packet: number, kind: number, at: number): void {
    const slot = this.#order[0];
    const f = this.#frameOf[slot];
    this.#pieceAt[packet] = at + this.#headers;
    this.#pieceLength[packet] = this.#payload;
    this.#next[this.#last[f]] = packet;
    this.#last[f] = packet;
    this.#pieces[f]++;
    this.#octets[f] += this.#payload;
    this.#nextSequence[slot] += this.#payload; // modulo 2^32
    if (kind === tcp) this.#finPsh[f] = this.#memory.bytes[at + this.#transport + 13] & (fin | psh);
    if (this.#payload < this.#gsoSize[f] || this.#finPsh[f] !== 0 || this.#pieces[f] === maxPieces) this.#close(0);
  }

  /** A frame that others may join, unless FIN or PSH ends it. */
  #start(packet: number, kind: number, at: number, length: number): void {
    const f = this.#frames;
    this.#newFrame(packet, kind, at, length);
    this.#gsoSize[f] = this.#payload;
    if (kind === tcp && (this.#memory.bytes[at + this.#transport + 13] & (fin | psh)) !== 0) return;
    if (this.#open < maxFlows) this.#open++;
    this.#toFront(this.#open - 1); // a free one, or the one that was not used for longest
    const slot = this.#order[0];
    this.#frameOf[slot] = f;
    this.#ports[slot] = this.#view.getInt32(at + this.#transport, true);
    this.#protocol[slot] = this.#protocolAt(at);
    if (kind === tcp) this.#nextSequence[slot] = this.#view.getInt32(at + this.#transport + 4) + this.#payload;
  }

  #newFrame(packet: number, kind: number, at: number, length: number): void {
    const f = this.#frames;
    this.#pieceAt[packet] = at;
    this.#pieceLength[packet] = length;
    this.#first[f] = packet;
    this.#last[f] = packet;
    this.#pieces[f] = 1;
    this.#octets[f] = length;
    this.#kindOf[f] = kind;
    this.#finPsh[f] = 0;
    this.#frames = f + 1;
  }

  /** Brings the frame into the form in which it is written; any number of times the same. */
  #assemble(f: number): void {
    const { offset, length } = this.#frame;
    let count = 0;
    for (let packet = this.#first[f]; packet >= 0; packet = this.#next[packet]) {
      offset[count] = this.#pieceAt[packet];
      length[count] = this.#pieceLength[packet];
      count++;
    }
    this.#frame.count = count;
    if (!this.features.headers) return;
    const { bytes } = this.#memory;
    const at = offset[0];
    if (count > 1) {
      describeSuperPacket(this.#virtio, bytes, at, this.#octets[f], this.#gsoSize[f]);
      if (this.#kindOf[f] === tcp) bytes[at + this.#virtio.checksumStart + 13] |= this.#finPsh[f];
    } else {
      this.#virtio.clear();
      if (this.#kindOf[f] >= tcp) this.#virtio.flags = checksumValid;
    }
    this.#virtio.write(bytes, at - virtioHeaderBytes);
    offset[0] = at - virtioHeaderBytes;
    length[0] += virtioHeaderBytes;
  }
}

/** Pieces of one write (`writev` takes 1024, the adapter fewer). */
const maxPieces = 64;
/** Octets of an IPv4 packet. */
const maxOctets = 65_535;
/** Flows open at the same time; they are searched one after the other. */
const maxFlows = 16;

// Kinds of packets.
/** Nothing is joined that it could overtake. */
const single = 0;
/** Ports that are not to be seen. */
const opaque = 1;
/** Of a flow, but never part of a super-packet. */
const lone = 2;
/** TCP segments or UDP datagrams that may join. */
const tcp = 3;
const udp = 4;

// TCP flags (RFC 9293 §3.1, RFC 3168 §6.1).
const fin = 0x01;
const psh = 0x08;
const ack = 0x10;
const ece = 0x40;

/** Sum of both 16-bit words. */
function halves(word: number): number {
  return (word & 0xffff) + (word >>> 16);
}
