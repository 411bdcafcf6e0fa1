/** The cases of test/electron as part of this suite: main process and preload, on the host that supplies the `electron` module. */
import { globSync } from 'node:fs';
import { resolve } from 'node:path';
import { run } from 'node:test';

const ROOT = resolve(import.meta.dirname, '..', '..');

export interface ElectronResult {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly ms: number;
}

/** Runs them one file after the other; each test is one result, told as it ends. */
export function runElectronCases(tell: (result: ElectronResult) => void): Promise<void> {
  const files = globSync('test/electron/*.test.ts', { cwd: ROOT }).map((file) => resolve(ROOT, file));
  return new Promise((done, broken) => {
    const stream = run({ files, concurrency: 1 });
    stream.on('test:pass', ({ name, details }) => {
      if (details.type !== 'suite') tell({ name, ok: true, detail: 'passed', ms: Math.round(details.duration_ms) });
    });
    stream.on('test:fail', ({ name, details }) => {
      const { cause, message } = details.error;
      const detail = cause instanceof Error ? cause.message : message;
      tell({ name, ok: false, detail, ms: Math.round(details.duration_ms) });
    });
    stream.on('end', () => done());
    stream.on('error', broken);
    // Nothing flows, and nothing ends, until somebody reads.
    stream.resume();
  });
}
