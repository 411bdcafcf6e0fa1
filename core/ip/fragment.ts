/**
 * Fragments of an inner IPv4 packet without DF that is larger than the tunnel carries, made before encryption (RFC 4301 §8.2.1 case 2), so
 * that every ESP packet is whole and can be checked as it comes. IPv6 packets are fragmented by their source alone (RFC 8200 §4.5).
 *
 * One object serves a lane: `start` plans, `write` puts one fragment after the other where the caller wants it, with room around it.
 */
import { ipv4HeaderSum, storeWord } from './checksum.ts';

const moreFragments = 0x2000;
const dontFragment = 0x4000;
const offsetBits = 0x1fff;
/** The most options take: 15 words of header less the fixed 5. */
const maxOptions = 40;

export class Ipv4Fragments {
  /** Fragments that `start` planned. */
  count = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #from = 0;
  #headerLength = 0;
  /** Octets of data in the packet, in its first fragment and in each that follows. */
  #data = 0;
  #firstData = 0;
  #nextData = 0;
  /** Flags and offset as they came. */
  #flags = 0;
  /** Options that go into every fragment, padded to whole words. */
  readonly #options = new Uint8Array(maxOptions);
  #optionsLength = 0;

  /**
   * Plans the packet of `length` octets, which is its total length, at `from`, which has finished checksums. The number of fragments of at most
   * `mtu` octets, also in `count`; 0 when it may not or cannot be fragmented: DF, IPv6, a header that is none, an `mtu` without room. A packet
   * that fits is one fragment. The packet must stay where and as it is until all are written.
   */
  start(bytes: Uint8Array, from: number, length: number, mtu: number): number {
    this.count = 0;
    if (length < 20 || bytes[from] >>> 4 !== 4) return 0;
    this.#headerLength = (bytes[from] & 0x0f) * 4;
    this.#flags = (bytes[from + 6] << 8) | bytes[from + 7];
    this.#data = length - this.#headerLength;
    if (this.#headerLength < 20 || this.#data < 0 || (this.#flags & dontFragment) !== 0) return 0;
    if (!this.#readOptions(bytes, from + 20, from + this.#headerLength)) return 0;
    // RFC 791 §3.2: all but the last carry whole units of 8 octets.
    this.#firstData = Math.floor((mtu - this.#headerLength) / 8) * 8;
    this.#nextData = Math.floor((mtu - 20 - this.#optionsLength) / 8) * 8;
    if (this.#headerLength + this.#data <= mtu) this.#firstData = this.#data;
    else if (this.#firstData < 8) return 0;
    // An offset that 13 bits cannot say: the packet was no part of any that can exist.
    if ((this.#flags & offsetBits) * 8 + this.#data > 0xffff) return 0;
    this.#bytes = bytes;
    this.#from = from;
    this.count = this.#data <= this.#firstData ? 1 : 1 + Math.ceil((this.#data - this.#firstData) / this.#nextData);
    return this.count;
  }

  /** Octets that `write` will return. */
  packetLength(index: number): number {
    if (index === 0) return this.#headerLength + Math.min(this.#firstData, this.#data);
    return 20 + this.#optionsLength + Math.min(this.#nextData, this.#data - this.#firstData - (index - 1) * this.#nextData);
  }

  /** Writes fragment `index`, 0 first, at `to`, which overlaps nothing of the packet; its octets, at most the `mtu` of `start`. */
  write(index: number, to: number): number {
    if (index >= this.count) throw new Error('no such fragment');
    const bytes = this.#bytes;
    const first = index === 0;
    const begin = first ? 0 : this.#firstData + (index - 1) * this.#nextData;
    const headerLength = first ? this.#headerLength : 20 + this.#optionsLength;
    const length = this.packetLength(index);
    if (first) {
      bytes.copyWithin(to, this.#from, this.#from + headerLength);
    } else {
      bytes.copyWithin(to, this.#from, this.#from + 20);
      for (let i = 0; i < this.#optionsLength; i++) bytes[to + 20 + i] = this.#options[i];
      bytes[to] = 0x40 | (headerLength >>> 2);
    }
    const source = this.#from + this.#headerLength + begin;
    bytes.copyWithin(to + headerLength, source, source + length - headerLength);
    this.#writeLengths(bytes, to, length, begin / 8, index < this.count - 1);
    return length;
  }

  /** The identification stays (RFC 6864 §4.2 has the source make it unique); a fragment of a fragment counts on from its offset. */
  #writeLengths(bytes: Uint8Array, to: number, total: number, units: number, more: boolean): void {
    const flags = (this.#flags + units) | (more ? moreFragments : 0);
    bytes[to + 2] = total >>> 8;
    bytes[to + 3] = total;
    bytes[to + 6] = flags >>> 8;
    bytes[to + 7] = flags;
    storeWord(bytes, to + 10, ~ipv4HeaderSum(bytes, to));
  }

  /** RFC 791 §3.1: options with the copied flag go into all fragments. False where they cannot be read. */
  #readOptions(bytes: Uint8Array, from: number, end: number): boolean {
    this.#optionsLength = 0;
    let length = 0;
    for (let at = from; at < end; ) {
      const kind = bytes[at];
      if (kind === 0) break; // end of the list
      if (kind === 1) {
        at++;
        continue;
      }
      const octets = at + 1 < end ? bytes[at + 1] : 0;
      if (octets < 2 || octets > end - at) return false;
      if ((kind & 0x80) !== 0) for (let i = 0; i < octets; i++) this.#options[length++] = bytes[at + i];
      at += octets;
    }
    while ((length & 3) !== 0) this.#options[length++] = 0;
    this.#optionsLength = length;
    return true;
  }
}
