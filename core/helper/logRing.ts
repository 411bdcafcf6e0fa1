/**
 * The helper's log: one JSON object per line to stderr (the journal keeps it), and the newest lines in memory for `log.read`
 * and `log` events. A line about a user's tunnel is shown to that user and to root, general lines to everybody.
 */
import type { LogLine } from '../rpc/contract.ts';
import type { Log, LogLevel } from '../system/log.ts';
import { printable } from '../tunnel/explain.ts';

export interface LogRing {
  readonly log: Log;
  /** The same, for lines that belong to one user's tunnel. */
  logFor(owner: number): Log;
  /** The newest `lines` lines of `level` and above that `viewer` may see, oldest first, and no more octets of JSON than `octets`. */
  read(viewer: number, lines: number, level: LogLevel, octets: number): readonly LogLine[];
  /** Calls for each new line; returns how to stop. */
  listen(listener: (line: LogLine, visibleTo: (viewer: number) => boolean) => void): () => void;
}

export interface LogRingOptions {
  /** Lines kept. */
  readonly capacity: number;
  readonly now: () => number;
  /** Where the NDJSON goes. */
  readonly write: (line: string) => void;
  /** Lines below it are not written (but kept). */
  readonly writeLevel: LogLevel;
}

const LEVELS: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const LONGEST_VALUE = 400;

interface Entry {
  readonly line: LogLine;
  readonly owner: number | undefined;
}

export function createLogRing(options: LogRingOptions): LogRing {
  const ring: Entry[] = [];
  let next = 0;
  let seq = 0;
  const listeners = new Set<(line: LogLine, visibleTo: (viewer: number) => boolean) => void>();

  function add(owner: number | undefined, ...[level, area, text, fields]: Parameters<Log>): void {
    const line: LogLine = {
      seq: seq++,
      at: options.now(),
      level,
      area,
      text: printable(text),
      ...(fields && Object.keys(fields).length > 0 && { fields: tidy(fields) }),
    };
    ring[next] = { line, owner };
    next = (next + 1) % options.capacity;
    if (LEVELS[level] >= LEVELS[options.writeLevel]) {
      const { at, seq: _, ...rest } = line;
      options.write(
        `${JSON.stringify({ at: new Date(at).toISOString(), ...rest, ...(owner !== undefined && { user: owner }) })}\n`,
      );
    }
    for (const listener of listeners) listener(line, (viewer) => mayRead(owner, viewer));
  }

  return {
    log: (...line) => add(undefined, ...line),
    logFor:
      (owner) =>
      (...line) =>
        add(owner, ...line),

    read(viewer, lines, level, octets) {
      const chosen: LogLine[] = [];
      let room = octets;
      for (let i = 1; i <= ring.length && chosen.length < lines; i++) {
        const entry = ring[(next - i + ring.length) % ring.length];
        if (!entry || LEVELS[entry.line.level] < LEVELS[level] || !mayRead(entry.owner, viewer)) continue;
        room -= Buffer.byteLength(JSON.stringify(entry.line)) + 1;
        if (room < 0) break;
        chosen.push(entry.line);
      }
      return chosen.reverse();
    },

    listen(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}

function mayRead(owner: number | undefined, viewer: number): boolean {
  return owner === undefined || viewer === 0 || viewer === owner;
}

function tidy(fields: Readonly<Record<string, string | number | boolean>>): Readonly<Record<string, string | number | boolean>> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      typeof value === 'string' ? printable(value).slice(0, LONGEST_VALUE) : value,
    ]),
  );
}
