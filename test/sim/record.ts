/**
 * What a long run of the simulator has done so far: a file of JSON lines, the first of which says of what run, so that hours of it need not be
 * in one piece. It goes on with the same seeds and the same sources only.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Done } from './worker.ts';

export interface Run {
  readonly seed: number;
  readonly count: number;
  readonly genuine: boolean;
}

/** A portion, and how long all of the run had taken by then. */
export type Recorded = Done & { readonly seconds: number };

export interface RunRecord {
  readonly done: readonly Recorded[];
  add(portion: Recorded): void;
}

/** Opens the record or begins it; a sentence when it is of something else. */
export function openRecord(path: string, { seed, count, genuine }: Run): RunRecord | string {
  const head = JSON.stringify({ seed, count, genuine, sources: sourcesDigest() });
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  if (lines.length > 0 && lines[0] !== head)
    return `${path} is the record of another run or of other sources; it begins with ${lines[0]}, and this would be ${head}`;
  // Whoever was killed while writing leaves half a line, which is done again.
  const whole = lines.slice(1, -1);
  writeFileSync(path, [head, ...whole, ''].join('\n'));
  return {
    done: whole.map((line) => JSON.parse(line)),
    add: (portion) => appendFileSync(path, `${JSON.stringify(portion)}\n`),
  };
}

/** All that is simulated, and the simulator. */
const simulated = [
  ...['bytes', 'crypto', 'ike', 'ip', 'pki', 'tunnel'].map((layer) => `core/${layer}`),
  ...['authority', 'fuzz', 'gateway', 'sim'].map((folder) => `test/${folder}`),
];

function sourcesDigest(): string {
  const root = join(import.meta.dirname, '../..');
  const files = simulated
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && /\.(ts|json)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
  const digest = createHash('sha256');
  for (const file of files.sort())
    digest
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  return digest.digest('hex');
}
