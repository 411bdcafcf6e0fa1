/**
 * What the user sees, computed from facts by one pure function, so that window, tray and command line never disagree.
 * The facts are milestones with their instants, not a state somebody must remember to set.
 */
import type { ChildCounters, GlobalDrop } from '../dataplane/contract.ts';
import type { ChildSa, Configuration, IkeSaFacts } from '../ike/sa/contract.ts';
import type {
  ChildStatus,
  Failure,
  GatewayCertificate,
  IkeStatus,
  KernelOffload,
  Prompt,
  Status,
  TunnelState,
  Warning,
} from '../rpc/contract.ts';
import type { HostPlan } from '../system/ports.ts';
import { isLost, isUp } from './states.ts';
import { stepsOf } from './steps.ts';

/** Everything known of the one tunnel. Instants are Date.now() milliseconds. */
export interface TunnelFacts {
  readonly owner: number;
  readonly profile: { readonly id: string; readonly name: string };
  /** Milestones, in their order; absent until reached. */
  readonly startedAt: number;
  /** What the user is asked now, and since when; the milestones below it start again after the answer. */
  readonly prompt?: Prompt & { readonly askedAt: number };
  /** The gateway is looked for: at once, or after what was missing was answered. */
  readonly attemptAt?: number;
  readonly initSentAt?: number;
  readonly authSentAt?: number;
  /** The user begins once the gateway is proven: EAP, unless it is what proves the gateway. */
  readonly gatewayFirst?: boolean;
  /** Its AUTH, chain and standing are good. */
  readonly gatewayProvenAt?: number;
  readonly establishedAt?: number;
  /** Dataplane and host are both in place. */
  readonly readyAt?: number;
  /** The same of the first connection of this `up`. */
  readonly firstReadyAt?: number;
  /** Fresh keys or a fresh login are on their way beside what is in use. */
  readonly rekeyingAt?: number;
  /** Why the last one did not take the place of what is in use. */
  readonly renewalFailure?: Failure;
  /** The network changed, and the gateway was not heard there yet. */
  readonly roamingAt?: number;
  /** It was up, and is brought back; the milestones above are those of the try under way, or of what is kept meanwhile. */
  readonly lost?: Lost;
  /** The computer sleeps, or woke and nobody knows yet whether the gateway is still there. */
  readonly pausedAt?: number;
  readonly endingAt?: number;
  readonly endedAt?: number;
  readonly failure?: Failure;
  readonly gateway: { readonly name: string; readonly address?: string; readonly port?: number; readonly transport?: 'tcp' };
  readonly local?: { readonly address: string; readonly port: number };
  readonly interface?: { readonly name: string; readonly mtu: number };
  readonly ike?: IkeSaFacts;
  /** When the IKE SA is rekeyed. */
  readonly rekeyIkeAt?: number;
  /** Milliseconds of the last IKE exchange that needed no repetition. */
  readonly pathRtt?: number;
  readonly configuration?: Configuration;
  readonly plan?: HostPlan;
  readonly children: readonly ChildFacts[];
  /** Of all CHILD SAs, also those that are gone. */
  readonly octets?: { readonly in: number; readonly out: number };
  readonly backend?: string;
  /** What the kernel does, once device and sockets are in use. */
  readonly offload?: KernelOffload | undefined;
  /** Drops of this connection that belong to no SA. */
  readonly drops?: Readonly<Record<GlobalDrop, number>>;
  /** What the gateway showed, accepted or refused. */
  readonly gatewayCertificate?: GatewayCertificate;
  /** Of the profile and of what the gateway showed. */
  readonly warnings?: readonly Warning[];
}

/** A tunnel that was up and is not, or is, and nothing passes: then there are the milestones of a whole connection. */
export interface Lost {
  /** Since when it is so. */
  readonly at: number;
  /** Why it was lost, or why the last try did not work. */
  readonly why: Failure;
  /** The next try; undefined while one is under way, or none is planned. */
  readonly retryAt?: number;
  /** The host is still set up, so that nothing meant for the tunnel leaves in clear. */
  readonly held: boolean;
  /** Nobody tries: there is no network, or the user is needed. */
  readonly stuck: boolean;
}

export interface ChildFacts {
  readonly sa: Pick<ChildSa, 'spiIn' | 'spiOut' | 'encr' | 'integ' | 'esn'>;
  /** As text, for people. */
  readonly localSelectors: readonly string[];
  readonly remoteSelectors: readonly string[];
  readonly installedAt: number;
  /** When it is rekeyed. */
  readonly rekeyAt?: number;
  readonly counters: ChildCounters | undefined;
  readonly backend?: string | undefined;
  readonly path?: ChildStatus['path'] | undefined;
}

const NO_COUNTERS: ChildCounters = {
  packetsIn: 0,
  bytesIn: 0,
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
};

const NOTHING = { virtualIps: [], dns: [], domains: [], routes: [], children: [], steps: [] } as const;

/** The state and since when it holds. */
export function stateOf(
  facts: TunnelFacts | undefined,
  helperStartedAt: number,
): { readonly state: TunnelState; readonly since: number } {
  if (!facts) return { state: 'idle', since: helperStartedAt };
  if (facts.endedAt !== undefined) return { state: facts.failure ? 'failed' : 'idle', since: facts.endedAt };
  if (facts.endingAt !== undefined) return { state: 'disconnecting', since: facts.endingAt };
  // A login that takes the place of another asks beside what carries the traffic.
  if (facts.prompt && facts.readyAt === undefined) return { state: 'waiting', since: facts.prompt.askedAt };
  // Without a network there is nobody to ask whether the gateway is still there.
  if (facts.pausedAt !== undefined && !facts.lost?.stuck) return { state: 'paused', since: facts.pausedAt };
  if (facts.lost) return { state: facts.lost.stuck && facts.lost.held ? 'blocked' : 'reconnecting', since: facts.lost.at };
  if (facts.readyAt !== undefined) {
    if (facts.roamingAt !== undefined) return { state: 'roaming', since: facts.roamingAt };
    if (facts.rekeyingAt !== undefined) return { state: 'rekeying', since: facts.rekeyingAt };
    return { state: 'connected', since: facts.readyAt };
  }
  if (facts.establishedAt !== undefined) return { state: 'installing', since: facts.establishedAt };
  if (facts.authSentAt !== undefined) return { state: 'authenticating', since: facts.authSentAt };
  if (facts.initSentAt !== undefined) return { state: 'connecting', since: facts.initSentAt };
  return { state: 'resolving', since: facts.startedAt };
}

/** The status as `viewer` may see it: the tunnel of another user is only known to exist; root sees all. */
export function statusFor(facts: TunnelFacts | undefined, viewer: number, helperStartedAt: number): Status {
  const { state, since } = stateOf(facts, helperStartedAt);
  if (!facts) return { state, since, otherUser: false, ...NOTHING };
  if (viewer !== 0 && viewer !== facts.owner) {
    // What another user's tunnel failed of is theirs; for everybody else there simply is none.
    const over = facts.endedAt !== undefined;
    return { state: over ? 'idle' : state, since, otherUser: !over, ...NOTHING };
  }
  const { gateway, configuration, plan, ike } = facts;
  const ended = facts.endedAt !== undefined;
  const failure = facts.failure ?? facts.lost?.why;
  const { retryAt, held } = (isLost(state) && facts.lost) || {};
  // What the user wanted to end leaves nothing to tell.
  if (ended && !facts.failure) return { state, since, otherUser: false, ...NOTHING };
  return {
    state,
    since,
    otherUser: false,
    profile: facts.profile,
    ...(gateway.address !== undefined && { gateway: gatewayOf(gateway) }),
    ...(failure && { failure }),
    ...(retryAt !== undefined && { retryAt }),
    ...(held !== undefined && { held }),
    ...(facts.gatewayCertificate && { gatewayCertificate: facts.gatewayCertificate }),
    ...(facts.warnings && facts.warnings.length > 0 && { warnings: facts.warnings }),
    ...(ended
      ? { ...NOTHING, steps: stepsOf(facts) }
      : {
          ...(facts.local && { local: facts.local }),
          ...(ike && { nat: { local: ike.natLocal, remote: ike.natRemote } }),
          ...(facts.interface && { interface: facts.interface }),
          virtualIps: (configuration?.addresses ?? []).map(({ address, prefix }) => `${address}/${prefix}`),
          dns: configuration?.dns ?? [],
          domains: configuration?.domains ?? [],
          routes: plan?.routes ?? [],
          ...(ike && { ike: ikeStatus(ike, facts.establishedAt ?? since, facts.rekeyIkeAt) }),
          children: facts.children.map(childStatus),
          steps: stepsOf(facts),
          // Not even root answers for somebody else: the answer may be a secret of theirs.
          ...(facts.prompt && viewer === facts.owner && facts.endingAt === undefined && { prompt: promptOf(facts.prompt) }),
          ...(facts.pathRtt !== undefined && { pathRtt: facts.pathRtt }),
          ...(facts.backend !== undefined && { backend: facts.backend }),
          ...(facts.offload && isUp(state) && { offload: facts.offload }),
          ...(facts.drops && isUp(state) && { drops: facts.drops }),
          ...(facts.renewalFailure && isUp(state) && { renewalFailure: facts.renewalFailure }),
        }),
  };
}

function gatewayOf({ name, address = '', port = 0, transport }: TunnelFacts['gateway']): Status['gateway'] {
  return { name, address, port, ...(transport && { transport }) };
}

function promptOf({ askedAt: _, ...prompt }: Prompt & { readonly askedAt: number }): Prompt {
  return prompt;
}

function ikeStatus(sa: IkeSaFacts, establishedAt: number, rekeyAt: number | undefined): IkeStatus {
  return {
    spiI: sa.spiI,
    spiR: sa.spiR,
    encr: sa.encr.name,
    keyLength: sa.encr.keyLength,
    prf: sa.prf.name,
    integ: sa.integ?.name,
    ke: sa.ke.name,
    ...(sa.additional.length > 0 && { additionalKe: sa.additional.map(({ name }) => name) }),
    ...(sa.ppk && { ppk: true }),
    establishedAt,
    localIdentity: sa.localIdentity,
    remoteIdentity: sa.remoteIdentity,
    ...(sa.resumed && { resumed: true }),
    ...(rekeyAt !== undefined && { rekeyAt }),
  };
}

function childStatus({
  sa,
  localSelectors,
  remoteSelectors,
  installedAt,
  rekeyAt,
  counters,
  backend,
  path,
}: ChildFacts): ChildStatus {
  return {
    spiIn: spi(sa.spiIn),
    spiOut: spi(sa.spiOut),
    encr: sa.encr.name,
    keyLength: sa.encr.keyLength,
    integ: sa.integ?.name,
    esn: sa.esn.id === 1,
    localSelectors,
    remoteSelectors,
    installedAt,
    ...(rekeyAt !== undefined && { rekeyAt }),
    ...(counters ?? NO_COUNTERS),
    ...(backend !== undefined && { backend }),
    ...(path !== undefined && { path }),
  };
}

function spi(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
}
