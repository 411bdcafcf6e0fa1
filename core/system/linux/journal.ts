/**
 * What must be undone, on disk before it is done. One JSON entry per line, only ever appended to or emptied, so that a crash in the
 * middle of a write can cost the last line only, and what that line would undo has not been done yet.
 */
import { closeSync, constants, fdatasyncSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { HostPlan } from '../ports.ts';
import type { Rule } from './rtnetlink.ts';

type WhenLost = NonNullable<HostPlan['whenLost']>;

export type UndoEntry =
  /** Our TUN device: its addresses, its routes. */
  | { readonly kind: 'link'; readonly name: string }
  /** Routes that lead nowhere, in our table. With `lock` only the user takes them back, and not an engine that never comes. */
  | { readonly kind: 'hold'; readonly whenLost: WhenLost }
  | { readonly kind: 'rule'; readonly rule: Rule }
  | { readonly kind: 'sysctl'; readonly name: SysctlName; readonly before: string; readonly after: string }
  | { readonly kind: 'resolved'; readonly interface: string }
  | { readonly kind: 'resolvconf'; readonly interface: string }
  | { readonly kind: 'file'; readonly path: string; readonly before: FileBefore; readonly after: string };

/** The closed set of kernel settings that are ever changed. */
export type SysctlName = 'net/ipv4/conf/all/rp_filter';

/** What was at a path, whole. */
export type FileBefore =
  | { readonly type: 'missing' }
  | { readonly type: 'symlink'; readonly target: string }
  | { readonly type: 'file'; readonly content: string; readonly mode: number; readonly uid: number; readonly gid: number };

/** Octets. An entry of a file has two whole files in it, and each content that is put there needs one more; of all others there are few. */
const MOST_OF_FILES = 1 << 20;

export class Journal {
  readonly #fd: number;
  readonly #boot: string;
  /** By their text. */
  readonly #entries: Map<string, UndoEntry>;
  /** Octets of whole lines; what is behind them was cut off. */
  #whole: number;

  private constructor(fd: number, boot: string, entries: readonly UndoEntry[], whole: number) {
    this.#fd = fd;
    this.#boot = boot;
    this.#entries = new Map(entries.map((entry) => [JSON.stringify(entry), entry]));
    this.#whole = whole;
  }

  /**
   * Opens or creates it; throws what node:fs throws. The folder is made durable here, so that later writes need not. Nothing is written to what
   * is there: on a full disk it can still be undone.
   */
  static open(path: string, boot: string = bootId()): Journal {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW, 0o600);
    const folder = openSync(dirname(path), constants.O_RDONLY);
    fsyncSync(folder);
    closeSync(folder);
    const octets = readFileSync(fd);
    const whole = octets.lastIndexOf('\n') + 1;
    return new Journal(fd, boot, parse(octets.toString('utf8', 0, whole), boot), whole);
  }

  /** In the order in which they were done. */
  get entries(): readonly UndoEntry[] {
    return [...this.#entries.values()];
  }

  /**
   * True when they are on the disk, false when it is full and none is; throws what node:fs throws, and then none is, either. Entries that are
   * there already cost nothing.
   */
  append(entries: readonly UndoEntry[]): boolean {
    const fresh = entries.map((entry) => [JSON.stringify(entry), entry] as const).filter(([text]) => !this.#entries.has(text));
    if (fresh.length === 0) return true;
    const lines = Buffer.from(fresh.map(([, entry]) => `${JSON.stringify({ boot: this.#boot, ...entry })}\n`).join(''));
    if (this.#whole + lines.length > MOST_OF_FILES && fresh.some(([, { kind }]) => kind === 'file')) return false;
    // A line that was cut off must not swallow the next one.
    ftruncateSync(this.#fd, this.#whole);
    try {
      // Goes on until all is written: on a disk that fills up, write(2) takes a part and says so only by its count.
      writeFileSync(this.#fd, lines);
      fdatasyncSync(this.#fd);
    } catch (problem) {
      ftruncateSync(this.#fd, this.#whole);
      throw problem;
    }
    this.#whole += lines.length;
    for (const [text, entry] of fresh) this.#entries.set(text, entry);
    return true;
  }

  /** Everything is undone. Not synced: undoing twice does no harm. */
  clear(): void {
    if (this.#entries.size === 0) return;
    ftruncateSync(this.#fd, 0);
    this.#whole = 0;
    this.#entries.clear();
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function parse(text: string, boot: string): readonly UndoEntry[] {
  const entries: UndoEntry[] = [];
  for (const line of text.split('\n')) {
    const entry = parseLine(line);
    if (entry === undefined) continue;
    // Links, rules and settings did not survive a reboot; what is there now is somebody else's. Files did.
    if (entry.boot !== boot && entry.undo.kind !== 'file') continue;
    entries.push(entry.undo);
  }
  return entries;
}

/** The file is root's own (0600 in a 0700 folder): a line is whole or cut off, never hostile. */
function parseLine(line: string): { readonly boot: string; readonly undo: UndoEntry } | undefined {
  if (line === '') return undefined;
  try {
    const { boot, ...undo }: UndoEntry & { readonly boot: string } = JSON.parse(line);
    return { boot, undo };
  } catch {
    return undefined;
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
