/** The command line as a process, the way a shell starts it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { type ReasonCode, reasons } from '../../core/tunnel/reasons.ts';

export const MAIN = resolve(import.meta.dirname, '..', '..', 'core', 'cli', 'main.ts');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly process: ChildProcess;
  /** Resolves when standard output or error holds this. */
  says(text: string): Promise<void>;
  readonly ended: Promise<Ended>;
}

export function start(socket: string, args: readonly string[], input?: string): Running {
  const child = spawn(process.execPath, [MAIN, '--socket', socket, ...args], {
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  let stdout = '';
  let stderr = '';
  const looks: (() => void)[] = [];
  child.stdout?.on('data', (piece) => {
    stdout += String(piece);
    for (const look of looks) look();
  });
  child.stderr?.on('data', (piece) => {
    stderr += String(piece);
    for (const look of looks) look();
  });
  // A command may refuse before it has read all.
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
  const ended = new Promise<Ended>((done) => child.on('close', (code) => done({ code, stdout, stderr })));
  return {
    process: child,
    ended,
    says: (text) =>
      new Promise((done, fail) => {
        const look = () => {
          if (`${stdout}${stderr}`.includes(text)) done();
        };
        looks.push(look);
        look();
        ended.then(() => fail(new Error(`ended without saying "${text}": ${stdout}${stderr}`)));
      }),
  };
}

export function command(socket: string, args: readonly string[], input?: string): Promise<Ended> {
  return start(socket, args, input).ended;
}

/** One clear line with what to do, the reason's own exit code, no stack trace, nothing on stdout. */
export function assertRefused(ended: Ended, code: ReasonCode, detail?: RegExp): void {
  const { exitCode, advice, what } = reasons[code];
  assert.equal(ended.code, exitCode, `${ended.stdout}${ended.stderr}`);
  assert.equal(ended.stdout, '');
  const lines = ended.stderr.trimEnd().split('\n');
  const last = lines[lines.length - 1] ?? '';
  assert.ok(last.startsWith(`sallyport: ${what.replace(/\.$/, '')}`), last);
  assert.ok(last.endsWith(advice), last);
  assert.doesNotMatch(ended.stderr, /\n\s+at |node:internal|\.ts:\d/, 'no stack trace');
  if (detail) assert.match(last, detail);
}
