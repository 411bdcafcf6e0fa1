/**
 * A deterministic generator of numbers and a mutator of octets, for every fuzz target.
 *
 *   const prng = createPrng(7296);
 *   const hostile = mutateBytes(prng, seed, otherSeeds);
 */

export interface Prng {
  /** 0 … 2³²−1. */
  u32(): number;
  /** 0 … limit−1; 0 when limit is 0. */
  below(limit: number): number;
  /** True once in `n`. */
  oneIn(n: number): boolean;
  pick<T>(list: readonly T[]): T;
  octets(length: number): Uint8Array;
}

/** sfc32 (PractRand's small fast counter). The same seed gives the same numbers on every machine. */
export function createPrng(seed: number): Prng {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = 0xb7e15162 ^ seed;
  let counter = 1;
  const u32 = () => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 16; i++) u32();
  const below = (limit: number) => (limit <= 0 ? 0 : u32() % limit);
  return {
    u32,
    below,
    oneIn: (n) => below(n) === 0,
    pick: (list) => list[below(list.length)],
    octets: (length) => {
      const out = new Uint8Array(length);
      for (let i = 0; i < length; i++) out[i] = u32();
      return out;
    },
  };
}

/** Numbers at which parsers break: ends of ranges, sign bits, small lengths. */
export const EDGES: readonly number[] = [
  0, 1, 2, 3, 4, 7, 8, 15, 16, 27, 28, 127, 128, 254, 255, 256, 257, 0x7fff, 0x8000, 0xfffe, 0xffff,
];

/** No mutation makes more of one input: the longest datagram. */
export const MAX_OCTETS = 65_507;

type Mutation = (prng: Prng, input: Uint8Array, others: readonly Uint8Array[]) => Uint8Array;

/** One to six changes of any kind to a copy of `input`; parts of `others` may be spliced in. */
export function mutateBytes(prng: Prng, input: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  let out: Uint8Array = input.slice();
  for (let rounds = 1 + prng.below(prng.oneIn(4) ? 6 : 2); rounds > 0; rounds--) out = prng.pick(mutations)(prng, out, others);
  return out.length > MAX_OCTETS ? out.slice(0, MAX_OCTETS) : out;
}

const flipBit: Mutation = (prng, input) => {
  if (input.length > 0) input[prng.below(input.length)] ^= 1 << prng.below(8);
  return input;
};

const setOctet: Mutation = (prng, input) => {
  if (input.length > 0) input[prng.below(input.length)] = prng.oneIn(2) ? prng.u32() : prng.pick(EDGES);
  return input;
};

/** A 16-bit number becomes an edge, or one more or less than it was: the off-by-one of a length. */
const setWord: Mutation = (prng, input) => {
  if (input.length < 2) return input;
  const at = prng.below(input.length - 1);
  const old = (input[at] << 8) | input[at + 1];
  const value = prng.oneIn(2) ? prng.pick(EDGES) : old + prng.below(9) - 4;
  input[at] = value >>> 8;
  input[at + 1] = value;
  return input;
};

const truncate: Mutation = (prng, input) => input.slice(0, prng.below(input.length + 1));

const extend: Mutation = (prng, input) => splice(input, input.length, 0, prng.octets(1 + prng.below(40)));

const remove: Mutation = (prng, input) => splice(input, prng.below(input.length + 1), 1 + prng.below(24), new Uint8Array(0));

const insert: Mutation = (prng, input) => {
  const filler = prng.oneIn(2) ? prng.octets(1 + prng.below(24)) : new Uint8Array(1 + prng.below(24)).fill(prng.pick(EDGES));
  return splice(input, prng.below(input.length + 1), 0, filler);
};

const duplicate: Mutation = (prng, input) => {
  const from = prng.below(input.length);
  const part = input.slice(from, from + 1 + prng.below(64));
  return splice(input, prng.below(input.length + 1), 0, part);
};

/** The front of this one and the back of another. */
const cross: Mutation = (prng, input, others) => {
  if (others.length === 0) return input;
  const other = prng.pick(others);
  const from = prng.below(other.length + 1);
  return splice(input, prng.below(input.length + 1), input.length, other.subarray(from));
};

const mutations: readonly Mutation[] = [
  flipBit,
  flipBit,
  setOctet,
  setOctet,
  setWord,
  setWord,
  truncate,
  extend,
  remove,
  insert,
  duplicate,
  cross,
];

/** A copy of `input` with `count` octets from `at` replaced by `part`. */
export function splice(input: Uint8Array, at: number, count: number, part: Uint8Array): Uint8Array {
  const after = Math.min(input.length, at + count);
  const out = new Uint8Array(at + part.length + input.length - after);
  out.set(input.subarray(0, at));
  out.set(part, at);
  out.set(input.subarray(after), at + part.length);
  return out;
}
