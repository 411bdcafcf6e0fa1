/**
 * When to stop hearing what the network reports of our datagrams (ICMP), for a while. Anybody can send reports about a port of ours, whatever we
 * sent (RFC 5927 §4): each makes one call on the socket fail, ours that send among them, wakes the lane, and ends every wait for room. What they
 * say is asked for again by echoes (pathKeeper.ts), and one that holds is made again by the next datagram that is too long.
 */

/** Milliseconds over which they are counted, and how many of them in that are too many. */
const window = 100;
const many = 256;
/** Milliseconds that none is heard. */
const deafFor = 500;

export class ReportWatch {
  #since = Number.NEGATIVE_INFINITY;
  #count = 0;
  #deafUntil: number | undefined;

  /** So many were taken off the socket; milliseconds of a clock that never goes back. Whether none is to be heard from now on. */
  took(count: number, now: number): boolean {
    if (this.#deafUntil !== undefined) return false;
    if (now - this.#since >= window) {
      this.#since = now;
      this.#count = 0;
    }
    this.#count += count;
    if (this.#count < many) return false;
    this.#deafUntil = now + deafFor;
    return true;
  }

  /** Milliseconds until they are to be heard again; infinite while they are. */
  left(now: number): number {
    return this.#deafUntil === undefined ? Number.POSITIVE_INFINITY : Math.max(0, this.#deafUntil - now);
  }

  /** True once when that time has come. */
  takeOver(now: number): boolean {
    if (this.left(now) > 0) return false;
    this.#deafUntil = undefined;
    this.#count = 0;
    return true;
  }
}
