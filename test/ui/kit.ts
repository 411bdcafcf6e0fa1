/** What a case is, and the few words cases are written with. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { World } from './world.ts';

export interface Case {
  /** `suite/name`. */
  readonly name: string;
  /** Part of the quick run within `npm test` (`--smoke`). */
  readonly smoke?: true;
  /** Measures for minutes: only with `--perf`. */
  readonly perf?: true;
  /** Returns a detail for the reader. Throws when something is not as it should be. */
  readonly run: (world: World) => Promise<string>;
}

/** Asks until there is an answer, for at most so long; no case depends on how fast the machine is. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  withinMs: number,
): Promise<T> {
  const until = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > until) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(50);
  }
}

export function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
