/**
 * Real FreeRADIUS 3.2 in a namespace of the lab, for a strongSwan that leaves EAP to it (eap-radius): its own configuration and log,
 * nothing of it outside a temporary folder. Debian package: freeradius.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Daemon } from './daemon.ts';
import type { Namespace } from './namespace.ts';

export interface RadiusConfig {
  /** Passwords by user name. */
  readonly users: Readonly<Record<string, string>>;
  /** What it offers first. */
  readonly first: 'peap' | 'ttls' | 'tls' | 'mschapv2' | 'gtc' | 'md5';
  /** PEM: the TLS server's certificate with what leads to its CA, its key, and the CA of clients (for EAP-TLS). */
  readonly certificate: string;
  readonly key: string;
  readonly clientCa: string;
  readonly tls: '1.2' | '1.3';
}

/** As the gateway must know it; the address is that of the namespace's own loopback. */
export const RADIUS = { address: '127.0.0.1', port: 1812, secret: 'a secret between gateway and radius' } as const;

export class FreeRadius {
  readonly #namespace: Namespace;
  readonly #folder: string;
  #daemon: Daemon | undefined;

  constructor(namespace: Namespace) {
    this.#namespace = namespace;
    this.#folder = mkdtempSync(join(tmpdir(), 'sallylab-radius-'));
    process.on('exit', () => rmSync(this.#folder, { recursive: true, force: true }));
  }

  /** Starts it with this configuration, ending the one before; resolves when it is ready for requests. */
  async start(config: RadiusConfig): Promise<void> {
    await this.#daemon?.end();
    for (const [name, content] of Object.entries(this.#files(config))) {
      writeFileSync(join(this.#folder, name), content, { mode: 0o600 });
    }
    const argv = ['freeradius', '-f', '-l', 'stdout', '-d', this.#folder, '-n', 'radiusd'];
    this.#daemon = new Daemon(this.#namespace, argv, { label: 'freeradius' });
    await this.#daemon.ready(
      () => this.log().includes('Ready to process requests'),
      () => this.log(),
    );
  }

  log(): string {
    const file = join(this.#folder, 'radius.log');
    return (this.#daemon?.said ?? '') + (existsSync(file) ? readFileSync(file, 'utf8') : '');
  }

  async stop(): Promise<void> {
    await this.#daemon?.end();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #files(config: RadiusConfig): Readonly<Record<string, string>> {
    const users = Object.entries(config.users).map(([name, password]) => `"${name}" Cleartext-Password := "${password}"\n`);
    return {
      'server.pem': config.certificate,
      'server.key': config.key,
      'clients.pem': config.clientCa,
      users: users.join(''),
      'radiusd.conf': configuration(this.#folder, config),
    };
  }
}

function configuration(folder: string, { first, tls }: RadiusConfig): string {
  const files = {
    private_key_file: `${folder}/server.key`,
    certificate_file: `${folder}/server.pem`,
    ca_file: `${folder}/clients.pem`,
  };
  const tunnelled = { tls: 'common', default_eap_type: 'mschapv2', virtual_server: 'inner' };
  // `inner` is what runs inside TTLS and PEAP.
  const server = (listen: Tree): Tree => ({
    ...listen,
    authorize: { mschap: '', 'eap {\n ok = return\n}': '', files: '', pap: '' },
    authenticate: { 'Auth-Type PAP': { pap: '' }, 'Auth-Type MS-CHAP': { mschap: '' }, eap: '' },
  });
  return render({
    name: 'radius',
    libdir: '/usr/lib/freeradius',
    logdir: folder,
    run_dir: folder,
    pidfile: `${folder}/pid`,
    log: { destination: 'stdout', auth: 'yes' },
    'client gateway': { ipaddr: RADIUS.address, secret: `"${RADIUS.secret}"` },
    modules: {
      pap: { normalise: 'yes' },
      mschap: { use_mppe: 'yes', require_encryption: 'yes', require_strong: 'yes' },
      files: { filename: `${folder}/users` },
      eap: {
        default_eap_type: first,
        timer_expire: '60',
        max_sessions: '100',
        'tls-config common': {
          ...files,
          cipher_list: '"DEFAULT"',
          tls_min_version: '"1.2"',
          tls_max_version: `"${tls}"`,
          fragment_size: '1024',
          include_length: 'yes',
          cache: { enable: 'no' },
        },
        md5: {},
        gtc: { auth_type: 'PAP' },
        mschapv2: {},
        tls: { tls: 'common' },
        ttls: tunnelled,
        peap: tunnelled,
      },
    },
    'server default': server({ listen: { type: 'auth', ipaddr: RADIUS.address, port: String(RADIUS.port) } }),
    'server inner': server({}),
  });
}

interface Tree {
  readonly [key: string]: string | Tree;
}

/** One thing on a line: FreeRADIUS reads lines. An empty text is a word alone. */
function render(tree: Tree): string {
  return Object.entries(tree)
    .map(([key, value]) => {
      if (typeof value === 'object') return `${key} {\n${render(value)}}\n`;
      return value === '' ? `${key}\n` : `${key} = ${value}\n`;
    })
    .join('');
}
