/**
 * Real OpenIKED 7.2 (iked) in a namespace of the lab: its own /etc, control socket and log, nothing of it outside a temporary folder. Its IKE is
 * whole; no packet of data passes (standIns/pfkey.c).
 */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Entity } from '../authority/authority.ts';
import { Daemon } from './daemon.ts';
import type { Namespace } from './namespace.ts';
import { removeFolder, rootOf, standInOf, temporaryFolder } from './unpacked.ts';

export interface OpenIkedConfig {
  /** iked.conf(5). */
  readonly text: string;
  readonly own: Entity;
  readonly authorities: readonly { readonly pem: string }[];
}

/** It finds its user by /etc/passwd, and wants an empty folder as its root. */
const USERS: Readonly<Record<string, string>> = {
  passwd: 'root:x:0:0:root:/root:/bin/sh\n_iked:x:61999:61999::/run/empty:/usr/sbin/nologin\n',
  group: 'root:x:0:\n_iked:x:61999:\n',
};
const READY = /ca_reload: (loaded|local cert)|config_getmode/;

export class OpenIked {
  readonly #namespace: Namespace;
  readonly #folder: string;
  #iked: Daemon | undefined;

  private constructor(namespace: Namespace) {
    this.#namespace = namespace;
    this.#folder = temporaryFolder('iked');
    // It becomes /etc of a daemon that gives root up.
    chmodSync(this.#folder, 0o755);
  }

  static async start(namespace: Namespace, config: OpenIkedConfig): Promise<OpenIked> {
    const daemon = new OpenIked(namespace);
    try {
      daemon.#write(config);
      await daemon.#run();
    } catch (error) {
      await daemon.stop();
      throw error;
    }
    return daemon;
  }

  /** `ikectl ARGS…`; what it says. Throws when it refuses. */
  ctl(...args: readonly string[]): Promise<string> {
    // Its socket is in a /run of its own.
    const enter = ['nsenter', '--mount', '--target', String(this.#iked?.child.pid)];
    return this.#namespace.must([...enter, join(rootOf('openiked'), 'usr/sbin/ikectl'), ...args], { timeoutMs: 10_000 });
  }

  get log(): string {
    return this.#iked?.said ?? '';
  }

  async stop(): Promise<void> {
    await this.#iked?.end();
    removeFolder(this.#folder);
  }

  #write({ text, own, authorities }: OpenIkedConfig): void {
    const files: Readonly<Record<string, string>> = {
      ...USERS,
      'iked.conf': text,
      'iked/private/local.key': own.key.pkcs8Pem,
      'iked/certs/gateway.crt': own.pem,
      ...Object.fromEntries(authorities.map(({ pem }, index) => [`iked/ca/authority-${index}.crt`, pem])),
    };
    for (const name of ['crls', ...['fqdn', 'ufqdn', 'ipv4', 'ipv6'].map((kind) => `pubkeys/${kind}`)])
      mkdirSync(join(this.#folder, 'iked', name), { recursive: true });
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.#folder, name)), { recursive: true });
      const secret = name === 'iked.conf' || name.startsWith('iked/private');
      writeFileSync(join(this.#folder, name), content, { mode: secret ? 0o600 : 0o644 });
    }
  }

  async #run(): Promise<void> {
    const script = 'mount -t tmpfs tmpfs /run && mkdir /run/empty && mount --bind "$1" /etc && shift && exec "$@"';
    const iked = [join(rootOf('openiked'), 'usr/sbin/iked'), '-d', '-vv', '-f', '/etc/iked.conf'];
    const daemon = new Daemon(this.#namespace, ['sh', '-c', script, 'sh', this.#folder, ...iked], {
      label: 'iked',
      env: { ...process.env, LD_PRELOAD: standInOf('openiked') },
    });
    this.#iked = daemon;
    await daemon.ready(() => READY.test(daemon.said));
    // Its processes tell each other of the sockets; it says nothing of that.
    await sleep(150);
  }
}
