/**
 * Whether so many of a lane's datagrams are nobody's, forged or replayed that the kernel should drop their like (earlyDrop.ts), and what it
 * must know for that. What is dropped there is not seen here, but for a sample, by which a flood goes on or ends.
 */

/** Milliseconds over which they are counted, and how many of them in that are a flood: less than a hundredth of a core's work. */
const window = 100;
const many = 500;
/** Milliseconds that a flood is taken to go on, after so many were counted for the last time. */
const lasting = 1_000;
/** Milliseconds between two reports while it does. */
const interval = 500;
const mostSizes = 2;

export class FloodWatch {
  /** Octets of each datagram in runs that began with a bad one, the latest first. */
  readonly sizes: number[] = [];
  #now = 0;
  #since = 0;
  #bad = 0;
  #until = 0;
  #told = Number.NEGATIVE_INFINITY;
  #on = false;

  /** Whether there is one. */
  get on(): boolean {
    return this.#on;
  }

  /** Before datagrams are looked at; `now` is in milliseconds of a clock that never goes back. */
  begin(now: number): void {
    this.#now = now;
    if (now - this.#since >= window) {
      this.#since = now;
      this.#bad = 0;
    }
    if (this.#on && now >= this.#until) this.#on = false;
  }

  /** A bad datagram. */
  bad(): void {
    if (++this.#bad < many) return;
    this.#on = true;
    this.#until = this.#now + lasting;
  }

  /** A run that began with one; `size` is what its datagrams have. */
  badRun(size: number): void {
    const { sizes } = this;
    if (sizes[0] === size) return;
    const at = sizes.indexOf(size);
    if (at > 0) sizes.splice(at, 1);
    else if (sizes.length === mostSizes) sizes.pop();
    sizes.unshift(size);
  }

  /** Once per interval while many are counted: it should be told. */
  takeDue(): boolean {
    if (this.#bad < many || this.#now - this.#told < interval) return false;
    this.#told = this.#now;
    return true;
  }
}
