/** What every case works with: the demo lab with its helper, a desk with a browser, and windows that are opened on it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { BrowserContextOptions } from 'playwright-core';
import { connectRpc, type RpcClient } from '../../core/rpc/client.ts';
import type { Method, Params, ProfileSummary, Results, Status } from '../../core/rpc/contract.ts';
import { type JsonProcess, startJson } from '../gateway/jsonProcess.ts';
import type { MisbehaviourName } from '../gateway/misbehaviours.ts';
import { type Office, type OfficeOptions, startOffice, VISITOR } from '../gateway/office.ts';
import { buildStage, type Stage } from '../lab/demo/stage.ts';
import { App } from './app.ts';
import { Desk } from './desk.ts';
import { eventually } from './kit.ts';
import { Watch } from './watch.ts';

/** Fields of a profile file that cases vary; `secret: null` leaves the key out, for the window to ask. */
export type ProfileFields = Readonly<Record<string, unknown>> & { readonly secret?: string | null };

export interface OpenOptions extends BrowserContextOptions {
  /** Of the system, as the shell sees it. */
  readonly language?: string;
  /** Whose window it is; root's without. */
  readonly user?: number;
  /** Another socket than the helper's. */
  readonly socket?: string;
  /** Refused tries at the content security policy are what the case is about. */
  readonly attacks?: true;
}

/** What the router drops on its way between laptop and office. */
export type Blocked = 'dns' | 'ike' | 'natt';

const BLOCKING: Readonly<Record<Blocked, string>> = {
  dns: 'chain input { type filter hook input priority -5; udp dport 53 drop; }',
  ike: 'chain ike { type filter hook forward priority -5; udp dport 500 drop; }',
  natt: 'chain natt { type filter hook forward priority -5; udp dport 4500 drop; }',
};

/** A gateway nobody has: documentation prefix, for a connection that is given up at once. */
const NOWHERE = '192.0.2.9';

const USUAL: OfficeOptions = { reach: 'split' };

export class World {
  readonly stage: Stage;
  readonly desk: Desk;
  /** What the content security policy refused and what went wrong in the page, in the whole run. */
  readonly watch = new Watch();
  readonly #apps = new Set<App>();
  #client: RpcClient | undefined;
  /** In the place of the stage's, once a case has opened another. */
  #office: Office | undefined;
  #unusual = false;
  readonly #servers: JsonProcess[] = [];
  #misbehaving = false;
  #blocked = false;
  #stopped: number | undefined;
  #away = false;

  private constructor(stage: Stage, desk: Desk) {
    this.stage = stage;
    this.desk = desk;
  }

  /** `dist`: folder of the built renderer. */
  static async create(dist: string, say: (step: string) => void): Promise<World> {
    const stage = await buildStage(USUAL, say);
    try {
      say('opening a browser');
      const folder = join(stage.folder, 'desk');
      mkdirSync(folder, { recursive: true });
      return new World(stage, await Desk.set(folder, dist));
    } catch (error) {
      await stage.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#client?.close();
    this.resumeEngine();
    await this.desk.clear();
    await this.#stopServers();
    await this.#office?.stop();
    await this.stage.close();
  }

  /** No profile, no tunnel, nothing in the way; windows closed. */
  async reset(): Promise<void> {
    for (const app of [...this.#apps]) await app.close();
    this.#apps.clear();
    this.resumeEngine();
    if (this.#away) await this.startHelper();
    if (this.#blocked) await this.unblock();
    if (this.#misbehaving) await this.misbehave();
    await this.stage.lab.impair({});
    await this.idle();
    await this.#stopServers();
    if (this.#unusual) await this.openOffice(USUAL);
    for (const { id } of await this.call('profile.list', {})) await this.call('profile.remove', { profile: id });
  }

  get office(): Office {
    return this.#office ?? this.stage.office;
  }

  /** The office, opened anew as told; the next case finds the usual one. */
  async openOffice(options: OfficeOptions): Promise<void> {
    await this.office.stop();
    this.#office = await startOffice(this.stage.lab, { ...USUAL, ...options });
    this.#unusual = options !== USUAL;
  }

  /** A program that serves on the router, which is what the laptop has of the Internet, until the case is over. */
  async serve(program: string, argument: string): Promise<void> {
    const path = resolve(import.meta.dirname, '..', '..', program);
    this.#servers.push(await startJson(this.stage.lab.router, [process.execPath, path, argument], program));
  }

  async #stopServers(): Promise<void> {
    for (const server of this.#servers.splice(0)) await server.stop();
  }

  /** A failure stays until the next connection: there was one, and the user ended it. */
  async idle(): Promise<void> {
    const { state } = await this.call('tunnel.status', {});
    if (state === 'idle') return;
    if (state === 'failed') {
      const { id } = await this.profile({ name: 'Nowhere', gateway: NOWHERE, uuid: '00000000-0000-4000-8000-000000000009' });
      await this.call('tunnel.up', { profile: id });
    }
    const helper = await this.helper();
    await helper.call('tunnel.down', {});
    await eventually('the tunnel is down', async () => ((await this.status()).state === 'idle' ? true : undefined), 10_000);
  }

  /** Opens a window; resolves when it can be used. */
  async open(options: OpenOptions = {}): Promise<App> {
    const { language, user, socket = this.stage.socket, attacks, ...context } = options;
    const bridge = await this.desk.bridge(socket, { ...(language && { language }), ...(user && { user }) });
    const app = await App.open(this.desk.browser, bridge, context, attacks ? new Watch() : this.watch);
    this.#apps.add(app);
    return app;
  }

  /** The windows of the case that runs, for the picture of a failure. */
  get apps(): readonly App[] {
    return [...this.#apps];
  }

  /** Imports a profile over the RPC; without fields the one a user of the office would have been given. */
  async profile(fields: ProfileFields = {}): Promise<ProfileSummary> {
    return (await this.call('profile.import', { text: this.profileText(fields) })).profile;
  }

  profileText(fields: ProfileFields = {}): string {
    const { secret = VISITOR.psk, ...rest } = fields;
    const { names } = this.stage.lab.addresses;
    const auth = secret === null ? { method: 'psk' } : { method: 'psk', secret };
    return JSON.stringify(
      {
        sallyport: 1,
        name: 'Head office',
        gateway: names.gateway,
        localId: VISITOR.identity,
        remoteId: names.gateway,
        auth,
        ...rest,
      },
      null,
      2,
    );
  }

  /** One call of the helper, from beside the window. Throws what it refuses. */
  async call<M extends Method>(method: M, params: Params<M>): Promise<Results[M]> {
    const answer = await (await this.helper()).call(method, params);
    if (!answer.ok) throw new Error(`${method}: ${answer.error.code}: ${answer.error.detail}`);
    return answer.value;
  }

  status(): Promise<Status> {
    return this.call('tunnel.status', {});
  }

  /** Resolves when the helper says so. */
  state(wanted: Status['state'], withinMs = 15_000): Promise<Status> {
    return eventually(
      `the helper says ${wanted}`,
      async () => {
        const status = await this.status();
        return status.state === wanted ? status : undefined;
      },
      withinMs,
    );
  }

  /** What the command line prints with --json. */
  async cli<T>(...args: string[]): Promise<T> {
    const { code, stdout, stderr } = await this.stage.cli('--json', ...args);
    if (code !== 0) throw new Error(`sallyport ${args.join(' ')}: ${code} ${stdout}${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /** Brings the tunnel up from beside the window. */
  async up(profile: string): Promise<Status> {
    await this.call('tunnel.up', { profile });
    return this.state('connected');
  }

  /** The office does this from now on; without names it is honest again. SAs are forgotten without a word, as by a restart. */
  async misbehave(...names: MisbehaviourName[]): Promise<void> {
    const { gateway } = this.office;
    gateway.send({ do: 'misbehave', names });
    await gateway.next((line) => line.event === 'misbehaving', 5_000);
    this.#misbehaving = names.length > 0;
  }

  async block(...what: Blocked[]): Promise<void> {
    const chains = what.map((one) => `  ${BLOCKING[one]}\n`).join('');
    await this.stage.lab.router.must(['nft', '-f', '-'], { input: `table inet uitest {\n${chains}}\n` });
    this.#blocked = true;
  }

  async unblock(): Promise<void> {
    await this.stage.lab.router.must(['nft', 'delete', 'table', 'inet', 'uitest']);
    this.#blocked = false;
  }

  /** Packets through the tunnel, both ways. */
  async ping(count = 3): Promise<void> {
    const { web4 } = this.stage.lab.addresses.intranet;
    await this.stage.lab.laptop.must(['ping', '-n', '-i', '0.05', '-c', String(count), '-W', '2', web4]);
  }

  enginePid(): number {
    return Number(readFileSync(join(this.stage.folder, 'run', 'engine.lock'), 'utf8'));
  }

  /** The next one comes when the function is called: how long a window is without a helper is not for the machine to say. */
  killEngine(): () => void {
    const engine = this.enginePid();
    const monitor = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${engine}/status`, 'utf8'))?.[1]);
    process.kill(monitor, 'SIGSTOP');
    process.kill(engine, 'SIGKILL');
    return () => process.kill(monitor, 'SIGCONT');
  }

  /** It is there and answers nobody. */
  stopEngine(): void {
    this.#stopped = this.enginePid();
    process.kill(this.#stopped, 'SIGSTOP');
  }

  resumeEngine(): void {
    if (this.#stopped !== undefined) spawnSync('kill', ['-CONT', String(this.#stopped)]);
    this.#stopped = undefined;
  }

  async stopHelper(): Promise<void> {
    this.#away = true;
    await this.stage.stopHelper();
  }

  async startHelper(): Promise<void> {
    await this.stage.startHelper();
    this.#away = false;
  }

  async helper(): Promise<RpcClient> {
    if (this.#client !== undefined) return this.#client;
    const client = await eventually(
      'the helper answers',
      async () => {
        const connected = await connectRpc({ socket: this.stage.socket, client: 'ui-test' });
        return connected.ok ? connected.value : undefined;
      },
      10_000,
    );
    this.#client = client;
    void client.closed.then(() => {
      if (this.#client === client) this.#client = undefined;
    });
    return client;
  }
}
