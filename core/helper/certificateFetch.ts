/**
 * What certificate does a gateway show? IKE_SA_INIT and the first IKE_AUTH as a user of EAP would send it, which makes most gateways show
 * themselves first (RFC 7296 §2.16); then goodbye. Nothing is proven to the gateway and nothing is told of the user: IDi is our own
 * address, as other clients' EAP has it, and no EAP identity is ever asked for, as the conversation ends before.
 */
import type { Socket } from 'node:dgram';
import { err, ok, type Result } from '../bytes/result.ts';
import { sha1 } from '../crypto/hash.ts';
import type { IkeAsk } from '../ike/auth/contract.ts';
import { parseIdentity } from '../ike/identity.ts';
import { parseProposals } from '../ike/proposals.ts';
import type { Channel, IkeConfig, IkeFailure, IkeMachine } from '../ike/sa/contract.ts';
import { selectorFromCidr } from '../ike/wire/selectorText.ts';
import type { Certificate } from '../pki/contract.ts';
import type { Failure } from '../rpc/contract.ts';
import type { Log } from '../system/log.ts';
import type { HostError } from '../system/ports.ts';
import { failure, hostFailure, ikeFailure } from '../tunnel/explain.ts';
import type { Address } from '../tunnel/race.ts';
import { createDriver, type Driver } from './driver.ts';
import { localAddressTowards, resolveGateway } from './gatewayPath.ts';
import { adopt } from './udpDescriptor.ts';

export interface FetchRequest {
  /** Who asks. What is logged of it is theirs, as a profile may be behind it. */
  readonly owner: number;
  /** Host name or address. */
  readonly gateway: string;
  readonly ports: Readonly<Record<Channel, number>>;
  /** Whom we say we want to talk to (IDr), for gateways that are several; undefined: nobody in particular. */
  readonly remoteId?: string | undefined;
  readonly ikeProposals?: readonly string[] | undefined;
  /** For CERTREQ: many gateways show a certificate only when asked for one. */
  readonly authorities: readonly Certificate[];
}

export interface FetchedCertificate {
  /** DER as the gateway sent them, its own first. */
  readonly certificates: readonly Uint8Array[];
  /** OCSP answers it sent with them (RFC 4806). */
  readonly ocsp: readonly Uint8Array[];
  /** IDr. */
  readonly identity: string;
  readonly address: string;
}

export type FetchGatewayCertificate = (request: FetchRequest) => Promise<Result<FetchedCertificate, Failure>>;

export interface FetchPorts {
  readonly createMachine: (config: IkeConfig) => IkeMachine;
  /** A marked socket on any port, so that a tunnel that is up does not take it. */
  readonly openUdp: (family: 4 | 6) => Promise<Result<{ readonly fd: number; readonly port: number }, HostError>>;
  readonly logFor: (owner: number) => Log;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonic: () => number;
}

const TIMING: IkeConfig['timing'] = {
  retransmitFirst: 500,
  retransmitFactor: 1.8,
  retransmitMax: 4_000,
  retransmitTries: 4,
  livenessAfter: 0,
  establishWithin: 12_000,
};
/** At once, by all users and by one. */
const MOST = 4;
const MOST_OF_ONE = 2;
const MOST_AUTHORITIES = 32;

export function createCertificateFetch(ports: FetchPorts): FetchGatewayCertificate {
  const underway: number[] = [];

  return async (request) => {
    const { owner } = request;
    if (underway.length >= MOST || underway.filter((one) => one === owner).length >= MOST_OF_ONE)
      return err(failure('helper-busy', `${underway.length} gateways are being asked`));
    underway.push(owner);
    try {
      return await fetchFrom(ports, request);
    } finally {
      underway.splice(underway.indexOf(owner), 1);
    }
  };
}

async function fetchFrom(ports: FetchPorts, request: FetchRequest): Promise<Result<FetchedCertificate, Failure>> {
  const addresses = await resolveGateway(request.gateway);
  if (!addresses.ok) return addresses;
  let problem: Result<never, Failure> = err(failure('no-route', request.gateway));
  for (const remote of addresses.value) {
    const local = await localAddressTowards(remote, request.ports.ike);
    if (local.ok) {
      const fetched = await talk(ports, request, remote, local.value);
      // It is somebody else: what it shows without being called by a name is what there is to see.
      if (fetched.ok || fetched.error.code !== 'gateway-identity' || request.remoteId === undefined) return fetched;
      return talk(ports, { ...request, remoteId: undefined }, remote, local.value);
    }
    problem = local;
  }
  return problem;
}

async function talk(
  ports: FetchPorts,
  request: FetchRequest,
  remote: Address,
  local: string,
): Promise<Result<FetchedCertificate, Failure>> {
  const sockets = new Map<Channel, { readonly socket: Socket; readonly port: number }>();
  try {
    for (const channel of ['ike', 'natt'] as const) {
      const opened = await ports.openUdp(remote.family);
      if (!opened.ok) return err(hostFailure(opened.error));
      sockets.set(channel, { socket: await adopt(remote.family, opened.value.fd), port: opened.value.port });
    }
    const localPorts = { ike: sockets.get('ike')?.port ?? 0, natt: sockets.get('natt')?.port ?? 0 };
    const config = fetchConfig(request, remote.address, local, localPorts);
    if (!config.ok) return config;
    return await converse(ports, ports.logFor(request.owner), config.value, sockets);
  } finally {
    for (const { socket } of sockets.values()) socket.close();
  }
}

/** Until the gateway shows its certificate, or it turns out that it will not. */
function converse(
  ports: FetchPorts,
  log: Log,
  config: IkeConfig,
  sockets: ReadonlyMap<Channel, { readonly socket: Socket }>,
): Promise<Result<FetchedCertificate, Failure>> {
  return new Promise((resolve) => {
    let shown: FetchedCertificate | undefined;
    const done = (cause: IkeFailure | undefined) => {
      driver.stop();
      if (shown) resolve(ok(shown));
      else
        resolve(
          err(
            ikeFailure(
              cause ? refusedUnseen(cause) : { code: 'gateway-no-certificate', evidence: 'the conversation ended without one' },
            ),
          ),
        );
    };
    const onAsk = (id: number, ask: IkeAsk) => {
      if (ask.kind === 'gateway-certificate') {
        const { certificates, ocsp, identity } = ask;
        shown = { certificates, ocsp, identity: identity.text, address: config.remote.address };
      }
      // Whatever else it wants to know, it is not told.
      driver.answer(id, { kind: 'refused', failure: { code: 'gateway-untrusted', evidence: 'only the certificate was wanted' } });
    };
    const driver: Driver = createDriver(ports.createMachine(config), {
      now: ports.monotonic,
      send(channel, to, bytes) {
        // RFC 3948 §2.2: on port 4500 four zero octets tell IKE from ESP.
        const datagram = channel === 'natt' ? [new Uint8Array(4), bytes] : [bytes];
        sockets.get(channel)?.socket.send(datagram, to.port, to.address);
        return true;
      },
      onEvent(event) {
        if (event.kind === 'closed') done(event.failure);
        else if (event.kind === 'log') log(event.level === 'debug' ? 'debug' : 'info', 'ike', event.text, event.fields);
      },
      onAsk,
      trafficArrived: () => false,
      onLate: () => {},
      onRoundTrip: () => {},
    });
    for (const [channel, { socket }] of sockets) {
      socket.on('message', (bytes, from) => {
        const marked = channel === 'natt';
        if (marked && (bytes.length < 4 || bytes.readUInt32BE(0) !== 0)) return;
        driver.datagram(marked ? bytes.subarray(4) : bytes, channel, { address: from.address, port: from.port });
      });
      // ICMP errors are loss, as everywhere in IKE (RFC 7296 §2.4).
      socket.on('error', () => {});
    }
    driver.command('start');
  });
}

function fetchConfig(
  request: FetchRequest,
  remote: string,
  local: string,
  localPorts: Readonly<Record<Channel, number>>,
): Result<IkeConfig, Failure> {
  const ikeProposals = parseProposals(request.ikeProposals ?? ['default'], 'ike');
  const espProposals = parseProposals(['default'], 'esp');
  const localIdentity = parseIdentity(local);
  const remoteIdentity = request.remoteId === undefined ? undefined : parseIdentity(request.remoteId);
  const everything = selectorFromCidr(remote.includes(':') ? '::/0' : '0.0.0.0/0');
  if (!ikeProposals.ok || !espProposals.ok || !localIdentity.ok || !everything) return err(failure('internal', local));
  return ok({
    local: { address: local, ports: localPorts },
    remote: { address: remote, ports: request.ports },
    ikeProposals: ikeProposals.value,
    espProposals: espProposals.value,
    localIdentity: localIdentity.value,
    ...(remoteIdentity?.ok && { remoteIdentity: remoteIdentity.value }),
    auth: {
      local: [{ method: 'eap', eap: { methods: ['mschapv2'], identity: undefined, mutualOnly: false, inner: [] } }],
      gateway: {
        method: 'certificate',
        authorities: request.authorities.slice(0, MOST_AUTHORITIES).map(({ publicKey }) => sha1(publicKey)),
      },
    },
    request: { ipv4: !remote.includes(':'), ipv6: remote.includes(':'), dns: false, version: '' },
    localSelectors: [everything],
    remoteSelectors: [everything],
    forceEncapsulation: true,
    fragmentation: 'yes',
    timing: TIMING,
  });
}

/** A gateway that wants the user's certificate or key first refuses whoever comes as a user of EAP does. */
function refusedUnseen(cause: IkeFailure): IkeFailure {
  if (cause.code !== 'authentication-failed') return cause;
  const evidence = `${cause.evidence}: this gateway shows itself only to who proves who they are; connect, and look at the status`;
  return { code: 'gateway-no-certificate', evidence };
}
