/**
 * When a session that goes over TCP, because UDP did not pass, tries UDP again (RFC 9329 §7.1, §9: UDP whenever possible): at once where the
 * network may be another, else later and later, since each trial keeps other requests waiting for a moment.
 */

/** Milliseconds. */
const FIRST_PAUSE = 30_000;
const LONGEST_PAUSE = 600_000;

export class UdpTrials {
  #at = Infinity;
  /** The next; 0 before the first news. */
  #pause = 0;

  get deadline(): number {
    return this.#at;
  }

  /** There are ways over UDP. When that is told first, UDP was tried a moment ago. */
  news(now: number): void {
    this.#at = this.#pause === 0 ? now + FIRST_PAUSE : now;
    this.#pause = FIRST_PAUSE;
  }

  /** There are none. */
  none(): void {
    this.#at = Infinity;
    this.#pause = FIRST_PAUSE;
  }

  /** UDP passed, and did not for long. */
  disappointed(now: number): void {
    this.#pause = LONGEST_PAUSE;
    this.#at = now + LONGEST_PAUSE;
  }

  /** True when it is time; the next is due later. */
  due(now: number): boolean {
    if (now < this.#at) return false;
    this.#at = now + this.#pause;
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
    return true;
  }
}
