/**
 * The tunnel that is up, in a file: what an engine that died was doing is taken up by the next one, once. Written when a tunnel came up and
 * not before, so that one whose connecting kills the engine is not tried for ever; of another start of the computer it is void.
 * What is locked stays wanted, and is tried once.
 */
import { readFileSync, rmSync } from 'node:fs';
import * as v from 'valibot';
import type { Log } from '../system/log.ts';
import { writeWhole } from '../system/wholeFile.ts';
import type { Address } from '../tunnel/race.ts';

export interface WantedTunnel {
  /** Id. */
  readonly profile: string;
  /** Whose profile it is: others may have one of the same id. */
  readonly of?: { readonly owner: number; readonly shared: boolean };
  /** Uid of who is connected. */
  readonly owner: number;
  /** What the gateway's names stood for: while traffic is held, hardly anybody can be asked. */
  readonly addresses: readonly (readonly [name: string, addresses: readonly Address[]])[];
  /** Our addresses inside: with the same ones, what ran through the tunnel runs on. */
  readonly inside: readonly string[];
  /** Whom the computer asked for names before there was a tunnel. */
  readonly nameServers?: readonly string[];
  /** An engine took it up already, and died before it was up again. */
  readonly tried?: boolean;
}

/** What the disk refuses is a line in the log, and no reason to end a tunnel or the engine. */
export interface Wanted {
  keep(tunnel: WantedTunnel): void;
  forget(): void;
  /** What there is, and forgets it. */
  take(): WantedTunnel | undefined;
}

const address = v.strictObject({ address: v.string(), family: v.picklist([4, 6]) });
const file = v.strictObject({
  format: v.literal(2),
  boot: v.string(),
  profile: v.string(),
  of: v.optional(v.strictObject({ owner: v.number(), shared: v.boolean() })),
  owner: v.number(),
  addresses: v.array(v.tuple([v.string(), v.array(address)])),
  inside: v.array(v.string()),
  nameServers: v.optional(v.array(v.string())),
  tried: v.optional(v.boolean()),
});

/** `boot`: of this start of the computer; nothing is kept without. */
export function openWanted(path: string, boot: string | undefined, log: Log): Wanted {
  function forget(): void {
    try {
      rmSync(path, { force: true });
    } catch (problem) {
      log('warn', 'tunnel', 'after a restart of the helper the tunnel may come back by itself', { why: wordsOf(problem) });
    }
  }

  return {
    keep(tunnel) {
      if (boot === undefined) return;
      try {
        // Never half of one: what is locked would be open after the next start. On a full disk the one from before stays.
        writeWhole(path, JSON.stringify({ format: 2, boot, ...tunnel }));
      } catch (problem) {
        log('warn', 'tunnel', 'after a restart of the helper the tunnel will not come back', { why: wordsOf(problem) });
      }
    },
    forget,
    take() {
      try {
        const read = v.safeParse(file, JSON.parse(readFileSync(path, 'utf8')));
        if (!read.success || read.output.boot !== boot) return undefined;
        const { format: _, boot: __, ...tunnel } = read.output;
        return tunnel;
      } catch {
        return undefined; // there is none, or half of one
      } finally {
        forget();
      }
    },
  };
}

function wordsOf(problem: unknown): string {
  return problem instanceof Error ? problem.message : 'unknown';
}

/** Of this start of the computer. */
export function bootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
}
