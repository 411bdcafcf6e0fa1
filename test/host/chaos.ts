/**
 * `node test/host/chaos.ts [--rounds 50] [--seed 1] [--json]`: kill -9 of engine, monitor or command line at random moments, on a laptop
 * that strictly filters reverse paths, while something restarts a dead monitor as systemd would. Within five seconds of each kill the
 * host must be clean, or correctly connected, or hold what is meant for a tunnel that comes back; a tunnel that was up and that nobody ended
 * must come back; after `down` the host must be clean each time. One JSON line per round and a summary; progress
 * on standard error. The seed decides every choice, though not how far the processes get in the same time.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connectRpc, type RpcClient } from '../../core/rpc/client.ts';
import type { Status } from '../../core/rpc/contract.ts';
import { startOffice, VISITOR } from '../gateway/office.ts';
import { end, runs } from '../lab/daemon.ts';
import { createLab, type Lab } from '../lab/lab.ts';
import { differences, type HostSnapshot, snapshot } from '../lab/snapshot.ts';
import { Stalls } from '../lab/stalls.ts';

/** The issue's figure; measured from the kill, which is stricter than from the restart. */
const WITHIN_MS = 5_000;
/** systemd's RestartSec in resources/linux/sallyport.service. */
const RESTART_MS = 200;
/** For the helper to answer again, and to bring back what was up: a busy machine starts programs slowly. */
const BACK_MS = 30_000;

const VICTIMS = ['engine', 'monitor', 'cli'] as const;
/** The two in the middle wait for the helper to say that it changes the host right now. */
const MOMENTS = ['connecting', 'installing', 'connected', 'reverting', 'disconnecting'] as const;
type Victim = (typeof VICTIMS)[number];
type Moment = (typeof MOMENTS)[number];

export interface Round {
  readonly round: number;
  readonly victim: Victim;
  readonly moment: Moment;
  /** Milliseconds between the start of the moment and the kill. */
  readonly delay: number;
  /** What the tunnel's state was when the victim died, as far as anybody knows. */
  readonly state: string;
  readonly ok: boolean;
  readonly verdict: string;
  /** Milliseconds from the kill to the verdict, without those in which the machine stood still. */
  readonly settled: number;
}

const program = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Runs the rounds one after the other; `report` hears each. */
export async function chaos(rounds: number, seed: number, report: (round: Round) => void): Promise<void> {
  const random = mulberry32(seed);
  const lab = await createLab();
  try {
    await lab.laptop.sysctl({ 'net/ipv4/conf/all/rp_filter': 1 });
    const office = await startOffice(lab);
    const laptop = await Laptop.start(lab);
    try {
      for (let round = 1; round <= rounds; round++) {
        const victim = VICTIMS[Math.floor(random() * VICTIMS.length)] as Victim;
        const moment = MOMENTS[Math.floor(random() * MOMENTS.length)] as Moment;
        // A command line takes a while to start, a connection and its end less.
        const delay = Math.round(
          random() * { connecting: 1500, installing: 15, connected: 300, reverting: 15, disconnecting: 800 }[moment],
        );
        const plan = { round, victim, moment, delay };
        report(await oneRound(laptop, plan).catch((error: unknown) => ({ ...plan, ...brokenOff(error) })));
      }
    } finally {
      await laptop.stop();
      await office.stop();
    }
  } finally {
    await lab.close();
  }
}

async function oneRound(laptop: Laptop, plan: Pick<Round, 'round' | 'victim' | 'moment' | 'delay'>): Promise<Round> {
  const goingUp = plan.moment === 'connecting' || plan.moment === 'installing';
  if (!goingUp) await laptop.connect();
  const changing = { installing: 'installing', reverting: 'disconnecting' } as const;
  const reached = plan.moment === 'installing' || plan.moment === 'reverting' ? laptop.when(changing[plan.moment]) : undefined;
  await reached?.listening;
  const cli = laptop.cli(...(goingUp ? ['up', laptop.profile] : [plan.moment === 'connected' ? 'status' : 'down']));
  await reached?.come;
  if (plan.delay > 0) await sleep(plan.delay);
  // Asking takes a while: not where a millisecond counts.
  const state =
    reached === undefined ? ((await laptop.status())?.state ?? 'unknown') : changing[plan.moment as keyof typeof changing];
  using stalls = new Stalls();
  const killedAt = Date.now();
  await laptop.kill(plan.victim, cli);
  let verdict = await laptop.verdict();
  while (!verdict.ok && stalls.since(killedAt) < WITHIN_MS) {
    await sleep(30);
    verdict = await laptop.verdict();
  }
  const settled = stalls.since(killedAt);
  const { held } = verdict;
  if (held) verdict = await laptop.back({ ok: true, text: 'held' });
  // `down` may have ended it just before the kill; elsewhere it was up and stays wanted.
  if (verdict.ok && plan.moment === 'connected') verdict = await laptop.back(verdict);
  if (runs(cli) && plan.victim === 'cli') await once(cli, 'exit');
  const after = await laptop.tidy(cli);
  if (after !== undefined) verdict = { ok: false, text: `${verdict.text}; afterwards: ${after}` };
  const late = verdict.ok && !held && settled > WITHIN_MS;
  return { ...plan, state, ok: verdict.ok && !late, verdict: late ? `${verdict.text}, too late` : verdict.text, settled };
}

/** A round that could not be played, because the one before left a host that does not work. */
function brokenOff(error: unknown): Pick<Round, 'state' | 'ok' | 'verdict' | 'settled'> {
  return { state: 'unknown', ok: false, verdict: error instanceof Error ? error.message : String(error), settled: 0 };
}

interface Verdict {
  readonly ok: boolean;
  readonly text: string;
  /** On its way back, and nothing goes another way meanwhile. */
  readonly held?: boolean;
}

/** The laptop with its helper, and the hand that starts it again. */
class Laptop {
  readonly profile = 'Chaos';
  readonly #lab: Lab;
  readonly #folder: string;
  #before: HostSnapshot & { readonly filter: string };
  #monitor: ChildProcess | undefined;
  #stopping = false;
  #said = '';

  private constructor(lab: Lab, folder: string, before: HostSnapshot & { readonly filter: string }) {
    this.#lab = lab;
    this.#folder = folder;
    this.#before = before;
  }

  static async start(lab: Lab): Promise<Laptop> {
    // Under /run because a socket is only trusted in folders that nobody but root can write to.
    const folder = mkdtempSync('/run/sallyport-chaos-');
    chmodSync(folder, 0o755);
    const laptop = new Laptop(lab, folder, await look(lab));
    laptop.#startMonitor();
    const file = join(folder, 'profile.json');
    const { names } = lab.addresses;
    const auth = { method: 'psk', secret: VISITOR.psk };
    const profile = {
      sallyport: 1,
      name: laptop.profile,
      gateway: names.gateway,
      localId: VISITOR.identity,
      remoteId: names.gateway,
      auth,
    };
    writeFileSync(file, JSON.stringify({ ...profile, uuid: '6e8bc430-9c3a-4bd5-8a2e-3a7f0c9d1e55' }), { mode: 0o600 });
    await laptop.#patiently('the helper to answer', async () => (await laptop.status()) !== undefined);
    const imported = laptop.cli('import', file);
    const [code] = await once(imported, 'exit');
    if (code !== 0) throw new Error(`import: exit ${code}\n${laptop.#said}`);
    return laptop;
  }

  /** `sallyport …`, running; in namespaces of the laptop the pid is the program's own. */
  cli(...args: readonly string[]): ChildProcess {
    const argv = [process.execPath, program('core/cli/main.ts'), '--socket', join(this.#folder, 'run/sallyport.sock'), ...args];
    return this.#lab.laptop.spawn(argv, { stdio: 'ignore', detached: true });
  }

  async connect(): Promise<void> {
    const up = this.cli('up', this.profile);
    const [code] = await once(up, 'exit');
    if (code !== 0) throw new Error(`up: exit ${code}\n${this.#said}`);
  }

  /** Resolves when the victim is dead: what it still says meanwhile is no verdict. */
  async kill(victim: Victim, cli: ChildProcess): Promise<void> {
    const pid = { engine: this.#engines()[0], monitor: this.#monitor?.pid, cli: cli.pid }[victim];
    try {
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
    } catch {
      // It was quicker: a command line that had ended, an engine between two lives.
    }
    while (pid !== undefined && isRunning(pid)) await sleep(5);
  }

  /** What the helper says, undefined while it does not. */
  status(): Promise<Status | undefined> {
    return this.#ask(async (helper) => {
      const status = await helper.call('tunnel.status', {});
      return status.ok ? status.value : undefined;
    });
  }

  /** `come` resolves when the helper next says this state, or after a while without it; `listening` when none can be missed any more. */
  when(state: Status['state']): { readonly listening: Promise<void>; readonly come: Promise<void> } {
    let ready: () => void = () => undefined;
    const listening = new Promise<void>((resolve) => {
      ready = resolve;
    });
    const come = this.#ask(async (helper) => {
      const seen = new Promise<void>((resolve) => {
        helper.on('status', (change) => {
          if (change.state === state) resolve();
        });
      });
      await helper.call('subscribe', { to: ['status'] });
      ready();
      await Promise.race([seen, sleep(5_000)]);
    }).then(() => ready());
    return { listening, come };
  }

  /** Clean, or correctly connected; anything else is `ok: false` with the reason. */
  async verdict(): Promise<Verdict> {
    const status = await this.status();
    // While it starts again the host is what counts; that it does start is for `back` and `tidy`.
    if (status === undefined) return this.#clean('the helper does not answer');
    const processes = this.#processes();
    if (processes !== undefined) return { ok: false, text: processes };
    if (status.state === 'connected') return this.#connected();
    if (status.state === 'idle' || status.state === 'failed') return this.#clean(status.state);
    // A try has a device, without address or route.
    if (status.state === 'reconnecting' && status.held === false) return this.#clean(status.state, 'trying');
    const held = status.held === true && (await this.#goesNowhereElse());
    return { ok: false, text: `still ${status.state}`, held };
  }

  /** What was up is up again. */
  async back(first: Verdict): Promise<Verdict> {
    let now = first;
    try {
      await this.#patiently('the tunnel to come back', async () => {
        const status = await this.status();
        now = status?.state === 'connected' ? await this.#connected() : { ok: false, text: status?.state ?? 'no answer' };
        return now.ok;
      });
      return first;
    } catch {
      return { ok: false, text: `${first.text}, then not back: ${now.text}` };
    }
  }

  /** Back to idle, and clean; words when it is not. */
  async tidy(cli: ChildProcess): Promise<string | undefined> {
    try {
      await this.#patiently('the helper to become idle', async () => {
        const state = (await this.status())?.state;
        if (state === 'idle' || state === 'failed') return !runs(cli);
        await this.#ask((helper) => helper.call('tunnel.down', {}));
        return false;
      });
      const status = await this.status();
      const clean = await this.#clean(status?.state ?? 'unknown');
      return clean.ok ? this.#processes() : clean.text;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const monitor = this.#monitor;
    if (monitor !== undefined) await end(monitor);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #startMonitor(): void {
    const folders = ['--run-dir', join(this.#folder, 'run'), '--state-dir', join(this.#folder, 'state')];
    const monitor = this.#lab.laptop.spawn([process.execPath, program('core/helper/monitor.ts'), ...folders], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    monitor.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = `${this.#said}${text}`.slice(-8_000);
    });
    this.#monitor = monitor;
    monitor.once('exit', () => {
      if (!this.#stopping) setTimeout(() => this.#stopping || this.#startMonitor(), RESTART_MS);
    });
  }

  /** The address is on the device, the office's names are asked for, packets go there and come back. */
  async #connected(): Promise<Verdict> {
    const { laptop, addresses } = this.#lab;
    const dns = readFileSync(laptop.overlayPath('resolv.conf'), 'utf8');
    if (!dns.includes(`nameserver ${addresses.intranet.dns4}`)) return { ok: false, text: 'connected without DNS' };
    const route = await laptop.exec(['ip', 'route', 'get', addresses.intranet.web4]);
    if (!/ dev sally\d+ /.test(route.stdout)) return { ok: false, text: `connected, the way is ${route.stdout.trim()}` };
    for (const address of [addresses.intranet.web4, addresses.intranet.web6]) {
      const ping = await laptop.exec(['ping', '-n', '-c', '1', '-W', '1', address]);
      if (ping.code !== 0) return { ok: false, text: `connected, but ${address} does not answer` };
    }
    return { ok: true, text: 'connected' };
  }

  async #goesNowhereElse(): Promise<boolean> {
    const { laptop, addresses } = this.#lab;
    const ways = await Promise.all(
      [addresses.intranet.web4, addresses.intranet.web6].map((address) => laptop.exec(['ip', 'route', 'get', address])),
    );
    return ways.every(({ code, stdout }) => code !== 0 || / dev sally\d+ /.test(stdout));
  }

  async #clean(state: string, trying?: 'trying'): Promise<Verdict> {
    const now = await look(this.#lab);
    const isDevice = (line: string): boolean => /^links: left: \d+: sally\d+: /.test(line);
    const left = differences(this.#before, now).filter((line) => !(trying && isDevice(line)));
    if (now.filter !== this.#before.filter) left.push(`rp_filter: ${this.#before.filter} became ${now.filter}`);
    const journal = readFileSync(join(this.#folder, 'state/monitor/journal'), 'utf8');
    if (journal !== '') left.push('the journal is not empty');
    return left.length === 0 ? { ok: true, text: 'clean' } : { ok: false, text: `${state}, but ${left.join('; ')}` };
  }

  /** One monitor and one engine, no more; words otherwise. */
  #processes(): string | undefined {
    const monitors = this.#running('core/helper/monitor.ts').length;
    const engines = this.#engines().length;
    return monitors === 1 && engines === 1 ? undefined : `${monitors} monitors and ${engines} engines`;
  }

  #engines(): number[] {
    return this.#running('core/helper/engine.ts');
  }

  /** Processes of this program that belong to this laptop. */
  #running(path: string): number[] {
    const found: number[] = [];
    for (const name of readdirSync('/proc')) {
      if (!/^[0-9]+$/.test(name)) continue;
      try {
        const line = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
        // The program, whatever options of Node's stand in front of it.
        if (
          line.find((word, i) => i > 0 && !word.startsWith('--')) === program(path) &&
          line.some((word) => word.startsWith(this.#folder))
        )
          found.push(Number(name));
      } catch {
        // It ended while we looked.
      }
    }
    return found;
  }

  async #ask<T>(ask: (helper: RpcClient) => Promise<T>): Promise<T | undefined> {
    const helper = await connectRpc({ socket: join(this.#folder, 'run/sallyport.sock'), client: 'chaos', timeout: 2_000 });
    if (!helper.ok) return undefined;
    try {
      return await ask(helper.value);
    } finally {
      helper.value.close();
    }
  }

  async #patiently(what: string, done: () => Promise<boolean>): Promise<void> {
    for (const end = performance.now() + BACK_MS; performance.now() < end; await sleep(30)) if (await done()) return;
    throw new Error(`in vain: ${what}\n${this.#said}`);
  }
}

/** A zombie has no command line. */
function isRunning(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch {
    return false;
  }
}

async function look(lab: Lab): Promise<HostSnapshot & { readonly filter: string }> {
  const [host, filter] = await Promise.all([
    snapshot(lab.laptop),
    lab.laptop.must(['sh', '-c', 'cat /proc/sys/net/ipv4/conf/all/rp_filter']),
  ]);
  return { ...host, filter: filter.trim() };
}

/** A small generator with a seed (public domain, Tommy Ettinger). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { rounds: { type: 'string' }, seed: { type: 'string' }, json: { type: 'boolean' } } });
  const rounds = Number(values.rounds ?? 50);
  const seed = Number(values.seed ?? 1);
  const started = Date.now();
  const seen: Round[] = [];
  await chaos(rounds, seed, (round) => {
    seen.push(round);
    const { victim, moment, delay, state, ok, verdict, settled } = round;
    const detail = `${delay} ms into ${moment} (${state}): ${verdict} after ${settled} ms`;
    if (values.json === true)
      process.stdout.write(`${JSON.stringify({ suite: 'chaos', case: `${round.round}/${victim}`, ok, detail })}\n`);
    process.stderr.write(
      `${String(round.round).padStart(3)}/${rounds} ${ok ? 'ok    ' : 'FAILED'} kill -9 ${victim}, ${detail}\n`,
    );
  });
  const failed = seen.filter(({ ok }) => !ok).length;
  const count = (verdict: string): number => seen.filter((round) => round.ok && round.verdict === verdict).length;
  const summary = {
    suite: 'chaos',
    passed: seen.length - failed,
    failed,
    skipped: 0,
    seed,
    clean: count('clean'),
    connected: count('connected'),
    held: count('held'),
    slowestMs: Math.max(0, ...seen.map(({ settled }) => settled)),
    seconds: Math.round((Date.now() - started) / 1000),
  };
  process.stdout.write(
    values.json === true ? `${JSON.stringify({ summary })}\n` : `${summary.passed} passed, ${failed} failed\n`,
  );
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) process.exit(await main());
