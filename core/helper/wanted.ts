/**
 * The tunnel that is up, in a file: what an engine that died was doing is taken up by the next one, once. Written when a tunnel came up and
 * not before, so that one whose connecting kills the engine is not tried for ever; of another start of the computer it is void.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as v from 'valibot';
import type { Log } from '../system/log.ts';

export interface WantedTunnel {
  /** Id. */
  readonly profile: string;
  /** Uid. */
  readonly owner: number;
}

export interface Wanted {
  keep(tunnel: WantedTunnel): void;
  forget(): void;
  /** What there is, and forgets it. */
  take(): WantedTunnel | undefined;
}

const file = v.strictObject({ format: v.literal(1), boot: v.string(), profile: v.string(), owner: v.number() });

/** `boot`: of this start of the computer; nothing is kept without. */
export function openWanted(path: string, boot: string | undefined, log: Log): Wanted {
  const forget = () => rmSync(path, { force: true });
  return {
    keep({ profile, owner }) {
      if (boot === undefined) return;
      try {
        writeFileSync(path, JSON.stringify({ format: 1, boot, profile, owner }), { mode: 0o600 });
      } catch (problem) {
        log('warn', 'tunnel', 'after a restart of the helper the tunnel will not come back', {
          why: problem instanceof Error ? problem.message : 'unknown',
        });
      }
    },
    forget,
    take() {
      try {
        const read = v.safeParse(file, JSON.parse(readFileSync(path, 'utf8')));
        const found = read.success && read.output.boot === boot ? read.output : undefined;
        return found && { profile: found.profile, owner: found.owner };
      } catch {
        return undefined; // there is none, or half of one
      } finally {
        forget();
      }
    },
  };
}

/** Of this start of the computer. */
export function bootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
}
