import { addressOf } from './memory.ts';

/**
 * Octets for native code, outside the heap that V8 moves about: what is written here is in one place, and gone after `wipe`.
 * The address is valid for as long as this object is referenced.
 */
export class NativeBlock {
  readonly bytes: Uint8Array;
  /** A multiple of 64: a line of the cache, and the width of the widest vector instructions. */
  readonly address: number;
  /** The same octets, for pointers and lengths, which are two words each. */
  readonly words: Uint32Array;

  constructor(size: number) {
    const whole = new Uint8Array(new ArrayBuffer(Math.ceil(size / 64) * 64 + 63));
    const skip = -addressOf(whole) & 63;
    this.bytes = whole.subarray(skip, skip + size);
    this.address = addressOf(whole) + skip;
    this.words = new Uint32Array(whole.buffer, skip, size >>> 2);
  }

  /** Writes a pointer or `size_t` at `offset`, a multiple of 4. Both processors this runs on are little endian. */
  setPointer(offset: number, value: number): void {
    this.words[offset >>> 2] = value;
    this.words[(offset >>> 2) + 1] = Math.floor(value / 0x1_0000_0000);
  }

  wipe(): void {
    this.bytes.fill(0);
  }
}

/**
 * Addresses that are given to native code for every packet. V8 keeps a number of 2^31 and more in a box of its own and makes a new one each time
 * it takes one from a field or from an array of numbers; here, because the first element is no number, the boxes stay.
 */
export type FixedAddresses = ['fixed', ...number[]];

let lastBytes: Uint8Array | undefined;
let lastAddress = 0;

/**
 * Address of the buffer that packets lie in. Asked for every packet, and all but always the same buffer, so the last answer is kept.
 * The caller has seen that the buffer has octets: one whose memory was given away has none.
 */
export function addressOfPackets(bytes: Uint8Array): number {
  if (bytes !== lastBytes) {
    lastAddress = addressOf(bytes);
    lastBytes = bytes;
  }
  return lastAddress;
}
