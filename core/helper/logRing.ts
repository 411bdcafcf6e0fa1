/**
 * The helper's log: one JSON object per line to stderr (the journal keeps it), and the newest lines in memory for `log.read`
 * and `log` events. A line about a user's tunnel is shown to that user and to root, general lines to everybody.
 */
import type { LogLine } from '../rpc/contract.ts';
import type { Log, LogLevel } from '../system/log.ts';
import { printable } from '../tunnel/explain.ts';
import { createLineStore } from './lineStore.ts';

export interface LogRing {
  readonly log: Log;
  /** The same, for lines that belong to one user's tunnel. */
  logFor(owner: number): Log;
  /**
   * The newest `lines` lines of `level` and above that `viewer` may see (with a `seq` below `before`), oldest first, and no more
   * octets of JSON than `octets`.
   */
  read(viewer: number, lines: number, level: LogLevel, octets: number, before?: number): readonly LogLine[];
  /** Calls for each new line; returns how to stop. */
  listen(listener: (line: LogLine, visibleTo: (viewer: number) => boolean) => void): () => void;
}

export interface LogRingOptions {
  /** Lines kept, and octets of JSON they may have together. */
  readonly capacity: number;
  readonly octets?: number;
  readonly now: () => number;
  /** Where the NDJSON goes. */
  readonly write: (line: string) => void;
  /** Lines below it are not written (but kept). */
  readonly writeLevel: LogLevel;
}

const LEVELS: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const LONGEST_VALUE = 400;
const MOST_FIELDS = 16;
const OCTETS = 24 * 1024 * 1024;
const NOBODY = -1;

export function createLogRing(options: LogRingOptions): LogRing {
  const kept = createLineStore(options.capacity, options.octets ?? OCTETS);
  const listeners = new Set<(line: LogLine, visibleTo: (viewer: number) => boolean) => void>();

  function add(owner: number, ...[level, area, text, fields]: Parameters<Log>): void {
    const line: LogLine = {
      seq: kept.next(),
      at: options.now(),
      level,
      area,
      text: printable(text),
      ...(fields && Object.keys(fields).length > 0 && { fields: tidy(fields) }),
    };
    kept.add(Buffer.from(JSON.stringify(line)), LEVELS[level], owner);
    if (LEVELS[level] >= LEVELS[options.writeLevel]) {
      const { at, seq: _, ...rest } = line;
      const user = owner === NOBODY ? {} : { user: owner };
      options.write(`${JSON.stringify({ at: new Date(at).toISOString(), ...rest, ...user })}\n`);
    }
    for (const listener of listeners) listener(line, (viewer) => mayRead(owner, viewer));
  }

  return {
    log: (...line) => add(NOBODY, ...line),
    logFor:
      (owner) =>
      (...line) =>
        add(owner, ...line),

    read(viewer, lines, level, octets, before) {
      const chosen: string[] = [];
      let room = octets;
      const wanted = (lineLevel: number, owner: number) => lineLevel >= LEVELS[level] && mayRead(owner, viewer);
      for (const json of kept.backwards(wanted, before)) {
        room -= json.length + 1;
        if (room < 0) break;
        chosen.push(json.toString('utf8'));
        if (chosen.length >= lines) break;
      }
      return JSON.parse(`[${chosen.reverse().join(',')}]`) as readonly LogLine[];
    },

    listen(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}

function mayRead(owner: number, viewer: number): boolean {
  return owner === NOBODY || viewer === 0 || viewer === owner;
}

function tidy(fields: Readonly<Record<string, string | number | boolean>>): Readonly<Record<string, string | number | boolean>> {
  return Object.fromEntries(
    Object.entries(fields)
      .slice(0, MOST_FIELDS)
      .map(([key, value]) => [key, typeof value === 'string' ? printable(value).slice(0, LONGEST_VALUE) : value]),
  );
}
