/**
 * Bounds-checked big-endian reader over a `Uint8Array`. It never throws: a read past the end returns zero or an
 * empty view and sets `short`, so a parser reads a whole structure and asks once whether all of it was there.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;
  #short = false;

  constructor(bytes: Uint8Array, from = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#end = Math.min(end, bytes.length);
    this.#at = from;
  }

  /** Octets not read yet. */
  get remaining(): number {
    return this.#end - this.#at;
  }

  /** Offset of the next octet in the underlying array. */
  get offset(): number {
    return this.#at;
  }

  /** True once any read went past the end; sticky. */
  get short(): boolean {
    return this.#short;
  }

  u8(): number {
    return this.#take(1) ? this.#bytes[this.#at - 1] : 0;
  }

  u16(): number {
    if (!this.#take(2)) return 0;
    const at = this.#at - 2;
    return (this.#bytes[at] << 8) | this.#bytes[at + 1];
  }

  u32(): number {
    const high = this.u16();
    return high * 0x10000 + this.u16();
  }

  /** A view (not a copy) of the next `length` octets; empty and `short` when they are not there. */
  bytes(length: number): Uint8Array {
    if (!this.#take(length)) return this.#bytes.subarray(0, 0);
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** A view of all that is left. */
  rest(): Uint8Array {
    return this.bytes(Math.max(0, this.remaining));
  }

  /** A reader over the next `length` octets, which this reader skips. */
  sub(length: number): Reader {
    const view = this.bytes(length);
    const reader = new Reader(view);
    reader.#short = this.#short;
    return reader;
  }

  #take(length: number): boolean {
    if (length < 0 || length > this.remaining) {
      this.#short = true;
      this.#at = this.#end;
      return false;
    }
    this.#at += length;
    return true;
  }
}
