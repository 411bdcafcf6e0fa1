/**
 * Network namespaces made and removed by code. Whatever ends this process (return, exception, SIGINT, SIGTERM), its
 * namespaces go; those of a process that was killed go when the next one makes its first (`sweep`).
 */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';

export interface ExecOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Written to standard input, which is then closed. */
  readonly input?: string | Uint8Array;
  /** SIGKILL after this many milliseconds; `code` is then -1. */
  readonly timeoutMs?: number;
  /** Give the command an empty /run of its own: daemons with fixed pid files do not meet. */
  readonly privateRun?: boolean;
}

export interface ExecResult {
  /** Exit code; -1 when a signal ended it or it could not be started. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const PREFIX = 'sallylab-';
/** `ip netns` keeps its handles here. */
const HANDLES = '/run/netns';
/** `ip netns exec` bind-mounts each file of /etc/netns/NAME over its namesake in /etc. */
const OVERLAYS = '/etc/netns';

const alive = new Set<Namespace>();
let sequence = 0;
let prepared = false;

export class Namespace {
  readonly name: string;
  #removed = false;

  private constructor(name: string) {
    this.name = name;
  }

  /** Makes an empty namespace with its loopback up. Throws when the machine does not let us. */
  static async create(label: string): Promise<Namespace> {
    prepare();
    const namespace = new Namespace(`${ownPrefix()}${(sequence++).toString(36)}-${label}`);
    alive.add(namespace);
    await mustRun('ip', ['netns', 'add', namespace.name]);
    await mustRun('ip', ['-n', namespace.name, 'link', 'set', 'lo', 'up']);
    return namespace;
  }

  /** Runs a command to its end. Never throws for what the command does: look at `code`. */
  exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return run('ip', this.#wrap(argv, options.privateRun ?? false), options);
  }

  /** Like `exec`, and throws with all it said when the code is not 0. Returns standard output. */
  async must(argv: readonly string[], options: ExecOptions = {}): Promise<string> {
    const result = await this.exec(argv, options);
    if (result.code !== 0) throw new Error(`${this.name}: ${argv.join(' ')}: ${result.code}\n${result.stdout}${result.stderr}`);
    return result.stdout;
  }

  /** Starts a command. `ip netns exec` replaces itself, so the pid and signals are the command's own. */
  spawn(argv: readonly string[], options: SpawnOptions & { readonly privateRun?: boolean } = {}): ChildProcess {
    const { privateRun, ...rest } = options;
    return spawn('ip', this.#wrap(argv, privateRun ?? false), rest);
  }

  /** Applies `ip -batch` lines in the namespace; the family matters where no address tells it. */
  async ip(lines: readonly string[], family: 4 | 6 = 4): Promise<void> {
    const place = family === 6 ? ['-6', '-n', this.name] : ['-n', this.name];
    if (lines.length > 0) await mustRun('ip', [...place, '-batch', '-'], { input: `${lines.join('\n')}\n` });
  }

  /** Sets kernel parameters, named as under /proc/sys with slashes. */
  async sysctl(values: Readonly<Record<string, string | number>>): Promise<void> {
    // The script is constant; sysctl itself is in a package that small installations lack.
    const script = 'while [ $# -gt 1 ]; do echo "$2" > "/proc/sys/$1" || exit 1; shift 2; done';
    await this.must(['sh', '-c', script, 'sh', ...Object.entries(values).flatMap(([key, value]) => [key, String(value)])]);
  }

  /** The commands run here from now on see `text` as /etc/`file`. */
  overlay(file: string, text: string): void {
    const folder = join(OVERLAYS, this.name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, file), text);
  }

  /** Where the file behind /etc/`file` is, seen from the root namespace. */
  overlayPath(file: string): string {
    return join(OVERLAYS, this.name, file);
  }

  /** Kills what runs in it and removes it. Doing it twice is harmless. */
  remove(): Promise<void> {
    this.removeNow();
    return Promise.resolve();
  }

  /** `remove` for handlers that cannot wait. */
  removeNow(): void {
    if (this.#removed) return;
    this.#removed = true;
    alive.delete(this);
    removeByName(this.name);
  }

  #wrap(argv: readonly string[], privateRun: boolean): string[] {
    const enter = ['netns', 'exec', this.name];
    // `ip netns exec` gives the command a mount namespace of its own already. The script is constant: nothing is interpolated.
    const own = privateRun ? ['sh', '-c', 'mount -t tmpfs tmpfs /run && exec "$@"', 'sh'] : [];
    return [...enter, ...own, ...argv];
  }
}

/** Removes namespaces whose maker is dead. Returns their names. */
export function sweep(): string[] {
  const leftovers = new Set<string>();
  for (const folder of [HANDLES, OVERLAYS]) {
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(folder)) {
      const maker = /^sallylab-(\d+)\.(\d+)-/.exec(name);
      if (maker !== null && startTime(Number(maker[1])) !== maker[2]) leftovers.add(name);
    }
  }
  for (const name of leftovers) removeByName(name);
  return [...leftovers];
}

/** Runs a command in the root namespace. */
export function run(file: string, args: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], env: options.env, cwd: options.cwd });
    let stdout = '';
    let stderr = '';
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            stderr += `(killed after ${options.timeoutMs} ms; ${threadsOf(child.pid ?? 0)})`;
            child.kill('SIGKILL');
          }, options.timeoutMs);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdin.on('error', () => {}); // A command need not read its input.
    child.on('error', (error) => {
      clearTimeout(timer);
      resolve({ code: -1, stdout, stderr: `${stderr}${error.message}` });
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? -1, stdout, stderr });
    });
    child.stdin.end(options.input);
  });
}

/** Where each thread of a process waits: one that hangs before or behind its work looks like a tunnel that carries nothing. */
function threadsOf(pid: number): string {
  try {
    const folder = `/proc/${pid}/task`;
    const waits = readdirSync(folder).map((id) => {
      const [comm, wchan] = ['comm', 'wchan'].map((file) => readFileSync(join(folder, id, file), 'utf8').trim());
      return `${comm}: ${wchan}`;
    });
    return `threads: ${waits.join(', ')}`;
  } catch {
    return 'gone already';
  }
}

async function mustRun(file: string, args: readonly string[], options: ExecOptions = {}): Promise<void> {
  const result = await run(file, args, options);
  if (result.code !== 0) throw new Error(`${file} ${args.join(' ')}: ${result.code} ${result.stderr.trim()}`);
}

/** The pid alone may be another process by the time of the sweep; pid and start time together may not. */
function ownPrefix(): string {
  return `${PREFIX}${process.pid}.${startTime(process.pid) ?? 0}-`;
}

/** Field 22 of /proc/PID/stat, the start time in clock ticks since boot; undefined when there is no such process. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command name in parentheses may hold blanks; fields are counted behind it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function removeByName(name: string): void {
  const pids = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' });
  for (const pid of (pids.stdout ?? '').split('\n').filter((line) => line !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended by itself.
    }
  }
  if (existsSync(join(HANDLES, name))) spawnSync('ip', ['netns', 'delete', name]);
  rmSync(join(OVERLAYS, name), { recursive: true, force: true });
}

function removeAll(): void {
  for (const namespace of [...alive]) namespace.removeNow();
}

/** Once per process, before the first namespace. */
function prepare(): void {
  if (prepared) return;
  prepared = true;
  if (process.getuid?.() !== 0) throw new Error('The lab needs root: network namespaces are made.');
  sweep();
  // An uncaught exception ends in 'exit' too.
  process.on('exit', removeAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // Somebody else may handle it: they end the process in their own way, and 'exit' follows all the same.
      if (process.listenerCount(signal) === 1) process.exit(128 + constants.signals[signal]);
    });
  }
}
