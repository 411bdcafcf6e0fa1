/** A monitor with the fake engine in folders of its own, and how to talk to them, for tests that are `isolated`. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { HostPlan } from '../../core/system/ports.ts';
import { end } from '../lab/daemon.ts';
import { hostState } from './isolated.ts';

export const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export const plan: HostPlan = {
  interface: { name: 'sally0', mtu: 1400, addresses: [{ address: '10.99.0.5', prefix: 32 }] },
  routes: ['10.20.0.0/16', '0.0.0.0/0'],
  dns: { servers: ['10.99.0.1'], searchDomains: ['office.test'], matchDomains: [] },
};

/** Waits for what other processes do; the deadline is only there to end a test that has failed. */
export async function until<T>(what: string, ask: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + 20_000; Date.now() < end; await sleep(10)) {
    const value = await ask();
    if (value !== undefined && value !== false) return value;
  }
  throw new Error(`in vain: ${what}`);
}

/** Orphans that ended stay as zombies here: the first process of these namespaces is the test, which reaps only its own. */
export function alive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

export class Scene {
  readonly folder = mkdtempSync(join(tmpdir(), 'sallyport-monitor-'));
  readonly resolvConf = join(this.folder, 'etc', 'resolv.conf');
  readonly socket = join(this.folder, 'run', 'sallyport.sock');
  readonly before: unknown;
  log = '';
  monitor: ChildProcess | undefined;

  constructor() {
    chmodSync(this.folder, 0o755);
    mkdirSync(join(this.folder, 'etc'));
    writeFileSync(this.resolvConf, 'nameserver 192.168.7.1\n');
    this.before = hostState(this.resolvConf);
  }

  async start(engine = here('./fakeEngine.ts')): Promise<void> {
    const monitor = spawn(process.execPath, [here('./monitorHarness.ts'), this.folder, engine], {
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    monitor.stderr.on('data', (data) => {
      this.log += String(data);
    });
    this.monitor = monitor;
    await this.enginePid();
  }

  /** One order to the engine on a connection of its own; undefined when the engine went away over it. */
  order(order: object): Promise<{ readonly answer: Record<string, unknown>; readonly ms: number } | undefined> {
    return new Promise((resolve) => {
      const socket = connect(this.socket);
      socket.on('error', () => resolve(undefined));
      socket.on('close', () => resolve(undefined));
      let text = '';
      socket.on('data', (data) => {
        text += String(data);
        if (!text.endsWith('\n')) return;
        resolve(JSON.parse(text));
        socket.destroy();
      });
      socket.write(`${JSON.stringify(order)}\n`);
    });
  }

  async ask(order: object): Promise<Record<string, unknown>> {
    const told = await this.order(order);
    assert(told !== undefined, `no answer\n${this.log}`);
    return told.answer;
  }

  /** Of the engine that answers now. */
  async enginePid(not?: number): Promise<number> {
    return until('an engine that answers', async () => {
      const told = await this.order({ do: 'who' });
      const pid = Number(told?.answer.pid ?? Number.NaN);
      return Number.isNaN(pid) || pid === not ? undefined : pid;
    });
  }

  async up(): Promise<void> {
    assert.deepEqual((await this.ask({ do: 'open-tun' })).ok, true);
    const applied = await this.ask({ do: 'apply', plan });
    assert.equal(applied.ok, true, JSON.stringify(applied));
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const { monitor } = this;
    assert(monitor !== undefined);
    await end(monitor, signal);
    return monitor.exitCode;
  }

  repair(): { readonly status: number | null; readonly told: unknown } {
    const ended = spawnSync(process.execPath, [here('./monitorHarness.ts'), this.folder, '', 'repair'], { encoding: 'utf8' });
    return { status: ended.status, told: ended.stdout === '' ? ended.stderr : JSON.parse(ended.stdout) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  }
}
