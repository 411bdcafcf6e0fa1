/** Chance with a seed. Everything that happens in a simulation is decided by one of these. */
import type { Random } from '../../core/crypto/types.ts';
import { createPrng } from '../fuzz/mutate.ts';

export interface Dice {
  /** From 0 up to 1. */
  fraction(): number;
  /** A whole number from `from` up to and with `to`. */
  between(from: number, to: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
  /** For machines; the caller owns the octets. */
  readonly octets: Random;
}

export function createDice(seed: number): Dice {
  const prng = createPrng(seed);
  const fraction = () => prng.u32() / 0x1_0000_0000;
  return {
    fraction,
    between: (from, to) => from + Math.floor(fraction() * (to - from + 1)),
    chance: (probability) => fraction() < probability,
    pick: (list) => prng.pick(list),
    octets: (length) => prng.octets(length),
  };
}
