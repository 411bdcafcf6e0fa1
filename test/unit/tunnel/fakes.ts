/** The machine, the dataplane and the monitor of a connection, as tests want them. */
import { closeSync, openSync } from 'node:fs';
import { err, ok } from '../../../core/bytes/result.ts';
import { findEncr, findKe, findPrf } from '../../../core/crypto/transforms.ts';
import type { Dataplane } from '../../../core/dataplane/contract.ts';
import type { AttemptsDeps } from '../../../core/helper/attempts.ts';
import type { CertificateParts } from '../../../core/helper/handlers.ts';
import type { ChildSa, IkeConfig, IkeInput, IkeMachine, IkeOutput, IkeSaFacts } from '../../../core/ike/sa/contract.ts';
import type { TrafficSelector } from '../../../core/ike/wire/message.ts';
import { selectorFromCidr } from '../../../core/ike/wire/selectorText.ts';
import type { HostError, HostPlan } from '../../../core/system/ports.ts';
import { failure } from '../../../core/tunnel/explain.ts';

/** The key a configuration proves itself with. */
export function ownSecret(config: IkeConfig | undefined): Uint8Array | undefined {
  const [own] = config?.auth.local ?? [];
  return own?.method === 'psk' ? own.secret : undefined;
}

export type Script = (input: IkeInput, emit: (output: IkeOutput) => void) => void;

/** Says what the script says; its deadline is what a test sets. */
export function scriptedMachine(script: Script): IkeMachine & { due: number | undefined } {
  const outputs: IkeOutput[] = [];
  return {
    due: undefined,
    handle: (input) => script(input, (output) => outputs.push(output)),
    poll: () => outputs.shift(),
    deadline() {
      return this.due;
    },
  };
}

function suite() {
  const encr = findEncr(20, 256);
  const prf = findPrf(5);
  const ke = findKe(31);
  if (!encr || !prf || !ke) throw new Error('the table of transforms has no AES-GCM, HMAC-SHA2-256 or x25519');
  return { encr, prf, ke };
}

export function network(cidr: string): TrafficSelector {
  const selector = selectorFromCidr(cidr);
  if (!selector) throw new Error(cidr);
  return selector;
}

const gateway = { address: '192.0.2.1', port: 4500 };
const laptop = { address: '127.0.0.1', port: 4500 };

export const establishedSa: IkeSaFacts = {
  role: 'initiator',
  spiI: '0011223344556677',
  spiR: '8899aabbccddeeff',
  encr: suite().encr,
  prf: suite().prf,
  integ: undefined,
  ke: suite().ke,
  additional: [],
  local: laptop,
  remote: gateway,
  localIdentity: 'alice@office.test',
  remoteIdentity: 'vpn.office.test',
  natLocal: true,
  natRemote: false,
  peerVendorIds: [],
};

export function childSa(remote: readonly string[] = ['10.1.0.0/16']): ChildSa {
  return {
    spiIn: 0x01020304,
    spiOut: 0xa1b2c3d4,
    encr: suite().encr,
    integ: undefined,
    esn: { type: 5, id: 1, name: 'EXT_SEQ', keyword: 'esn' },
    ke: undefined,
    keysIn: { encryption: new Uint8Array(36), integrity: new Uint8Array(0) },
    keysOut: { encryption: new Uint8Array(36), integrity: new Uint8Array(0) },
    localSelectors: [network('10.9.0.2/32')],
    remoteSelectors: remote.map(network),
    local: laptop,
    remote: gateway,
    keepalive: true,
  };
}

/** Comes up at once; a DELETE is answered at once. */
export const comesUp: Script = (input, emit) => {
  if (input.kind === 'start') {
    emit({ kind: 'progress', step: 'sa-init' });
    emit({ kind: 'progress', step: 'auth' });
    emit({ kind: 'established', sa: establishedSa });
    emit({
      kind: 'configured',
      configuration: {
        addresses: [{ address: '10.9.0.2', prefix: 32 }],
        dns: ['10.1.0.53'],
        domains: ['office.test'],
        subnets: [],
      },
    });
    emit({ kind: 'install-child', child: childSa() });
  }
  if (input.kind === 'terminate') emit({ kind: 'closed' });
};

/** Stays in the first exchange for ever; ends when told to. */
export const neverAnswers: Script = (input, emit) => {
  if (input.kind === 'start') emit({ kind: 'progress', step: 'sa-init' });
  if (input.kind === 'terminate') emit({ kind: 'closed' });
};

/** No gateway shows one, no authority is known, nothing is revoked. */
export const noCertificates: CertificateParts = {
  fetchGatewayCertificate: async () => err(failure('gateway-no-certificate', 'none in this test')),
  systemRoots: () => [],
  checkRevocation: async () => ({ verdicts: [], fault: undefined }),
};

export interface FakeWorld {
  readonly deps: Omit<AttemptsDeps, 'log' | 'onChange'>;
  /** What was asked of monitor and dataplane, in order. */
  readonly calls: string[];
  readonly plans: HostPlan[];
  readonly configs: IkeConfig[];
  /** Descriptors given out and not closed yet. */
  readonly open: Set<number>;
  packetsIn: number;
  /** Datagrams for unknown SPIs. */
  strays: number;
}

export interface FakeOptions {
  readonly script?: Script;
  readonly machine?: IkeMachine;
  readonly openTun?: HostError;
  readonly bindUdp?: HostError;
  readonly apply?: HostError;
  readonly installChild?: string;
}

/** Descriptors are of /dev/null: real enough to leak. */
export function fakeWorld(options: FakeOptions = {}): FakeWorld {
  const calls: string[] = [];
  const plans: HostPlan[] = [];
  const configs: IkeConfig[] = [];
  const open = new Set<number>();
  const world = { calls, plans, configs, open, packetsIn: 0, strays: 0 };
  const descriptor = () => {
    const fd = openSync('/dev/null', 'r');
    open.add(fd);
    return fd;
  };
  const call = async (name: string) => {
    calls.push(name);
    await new Promise(setImmediate);
  };
  const dataplane: Dataplane = {
    attachSockets: (sockets) => call(`attachSockets ${sockets.map(({ channel }) => channel).join(' ')}`),
    attachStream: ({ peer }) => call(`attachStream ${peer.port}`),
    releaseStream: () => call('releaseStream'),
    sendIke: () => true,
    expectIke: (spiI) => calls.push(`expectIke ${spiI}`),
    attachTun: () => call('attachTun'),
    lanes: () => ({ inbound: 1, outbound: 1 }),
    installChild: async (_, wanted) => {
      await call(`installChild ${wanted?.keepaliveInterval} ${wanted?.replayWindow}`);
      if (options.installChild !== undefined) throw new Error(options.installChild);
    },
    removeChild: () => call('removeChild'),
    lastCounters: async () => undefined,
    changePath: (_, { local, remote }) => call(`changePath ${local.address} ${remote.address}`),
    releaseSockets: () => call('releaseSockets'),
    probeThrough: (_, routes) => {
      calls.push(`probeThrough ${routes.map(({ target }) => target.join('.')).join(' ')}`);
    },
    pathMtu: () => ({ inner: 1312, fragmentOutside: false, because: 'black-hole' }),
    counters: () => ({
      packetsIn: world.packetsIn,
      bytesIn: world.packetsIn * 100,
      packetsOut: 0,
      bytesOut: 0,
      lastIn: 0,
      lastOut: 0,
      dropsReplay: 0,
      dropsIntegrity: 0,
      dropsSelector: 0,
      dropsMalformed: 0,
      dropsExhausted: 0,
      dropsTooBig: 0,
      dropsCongestion: 0,
      ecnUnusual: 0,
    }),
    globalCounters: () => ({
      'unknown-spi': world.strays,
      'short-packet': 0,
      'no-policy': 0,
      'not-ip': 0,
      'keepalive-in': 0,
      'tun-full': 0,
      'send-failed': 0,
      'ike-full': 0,
      kernel: 0,
      'queue-full': 0,
    }),
    offload: () => ({ segmentation: true, coalescing: true }),
    backend: () => 'fake',
    backendOf: () => 'fake other',
    backendTrials: () => [],
    detach: () => call('detach'),
    stop: () => call('stop'),
  };
  const deps: FakeWorld['deps'] = {
    monitor: {
      openTun: async (mtu) => {
        await call(`openTun ${mtu}`);
        if (options.openTun) return err(options.openTun);
        const fd = descriptor();
        return ok({ fd, fds: [fd], name: 'sally0', features: { headers: false, tcp: false, udp: false } });
      },
      bindUdp: async (family, port) => {
        await call(`bindUdp ${family} ${port}`);
        return options.bindUdp ? err(options.bindUdp) : ok({ fd: descriptor(), port: port === 0 ? 40_000 : port });
      },
      connectTcp: async (address, port) => {
        await call(`connectTcp ${address} ${port}`);
        return err({ code: 'failed', detail: 'no TCP in this test' });
      },
      apply: async (plan) => {
        plans.push(plan);
        await call('apply');
        return options.apply ? err(options.apply) : ok(['something']);
      },
      revert: async () => {
        await call('revert');
        return ok(['something back']);
      },
    },
    dataplane,
    createMachine: (config) => {
      configs.push(config);
      return options.machine ?? scriptedMachine(options.script ?? comesUp);
    },
    proof: {
      trust: {
        pki: {
          parseCertificate: () => err({ code: 'malformed', evidence: 'no certificates in this test' }),
          validatePath: () => err({ code: 'untrusted', evidence: 'no certificates in this test' }),
        },
        systemRoots: () => [],
        now: Date.now,
      },
      checkRevocation: async () => ({ verdicts: [], fault: undefined }),
      openTls: () => ({ exchange: async () => ({ kind: 'credential-missing', why: 'expired' }), close: () => {} }),
    },
    openKey: async () => err('no key in this test'),
    network: { watch: () => ({ close: () => {} }), sourceTowards: () => undefined, missing: () => [] },
    closeDescriptor: (fd) => {
      calls.push('close');
      open.delete(fd);
      closeSync(fd);
    },
    now: Date.now,
    monotonic: () => performance.now(),
    version: 'Sallyport test',
  };
  return Object.assign(world, { deps });
}

/** Who waits for something to be reached; `look` whenever anything may have changed. */
export function lookout(): { look(): void; until(reached: () => boolean): Promise<void> } {
  const waiting = new Set<() => void>();
  return {
    look: () => {
      for (const one of [...waiting]) one();
    },
    until: (reached) =>
      new Promise((resolve) => {
        const one = (): void => {
          if (!reached()) return;
          waiting.delete(one);
          resolve();
        };
        waiting.add(one);
        one();
      }),
  };
}
