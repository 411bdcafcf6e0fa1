/**
 * Client puzzles (RFC 8019): a gateway under attack wants four keys under which the PRF of a text of its own ends in so many zero bits.
 * Work is proportional to 4 · 2^bits, and whoever can send an IKE_SA_INIT answer can ask for it: it is bounded in bits, in time and in
 * how often, and done in slices with a rest after each, so that it takes half of one core at most and everything else goes on.
 */
import { concat } from '../../bytes/bytes.ts';
import { hmacTrials } from '../../crypto/node/hmacTrials.ts';
import { prf } from '../../crypto/prf.ts';
import { findPrf } from '../../crypto/transforms.ts';
import type { PrfTransform } from '../../crypto/types.ts';
import { TRANSFORM } from '../wire/constants.ts';
import type { Proposal } from '../wire/message.ts';

/** RFC 8019 §4.4: 18 bits suit all initiators, 20 are acceptable for some. One more is twice the work. */
export const MAX_DIFFICULTY = 20;
/** Milliseconds in all, for all puzzles of one connection attempt. */
export const PUZZLE_WITHIN = 30_000;
/** PRFs of one slice: some 5 ms. */
const SLICE = 2048;
/** Milliseconds of rest after it. */
const REST = 5;
/** RFC 8019 §7.1.1.1: where it is for the initiator to say how much work it does. With these about 15 bits. */
const FREE_TRIALS = 1 << 17;
/** RFC 8019 §7.1.3. */
const KEYS = 4;
const KEY_BYTES = 4;

export interface Puzzle {
  readonly prf: PrfTransform;
  /** Zero bits that each result must end in; 0 leaves it to us (RFC 8019 §7.1.1.1). */
  readonly difficulty: number;
}

/** The content of a PUZZLE notify (RFC 8019 §8.1), if it can be worked on: its PRF is one of those offered (§7.1.1.2). */
export function readPuzzle(data: Uint8Array, offered: readonly Proposal[]): Puzzle | undefined {
  if (data.length !== 3) return undefined;
  const id = (data[0] << 8) | data[1];
  const known = offered.some(({ transforms }) => transforms.some((one) => one.type === TRANSFORM.PRF && one.id === id));
  const transform = known ? findPrf(id) : undefined;
  return transform && { prf: transform, difficulty: data[2] };
}

/** The data of a PUZZLE notify. */
export function puzzleData({ prf: { id }, difficulty }: Puzzle): Uint8Array {
  return Uint8Array.of(id >>> 8, id, difficulty);
}

/** The search for a solution, at its own pace. */
export class PuzzleSearch {
  readonly puzzle: Puzzle;
  readonly #trial: (key: Uint8Array) => Uint8Array;
  /** The best so far, of `difficulty` bits at least. */
  #found: { readonly bits: number; readonly key: Uint8Array }[] = [];
  #trials = 0;
  readonly #startedAt: number;
  readonly #by: number;
  #nextAt: number;

  /** `text` is the cookie (RFC 8019 §7.1.3), before IKE_AUTH Nr | SPIr (§7.2.3). It is given up after `within` milliseconds. */
  constructor(puzzle: Puzzle, text: Uint8Array, within: number, now: number) {
    this.puzzle = puzzle;
    this.#trial = hmacTrials(puzzle.prf, text.slice(), KEY_BYTES);
    this.#startedAt = now;
    this.#by = now + within;
    this.#nextAt = now;
  }

  get deadline(): number {
    return this.#nextAt;
  }

  get trials(): number {
    return this.#trials;
  }

  spent(now: number): number {
    return now - this.#startedAt;
  }

  /** One slice when it is due. A solution is the data of a PS payload (RFC 8019 §8.2). */
  tick(now: number): 'working' | 'given-up' | Uint8Array {
    if (now < this.#nextAt) return 'working';
    if (now >= this.#by) return 'given-up';
    const key = new Uint8Array(KEY_BYTES);
    const view = new DataView(key.buffer);
    for (let i = 0; i < SLICE; i++) {
      view.setUint32(0, this.#trials++);
      const bits = trailingZeroBits(this.#trial(key));
      if (bits >= this.puzzle.difficulty && this.#take(key, bits)) return this.#solution();
      if (this.puzzle.difficulty === 0 && this.#trials >= FREE_TRIALS) return this.#solution();
    }
    this.#nextAt = now + REST;
    return 'working';
  }

  /** True when it was the last that was needed. */
  #take(key: Uint8Array, bits: number): boolean {
    if (this.puzzle.difficulty > 0) {
      this.#found.push({ bits, key: key.slice() });
      return this.#found.length === KEYS;
    }
    // RFC 8019 §7.1.4: the worst of the four counts.
    if (this.#found.length === KEYS && bits <= this.#found[KEYS - 1].bits) return false;
    this.#found = [...this.#found, { bits, key: key.slice() }].sort((a, b) => b.bits - a.bits).slice(0, KEYS);
    return false;
  }

  #solution(): Uint8Array {
    return concat(...this.#found.map(({ key }) => key));
  }
}

/** For the responder: the fewest zero bits that a key of this PS payload gives (RFC 8019 §7.1.4); undefined for no solution at all. */
export function solvedBits(transform: PrfTransform, text: Uint8Array, solution: Uint8Array): number | undefined {
  const size = solution.length / KEYS;
  // RFC 8019 §8.2: four keys of one size, 1 octet to the preferred size of the PRF; and they differ (§7.1.3).
  if (!Number.isInteger(size) || size < 1 || size > transform.keyBytes) return undefined;
  const keys = Array.from({ length: KEYS }, (_, index) => solution.subarray(index * size, (index + 1) * size));
  if (new Set(keys.map(String)).size < KEYS) return undefined;
  return Math.min(...keys.map((key) => trailingZeroBits(prf(transform, key, text))));
}

function trailingZeroBits(octets: Uint8Array): number {
  for (let at = octets.length - 1; at >= 0; at--) {
    const octet = octets[at];
    if (octet !== 0) return 8 * (octets.length - 1 - at) + 31 - Math.clz32(octet & -octet);
  }
  return 8 * octets.length;
}
