/**
 * Lists and answers about revocation that are worth keeping: files of the engine's own, few and bounded, none past its time. They are
 * verified again whenever they are recalled, so a damaged or foreign file can do no more than be ignored.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { equalBytes } from '../bytes/bytes.ts';
import { maxCrlOctets } from '../pki/crl.ts';
import type { Log } from '../system/log.ts';
import { writeWhole } from '../system/wholeFile.ts';

export interface RevocationCache {
  /** Undefined: nothing kept, or it is past its time, or damaged. */
  recall(key: string): Uint8Array | undefined;
  /** `until`: Date.now() milliseconds. */
  keep(key: string, octets: Uint8Array, until: number): void;
}

export interface RevocationCacheOptions {
  readonly directory: string;
  /** Date.now() milliseconds. */
  readonly now: () => number;
  readonly log: Log;
  readonly most?: number;
  /** All files together. */
  readonly octets?: number;
}

const MOST = 256;
const OCTETS = 64 << 20;
const MAGIC = new TextEncoder().encode('SPREV1\r\n');
/** Magic, time, SHA-256 of what follows. */
const HEADER = MAGIC.length + 8 + 32;

export function openRevocationCache({
  directory,
  now,
  log,
  most = MOST,
  octets: total = OCTETS,
}: RevocationCacheOptions): RevocationCache {
  mkdirSync(directory, { recursive: true, mode: 0o700 });

  function files(): { name: string; size: number; written: number }[] {
    return readdirSync(directory).flatMap((name) => {
      const stat = statSync(join(directory, name), { throwIfNoEntry: false });
      return stat === undefined ? [] : [{ name, size: stat.size, written: stat.mtimeMs }];
    });
  }

  /** The oldest go until there is room for so many octets more. */
  function makeRoom(wanted: number): void {
    const all = files().sort((a, b) => a.written - b.written);
    let used = all.reduce((sum, { size }) => sum + size, 0);
    let count = all.length;
    for (const { name, size } of all) {
      if (count < most && used + wanted <= total) return;
      rmSync(join(directory, name), { recursive: true, force: true });
      count -= 1;
      used -= size;
    }
  }

  return {
    recall(key) {
      const path = join(directory, fileName(key));
      try {
        const entry = open(readFileSync(path));
        if (entry !== undefined && entry.until > now()) return entry.octets;
        rmSync(path, { force: true });
      } catch (problem) {
        if (!isMissing(problem)) complain('read', problem);
      }
      return undefined;
    },

    keep(key, octets, until) {
      if (until <= now() || octets.length > maxCrlOctets || octets.length + HEADER > total) return;
      const name = fileName(key);
      try {
        rmSync(join(directory, name), { force: true });
        makeRoom(octets.length + HEADER);
        // Not flushed to the disk: what a power loss damages is fetched anew.
        writeWhole(join(directory, name), seal(octets, until));
      } catch (problem) {
        complain('write', problem);
      }
    },
  };

  function complain(what: 'read' | 'write', problem: unknown): void {
    log('warn', 'trust', `what is kept about revocation could not be ${what === 'read' ? 'read' : 'written'}`, {
      why: problem instanceof Error ? problem.message : 'unknown',
    });
  }
}

/** Keys have addresses out of certificates in them, which are no file names. */
const fileName = (key: string): string => createHash('sha256').update(key).digest('hex');

function seal(octets: Uint8Array, until: number): Uint8Array {
  const head = Buffer.alloc(HEADER);
  head.set(MAGIC);
  head.writeDoubleBE(until, MAGIC.length);
  head.set(createHash('sha256').update(octets).digest(), MAGIC.length + 8);
  return Buffer.concat([head, octets]);
}

function open(file: Buffer): { octets: Uint8Array; until: number } | undefined {
  if (file.length < HEADER || !equalBytes(file.subarray(0, MAGIC.length), MAGIC)) return undefined;
  const octets = new Uint8Array(file.subarray(HEADER));
  if (!equalBytes(createHash('sha256').update(octets).digest(), file.subarray(MAGIC.length + 8, HEADER))) return undefined;
  return { octets, until: file.readDoubleBE(MAGIC.length) };
}

function isMissing(problem: unknown): boolean {
  return problem instanceof Error && 'code' in problem && problem.code === 'ENOENT';
}
