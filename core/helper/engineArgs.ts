/** The engine's command line, as the monitor gives it. */
import { parseArgs } from 'node:util';
import { err, ok, type Result } from '../bytes/result.ts';
import type { LogLevel } from '../system/log.ts';
import { LIMITS, type TunOffload } from './monitorContract.ts';

export interface EngineArgs {
  /** Who the engine becomes. */
  readonly uid: number;
  readonly gid: number;
  /** Folder of the engine's own, which it owns after the drop: profiles. */
  readonly state: string;
  /** Folder for Wireshark's key tables; only when the administrator asks. */
  readonly keyLog: string | undefined;
  readonly logLevel: LogLevel;
  /** The one backend of ESP to use; the fastest there is when absent. */
  readonly espBackend: string | undefined;
  /** What the kernel may do at most: `none` for TUN device and sockets, `tcp` is about the TUN device alone. */
  readonly offload: TunOffload;
  /** Outbound threads of the dataplane; as the cores have it when absent. */
  readonly lanes: number | undefined;
}

const LEVELS: readonly string[] = ['debug', 'info', 'warn', 'error'] satisfies readonly LogLevel[];

export function parseEngineArguments(argv: readonly string[]): Result<EngineArgs, string> {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        'engine-uid': { type: 'string' },
        'engine-gid': { type: 'string' },
        'state-dir': { type: 'string' },
        'key-log': { type: 'string' },
        'log-level': { type: 'string' },
        'esp-backend': { type: 'string' },
        offload: { type: 'string' },
        lanes: { type: 'string' },
      },
    });
    const uid = Number(values['engine-uid']);
    const gid = Number(values['engine-gid']);
    const level = values['log-level'] ?? 'info';
    if (!Number.isInteger(uid) || !Number.isInteger(gid) || uid <= 0 || gid <= 0)
      return err('--engine-uid and --engine-gid must be above 0');
    const state = values['state-dir'];
    if (state === undefined) return err('--state-dir is missing');
    if (!isLevel(level)) return err('--log-level must be debug, info, warn or error');
    const offload = values.offload ?? 'all';
    if (!isOffload(offload)) return err('--offload must be all, tcp or none');
    const lanes = values.lanes === undefined ? undefined : Number(values.lanes);
    if (lanes !== undefined && !isLaneCount(lanes)) return err(`--lanes must be 1 to ${LIMITS.queues.max}`);
    const [keyLog, espBackend] = [values['key-log'], values['esp-backend']];
    return ok({ uid, gid, state, keyLog, logLevel: level, espBackend, offload, lanes });
  } catch (problem) {
    return err(problem instanceof Error ? problem.message : 'not understood');
  }
}

/** A lane has one queue of the device at least. */
function isLaneCount(count: number): boolean {
  return Number.isInteger(count) && count >= LIMITS.queues.min && count <= LIMITS.queues.max;
}

function isOffload(text: string): text is TunOffload {
  return text === 'all' || text === 'tcp' || text === 'none';
}

function isLevel(text: string): text is LogLevel {
  return LEVELS.includes(text);
}
