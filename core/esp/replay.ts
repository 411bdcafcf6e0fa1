/**
 * Which sequence numbers an inbound SA has accepted: a ring of bits that is never shifted (RFC 6479), with extended sequence
 * numbers deduced from the half on the wire (RFC 4303 appendix A2). `locate` only reads; only `mark`, called for packets whose ICV
 * matched, changes anything.
 *
 * Resynchronisation after 2^32 lost packets in a row (appendix A3, a SHOULD) is left out: so long a silence ends the IKE SA by its
 * liveness check first, and trying other high halves would give forged packets work to cause.
 */
export class ReplayWindow {
  /** Packets the window spans, W in RFC 4303 appendix A2. */
  readonly size: number;
  readonly #esn: boolean;
  /**
   * Ring of bits by low half of the sequence number. It has at least one block more than the window fills, so that the block being
   * entered holds no bit the window still asks for (RFC 6479 §2).
   */
  readonly #ring: Uint32Array;
  /** The highest sequence number accepted, T in RFC 4303 appendix A2, in halves of 32 bits. */
  #topHigh = 0;
  #topLow = 0;

  /** `size` is 64 to 4096; `start` is the highest number taken as accepted already, for tests of the far end. */
  constructor(size: number, esn: boolean, start: { readonly high: number; readonly low: number } = { high: 0, low: 0 }) {
    if (!Number.isInteger(size) || size < 64 || size > 4096) throw new RangeError(`replay window of ${size} packets`);
    this.size = size;
    this.#esn = esn;
    this.#topHigh = start.high;
    this.#topLow = start.low;
    let blocks = 2;
    while (blocks * 32 < size + 32) blocks *= 2;
    this.#ring = new Uint32Array(blocks);
  }

  /** Highest accepted sequence number, low half and high half. */
  get topLow(): number {
    return this.#topLow;
  }

  get topHigh(): number {
    return this.#topHigh;
  }

  /**
   * The high half that belongs to a received low half (0 without ESN), or -1 when the packet is a replay, left of the window,
   * or carries a number that is never sent.
   */
  locate(low: number): number {
    const high = this.#highOf(low);
    if (high < 0 || high > 0xffffffff) return -1;
    if (high === 0 && low === 0) return -1; // RFC 4303 §3.3.3: the first packet has number 1
    const behind = this.#behind(high, low);
    if (behind < 0) return high;
    if (behind >= this.size) return -1;
    return this.#seen(low) ? -1 : high;
  }

  /** Accepts a number that `locate` gave a high half for and whose ICV matched since. */
  mark(high: number, low: number): void {
    const behind = this.#behind(high, low);
    if (behind < 0) {
      this.#clear(-behind);
      this.#topHigh = high;
      this.#topLow = low;
    }
    const block = (low >>> 5) & (this.#ring.length - 1);
    this.#ring[block] |= 1 << (low & 31);
  }

  /** RFC 4303 appendix A2.2, A2.3. May be -1 (before the first packet) or 2^32 (after the last one). */
  #highOf(low: number): number {
    if (!this.#esn) return 0;
    const top = this.#topLow;
    const bottom = (top - this.size + 1) >>> 0;
    if (top >= this.size - 1) return low >= bottom ? this.#topHigh : this.#topHigh + 1; // case A: within one subspace
    return low >= bottom ? this.#topHigh - 1 : this.#topHigh; // case B: spans two
  }

  /** How far the number lies behind the top; negative when it is ahead. Exact, since the halves differ by one at most. */
  #behind(high: number, low: number): number {
    return (this.#topHigh - high) * 0x1_0000_0000 + (this.#topLow - low);
  }

  #seen(low: number): boolean {
    return ((this.#ring[(low >>> 5) & (this.#ring.length - 1)] >>> (low & 31)) & 1) === 1;
  }

  /** Empties the blocks between the old top and the new one. */
  #clear(ahead: number): void {
    const ring = this.#ring;
    const first = (this.#topLow >>> 5) + 1;
    // Blocks entered: from the one after the old top's to the new one's, across the end of the 32-bit space too.
    const entered = Math.min(ring.length, Math.floor(((this.#topLow & 31) + ahead) / 32));
    if (entered === ring.length) {
      ring.fill(0);
      return;
    }
    for (let i = 0; i < entered; i++) ring[(first + i) & (ring.length - 1)] = 0;
  }
}
