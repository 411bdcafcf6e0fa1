/**
 * The lines the window has, what of them the filter lets through, and where the search finds something. Bounded: the oldest lines go.
 * Mutable with a version, as a hundred thousand lines are not copied for each one that comes.
 */
import type { LogLine } from '../../../core/rpc/contract.ts';

export type Level = LogLine['level'];

export const LEVELS: readonly Level[] = ['debug', 'info', 'warn', 'error'];
export const CAPACITY = 100_000;

export interface Entry {
  /** Grows from line to line, also over the helper's lives. */
  readonly id: number;
  readonly line: LogLine;
  /** What is shown and searched after time and level. */
  readonly body: string;
}

export interface Filter {
  /** This level and above. */
  readonly level: Level;
  readonly query: string;
  /** Only lines in which the search finds something. */
  readonly onlyMatches: boolean;
}

export class LogModel {
  readonly #capacity: number;
  readonly #listeners = new Set<() => void>();
  #entries: Entry[] = [];
  #shown: Entry[] = [];
  /** Ids of shown lines that the search finds. */
  #matches: number[] = [];
  #filter: Filter = { level: 'info', query: '', onlyMatches: false };
  #pattern: RegExp | undefined;
  #version = 0;
  /** What a line's `seq` is added to: after a restart of the helper its numbers begin again. */
  #base = 0;

  constructor(capacity: number = CAPACITY) {
    this.#capacity = capacity;
  }

  get version(): number {
    return this.#version;
  }
  get total(): number {
    return this.#entries.length;
  }
  get shown(): readonly Entry[] {
    return this.#shown;
  }
  get matches(): readonly number[] {
    return this.#matches;
  }
  get filter(): Filter {
    return this.#filter;
  }
  /** The helper's number of the oldest line of its present life, for reading what is before it. */
  get oldestSeq(): number | undefined {
    return this.#entries.find(({ id }) => id >= this.#base)?.line.seq;
  }

  get newestSeq(): number | undefined {
    return this.#entries.at(-1)?.line.seq;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  /** New lines, oldest first; those it has already are left out. */
  append(lines: readonly LogLine[]): void {
    const fresh: Entry[] = [];
    let newest = this.#entries.at(-1)?.id ?? this.#base - 1;
    for (const line of lines) {
      const entry = entryOf(line, this.#base);
      if (entry.id <= newest) continue;
      newest = entry.id;
      fresh.push(entry);
    }
    if (fresh.length === 0) return;
    this.#entries.push(...fresh);
    const matching = fresh.filter((entry) => this.#passes(entry));
    if (this.#shown !== this.#entries) this.#shown.push(...matching);
    if (this.#pattern) for (const entry of matching) if (this.#finds(entry)) this.#matches.push(entry.id);
    this.#trim();
    this.#changed();
  }

  /** Lines of this life of the helper that are missing here, wherever they belong: older ones, or a hole. */
  fill(lines: readonly LogLine[]): void {
    const fresh = lines
      .map((line) => entryOf(line, this.#base))
      .filter(({ id }) => id >= this.#base && this.#entries[lowerBound(this.#entries, id)]?.id !== id);
    const first = fresh[0];
    if (!first) return;
    const tail = this.#entries.splice(lowerBound(this.#entries, first.id));
    this.#entries = [...this.#entries, ...[...fresh, ...tail].sort((a, b) => a.id - b.id)].slice(-this.#capacity);
    this.#refilter();
    this.#changed();
  }

  /**
   * The newest lines as the helper has them after the link was away. When they do not go on from ours it is another life of the helper,
   * and they come after everything we have.
   */
  resume(lines: readonly LogLine[]): void {
    const last = this.#entries.at(-1);
    const first = lines[0];
    if (last && first) {
      const goesOn = first.seq > last.line.seq || lines.some(({ seq, at }) => seq === last.line.seq && at === last.line.at);
      if (!goesOn) this.#base = last.id + 1;
    }
    this.append(lines);
  }

  setFilter(filter: Filter): void {
    const { level, query, onlyMatches } = filter;
    if (level === this.#filter.level && query === this.#filter.query && onlyMatches === this.#filter.onlyMatches) return;
    this.#filter = filter;
    this.#pattern = query === '' ? undefined : searchPattern(query);
    this.#refilter();
    this.#changed();
  }

  /** Where a line stands among the shown ones, or where it would. */
  indexOf(id: number): number {
    return lowerBound(this.#shown, id);
  }

  /** The match after (or before) a line, going round. */
  nextMatch(from: number | undefined, direction: 1 | -1): number | undefined {
    const matches = this.#matches;
    if (matches.length === 0) return undefined;
    if (from === undefined) return direction === 1 ? matches[0] : matches.at(-1);
    if (direction === 1) return matches.find((id) => id > from) ?? matches[0];
    return matches.findLast((id) => id < from) ?? matches.at(-1);
  }

  #passes(entry: Entry): boolean {
    if (LEVELS.indexOf(entry.line.level) < LEVELS.indexOf(this.#filter.level)) return false;
    return !(this.#filter.onlyMatches && this.#pattern) || this.#finds(entry);
  }

  #finds(entry: Entry): boolean {
    if (!this.#pattern) return false;
    this.#pattern.lastIndex = 0;
    return this.#pattern.test(entry.body);
  }

  #refilter(): void {
    const everything = this.#filter.level === 'debug' && !(this.#filter.onlyMatches && this.#pattern);
    this.#shown = everything ? this.#entries : this.#entries.filter((entry) => this.#passes(entry));
    this.#matches = this.#pattern ? this.#shown.filter((entry) => this.#finds(entry)).map(({ id }) => id) : [];
  }

  #trim(): void {
    const excess = this.#entries.length - this.#capacity;
    if (excess <= 0) return;
    this.#entries.splice(0, excess);
    const oldest = this.#entries[0]?.id ?? Number.POSITIVE_INFINITY;
    if (this.#shown !== this.#entries) this.#shown.splice(0, lowerBound(this.#shown, oldest));
    const stale = this.#matches.findIndex((id) => id >= oldest);
    if (stale !== 0) this.#matches.splice(0, stale === -1 ? this.#matches.length : stale);
  }

  #changed(): void {
    this.#version++;
    for (const listener of this.#listeners) listener();
  }
}

function entryOf(line: LogLine, base: number): Entry {
  return { id: base + line.seq, line, body: bodyOf(line) };
}

function lowerBound(entries: readonly Entry[], id: number): number {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle]?.id ?? 0) < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The words as typed, in any case. */
function searchPattern(query: string): RegExp {
  return new RegExp(query.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), 'giu');
}

export interface Part {
  readonly text: string;
  readonly hit: boolean;
}

/** A text cut where the search finds something. */
export function highlight(text: string, query: string): readonly Part[] {
  if (query === '') return [{ text, hit: false }];
  const parts: Part[] = [];
  let from = 0;
  for (const match of text.matchAll(searchPattern(query))) {
    if (match.index > from) parts.push({ text: text.slice(from, match.index), hit: false });
    parts.push({ text: match[0], hit: true });
    from = match.index + match[0].length;
  }
  if (from < text.length) parts.push({ text: text.slice(from), hit: false });
  return parts;
}

/** What stands after time and level: `tunnel  connected  profile=Office`. */
export function bodyOf(line: LogLine): string {
  const fields = Object.entries(line.fields ?? {}).map(([key, value]) => `${key}=${quoted(value)}`);
  return [`${line.area}: ${line.text}`, ...fields].join(' ');
}

/** One line as text for the clipboard and files; time in UTC. */
export function lineText(line: LogLine): string {
  return `${new Date(line.at).toISOString()} ${line.level.padEnd(5)} ${bodyOf(line)}`;
}

function quoted(value: string | number | boolean): string {
  const text = String(value);
  return /[\s"=]/.test(text) || text === '' ? JSON.stringify(text) : text;
}
