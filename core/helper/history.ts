/**
 * The sessions that were: one file per user under the engine's own folder, the newest first, bounded. An entry is written when a
 * connection starts, when it is up, once a minute while it lasts, and at its end; one without an end at start is from an engine that
 * was killed, and ends when it was last seen.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import type { SessionRecord } from '../rpc/contract.ts';
import type { Log } from '../system/log.ts';
import { writeWhole } from '../system/wholeFile.ts';
import type { TunnelFacts } from '../tunnel/status.ts';

export interface History {
  /** Opens an entry for a connection; `read` tells how it is. */
  begin(read: () => TunnelFacts): SessionWriter;
  /** Newest first; root sees everybody's. */
  list(viewer: number, limit: number): readonly SessionRecord[];
}

export interface SessionWriter {
  /** Something changed; written when it is worth it. */
  observe(): void;
  /** `cut` when it was not the user who wanted it to end, but the helper. */
  end(cut: boolean): void;
}

export interface HistoryOptions {
  readonly directory: string;
  readonly now: () => number;
  readonly log: Log;
  /** Per user. */
  readonly most?: number;
  /** Milliseconds between the writes of a session that lasts. */
  readonly checkpointEvery?: number;
}

type Stored = SessionRecord & { readonly seenAt: number };

const MOST = 500;
const CHECKPOINT = 60_000;

export function openHistory(options: HistoryOptions): History {
  const { directory, now, log } = options;
  const most = options.most ?? MOST;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const users = load(directory, log);
  for (const [owner, entries] of users) {
    if (!entries.some(({ endedAt }) => endedAt === undefined)) continue;
    users.set(
      owner,
      entries.map((entry) =>
        entry.endedAt === undefined ? { ...entry, endedAt: entry.seenAt, endReason: 'engine-restarted' } : entry,
      ),
    );
    write(owner);
  }

  function write(owner: number): void {
    try {
      // Not flushed to the disk: the engine must not wait for it while it connects.
      writeWhole(join(directory, `${owner}.json`), JSON.stringify({ format: 1, sessions: users.get(owner) ?? [] }));
    } catch (problem) {
      log('warn', 'history', 'the history could not be written', { why: problem instanceof Error ? problem.message : 'unknown' });
    }
  }

  function put(entry: Stored): void {
    const others = (users.get(entry.owner) ?? []).filter(({ id }) => id !== entry.id);
    users.set(entry.owner, [entry, ...others].slice(0, most));
    write(entry.owner);
  }

  return {
    begin(read) {
      const id = randomUUID();
      const checkpoint = () => put(entryOf(id, read(), now()));
      let timer: NodeJS.Timeout | undefined;
      checkpoint();
      return {
        observe() {
          if (timer || connectedAt(read()) === undefined) return;
          checkpoint();
          timer = setInterval(checkpoint, options.checkpointEvery ?? CHECKPOINT).unref();
        },
        end(cut) {
          clearInterval(timer);
          const endReason = read().failure?.code ?? (cut ? 'engine-restarted' : 'user');
          put({ ...entryOf(id, read(), now()), endedAt: now(), endReason });
        },
      };
    },

    list(viewer, limit) {
      const seen = viewer === 0 ? [...users.values()].flat() : (users.get(viewer) ?? []);
      return [...seen]
        .sort((a, b) => b.startedAt - a.startedAt)
        .slice(0, limit)
        .map(({ seenAt: _, ...session }) => session);
    },
  };
}

/** However often it was lost and brought back since. */
function connectedAt({ firstReadyAt, readyAt }: TunnelFacts): number | undefined {
  return firstReadyAt ?? readyAt;
}

function entryOf(id: string, facts: TunnelFacts, seenAt: number): Stored {
  const connected = connectedAt(facts);
  return {
    id,
    owner: facts.owner,
    profile: facts.profile,
    gateway: facts.gateway.name,
    startedAt: facts.startedAt,
    ...(connected !== undefined && { connectedAt: connected }),
    virtualIps: (facts.configuration?.addresses ?? []).map(({ address, prefix }) => `${address}/${prefix}`),
    bytesIn: facts.octets?.in ?? 0,
    bytesOut: facts.octets?.out ?? 0,
    seenAt,
  };
}

const instant = v.pipe(v.number(), v.minValue(0));
const stored = v.object({
  format: v.literal(1),
  sessions: v.array(
    v.object({
      id: v.string(),
      owner: v.number(),
      profile: v.object({ id: v.string(), name: v.string() }),
      gateway: v.string(),
      startedAt: instant,
      connectedAt: v.exactOptional(instant),
      endedAt: v.exactOptional(instant),
      virtualIps: v.array(v.string()),
      bytesIn: v.number(),
      bytesOut: v.number(),
      endReason: v.exactOptional(v.string()),
      seenAt: instant,
    }),
  ),
});

function load(directory: string, log: Log): Map<number, readonly Stored[]> {
  const users = new Map<number, readonly Stored[]>();
  for (const name of readdirSync(directory)) {
    const owner = /^(\d{1,10})\.json$/.exec(name)?.[1];
    if (owner === undefined) continue;
    const parsed = v.safeParse(stored, readJson(join(directory, name)));
    if (parsed.success && parsed.output.sessions.every((session) => session.owner === Number(owner))) {
      users.set(Number(owner), parsed.output.sessions);
    } else {
      log('warn', 'history', 'the history of a user is damaged and starts anew', { file: name });
    }
  }
  return users;
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
