/**
 * When the machine did nothing at all: what is promised in seconds is promised by the product, not by a virtual machine that was not given a
 * processor. A timer of this process says so, which otherwise waits; one that the test itself keeps waiting would say the same.
 */
const TICK_MS = 10;
/** Later than this is no tick of a machine that is merely busy. */
const STALL_MS = 100;

export class Stalls {
  readonly #spans: { readonly from: number; readonly to: number }[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor() {
    let last = Date.now();
    this.#timer = setInterval(() => {
      const now = Date.now();
      if (now - last > STALL_MS) this.#spans.push({ from: last + TICK_MS, to: now });
      last = now;
    }, TICK_MS).unref();
  }

  /** Milliseconds of it between two instants of `Date.now()`. */
  between(from: number, to: number): number {
    return this.#spans.reduce((sum, span) => sum + Math.max(0, Math.min(span.to, to) - Math.max(span.from, from)), 0);
  }

  /** Milliseconds since that instant, without them. */
  since(from: number): number {
    const now = Date.now();
    return now - from - this.between(from, now);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
