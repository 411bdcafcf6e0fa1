/** Measuring: medians, iperf3, pings, and what processes cost. */
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Namespace } from '../lab/namespace.ts';

export type Direction = 'up' | 'down';
export const DIRECTIONS = ['up', 'down'] as const satisfies readonly Direction[];

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Between the two nearest values; 0 of none. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const low = sorted[Math.floor(at)] ?? 0;
  const high = sorted[Math.ceil(at)] ?? 0;
  return low + (high - low) * (at - Math.floor(at));
}

/** Keeps measurements apart by name, in the order they came. */
export class Samples {
  readonly #values = new Map<string, number[]>();

  add(name: string, value: number): void {
    const list = this.#values.get(name);
    if (list) list.push(value);
    else this.#values.set(name, [value]);
  }

  of(name: string): readonly number[] {
    return this.#values.get(name) ?? [];
  }

  median(name: string): number {
    return median(this.of(name));
  }

  /** The median of the ratios of the rounds: what one round has in common cancels out. */
  ratio(above: string, below: string): number {
    const under = this.of(below);
    return median(this.of(above).map((value, round) => value / (under[round] ?? Number.NaN)));
  }
}

// --- iperf3 ------------------------------------------------------------------------------------------------------------------------

const IPERF_PORT = 5201;

/** Starts the far end; it ends with its namespace. */
export async function startIperf(namespace: Namespace): Promise<void> {
  const child = namespace.spawn(['iperf3', '-s', '-p', String(IPERF_PORT), '--forceflush'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  await listening(child, /Server listening/, 'iperf3 -s');
  child.stdout?.resume();
}

export interface IperfOptions {
  readonly direction: Direction;
  readonly streams?: number;
  /** Measured after a second that does not count, or until so many octets of payload were carried. */
  readonly amount: { readonly seconds: number } | { readonly octets: number };
}

/** TCP from or to `host`, as iperf3 does it by default; Gbit/s of what the receiver got. */
export async function iperf(from: Namespace, host: string, { direction, streams = 1, amount }: IperfOptions): Promise<number> {
  const length = 'octets' in amount ? ['-n', amount.octets] : ['-O', 1, '-t', amount.seconds];
  const argv = ['iperf3', '-J', '-c', host, '-p', IPERF_PORT, '-P', streams, ...length, ...(direction === 'down' ? ['-R'] : [])];
  for (let tries = 1; ; tries++) {
    const done = await from.exec(argv.map(String), { timeoutMs: 60_000 });
    const report: IperfReport = done.stdout === '' ? {} : JSON.parse(done.stdout);
    const received = report.end?.sum_received;
    if (received !== undefined && report.error === undefined) return received.bits_per_second / 1e9;
    const failure = `iperf3 to ${host}: ${report.error ?? ''} ${done.stderr}`.trim();
    // A server that has not put away the last test yet resets the connection of the next, before anything is measured.
    if (tries === 2 || received !== undefined) throw new Error(failure);
    process.stderr.write(`${failure}; once more\n`);
    await sleep(500);
  }
}

interface IperfReport {
  readonly error?: string;
  readonly end?: { readonly sum_received?: { readonly bits_per_second: number } };
}

/** Resolves when the process has printed what matches. */
export function listening(child: ChildProcess, pattern: RegExp, label: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (data: string) => {
      text += data;
      if (pattern.test(text)) resolve();
    });
    child.once('exit', (code) => reject(new Error(`${label} ended with ${code}: ${text}`)));
  });
}

// --- ping --------------------------------------------------------------------------------------------------------------------------

/** Round trips in microseconds, one each 10 ms; fewer than asked for when some were lost. */
export async function pings(from: Namespace, host: string, seconds: number): Promise<readonly number[]> {
  const count = Math.round(seconds * 100);
  const done = await from.exec(['ping', '-n', '-i', '0.01', '-c', String(count), '-W', '1', host], {
    timeoutMs: (seconds + 20) * 1000,
  });
  const times = [...done.stdout.matchAll(/time=([\d.]+) ms/g)].map(([, time]) => Number(time) * 1000);
  if (times.length < count / 2) throw new Error(`ping ${host}: ${times.length} answers of ${count}`);
  return times;
}

// --- what processes cost -----------------------------------------------------------------------------------------------------------

/** Seconds of processor time of all threads, those that ended included. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command name in parentheses may hold blanks; fields are counted behind it: utime and stime are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / CLOCK_TICKS;
}

/** USER_HZ, which Linux shows to programs on every processor we run on. */
const CLOCK_TICKS = 100;

/** Times a thread was put on a processor, by thread id. */
export function contextSwitches(pid: number): ReadonlyMap<string, { readonly name: string; readonly switches: number }> {
  const threads = new Map<string, { readonly name: string; readonly switches: number }>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'latin1');
    const name = /^Name:\s+(.*)$/m.exec(status)?.[1] ?? '';
    const counts = [...status.matchAll(/^(?:non)?voluntary_ctxt_switches:\s+(\d+)$/gm)].map(([, count]) => Number(count));
    threads.set(thread, { name, switches: counts.reduce((sum, count) => sum + count, 0) });
  }
  return threads;
}

/** Megabytes (10^6) of a process: resident, and its fair share of what several processes have in common. */
export function memoryOf(pid: number): { readonly rss: number; readonly pss: number } {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
  const field = (name: string): number =>
    (Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(rollup)?.[1] ?? 0) * 1024) / 1e6;
  return { rss: field('Rss'), pss: field('Pss') };
}

/** Processes that this one started and that live. */
export function childrenOf(pid: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => parentOf(candidate) === pid);
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined; // It ended.
  }
}
