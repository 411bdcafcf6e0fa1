/** The product itself on the laptop: the real helper and the real command line, as root of the namespace uses them. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { connectRpc, type RpcClient } from '../../core/rpc/client.ts';
import type { LogLine, Method, Params, Results, Status } from '../../core/rpc/contract.ts';
import { Daemon } from '../lab/daemon.ts';
import type { ExecResult, Namespace } from '../lab/namespace.ts';

/** The fields of a profile file (core/profile/schema.ts) that cases vary. */
export interface ProfileFields {
  readonly gateway: string;
  readonly localId: string;
  readonly remoteId?: string;
  /** The pre-shared key, unless `auth` says something else. */
  readonly secret?: string;
  readonly auth?: object;
  readonly gatewayAuth?: object;
  readonly ppk?: { readonly id: string; readonly secret: string; readonly required?: boolean };
  readonly ikeProposals: readonly string[];
  readonly espProposals: readonly string[];
  readonly remoteNetworks?: readonly string[];
  readonly ipv4?: boolean;
  readonly ipv6?: boolean;
  readonly liveness?: number;
  readonly natKeepalive?: number;
  readonly mtu?: number;
  readonly fragmentation?: 'yes' | 'no' | 'force';
  readonly tcp?: 'auto' | 'always' | 'never';
  readonly childless?: boolean;
  readonly mobike?: boolean;
  readonly additionalChildren?: readonly { readonly remoteNetworks: readonly string[] }[];
  readonly redirect?: boolean;
  readonly initialContact?: boolean;
  readonly whenLost?: 'hold' | 'lock' | 'open' | 'end';
  readonly reauthenticateEvery?: number;
  readonly rekeyIke?: number;
  readonly rekeyChild?: number;
  readonly rekeyBytes?: number;
  readonly rekeyPackets?: number;
  readonly rekeyRehearsal?: boolean;
}

const ROOT = resolve(import.meta.dirname, '..', '..');
const MONITOR = join(ROOT, 'core', 'helper', 'monitor.ts');
const CLI = join(ROOT, 'core', 'cli', 'main.ts');
const PROFILE = 'interop';
/** Importing the same UUID again replaces the profile. */
const UUID = '6f1c2f5e-8c1f-4c0e-9a54-0d5b2f7c9e11';

export class Client {
  readonly #laptop: Namespace;
  readonly #folder: string;
  #helper: Daemon | undefined;
  readonly #monitorArgs: readonly string[];
  #imported = '';
  #direct: RpcClient | undefined;

  /** `monitorArgs` in place of the key tables that `keyLog` is the folder of. */
  constructor(laptop: Namespace, monitorArgs?: readonly string[]) {
    this.#laptop = laptop;
    this.#folder = mkdtempSync(join(tmpdir(), 'sallyport-interop-'));
    // The engine's user must be able to walk to its own folder below.
    chmodSync(this.#folder, 0o755);
    mkdirSync(this.keyLog);
    this.#monitorArgs = monitorArgs ?? ['--key-log', this.keyLog];
    process.on('exit', () => rmSync(this.#folder, { recursive: true, force: true }));
  }

  /** Where the helper writes Wireshark's `ikev2_decryption_table` and `esp_sa`. */
  get keyLog(): string {
    return join(this.#folder, 'keys');
  }

  /** Starts the helper; resolves when it answers. */
  async start(): Promise<void> {
    const argv = [
      process.execPath,
      MONITOR,
      '--run-dir',
      this.#runDir,
      '--state-dir',
      join(this.#folder, 'state'),
      ...this.#monitorArgs,
    ];
    // As the service unit does.
    const env = { ...process.env, NODE_COMPILE_CACHE: join(this.#folder, 'compiled') };
    this.#helper = new Daemon(this.#laptop, argv, { label: 'the helper', env });
    let answered = '';
    await this.#helper.ready(
      async () => {
        const { code, stderr } = await this.cli(['status'], 3_000);
        answered = stderr;
        return code === 0;
      },
      () => `${answered}\n${this.output}`,
    );
  }

  /** The monitor's, while it runs. */
  get pid(): number | undefined {
    return this.#helper?.child.pid;
  }

  /** What the helper wrote to its standard output and error, the last of it. */
  get output(): string {
    return this.#helper?.said ?? '';
  }

  async stop(): Promise<void> {
    await this.end();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** The helper alone; it can be started again. */
  async end(): Promise<void> {
    this.#direct?.close();
    this.#direct = undefined;
    await this.#helper?.end();
  }

  /** `sallyport --json ARGS…`. */
  cli(args: readonly string[], timeoutMs = 60_000): Promise<ExecResult> {
    return this.#laptop.exec([process.execPath, CLI, '--json', '--socket', join(this.#runDir, 'sallyport.sock'), ...args], {
      timeoutMs,
    });
  }

  async importProfile(fields: ProfileFields): Promise<void> {
    const { secret, auth = { method: 'psk', secret }, ...rest } = fields;
    const text = JSON.stringify({ sallyport: 1, name: PROFILE, uuid: UUID, auth, ...rest });
    // Nothing changed: spare the time.
    if (text === this.#imported) return;
    const file = join(this.#folder, 'profile.json');
    writeFileSync(file, text, { mode: 0o600 });
    const imported = await this.cli(['import', file]);
    if (imported.code !== 0) throw new Error(`sallyport import: ${imported.code} ${imported.stdout}${imported.stderr}`);
    this.#imported = text;
  }

  up(timeoutMs = 60_000): Promise<ExecResult> {
    return this.cli(['up', PROFILE], timeoutMs);
  }

  down(): Promise<ExecResult> {
    return this.cli(['down']);
  }

  async status(): Promise<Status> {
    const asked = await this.cli(['status']);
    if (asked.code !== 0) throw new Error(`sallyport status: ${asked.code} ${asked.stdout}${asked.stderr}`);
    return JSON.parse(asked.stdout) as Status;
  }

  async log(lines: number): Promise<readonly LogLine[]> {
    const asked = await this.cli(['log', '--level', 'debug', '--lines', String(lines)]);
    if (asked.code !== 0) return [];
    const texts = asked.stdout.split('\n').filter((line) => line !== '');
    return texts.map((line) => JSON.parse(line) as LogLine);
  }

  /** Straight to the helper, where the time that a command takes to start would matter. */
  async call<M extends Method>(method: M, params: Params<M>): Promise<Results[M]> {
    if (this.#direct === undefined) {
      const connected = await connectRpc({ socket: join(this.#runDir, 'sallyport.sock'), client: 'interop' });
      if (!connected.ok) throw new Error(`helper: ${connected.error.detail}`);
      const direct = connected.value;
      this.#direct = direct;
      void direct.closed.then(() => {
        if (this.#direct === direct) this.#direct = undefined;
      });
    }
    const done = await this.#direct.call(method, params);
    if (!done.ok) throw new Error(`${method}: ${done.error.code} ${done.error.detail}`);
    return done.value;
  }

  get #runDir(): string {
    return join(this.#folder, 'run');
  }
}
