/** What the command line prints: results to stdout, progress and errors to stderr, or JSON; and the exit code behind each error. */
import type { RpcError } from '../rpc/contract.ts';
import { printable, reasonOf } from '../tunnel/explain.ts';
import { type ReasonCode, reasons } from '../tunnel/reasons.ts';

export interface Output {
  readonly json: boolean;
  /** stdout is a terminal a person looks at. */
  readonly interactive: boolean;
  /** A line of the result; nothing with --json. */
  line(text: string): void;
  /** The result for programs; nothing without --json. One line each. */
  object(value: unknown): void;
  /** What happens meanwhile, to stderr; nothing with --json. */
  progress(text: string): void;
  /** Says what happened and what to do; returns the exit code. `more` is for programs. */
  error(error: RpcError, more?: Readonly<Record<string, unknown>>): number;
  style(kind: Style, text: string): string;
}

export type Style = 'good' | 'bad' | 'faint' | 'strong';

const CODES: Readonly<Record<Style, string>> = { good: '32', bad: '31', faint: '2', strong: '1' };

export function createOutput(json: boolean): Output {
  const coloured = (stream: NodeJS.WriteStream) => stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  const styled = (stream: NodeJS.WriteStream, kind: Style, text: string) =>
    coloured(stream) ? `\x1b[${CODES[kind]}m${text}\x1b[0m` : text;
  return {
    json,
    interactive: process.stdout.isTTY === true,
    line: (text) => {
      if (!json) process.stdout.write(`${text}\n`);
    },
    object: (value) => {
      if (json) process.stdout.write(`${jsonLine(value)}\n`);
    },
    progress: (text) => {
      if (!json) process.stderr.write(`${text}\n`);
    },
    error: (error, more) => {
      const code = reasonOf(error.code);
      const { what, advice, exitCode } = reasons[code];
      const detail = printable(error.detail);
      if (json) process.stdout.write(`${jsonLine({ error: { code, what, advice, detail, ...more } })}\n`);
      else process.stderr.write(`${styled(process.stderr, 'bad', 'sallyport:')} ${errorLine(code, detail)}\n`);
      return exitCode;
    },
    style: (kind, text) => styled(process.stdout, kind, text),
  };
}

/**
 * The same value as JSON.stringify writes, for a terminal too: that leaves DEL, the C1 controls (U+009B begins an escape sequence) and direction
 * marks as they are, and a gateway's name may be full of them.
 */
function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (sign) =>
    [...Array(sign.length).keys()].map((at) => `\\u${sign.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
  );
}

/** One line: what happened, what shows it, what to do. */
export function errorLine(code: ReasonCode, detail: string): string {
  const { what, advice } = reasons[code];
  const evidence = detail === '' || detail === what ? '' : ` (${detail})`;
  return `${what.replace(/\.$/, '')}${evidence}. ${advice}`;
}

/** A reader that goes away (`sallyport log | head`) is no error of ours: without one there is no point in going on. */
export function surviveClosedPipes(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
    // A full disk, most often. With --json there is nowhere else to say it either.
    process.stderr.write(`sallyport: ${errorLine('output-failed', error.code ?? 'write error')}\n`);
    process.exit(reasons['output-failed'].exitCode);
  });
  // Nobody hears what we say meanwhile; what we do, and its exit code, stay the same.
  process.stderr.on('error', () => {});
}
