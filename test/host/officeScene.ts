/**
 * A laptop with the real helper at --log-level debug, and a head office that proves itself by certificates: for tests of who is there. One
 * lab and one helper for a file; the office is opened anew with what each test says of it.
 */
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectRpc, type RpcClient } from '../../core/rpc/client.ts';
import type { Prompt, Status } from '../../core/rpc/contract.ts';
import { followStatus } from '../../core/rpc/follow.ts';
import { type Authority, authority, type Entity } from '../authority/authority.ts';
import { type JsonProcess, startJson } from '../gateway/jsonProcess.ts';
import { type Office, type OfficeOptions, startOffice } from '../gateway/office.ts';
import { end } from '../lab/daemon.ts';
import { createLab, type Lab } from '../lab/lab.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');
export const NAME = 'vpn.office.test';
export const USER = 'alice@office.test';
/** Where lists and answers about revocation are served: at the router, which is what the laptop has of the Internet. */
export const RESPONDER = 'http://198.51.100.1:8080';

export const base64 = (octets: Uint8Array): string => Buffer.from(octets).toString('base64');

/** Authorities and certificates that most tests need; keys of P-256. */
export class Office2026 {
  readonly root: Authority = authority.root({ subject: 'CN=Office Root' });
  readonly sub: Authority = this.root.authority({ subject: 'CN=Office CA' });
  readonly gateway: Entity = this.sub.issue({ subject: `CN=${NAME}`, san: [`dns:${NAME}`] });
  readonly alice: Entity = this.sub.issue({ subject: 'CN=Alice', san: [`email:${USER}`] });
}

/** As the office's configuration file wants it. */
export function proofOf({ chain, pkcs8 }: Entity): { readonly chain: string[]; readonly key: string } {
  return { chain: chain.map(base64), key: base64(pkcs8) };
}

export class OfficeScene {
  readonly lab: Lab;
  readonly folder: string;
  office: Office | undefined;
  #monitor: ChildProcess | undefined;
  #said = '';
  #rpc: RpcClient | undefined;
  #status: Status | undefined;
  #looks = new Set<() => void>();

  private constructor(lab: Lab, folder: string) {
    this.lab = lab;
    this.folder = folder;
  }

  /** `options` are the monitor's. */
  static async start(options: readonly string[] = []): Promise<OfficeScene> {
    const lab = await createLab();
    const folder = mkdtempSync('/run/sallyport-office-');
    chmodSync(folder, 0o755);
    const scene = new OfficeScene(lab, folder);
    await scene.startHelper(options);
    return scene;
  }

  /** What monitor, engine and agent wrote. */
  get said(): string {
    return this.#said;
  }

  get rpc(): RpcClient {
    if (!this.#rpc) throw new Error('the helper does not run');
    return this.#rpc;
  }

  enginePid(): number {
    return Number(readFileSync(join(this.folder, 'run', 'engine.lock'), 'utf8'));
  }

  /** Core files would be written, were they allowed. `flags` are Node's. */
  async startHelper(options: readonly string[] = [], flags: readonly string[] = []): Promise<void> {
    const words = [process.execPath, ...flags, join(ROOT, 'core/helper/monitor.ts'), '--log-level', 'debug', ...options];
    const places = ['--run-dir', join(this.folder, 'run'), '--state-dir', join(this.folder, 'state')];
    const monitor = this.lab.laptop.spawn(['prlimit', '--core=unlimited', '--', ...words, ...places], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#monitor = monitor;
    for (const stream of [monitor.stdout, monitor.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#said += text;
      });
    }
    await this.reconnect();
  }

  /** To the engine that answers now. */
  async reconnect(): Promise<void> {
    this.#rpc?.close();
    const until = performance.now() + 15_000;
    for (;;) {
      const connected = await connectRpc({ socket: join(this.folder, 'run', 'sallyport.sock'), client: 'test' });
      if (connected.ok) {
        this.#rpc = connected.value;
        break;
      }
      if (performance.now() > until) throw new Error(`the helper does not answer: ${connected.error.detail}\n${this.#said}`);
      await sleep(50);
    }
    const followed = await followStatus(this.rpc, (status) => {
      this.#status = status;
      for (const look of [...this.#looks]) look();
    });
    if (!followed.ok) throw new Error(followed.error.detail);
  }

  async stopHelper(): Promise<void> {
    const monitor = this.#monitor;
    this.#rpc?.close();
    this.#rpc = undefined;
    if (monitor) await end(monitor);
  }

  /** In place of the one before. */
  async open(options: OfficeOptions): Promise<void> {
    await this.office?.stop();
    this.office = await startOffice(this.lab, options);
  }

  /** Starts a program that serves on the router, in front of the office. */
  serve(program: string, argument: string): Promise<JsonProcess> {
    return startJson(this.lab.router, [process.execPath, join(ROOT, program), argument], program);
  }

  /** A profile for this office with what the test says of it; its id. */
  async profile(changes: Readonly<Record<string, unknown>>): Promise<string> {
    const file = {
      sallyport: 1,
      name: `Office ${randomUUID()}`,
      uuid: randomUUID(),
      gateway: NAME,
      localId: USER,
      ipv6: false,
      ...changes,
    };
    const imported = await this.rpc.call('profile.import', { text: JSON.stringify(file) });
    if (!imported.ok) throw new Error(`import: ${imported.error.detail}`);
    return imported.value.profile.id;
  }

  status(): Status {
    if (!this.#status) throw new Error('no status yet');
    return this.#status;
  }

  /** The first status for which it holds. */
  async until(what: string, reached: (status: Status) => boolean, within = 20_000): Promise<Status> {
    let look = () => {};
    try {
      return await new Promise<Status>((done, fail) => {
        const timer = setTimeout(
          () => fail(new Error(`in vain: ${what}; ${JSON.stringify(this.#status)}\n${this.#said.slice(-6_000)}`)),
          within,
        );
        look = () => {
          if (!this.#status || !reached(this.#status)) return;
          clearTimeout(timer);
          done(this.#status);
        };
        this.#looks.add(look);
        look();
      });
    } finally {
      this.#looks.delete(look);
    }
  }

  /** Resolves when the status is about this connection and no earlier one. */
  async begin(profile: string): Promise<void> {
    const before = this.#status;
    const started = await this.rpc.call('tunnel.up', { profile });
    if (!started.ok) throw new Error(started.error.detail);
    await this.until('it begins', (status) => status !== before && status.profile?.id === profile);
  }

  /** `up`, answers what is asked, and how it ended: `connected`, or the code of the failure. */
  async up(profile: string, answers: Partial<Record<Prompt['kind'], readonly string[]>> = {}, remember = false): Promise<string> {
    const left = new Map(Object.entries(answers).map(([kind, words]) => [kind, [...words]]));
    await this.begin(profile);
    const answered = new Set<string>();
    for (;;) {
      const { state, prompt, failure } = await this.until('the end, or a question', ({ state: now, prompt: open }) => {
        return now === 'connected' || now === 'failed' || (open !== undefined && !answered.has(open.id));
      });
      if (state === 'connected') return state;
      if (!prompt) return failure?.code ?? state;
      answered.add(prompt.id);
      const word = left.get(prompt.kind)?.shift();
      if (word === undefined) return `asks: ${prompt.kind} ${prompt.attempt}`;
      const told = await this.rpc.call('tunnel.answer', { id: prompt.id, secret: word, remember });
      if (!told.ok) throw new Error(told.error.detail);
    }
  }

  async down(): Promise<void> {
    await this.rpc.call('tunnel.down', {});
    await this.until('the end', ({ state }) => state === 'idle' || state === 'failed');
  }

  /** The log as `sallyport log --level debug` has it. */
  async log(): Promise<string> {
    const lines = await this.rpc.call('log.read', { lines: 100_000, level: 'debug' });
    if (!lines.ok) throw new Error(lines.error.detail);
    return JSON.stringify(lines.value);
  }

  async close(): Promise<void> {
    await this.stopHelper();
    await this.office?.stop();
    await this.lab.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
