/** `status` and `log`: looking, once or as it changes. */
import { err, ok, type Result } from '../bytes/result.ts';
import type { RpcClient } from '../rpc/client.ts';
import type { LogLine, RpcError, Status } from '../rpc/contract.ts';
import { followStatus } from '../rpc/follow.ts';
import type { LogLevel } from '../system/log.ts';
import { printable } from '../tunnel/explain.ts';
import { isUp } from '../tunnel/states.ts';
import type { Output } from './output.ts';
import { type Session, SUCCESS, withHelper } from './session.ts';
import { statusText } from './statusText.ts';
import { clock } from './text.ts';

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

export function statusCommand(session: Session, options: { readonly watch?: boolean }): Promise<number> {
  const { output } = session;
  return withHelper(session, async (helper) => {
    if (!options.watch) {
      const done = await helper.call('tunnel.status', {});
      if (!done.ok) return done;
      printStatus(output, done.value);
      return SUCCESS;
    }
    const enough = interrupted();
    const follower = await followStatus(helper, (status) => {
      // On a terminal each status takes the place of the one before.
      if (output.interactive && !output.json) process.stdout.write('\x1b[H\x1b[2J\x1b[3J');
      printStatus(output, status);
    });
    if (!follower.ok) return follower;
    return untilEnd(helper, enough);
  });
}

function printStatus(output: Output, status: Status): void {
  output.object(status);
  const [head = '', ...rest] = statusText(status, Date.now());
  const { state } = status;
  const style = isUp(state) ? 'good' : state === 'failed' || state === 'blocked' ? 'bad' : 'strong';
  output.line(output.style(style, head));
  for (const line of rest) output.line(line);
}

export function logCommand(
  session: Session,
  options: { readonly follow?: boolean; readonly level: LogLevel; readonly lines: number },
): Promise<number> {
  const { output } = session;
  return withHelper(session, async (helper) => {
    const enough = options.follow ? interrupted() : new Promise<undefined>(() => {});
    const wanted = (line: LogLine) => LEVELS.indexOf(line.level) >= LEVELS.indexOf(options.level);
    let early: LogLine[] | undefined = [];
    helper.on('log', (line) => {
      if (!wanted(line)) return;
      if (early) early.push(line);
      else printLine(output, line);
    });
    if (options.follow) {
      // Before reading, so that no line is missed; what comes twice has a number.
      const subscribed = await helper.call('subscribe', { to: ['log'] });
      if (!subscribed.ok) return subscribed;
    }
    const read = await readLog(helper, options.lines, options.level);
    if (!read.ok) return read;
    for (const line of read.value) printLine(output, line);
    if (!options.follow) return SUCCESS;
    const last = read.value[read.value.length - 1]?.seq ?? -1;
    for (const line of early) if (line.seq > last) printLine(output, line);
    early = undefined;
    return untilEnd(helper, enough);
  });
}

/** The newest lines, oldest first, page by page as they fit into answers. */
async function readLog(helper: RpcClient, lines: number, level: LogLevel): Promise<Result<readonly LogLine[], RpcError>> {
  const pages: (readonly LogLine[])[] = [];
  let missing = lines;
  let before: number | undefined;
  while (missing > 0) {
    const read = await helper.call('log.read', { lines: missing, level, ...(before !== undefined && { before }) });
    if (!read.ok) return read;
    const [oldest] = read.value;
    if (!oldest) break;
    pages.unshift(read.value);
    missing -= read.value.length;
    before = oldest.seq;
  }
  return ok(pages.flat());
}

function printLine(output: Output, line: LogLine): void {
  output.object(line);
  const fields = Object.entries(line.fields ?? {}).map(([key, value]) => `${key}=${value}`);
  const text = printable([line.level.padEnd(5), line.area.padEnd(8), line.text, ...fields].join(' '));
  const kind = line.level === 'error' || line.level === 'warn' ? 'bad' : line.level === 'debug' ? 'faint' : undefined;
  output.line(`${output.style('faint', clock(line.at))} ${kind ? output.style(kind, text) : text}`);
}

/** Resolves when the user has seen enough. Listens from now on: Ctrl-C is no error however early it comes. */
function interrupted(): Promise<undefined> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(undefined));
  });
}

/** Until then, or until the helper is gone. */
async function untilEnd(helper: RpcClient, enough: Promise<undefined>): Promise<Result<number, RpcError>> {
  const reason = await Promise.race([enough, helper.closed]);
  return reason ? err(reason) : SUCCESS;
}
