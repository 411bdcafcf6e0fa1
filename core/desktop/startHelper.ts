/** Starting the helper for somebody who sits at a window: the system's service where it is installed, else this checkout's as root. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import type { StartProblemCode, StartReply } from './contract.ts';

export interface HelperStart {
  /** The command; never through a shell. */
  readonly argv: readonly string[];
  /** Shown before, because somebody will be asked for a password. */
  readonly reason: string;
  /** The command stays for as long as the helper runs; otherwise it ends once the helper has been started. */
  readonly stays: boolean;
}

export interface Circumstances {
  readonly uid: number | undefined;
  /** Absolute paths of what there is; undefined for what there is not. */
  readonly systemctl: string | undefined;
  readonly pkexec: string | undefined;
  readonly sudo: string | undefined;
  readonly serviceInstalled: boolean;
  /** A window can ask for a password. */
  readonly display: boolean;
  readonly terminal: boolean;
  /** Command of this checkout's helper; undefined in an installed app, which has the service. */
  readonly helper: readonly string[] | undefined;
}

const SERVICE = 'sallyport.service';
const SERVICE_FOLDERS = ['/etc/systemd/system', '/lib/systemd/system', '/usr/lib/systemd/system'];
const REASON = 'The helper changes routes and opens a network device, so it must run as root.';
/** Somebody may have to find a password first. */
const PATIENCE_MS = 120_000;

/** The way to start it here; undefined when there is none that can work. */
export function wayToStart(where: Circumstances): HelperStart | undefined {
  if (where.serviceInstalled && where.systemctl !== undefined) {
    return { argv: [where.systemctl, 'start', SERVICE], reason: REASON, stays: false };
  }
  if (where.helper === undefined) return undefined;
  if (where.uid === 0) return { argv: where.helper, reason: '', stays: true };
  if (where.display && where.pkexec !== undefined) return { argv: [where.pkexec, ...where.helper], reason: REASON, stays: true };
  if (where.terminal && where.sudo !== undefined) {
    return { argv: [where.sudo, '-p', `${REASON} Password: `, ...where.helper], reason: REASON, stays: true };
  }
  return undefined;
}

export function circumstances(helper: readonly string[] | undefined): Circumstances {
  return {
    uid: process.getuid?.(),
    systemctl: existsSync('/run/systemd/system') ? programPath('systemctl') : undefined,
    pkexec: programPath('pkexec'),
    sudo: programPath('sudo'),
    serviceInstalled: SERVICE_FOLDERS.some((folder) => existsSync(join(folder, SERVICE))),
    display: hasDisplay(),
    terminal: process.stdin.isTTY === true,
    helper,
  };
}

export interface StartedHelper {
  readonly reply: StartReply;
  /** The process that stays, for whoever wants to end it. */
  readonly child?: ChildProcess;
}

/** Runs it and waits until `answers` says that the helper is there. */
export async function startHelper(way: HelperStart, answers: () => boolean): Promise<StartedHelper> {
  const [program, ...args] = way.argv;
  if (program === undefined) return { reply: startFailed('no-way', 'no command') };
  const child = spawn(program, args, { stdio: ['inherit', 'ignore', 'inherit'] });
  let ended: StartReply | undefined;
  child.on('error', (error) => {
    ended = startFailed('not-runnable', `${program}: ${error.message}`, program);
  });
  child.on('exit', (code) => {
    if (code === 0 && !way.stays) return;
    const problem = saysNotPermitted(program, code) ? 'not-permitted' : 'ended';
    ended ??= startFailed(problem, `${program} ended${code === null ? '' : ` with ${code}`}`, program);
  });
  const until = Date.now() + PATIENCE_MS;
  while (!answers()) {
    if (ended !== undefined) return { reply: ended };
    if (Date.now() > until) return { reply: startFailed('too-late', 'the helper did not come up') };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return way.stays ? { reply: { ok: true, value: null }, child } : { reply: { ok: true, value: null } };
}

/** Where a program is, looked for in PATH; undefined when it is not there. */
export function programPath(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (folder.startsWith('/')) return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

export function hasDisplay(): boolean {
  if (process.platform !== 'linux') return true;
  return [process.env.WAYLAND_DISPLAY, process.env.DISPLAY].some((name) => name !== undefined && name !== '');
}

/** pkexec(1): 126 when the dialog was dismissed, 127 when there was no authorisation; systemctl(1), as LSB has it: 4. */
function saysNotPermitted(program: string, code: number | null): boolean {
  const name = basename(program);
  return (name === 'pkexec' && (code === 126 || code === 127)) || (name === 'systemctl' && code === 4);
}

/** `detail` is for terminals and administrators; the window has words of its own for the code. */
export function startFailed(code: StartProblemCode, detail: string, program?: string): StartReply {
  const start = { code, ...(program !== undefined && { values: { program: basename(program) } }) };
  return { ok: false, error: { code: 'helper-not-running', detail, start } };
}
