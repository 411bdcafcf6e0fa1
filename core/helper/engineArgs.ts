/** The engine's command line, given by the monitor. Both ends of it in one place. */
import { parseArgs } from 'node:util';
import { err, ok, type Result } from '../bytes/result.ts';
import type { LogLevel } from '../system/log.ts';

export interface EngineArgs {
  /** Who the engine becomes. */
  readonly uid: number;
  readonly gid: number;
  /** Folder of the engine's own, which it owns after the drop: profiles. */
  readonly state: string;
  /** Folder for Wireshark's key tables; only when the administrator asks. */
  readonly keyLog: string | undefined;
  readonly logLevel: LogLevel;
}

const LEVELS: readonly string[] = ['debug', 'info', 'warn', 'error'] satisfies readonly LogLevel[];

export function engineArguments(args: EngineArgs): string[] {
  return [
    ...['--uid', String(args.uid), '--gid', String(args.gid), '--state', args.state, '--log-level', args.logLevel],
    ...(args.keyLog === undefined ? [] : ['--key-log', args.keyLog]),
  ];
}

export function parseEngineArguments(argv: readonly string[]): Result<EngineArgs, string> {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        uid: { type: 'string' },
        gid: { type: 'string' },
        state: { type: 'string' },
        'key-log': { type: 'string' },
        'log-level': { type: 'string' },
      },
    });
    const uid = Number(values.uid);
    const gid = Number(values.gid);
    const level = values['log-level'] ?? 'info';
    if (!Number.isInteger(uid) || !Number.isInteger(gid) || uid <= 0 || gid <= 0) return err('--uid and --gid must be above 0');
    if (values.state === undefined) return err('--state is missing');
    if (!isLevel(level)) return err('--log-level must be debug, info, warn or error');
    return ok({ uid, gid, state: values.state, keyLog: values['key-log'], logLevel: level });
  } catch (problem) {
    return err(problem instanceof Error ? problem.message : 'not understood');
  }
}

function isLevel(text: string): text is LogLevel {
  return LEVELS.includes(text);
}
