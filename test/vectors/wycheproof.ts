import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One case's verdict. `skipped` is for what IKEv2 cannot express; it is never counted as passed. */
export interface CaseResult {
  readonly suite: string;
  /** Wycheproof's tcId. */
  readonly case: number;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly detail: string;
}

export type Verdict = Pick<CaseResult, 'outcome' | 'detail'>;

/** The fields common to every kind of test in a Wycheproof file; C2SP/wycheproof `testvectors_v1`. */
export interface WycheproofTest {
  readonly tcId: number;
  readonly comment: string;
  readonly flags: readonly string[];
  readonly result: 'valid' | 'invalid' | 'acceptable';
}

export interface WycheproofFile<Group> {
  readonly testGroups: readonly Group[];
}

export function passed(detail: string): Verdict {
  return { outcome: 'passed', detail };
}

export function failed(detail: string): Verdict {
  return { outcome: 'failed', detail };
}

export function skipped(reason: string): Verdict {
  return { outcome: 'skipped', detail: `skipped: ${reason}` };
}

/** The folder with `wycheproof/`, from VECTORS_DIR or beside the checkout; undefined when it is not there. */
export function findVectors(): string | undefined {
  const folder = join(process.env.VECTORS_DIR ?? join(import.meta.dirname, '../../../shared/vectors'), 'wycheproof');
  return existsSync(folder) ? folder : undefined;
}

export function listVectorFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .sort();
}

/** `Group` is the caller's knowledge of the file's schema. */
export function readVectors<Group>(folder: string, name: string): WycheproofFile<Group> {
  return JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as WycheproofFile<Group>;
}

/** Every case of a file that nothing of ours can be asked. */
export function* skipAll(folder: string, name: string, reason: string): Generator<CaseResult> {
  for (const { tests } of readVectors<{ readonly tests: readonly WycheproofTest[] }>(folder, name).testGroups) {
    for (const { tcId } of tests) yield { suite: name, case: tcId, ...skipped(reason) };
  }
}

export function fromHexStrict(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}
