/** A process in a namespace that talks JSON lines: start it, wait until it is ready, send lines, wait for lines, end it. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { end } from '../lab/daemon.ts';
import type { Namespace } from '../lab/namespace.ts';

export type Line = Readonly<Record<string, unknown>>;

export interface JsonProcess {
  readonly child: ChildProcess;
  send(line: Line): void;
  /** The first line, seen or still to come, for which `wanted` holds; each line is given to one waiter only. Rejects on its end or after `within` ms. */
  next(wanted: (line: Line) => boolean, within: number): Promise<Line>;
  /** The last lines nobody waited for, and what went to standard error; for the message of a test that fails. */
  recent(): string;
  /** SIGTERM, then SIGKILL; resolves when it is gone. */
  stop(): Promise<void>;
}

/** A machine that does much else loads a program in seconds. */
const READY_WITHIN_MS = 40_000;
/** Lines kept for somebody who asks later. */
const KEEP = 1_000;

/** Starts `argv` in the namespace and waits for `{"ready":true}`. What it writes to standard error is part of every error message. */
export async function startJson(namespace: Namespace, argv: readonly string[], label: string): Promise<JsonProcess> {
  // `detached`: Ctrl-C in the terminal is for whoever started this, and takes it down in order.
  const child = namespace.spawn(argv, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const seen: Line[] = [];
  let complaint = '';
  let wake = (): void => {};
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint = `${complaint}${text}`.slice(-4_000);
  });
  child.stdin?.on('error', () => {}); // It may end before it has read everything.
  let ended = false;
  child.on('exit', () => {
    ended = true;
    wake();
  });
  if (child.stdout === null) throw new Error(`${label} has no standard output`);
  createInterface({ input: child.stdout }).on('line', (text) => {
    if (!text.startsWith('{')) return;
    seen.push(JSON.parse(text) as Line);
    if (seen.length > KEEP) seen.shift();
    wake();
  });
  const next = async (wanted: (line: Line) => boolean, within: number): Promise<Line> => {
    const until = performance.now() + within;
    for (;;) {
      const at = seen.findIndex(wanted);
      if (at >= 0) return seen.splice(at, 1)[0] as Line;
      const left = until - performance.now();
      if (ended) throw new Error(`${label} ended: ${complaint.trim() || 'without a word'}`);
      if (left <= 0) throw new Error(`${label} said nothing for ${within} ms: ${complaint.trim()}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  await next((line) => line.ready === true, READY_WITHIN_MS).catch((fault: unknown) => {
    // What failed, or hangs, would keep its device and its ports from the next.
    child.kill('SIGKILL');
    throw fault;
  });
  const recent = (): string =>
    `${seen
      .slice(-40)
      .map((line) => JSON.stringify(line))
      .join('\n')}\n${complaint}`;
  return { child, recent, send: (line) => void child.stdin?.write(`${JSON.stringify(line)}\n`), next, stop: () => end(child) };
}
