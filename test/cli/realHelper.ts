/** The product as installed: monitor, engine and command line as processes in a namespace of their own. */
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { end, runs } from '../lab/daemon.ts';
import { Namespace } from '../lab/namespace.ts';
import { differences, type HostSnapshot, snapshot } from '../lab/snapshot.ts';
import type { Ended } from './command.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');
const MONITOR = join(ROOT, 'core', 'helper', 'monitor.ts');
const CLI = join(ROOT, 'resources', 'bin', 'sallyport');

export interface RealHelperOptions {
  /** A network with a default route, in which nobody answers. Default: nothing but loopback. */
  readonly network?: boolean;
  /** Put in front of the monitor's command. */
  readonly wrap?: readonly string[];
}

export class RealHelper {
  readonly namespace: Namespace;
  readonly folder: string;
  readonly #wrap: readonly string[];
  readonly #before: HostSnapshot;
  #monitor: ChildProcess | undefined;
  #said = '';

  private constructor(namespace: Namespace, folder: string, wrap: readonly string[], before: HostSnapshot) {
    this.namespace = namespace;
    this.folder = folder;
    this.#wrap = wrap;
    this.#before = before;
  }

  static async start(options: RealHelperOptions = {}): Promise<RealHelper> {
    const namespace = await Namespace.create('badinput');
    // Nobody listens there, so a name fails at once and not after the resolver's patience.
    namespace.overlay('resolv.conf', 'nameserver 127.0.0.1\n');
    if (options.network) {
      // Link-local addresses that appear by and by are not what this is about.
      await namespace.sysctl({ 'net/ipv6/conf/default/disable_ipv6': 1 });
      await namespace.ip([
        // Both ends here, and nobody behind the other one.
        'link add wire0 type veth peer name wire1',
        'link set wire0 up',
        'link set wire1 up',
        'addr add 192.0.2.2/24 dev wire0',
        'route add default via 192.0.2.1',
        'neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev wire0',
      ]);
    }
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-real-'));
    // Other users come to the socket, as they do to /run.
    chmodSync(folder, 0o755);
    const helper = new RealHelper(namespace, folder, options.wrap ?? [], await snapshot(namespace));
    await helper.launch();
    return helper;
  }

  get socket(): string {
    return join(this.folder, 'run', 'sallyport.sock');
  }

  /** What monitor and engine wrote. */
  get said(): string {
    return this.#said;
  }

  async launch(): Promise<void> {
    const places = ['--run-dir', join(this.folder, 'run'), '--state-dir', join(this.folder, 'state')];
    const monitor = this.namespace.spawn([...this.#wrap, process.execPath, MONITOR, ...places], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#monitor = monitor;
    monitor.stderr?.on('data', (piece) => {
      this.#said += String(piece);
    });
    while (runs(monitor)) {
      if ((await this.cli(['status'])).code === 0) return;
      await sleep(50);
    }
    throw new Error(`the helper ended: ${this.#said}`);
  }

  /** The command line of the checkout, as `user`. */
  cli(args: readonly string[], options: { readonly input?: string; readonly user?: number } = {}): Promise<Ended> {
    const as =
      options.user === undefined
        ? []
        : ['setpriv', '--reuid', String(options.user), '--regid', String(options.user), '--clear-groups'];
    return this.namespace.exec([...as, CLI, '--socket', this.socket, ...args], {
      timeoutMs: 60_000,
      ...(options.input !== undefined && { input: options.input }),
    });
  }

  /** A command that goes on, for tests that interrupt it. */
  spawn(args: readonly string[]): ChildProcess {
    return this.namespace.spawn([CLI, '--socket', this.socket, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  enginePid(): number {
    return Number(readFileSync(join(this.folder, 'run', 'engine.lock'), 'utf8'));
  }

  /** What is there now and was not before the helper. */
  async leftBehind(): Promise<string[]> {
    return differences(this.#before, await snapshot(this.namespace));
  }

  async stop(): Promise<void> {
    const monitor = this.#monitor;
    if (monitor) await end(monitor);
  }

  async remove(): Promise<void> {
    await this.stop();
    await this.namespace.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
