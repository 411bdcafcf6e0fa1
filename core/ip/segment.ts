/**
 * Segmentation of what the host hands out through a TUN device with offloads: one frame, as its virtio header says, becomes inner packets
 * with all checksums in place. The rules are those of Linux's tcp_gso_segment, __udp_gso_segment, inet_gso_segment and
 * skb_checksum_help, which do the same for a device without offloads.
 */
import { foldSum, ipv4HeaderSum, pseudoSum4, pseudoSum6, storeWord, swapWord, wordAt } from './checksum.ts';
import type { PacketMemory } from './packetMemory.ts';
import { gsoEcn, gsoNone, gsoTcpv4, gsoTcpv6, gsoUdp, needsChecksum, type VirtioHeader } from './virtio.ts';

/** What `begin` gives where frame and virtio header do not fit together: nothing was written, the frame must be dropped. */
export const segmentFault = {
  /** No octets, or fewer or more than the IP or UDP header says. */
  length: -1,
  /** The headers are not what a packet of this kind of segmentation begins with. */
  header: -2,
  /** A kind of segmentation or a place of the checksum that cannot be. */
  virtio: -3,
} as const;

/** One per lane, used again for every frame. */
export class Segmenter {
  #memory: PacketMemory | undefined;
  #at = 0;
  #length = 0;
  #count = 0;
  /** TCP or UDP of a frame to segment; `whole` of one that stays as it is; `finish` where only a checksum is missing. */
  #kind = whole;
  #version = 0;
  /** Where TCP, UDP or, with `finish`, the sum begins, from `at`. */
  #transport = 0;
  /** Octets in front of the payload. */
  #headers = 0;
  #gsoSize = 0;
  /** Place of the checksum from `at`, with `finish`. */
  #field = 0;
  #identification = 0;
  #sequence = 0;
  /** Octets 12 and 13 of the TCP header: offset and flags. */
  #offsetAndFlags = 0;
  /** Sum of the IPv4 header without total length, identification and checksum. */
  #ipSum = 0;
  /** Sum of pseudo header and transport header without what differs between segments: lengths, sequence, offset and flags, checksum. */
  #transportSum = 0;

  /**
   * Takes the frame whose IP header is at `at` of `length` octets; `virtio` was read from in front of it. Returns the number of packets it
   * becomes, at least 1, or a `segmentFault`. The memory must keep the frame until the last packet is written.
   */
  begin(memory: PacketMemory, at: number, length: number, virtio: VirtioHeader): number {
    this.#count = 0;
    if (length < 1 || at < 0 || at + length > memory.bytes.length) return segmentFault.length;
    this.#memory = memory;
    this.#at = at;
    this.#length = length;
    const type = virtio.gsoType & ~gsoEcn;
    if (type !== gsoNone) return this.#beginSegments(memory.bytes, type, virtio);
    this.#kind = whole;
    if ((virtio.flags & needsChecksum) !== 0) {
      const start = virtio.checksumStart;
      const field = start + virtio.checksumOffset;
      // Not inside the IP header, which has its own checksum; and all of it in the frame.
      if (start < 20 || field + 2 > length) return segmentFault.virtio;
      this.#kind = finish;
      this.#transport = start;
      this.#field = field;
    }
    this.#count = 1;
    return 1;
  }

  /** Octets of packet `i`; all but the last have the same. */
  packetLength(i: number): number {
    if (this.#kind <= finish) return this.#length;
    return i < this.#count - 1 ? this.#headers + this.#gsoSize : this.#length - i * this.#gsoSize;
  }

  /**
   * Writes packet `i`, complete, at `to` and returns its octets. The place must be inside the memory and not overlap the frame; a packet that
   * is the only one may be written where it is.
   */
  write(i: number, to: number): number {
    const memory = this.#memory;
    if (memory === undefined || i >= this.#count) return 0;
    if (this.#kind <= finish) return this.#writeWhole(memory, to);
    const { bytes } = memory;
    const last = i === this.#count - 1;
    const payload = last ? this.#length - this.#headers - i * this.#gsoSize : this.#gsoSize;
    const length = this.#headers + payload;
    let sum = this.#transportSum;
    if (to !== this.#at) {
      memory.copy(to, this.#at, this.#headers);
      sum += memory.copy(to + this.#headers, this.#at + this.#headers + i * this.#gsoSize, payload);
    } else sum += memory.sum(to + this.#headers, payload);
    if (this.#version === 4) this.#finishIpv4(bytes, to, i, length);
    else storeWord(bytes, to + 4, swapWord(length - 40));
    const transport = to + this.#transport;
    const transportLength = swapWord(length - this.#transport);
    sum += transportLength; // of the pseudo header
    if (this.#kind === tcp) this.#finishTcp(bytes, transport, i, last, sum);
    else {
      storeWord(bytes, transport + 4, transportLength);
      const checksum = ~foldSum(sum + transportLength) & 0xffff;
      storeWord(bytes, transport + 6, checksum === 0 ? 0xffff : checksum); // RFC 768: 0 means none
    }
    return length;
  }

  #beginSegments(bytes: Uint8Array, type: number, virtio: VirtioHeader): number {
    const version = bytes[this.#at] >>> 4;
    const protocol = type === gsoTcpv4 || type === gsoTcpv6 ? 6 : 17;
    if (type !== gsoUdp && !(type === gsoTcpv4 && version === 4) && !(type === gsoTcpv6 && version === 6))
      return segmentFault.virtio;
    if (virtio.gsoSize === 0) return segmentFault.virtio;
    const transport = transportAt(bytes, this.#at, this.#length, protocol);
    if (transport < 0) return transport;
    const partial = (virtio.flags & needsChecksum) !== 0;
    const offset = protocol === 6 ? 16 : 6;
    if (partial && (virtio.checksumStart !== transport || virtio.checksumOffset !== offset)) return segmentFault.virtio;
    this.#version = version;
    this.#transport = transport;
    this.#gsoSize = virtio.gsoSize;
    const fault = protocol === 6 ? this.#beginTcp(bytes) : this.#beginUdp(bytes);
    if (fault !== 0) return fault;
    // A partial checksum is the sum of the pseudo header for the whole frame: right behind a routing header too, whose last address we
    // would have to find. Without it (a device's LRO on its way through the host) the pseudo header is summed here.
    const length = this.#length - transport;
    const at = this.#at;
    let pseudo: number;
    if (partial) pseudo = foldSum(wordAt(bytes, at + transport + offset) + (~swapWord(length) & 0xffff));
    else pseudo = version === 4 ? pseudoSum4(bytes, at, protocol, 0) : pseudoSum6(bytes, at, protocol, 0);
    this.#transportSum += pseudo;
    if (version === 4) {
      this.#identification = swapWord(wordAt(bytes, at + 4));
      this.#ipSum = foldSum(ipv4HeaderSum(bytes, at) + (~wordAt(bytes, at + 2) & 0xffff) + (~wordAt(bytes, at + 4) & 0xffff));
    }
    const payload = this.#length - this.#headers;
    this.#count = payload <= this.#gsoSize ? 1 : Math.ceil(payload / this.#gsoSize);
    return this.#count;
  }

  #beginTcp(bytes: Uint8Array): number {
    if (this.#length - this.#transport < 20) return segmentFault.header;
    const at = this.#at + this.#transport;
    const octets = (bytes[at + 12] >>> 4) * 4;
    if (octets < 20 || octets > this.#length - this.#transport) return segmentFault.header;
    this.#kind = tcp;
    this.#headers = this.#transport + octets;
    this.#sequence = ((bytes[at + 4] << 24) | (bytes[at + 5] << 16) | (bytes[at + 6] << 8) | bytes[at + 7]) >>> 0;
    this.#offsetAndFlags = wordAt(bytes, at + 12);
    let sum = 0;
    for (let i = 0; i < octets; i += 2) if (i !== 4 && i !== 6 && i !== 12 && i !== 16) sum += wordAt(bytes, at + i);
    this.#transportSum = sum;
    return 0;
  }

  #beginUdp(bytes: Uint8Array): number {
    if (this.#length - this.#transport < 8) return segmentFault.header;
    const at = this.#at + this.#transport;
    if (swapWord(wordAt(bytes, at + 4)) !== this.#length - this.#transport) return segmentFault.length;
    this.#kind = udp;
    this.#headers = this.#transport + 8;
    this.#transportSum = wordAt(bytes, at) + wordAt(bytes, at + 2);
    return 0;
  }

  #finishIpv4(bytes: Uint8Array, to: number, i: number, length: number): void {
    const total = swapWord(length);
    // As Linux numbers them. With DF it means nothing (RFC 6864 §4.1), without it differs from packet to packet as it must.
    const identification = swapWord((this.#identification + i) & 0xffff);
    storeWord(bytes, to + 2, total);
    storeWord(bytes, to + 4, identification);
    storeWord(bytes, to + 10, ~foldSum(this.#ipSum + total + identification));
  }

  #finishTcp(bytes: Uint8Array, at: number, i: number, last: boolean, sumSoFar: number): void {
    const sequence = (this.#sequence + i * this.#gsoSize) >>> 0;
    const high = swapWord(sequence >>> 16);
    const low = swapWord(sequence & 0xffff);
    let offsetAndFlags = this.#offsetAndFlags;
    if (!last) offsetAndFlags &= ~finAndPsh; // what they say holds behind the last octet
    if (i > 0) offsetAndFlags &= ~cwr; // RFC 3168 §6.1.2: CWR is on the first new packet only
    storeWord(bytes, at + 4, high);
    storeWord(bytes, at + 6, low);
    bytes[at + 13] = offsetAndFlags >>> 8;
    storeWord(bytes, at + 16, ~foldSum(sumSoFar + high + low + offsetAndFlags));
  }

  #writeWhole(memory: PacketMemory, to: number): number {
    const length = this.#length;
    if (to !== this.#at) memory.copy(to, this.#at, length);
    if (this.#kind === finish) {
      // The field holds the pseudo header's sum and counts with the rest.
      const checksum = ~memory.sum(to + this.#transport, length - this.#transport) & 0xffff;
      storeWord(memory.bytes, to + this.#field, checksum === 0 ? 0xffff : checksum); // the same sum, and not UDP's "none"
    }
    return length;
  }
}

const whole = 0;
const finish = 1;
const tcp = 2;
const udp = 3;

/** In the word of offset and flags. */
const finAndPsh = 0x0900;
const cwr = 0x8000;

/** RFC 8200 §4.1 asks for at most one of each kind (destination options twice). */
const maxExtensionHeaders = 8;

/**
 * Where the transport header of `protocol` begins, from `at`, or a `segmentFault`. Fragments have no segments; of the IPv6 extension
 * headers only those that may stand in front of segments as they are: hop-by-hop, routing and destination options.
 */
function transportAt(bytes: Uint8Array, at: number, length: number, protocol: number): number {
  if (bytes[at] >>> 4 === 4) {
    if (length < 20) return segmentFault.length;
    const octets = (bytes[at] & 0x0f) * 4;
    if (octets < 20 || octets > length || bytes[at + 9] !== protocol) return segmentFault.header;
    if (((bytes[at + 6] & 0x3f) | bytes[at + 7]) !== 0) return segmentFault.header;
    return swapWord(wordAt(bytes, at + 2)) === length ? octets : segmentFault.length;
  }
  if (length < 40 || swapWord(wordAt(bytes, at + 4)) !== length - 40) return segmentFault.length;
  let transport = 40;
  let next = bytes[at + 6];
  for (let count = 0; next !== protocol; count++) {
    if (count === maxExtensionHeaders || length - transport < 8) return segmentFault.header;
    if (next !== 0 && next !== 43 && next !== 60) return segmentFault.header;
    next = bytes[at + transport];
    transport += (bytes[at + transport + 1] + 1) * 8;
  }
  return transport;
}
