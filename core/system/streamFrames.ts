/**
 * IKE and ESP in a TCP stream (RFC 9329 §3, §4): `IKETCP` once, from whoever opened the connection, then frames of a 16-bit length, which
 * counts itself, and an IKE message behind the non-ESP marker, an ESP packet, or a NAT keepalive. Pure; nothing that a peer sends throws.
 */

/** RFC 9329 §4: `IKETCP` */
export const streamPrefix: Uint8Array = Uint8Array.of(0x49, 0x4b, 0x45, 0x54, 0x43, 0x50);
/** The length in front of each frame. */
export const frameHead = 2;
/** Octets of the longest message or packet. */
export const longestFrame = 0xffff - frameHead;

/** Room for the longest frame, its length included, wherever the one before it ended, and a large read. */
const readerRoom = 4 * 65_536;
const leastRoom = 65_536;

/** Why a stream cannot be read on: for each the connection must be closed. */
export type StreamFault =
  /** It does not begin with the prefix: whoever connected speaks something else (RFC 9329 §6.1). */
  | 'no-prefix'
  /** A length of 0 or 1 (RFC 9329 §3). */
  | 'bad-length';

/**
 * Takes a stream apart. Octets are put into `bytes` at `cursor`, `room` of them at most, and told by `filled`; `next` then finds
 * frame after frame, until the rest of one is not there yet. The octets of a frame stay until `filled` is called again.
 */
export class FrameReader {
  readonly bytes: Uint8Array<ArrayBuffer> = new Uint8Array(readerRoom);
  /** Where the frame found lies, without its length. */
  offset = 0;
  length = 0;
  #start = 0;
  #end = 0;
  #prefixed: boolean;
  #fault: StreamFault | undefined;

  /** `prefixed`: the peer opened the connection, so the prefix comes first. */
  constructor(prefixed: boolean) {
    this.#prefixed = prefixed;
  }

  get fault(): StreamFault | undefined {
    return this.#fault;
  }

  /** Octets that came and belong to no frame yet that was found. */
  get pending(): number {
    return this.#end - this.#start;
  }

  /** Where the next octets of the stream go; makes room there for the longest frame. */
  cursor(): number {
    if (this.#start === this.#end) {
      this.#start = 0;
      this.#end = 0;
    } else if (this.bytes.length - this.#end < leastRoom) {
      // At most once for each half of the room that was filled: a stream that trickles does not have the same octets moved again and again.
      this.bytes.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    return this.#end;
  }

  /** Octets from `cursor` on. */
  get room(): number {
    return this.bytes.length - this.#end;
  }

  /** So many octets were put at `cursor`. */
  filled(octets: number): void {
    if (octets < 0 || octets > this.room) throw new RangeError(`${octets} octets put where ${this.room} fit`);
    this.#end += octets;
  }

  /** Finds the next frame, which may be empty; false when it is not wholly there, or the stream is not to be read on. */
  next(): boolean {
    if (this.#fault !== undefined || (this.#prefixed && !this.#readPrefix())) return false;
    const { bytes } = this;
    if (this.pending < frameHead) return false;
    const length = (bytes[this.#start] << 8) | bytes[this.#start + 1];
    if (length < frameHead) {
      this.#fault = 'bad-length';
      return false;
    }
    if (this.pending < length) return false;
    this.offset = this.#start + frameHead;
    this.length = length - frameHead;
    this.#start += length;
    return true;
  }

  /** RFC 9329 §6.1: nothing is parsed before the whole prefix is there; what cannot become it is known sooner. */
  #readPrefix(): boolean {
    const there = Math.min(this.pending, streamPrefix.length);
    for (let i = 0; i < there; i++) {
      if (this.bytes[this.#start + i] === streamPrefix[i]) continue;
      this.#fault = 'no-prefix';
      return false;
    }
    if (there < streamPrefix.length) return false;
    this.#start += there;
    this.#prefixed = false;
    return true;
  }
}

/** Writes the length in front of a frame of `octets`, at most `longestFrame`; where the frame goes. */
export function writeFrameHead(bytes: Uint8Array, at: number, octets: number): number {
  const length = octets + frameHead;
  bytes[at] = length >>> 8;
  bytes[at + 1] = length;
  return at + frameHead;
}
