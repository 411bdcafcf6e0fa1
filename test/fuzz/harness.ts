/**
 * What every fuzz target has in common: a seed, a number of inputs, a check that throws when something is wrong. The first
 * failure ends the case and tells the input, so that it can be added to the corpus.
 */
import { toHex } from '../../core/bytes/bytes.ts';
import { createPrng, type Prng } from './mutate.ts';

/** One line of `--json`. */
export interface CaseResult {
  readonly suite: string;
  readonly case: string;
  readonly ok: boolean;
  readonly detail: Readonly<Record<string, string | number>>;
}

export interface Target {
  readonly suite: string;
  readonly name: string;
  readonly seed: number;
  readonly runs: number;
  /** Makes the `i`-th input. */
  readonly input: (prng: Prng, i: number) => Uint8Array;
  /** Throws when the target misbehaves; what it returns is counted by name. */
  readonly check: (input: Uint8Array, prng: Prng) => string;
}

export function runTarget({ suite, name, seed, runs, input, check }: Target): CaseResult {
  const prng = createPrng(seed);
  const counts = new Map<string, number>();
  for (let i = 0; i < runs; i++) {
    const bytes = input(prng, i);
    try {
      const outcome = check(bytes, prng);
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return {
        suite,
        case: name,
        ok: false,
        detail: { seed, run: i, error: message, input: toHex(bytes.subarray(0, 4096)), octets: bytes.length },
      };
    }
  }
  return { suite, case: name, ok: true, detail: { seed, runs, ...Object.fromEntries(counts) } };
}

/** Throws with the text; a check's assertion, cheap enough for a million calls. */
export function demand(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}
