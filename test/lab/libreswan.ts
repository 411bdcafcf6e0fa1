/**
 * Real Libreswan 4.10 (pluto) in a namespace of the lab: its own configuration, NSS database, control socket and log, nothing of it outside a
 * temporary folder. Its IKE is whole; no packet of data passes (standIns/xfrm.c).
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Entity } from '../authority/authority.ts';
import { Daemon } from './daemon.ts';
import type { Namespace } from './namespace.ts';
import { removeFolder, rootOf, standInOf, temporaryFolder } from './unpacked.ts';

export interface LibreswanConfig {
  /** Lines of the one connection, ipsec.conf(5). */
  readonly connection: Readonly<Record<string, string | undefined>>;
  /** ipsec.secrets(5). */
  readonly secrets?: string;
  /** Its certificate is `gateway` in the connection. */
  readonly own?: Entity;
  readonly authorities?: readonly { readonly pem: string }[];
  /** Of pluto. */
  readonly options?: readonly string[];
}

export const LIBRESWAN_CONNECTION = 'office';

export class Libreswan {
  readonly #namespace: Namespace;
  readonly #folder: string;
  #pluto: Daemon | undefined;

  private constructor(namespace: Namespace) {
    this.#namespace = namespace;
    this.#folder = temporaryFolder('pluto');
  }

  /** Resolves when it listens and has the connection. */
  static async start(namespace: Namespace, config: LibreswanConfig): Promise<Libreswan> {
    const daemon = new Libreswan(namespace);
    try {
      daemon.#write(config);
      await daemon.#run(config.options ?? []);
    } catch (error) {
      await daemon.stop();
      throw error;
    }
    return daemon;
  }

  /** `ipsec whack ARGS…`; what it says. Throws when it refuses. */
  async whack(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#tool('whack', args);
    if (code !== 0) throw new Error(`whack ${args.join(' ')}: ${code} ${stdout}${stderr}`);
    return stdout;
  }

  get log(): string {
    return this.#pluto?.said ?? '';
  }

  /** SIGTERM: it says goodbye to its peers. */
  async stop(): Promise<void> {
    await this.#pluto?.end();
    removeFolder(this.#folder);
  }

  #write({ connection, secrets = '', own, authorities = [] }: LibreswanConfig): void {
    for (const name of ['nss', 'd/policies', 'run']) mkdirSync(this.#path(name), { recursive: true });
    const database = `sql:${this.#path('nss')}`;
    execFileSync('certutil', ['-N', '-d', database, '--empty-password']);
    for (const [index, { pem }] of authorities.entries()) {
      const name = `authority-${index}`;
      // What is no root is only known.
      execFileSync('certutil', ['-A', '-a', '-d', database, '-n', name, '-t', index === 0 ? 'CT,,' : ',,'], { input: pem });
    }
    if (own) {
      const file = this.#path('own.p12');
      const input = `${own.key.pkcs8Pem}\n${own.pem}`;
      execFileSync('openssl', ['pkcs12', '-export', '-name', 'gateway', '-out', file, '-passout', 'pass:x'], { input });
      execFileSync('pk12util', ['-i', file, '-d', database, '-W', 'x', '-K', ''], { stdio: 'ignore' });
    }
    const lines = Object.entries({ auto: 'ignore', leftupdown: '%disabled', ...connection });
    const text = lines.flatMap(([key, value]) => (value === undefined ? [] : [`\t${key}=${value}`])).join('\n');
    writeFileSync(this.#path('ipsec.conf'), `config setup\n\nconn ${LIBRESWAN_CONNECTION}\n${text}\n`);
    writeFileSync(this.#path('ipsec.secrets'), secrets, { mode: 0o600 });
  }

  async #run(options: readonly string[]): Promise<void> {
    // Its programs call each other by their places in the system.
    const script = 'mount -t tmpfs tmpfs /run && mount --bind "$1/usr/libexec" /usr/libexec && shift && exec "$@"';
    const places = [
      ...['--config', this.#path('ipsec.conf'), '--secretsfile', this.#path('ipsec.secrets')],
      ...['--nssdir', this.#path('nss'), '--ipsecdir', this.#path('d'), '--rundir', this.#path('run')],
    ];
    const manner = ['--nofork', '--stderrlog', '--log-no-audit', '--no-dnssec', '--nhelpers', '0'];
    const pluto = ['/usr/libexec/ipsec/pluto', ...manner, ...places, ...options];
    this.#pluto = new Daemon(this.#namespace, ['sh', '-c', script, 'sh', rootOf('libreswan'), ...pluto], {
      label: 'pluto',
      env: { ...process.env, LD_PRELOAD: standInOf('libreswan') },
    });
    await this.#pluto.ready(() => existsSync(this.#socket));
    await this.whack('--listen');
    const added = await this.#tool('addconn', ['--config', this.#path('ipsec.conf'), LIBRESWAN_CONNECTION]);
    if (added.code !== 0) throw new Error(`addconn: ${added.code} ${added.stdout}${added.stderr}`);
  }

  #tool(name: string, args: readonly string[]) {
    const program = join(rootOf('libreswan'), 'usr/libexec/ipsec', name);
    return this.#namespace.exec([program, '--ctlsocket', this.#socket, ...args], { timeoutMs: 15_000 });
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  get #socket(): string {
    return this.#path('run/pluto.ctl');
  }
}
