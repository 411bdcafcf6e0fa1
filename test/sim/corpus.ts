/** Scenarios that once failed, one file each: what was wrong in a line, and the scenario as it was shrunk. They run first every time. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scenario } from './scenario.ts';

export interface Remembered {
  /** The file's name without its ending. */
  readonly name: string;
  /** What was wrong. */
  readonly was: string;
  /** Which invariant showed it. */
  readonly invariant: string;
  readonly scenario: Scenario;
}

const folder = join(import.meta.dirname, 'corpus');

export function readCorpus(): readonly Remembered[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
  return files.sort().map((file) => ({ name: file.slice(0, -5), ...JSON.parse(readFileSync(join(folder, file), 'utf8')) }));
}
