/**
 * The sequence numbers of one outbound SA that several threads send on. A number is taken once, whatever the threads do: only that is a
 * matter of security (RFC 4303 §3.3.3, RFC 4106 §3.1). The order on the wire is a matter of the peer's replay window, which may be as
 * small as 32 packets: a thread that has sealed what it took numbers for waits until what comes before is sent, but not for ever, since
 * a packet that comes late is lost at worst.
 */

/** Offsets in 32-bit words, a cache line apart: numbers are taken while others wait for their turn. */
const turnAt = 16;
const waitingAt = 17;
const octets = 128;
/** A system call that sends one run takes as long as some hundred looks. */
const looks = 200;

export class SharedSequence {
  /** The first number of the last range that was taken. */
  high = 0;
  low = 0;
  /** The last number taken by anybody. */
  readonly #last: BigUint64Array;
  readonly #words: Int32Array;
  readonly #limit: bigint;
  /** Low halves of the number before the range, and of its last one. */
  #before = 0;
  #end = 0;

  /** What all threads of an SA make theirs of. `start` is the last number taken as used already, for tests of the far end. */
  static memory(start: { readonly high: number; readonly low: number } = { high: 0, low: 0 }): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(octets);
    new BigUint64Array(memory)[0] = (BigInt(start.high) << 32n) | BigInt(start.low);
    new Int32Array(memory)[turnAt] = start.low;
    return memory;
  }

  constructor(memory: SharedArrayBuffer, esn: boolean) {
    this.#last = new BigUint64Array(memory, 0, 1);
    this.#words = new Int32Array(memory);
    this.#limit = esn ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn;
  }

  /** Takes the next `count` numbers; false when there are not so many any more, and then none is taken: the number never cycles. */
  take(count: number): boolean {
    for (;;) {
      const last = Atomics.load(this.#last, 0);
      const end = last + BigInt(count);
      if (end > this.#limit) return false;
      if (Atomics.compareExchange(this.#last, 0, last, end) !== last) continue;
      const first = last + 1n;
      this.high = Number(first >> 32n);
      this.low = Number(first & 0xffff_ffffn);
      this.#before = Number(BigInt.asIntN(32, last));
      this.#end = Number(BigInt.asIntN(32, end));
      return true;
    }
  }

  /** Waits until all before the range taken last are sent; false when nothing was for so many milliseconds: then it is our turn too. */
  awaitTurn(milliseconds: number): boolean {
    const words = this.#words;
    for (let i = 0; i < looks; i++) if (this.#isTurn(Atomics.load(words, turnAt))) return true;
    Atomics.add(words, waitingAt, 1);
    let isTurn = false;
    for (;;) {
      const turn = Atomics.load(words, turnAt);
      isTurn = this.#isTurn(turn);
      if (isTurn || Atomics.wait(words, turnAt, turn, milliseconds) === 'timed-out') break;
    }
    Atomics.sub(words, waitingAt, 1);
    return isTurn;
  }

  /** The range taken last is sent, or given up. */
  passTurn(): void {
    const words = this.#words;
    for (;;) {
      const turn = Atomics.load(words, turnAt);
      // Somebody who did not wait for us any longer may have passed it on already.
      if (((this.#end - turn) | 0) <= 0) return;
      if (Atomics.compareExchange(words, turnAt, turn, this.#end) === turn) break;
    }
    if (Atomics.load(words, waitingAt) > 0) Atomics.notify(words, turnAt);
  }

  /** By the low halves alone: the ranges under way are far fewer than 2^31 packets. */
  #isTurn(turn: number): boolean {
    return ((turn - this.#before) | 0) >= 0;
  }
}
