/**
 * A hundred thousand lines in one block of memory, so that a log that fills costs no more than an empty one may: octets of each line in a
 * circle, what to filter by beside it in typed arrays. The oldest lines make room for the new.
 */
export interface LineStore {
  /** The number the next line will have. */
  next(): number;
  /** A line that is longer than a quarter of the whole is not kept. */
  add(octets: Uint8Array, level: number, owner: number): void;
  /** The lines that are wanted, newest first, with a number below `before`. Each is only good until the next one is added. */
  backwards(wanted: (level: number, owner: number) => boolean, before?: number): Iterable<Buffer>;
}

export function createLineStore(capacity: number, size: number): LineStore {
  // Not written to, not resident: memory is used as the log grows.
  const block = Buffer.allocUnsafeSlow(size);
  const starts = new Uint32Array(capacity);
  const lengths = new Uint32Array(capacity);
  const levels = new Uint8Array(capacity);
  const owners = new Float64Array(capacity);
  /** Lines first … next - 1 are there; of each, the place in the arrays is its number modulo capacity. */
  let first = 0;
  let next = 0;
  let at = 0;

  const slot = (number: number) => number % capacity;
  const value = (array: Uint32Array | Uint8Array | Float64Array, number: number) => array[slot(number)];

  /** Drops the oldest lines that lie where the new one goes. */
  function clear(start: number, end: number): void {
    while (first < next) {
      const oldest = value(starts, first);
      const length = value(lengths, first);
      if (length > 0 && (oldest >= end || oldest + length <= start)) return;
      first += 1;
    }
  }

  return {
    next: () => next,

    add(octets, level, owner) {
      const kept = octets.length <= size / 4 ? octets : octets.subarray(0, 0);
      if (at + kept.length > size) {
        // What lies in the tail that is left over is older than all that lies before it.
        clear(at, size);
        at = 0;
      }
      clear(at, at + kept.length);
      if (next - first >= capacity) first = next - capacity + 1;
      block.set(kept, at);
      starts[slot(next)] = at;
      lengths[slot(next)] = kept.length;
      levels[slot(next)] = level;
      owners[slot(next)] = owner;
      at += kept.length;
      next += 1;
    },

    *backwards(wanted, before = next) {
      for (let number = Math.min(before, next) - 1; number >= first; number--) {
        const length = value(lengths, number);
        if (length === 0 || !wanted(value(levels, number), value(owners, number))) continue;
        const start = value(starts, number);
        yield block.subarray(start, start + length);
      }
    },
  };
}
