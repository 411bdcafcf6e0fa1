/**
 * Real strongSwan 5.9.8 in a namespace of the lab: charon with userspace ESP (kernel-libipsec; this kernel has none), its
 * own configuration, vici socket and log, nothing of it outside a temporary folder. Debian packages: strongswan-charon
 * strongswan-swanctl libcharon-extra-plugins libcharon-extauth-plugins libstrongswan-extra-plugins.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Daemon } from './daemon.ts';
import { RADIUS } from './freeradius.ts';
import type { ExecResult, Namespace } from './namespace.ts';
import { parseVici, type SaList, toSaList } from './vici.ts';

/** A section of strongswan.conf or swanctl.conf. */
export interface Section {
  readonly [key: string]: string | number | boolean | Section;
}

const CHARON = '/usr/lib/ipsec/charon';
/** aesni and openssl come before the slow portable code. Everything of the table of transforms is in it. */
const PLUGINS =
  'random nonce aesni openssl aes sha1 sha2 md5 hmac kdf pem pkcs1 pkcs8 x509 revocation constraints pubkey gmp gcm curve25519 ' +
  'chapoly ctr ccm kernel-libipsec kernel-netlink socket-default vici updown counters ' +
  'pkcs12 mgf1 curl eap-identity eap-mschapv2 eap-md5 eap-gtc eap-tls eap-ttls eap-radius xauth-generic';
/** Besides the socket and the dataplane: credentials of this configuration are the back-end of GTC too. */
const PLUGIN_SETTINGS: Readonly<Record<string, Section>> = {
  'kernel-libipsec': { allow_peer_ts: true },
  'eap-gtc': { backend: 'generic' },
  'eap-ttls': { phase2_method: 'mschapv2', request_peer_auth: false },
  'eap-radius': { servers: { lab: { address: RADIUS.address, secret: `"${RADIUS.secret}"` } } },
};

export class StrongSwan {
  readonly #namespace: Namespace;
  readonly #folder: string;
  #charon: Daemon | undefined;

  private constructor(namespace: Namespace) {
    this.#namespace = namespace;
    this.#folder = mkdtempSync(join(tmpdir(), 'sallylab-charon-'));
    process.on('exit', () => rmSync(this.#folder, { recursive: true, force: true }));
  }

  /** Starts charon; `settings` go into the `charon` section of strongswan.conf. Resolves when vici answers. */
  static async start(namespace: Namespace, settings: Section = {}): Promise<StrongSwan> {
    const daemon = new StrongSwan(namespace);
    await daemon.restart(settings);
    return daemon;
  }

  /** Ends charon without a word to its peers, when it runs, and starts it without any connection. */
  async restart(settings: Section = {}): Promise<void> {
    await this.kill();
    rmSync(this.#socket, { force: true });
    writeFileSync(this.#path('strongswan.conf'), renderConfig(this.#settings(settings)));
    this.#charon = new Daemon(this.#namespace, [CHARON], {
      label: 'charon',
      privateRun: true,
      env: { ...process.env, STRONGSWAN_CONF: this.#path('strongswan.conf') },
    });
    await this.#charon.ready(
      async () => existsSync(this.#socket) && (await this.swanctl(['--version'])).code === 0,
      () => this.log(),
    );
  }

  /**
   * Replaces all connections, pools, secrets and credentials. SAs that exist stay. `files` are credentials by their place in
   * swanctl's folder: `x509/gateway.pem`, `x509ca/root.pem`, `x509crl/…`, `private/gateway.pem`.
   */
  async load(config: Section, files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<void> {
    const folder = this.#path('swanctl');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content, { mode: 0o600 });
    }
    writeFileSync(join(folder, 'swanctl.conf'), renderConfig(config));
    const loaded = await this.swanctl(['--load-all', '--clear', '--noprompt']);
    if (loaded.code !== 0) throw new Error(`swanctl --load-all: ${loaded.stdout}${loaded.stderr}`);
  }

  /** `swanctl COMMAND… --uri …` in the namespace. */
  swanctl(args: readonly string[], timeoutMs = 30_000): Promise<ExecResult> {
    return this.#namespace.exec(['swanctl', ...args, '--uri', `unix://${this.#socket}`], {
      env: { ...process.env, STRONGSWAN_CONF: this.#path('strongswan.conf'), SWANCTL_DIR: this.#path('swanctl') },
      timeoutMs,
    });
  }

  /** charon's, while it runs. */
  get pid(): number | undefined {
    return this.#charon?.child.pid;
  }

  initiate(child: string): Promise<ExecResult> {
    return this.swanctl(['--initiate', '--child', child, '--timeout', '20']);
  }

  terminate(what: { readonly ike: string } | { readonly child: string }): Promise<ExecResult> {
    return this.swanctl(['--terminate', ...('ike' in what ? ['--ike', what.ike] : ['--child', what.child]), '--timeout', '10']);
  }

  async listSas(): Promise<SaList> {
    const listed = await this.swanctl(['--list-sas', '--raw']);
    if (listed.code !== 0) throw new Error(`swanctl --list-sas: ${listed.stdout}${listed.stderr}`);
    return toSaList(parseVici(listed.stdout));
  }

  /** What charon logged since the byte `from`; see `logSize`. */
  log(from = 0): string {
    return existsSync(this.#path('log')) ? readFileSync(this.#path('log')).subarray(from).toString() : '';
  }

  logSize(): number {
    return existsSync(this.#path('log')) ? statSync(this.#path('log')).size : 0;
  }

  /** SIGKILL: peers hear nothing. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM: SAs are deleted with the peers, then all of it is removed. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const charon = this.#charon;
    this.#charon = undefined;
    await charon?.end(signal);
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  get #socket(): string {
    return this.#path('charon.vici');
  }

  #settings(more: Section): Section {
    return {
      charon: {
        load: PLUGINS,
        // Short, so that a lost message or a dead peer does not keep a test waiting.
        retransmit_timeout: 0.5,
        retransmit_tries: 6,
        delete_rekeyed_delay: 1,
        install_routes: true,
        filelog: { lab: { path: this.#path('log'), default: 1, flush_line: true, time_format: '%H:%M:%S' } },
        ...more,
        plugins: {
          ...PLUGIN_SETTINGS,
          ...(typeof more.plugins === 'object' ? more.plugins : {}),
          vici: { socket: `unix://${this.#socket}` },
        },
      },
      swanctl: { load: 'pem pkcs1 pkcs8 pkcs12 x509 revocation constraints pubkey openssl random' },
    };
  }
}

export interface GatewayConfig {
  /** strongSwan's notation, comma-separated. */
  readonly ikeProposals: string;
  readonly espProposals: string;
  readonly gatewayId: string;
  /** Clients may be anybody with a key here. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly localTs: readonly string[];
  readonly pools: {
    readonly v4?: string;
    readonly v6?: string;
    readonly dns?: readonly string[];
    /** INTERNAL_DNS_DOMAIN (RFC 8598). */
    readonly domain?: string;
  };
  /** Identity demanded of clients; default any. */
  readonly clientId?: string;
  /** Seconds; default never. */
  readonly dpdDelay?: number;
  /** Sections `local`, `local-2`, `remote`, `remote-2`, … in place of the pre-shared key both ways. */
  readonly auth?: Section;
  /** More sections of `secrets`: `eap-alice { id = …, secret = … }`. */
  readonly credentials?: Section;
  /** Certificates and keys: see `StrongSwan.load`. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** More of the connection, of its CHILD SA, and CHILD SAs beside that one. */
  readonly more?: Section;
  readonly child?: Section;
  readonly children?: Section;
}

/** Name of the connection and of its CHILD SA on the gateway. */
export const CONNECTION = 'office';
export const CHILD = 'net';

export function gatewayConfig(config: GatewayConfig): Section {
  const { v4, v6, dns = [], domain } = config.pools;
  const names4 = dns.filter((server) => !server.includes(':')).join(',');
  const names6 = dns.filter((server) => server.includes(':')).join(',');
  const pools: Record<string, Section> = {};
  // 25 is INTERNAL_DNS_DOMAIN; swanctl has no name for it.
  const domains: Section = domain === undefined ? {} : { 25: domain };
  if (v4 !== undefined) pools.pool4 = { addrs: v4, ...(names4 === '' ? {} : { dns: names4 }), ...domains };
  if (v6 !== undefined) pools.pool6 = { addrs: v6, ...(names6 === '' ? {} : { dns: names6 }) };
  return {
    connections: {
      [CONNECTION]: {
        version: 2,
        proposals: config.ikeProposals,
        pools: Object.keys(pools).join(','),
        mobike: false,
        rekey_time: 0,
        dpd_delay: config.dpdDelay ?? 0,
        unique: 'replace',
        ...(config.auth ?? {
          local: { auth: 'psk', id: config.gatewayId },
          remote: { auth: 'psk', ...(config.clientId === undefined ? {} : { id: config.clientId }) },
        }),
        children: {
          [CHILD]: {
            esp_proposals: config.espProposals,
            local_ts: config.localTs.join(','),
            rekey_time: 0,
            life_time: 0,
            ...config.child,
          },
          ...config.children,
        },
        ...config.more,
      },
    },
    pools,
    secrets: { ...secrets(config.secrets), ...config.credentials },
  };
}

export interface ClientConfig {
  readonly remote: string;
  readonly ikeProposals: string;
  readonly espProposals: string;
  readonly localId: string;
  readonly gatewayId: string;
  readonly secret: string;
  readonly remoteTs: readonly string[];
  /** `0.0.0.0` and `::` ask for an address of the family. */
  readonly virtualIps: readonly string[];
}

export function clientConfig(config: ClientConfig): Section {
  return {
    connections: {
      [CONNECTION]: {
        version: 2,
        remote_addrs: config.remote,
        proposals: config.ikeProposals,
        vips: config.virtualIps.join(','),
        mobike: false,
        rekey_time: 0,
        // kernel-libipsec speaks UDP only.
        encap: true,
        local: { auth: 'psk', id: config.localId },
        remote: { auth: 'psk', id: config.gatewayId },
        children: { [CHILD]: { esp_proposals: config.espProposals, remote_ts: config.remoteTs.join(','), rekey_time: 0 } },
      },
    },
    secrets: secrets({ [config.gatewayId]: config.secret }),
  };
}

function secrets(keys: Readonly<Record<string, string>>): Section {
  const entries = Object.entries(keys).map(([id, secret], index): [string, Section] => [
    `ike-${index}`,
    { id, secret: `"${secret}"` },
  ]);
  return Object.fromEntries(entries);
}

function renderConfig(section: Section, indent = ''): string {
  return Object.entries(section)
    .map(([key, value]) => {
      if (typeof value === 'object') return `${indent}${key} {\n${renderConfig(value, `${indent}  `)}${indent}}\n`;
      return `${indent}${key} = ${typeof value === 'boolean' ? (value ? 'yes' : 'no') : value}\n`;
    })
    .join('');
}
