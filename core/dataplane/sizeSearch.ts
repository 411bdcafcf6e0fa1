/**
 * Which size to try next, and what the tries came to (RFC 8899 §5.3): pure, without time or packets. Sizes are octets of inner packets.
 * A size is known to work only when it was answered, and to die only when smaller packets lived meanwhile.
 */

export interface SizeRange {
  /** Tried first: what is in use, so that a path that is as before costs one packet. */
  readonly first: number;
  /** RFC 8899 §5.1.2: expected to work on most paths; the next one to try where `first` died. */
  readonly base: number;
  /** Tried below `base`; little less where there is no evidence but the probes (targets that answer only small echoes are common). */
  readonly floor: number;
  readonly top: number;
}

/** RFC 8899 §5.3.2: the least gain worth a probe. */
const step = 8;

export class SizeSearch {
  /** The largest size that was answered, 0 before one was. */
  works = 0;
  /** The least size that died; beyond `top` before one did. */
  dies: number;
  readonly #range: SizeRange;

  constructor(range: SizeRange) {
    this.#range = range;
    this.dies = range.top + 1;
  }

  /** The size to try; undefined when the search is over. */
  next(): number | undefined {
    const { first, base, floor, top } = this.#range;
    const untried = this.dies > top;
    if (this.works === 0) {
      if (untried) return first;
      return [base, floor].find((size) => size < this.dies);
    }
    if (untried) return this.works < top ? top : undefined;
    if (this.dies - this.works <= step) return undefined;
    return Math.floor((this.works + this.dies) / 2);
  }

  answered(size: number): void {
    if (size > this.works) this.works = size;
  }

  died(size: number): void {
    if (size < this.dies) this.dies = size;
  }
}
