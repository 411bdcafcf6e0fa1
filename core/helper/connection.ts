/**
 * One connection: reach the gateway, let the IKE machine talk, put dataplane and host in place, and end, whatever ended it. What it
 * stands on (stage.ts) was there before it and may stay after it. `facts` is all that is known of it.
 *
 * The end: DELETE while the sockets are still there, then the SAs leave the dataplane.
 */
import type { Result } from '../bytes/result.ts';
import type { Dataplane } from '../dataplane/contract.ts';
import type { IkeAsk } from '../ike/auth/contract.ts';
import type { Channel, ChildSa, Endpoint, IkeConfig, IkeMachine, IkeTicket } from '../ike/sa/contract.ts';
import type { Profile } from '../profile/model.ts';
import type { Failure, KernelOffload } from '../rpc/contract.ts';
import type { TunFeatures } from '../system/ports.ts';
import { failure, hostFailure, ikeFailure } from '../tunnel/explain.ts';
import type { Ending } from '../tunnel/session.ts';
import type { TunnelFacts } from '../tunnel/status.ts';
import { createWallTime } from '../tunnel/wallTime.ts';
import type { SigningKey } from './asks.ts';
import { createCarrier } from './carrier.ts';
import { ChildSas } from './childSas.ts';
import type { Credentials } from './credentials.ts';
import type { Driver, IkeEvent } from './driver.ts';
import { type LookUp, learn, type Outside, whileHeld } from './gatewayNames.ts';
import { resolveGateway } from './gatewayPath.ts';
import { blockedFamilies, planHost } from './hostPlan.ts';
import { furtherSelectors } from './ikeConfig.ts';
import { type Proof, type ProofPorts, prepareProof } from './proof.ts';
import { type Memory, type Place, type Reach, type Reached, type Redirect, startReach, type Unreached } from './reach.ts';
import { createReadiness } from './readiness.ts';
import type { NetworkPorts } from './roaming.ts';
import type { Stage, StageDeps } from './stage.ts';
import type { TicketHolder } from './ticketHolder.ts';

export interface ConnectionDeps extends StageDeps {
  readonly dataplane: Dataplane;
  readonly createMachine: (config: IkeConfig) => IkeMachine;
  readonly proof: ProofPorts;
  readonly network: NetworkPorts;
  /** A line of a Wireshark table, when the administrator asked for them. */
  readonly keyLog?: (table: 'ikev2' | 'esp', line: string) => void;
  /** For the facts: Date.now() milliseconds. */
  readonly now: () => number;
  /** For the machine: milliseconds of a clock that never goes back, and counts a suspend. */
  readonly monotonic: () => number;
  readonly version: string;
  /** The computer's own resolver when absent. */
  readonly lookUp?: LookUp;
  /** Past the tunnel, and whom this computer asks for names now. */
  readonly outside?: Outside;
  /** In [0, 1); Math.random when absent. */
  readonly random?: () => number;
  readonly onChange: () => void;
}

export interface ConnectionRequest {
  readonly owner: number;
  readonly profile: Profile;
  readonly stage: Stage;
  readonly memory: Memory;
  readonly tickets: Pick<TicketHolder, 'take' | 'held'>;
  readonly redirect?: Redirect | undefined;
  /** Where one side proves itself by it. Wiped when the connection is over. */
  readonly psk: Uint8Array | undefined;
  /** The post-quantum preshared key, where the profile has one. Wiped as well. */
  readonly ppk?: Uint8Array | undefined;
  /** The user's private key, where there is one; an error is words. */
  readonly signer: Promise<Result<SigningKey, string>> | undefined;
  readonly credentials: Pick<Credentials, 'answer'>;
  /** Takes an open question back. */
  readonly retract: () => void;
  /** Another connection is in use still, whose place this one is to take. */
  readonly beside?: boolean | undefined;
  /** The login runs out in so many milliseconds. */
  readonly onReauthenticate: (within: number) => void;
  /** The gateway answered `check`, or what it was asked after it. */
  readonly onAlive: () => void;
  /** Time passed that nobody saw. */
  readonly onLate: () => void;
}

export interface Connection {
  facts(): TunnelFacts;
  /** An IKE message from the dataplane. */
  datagram(bytes: Uint8Array, channel: Channel, from: Endpoint): void;
  /** A TCP connection of the dataplane is over. */
  streamOver(fd: number, why: string): void;
  /** Is it of one of this connection's SAs? */
  knows(bytes: Uint8Array): boolean;
  /** A CHILD SA has carried as much as it should (soft), or may (hard). */
  limit(spiIn: number, which: 'soft' | 'hard'): void;
  /** New keys now, for the IKE SA or every CHILD SA. False when it is not up. */
  rekey(what: 'ike' | 'child'): boolean;
  /** Asks the gateway now whether it is there. */
  check(): void;
  /** There is none beside it any more: what it has is used. */
  alone(): void;
  /** Those of the gateway lead elsewhere, too. */
  namesChanged(): void;
  /** The computer slept: what is due is done now. */
  woke(): void;
  /** Ends it, with a reason unless the user wanted it; `silently`, without a word to the gateway. Resolves when it is over. */
  end(reason?: Failure, silently?: 'silently'): Promise<void>;
  /** Resolves when it is over, whoever ended it. */
  readonly over: Promise<void>;
  /** Why it ended, once it is over. */
  ending(): Ending | undefined;
  /** Who sent us away, once it ended so. */
  sender(): Omit<Redirect, 'to'>;
  /** It fell silent before anything was asked of the user, and another address may be better. */
  elsewhere(): boolean;
}

/** How long `down` waits for the gateway's answer to DELETE. */
const GOODBYE = 1_500;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function startConnection(deps: ConnectionDeps, request: ConnectionRequest): Connection {
  const { profile, owner } = request;
  const facts: Mutable<Omit<TunnelFacts, 'children'>> = {
    owner,
    profile: { id: profile.id, name: profile.name },
    startedAt: deps.now(),
    attemptAt: deps.now(),
    gateway: { name: profile.gateway },
    backend: deps.dataplane.backend(),
    gatewayFirst: profile.eap !== undefined && profile.trust.method !== 'eap-only',
  };
  const children = new ChildSas(deps, profile);
  const wallTime = createWallTime(deps.now, deps.monotonic);
  let rekeyIkeAt: number | undefined;
  const { stage, memory } = request;
  const { lookUp = (name: string) => resolveGateway(name), outside } = deps;
  let reach: Reach | undefined;
  /** The gateway of the profile that this one goes to, or was sent on from. */
  let origin = request.redirect?.origin ?? profile.gateway;
  let driver: Driver | undefined;
  const ticketKeys: Uint8Array[] = [];
  let proof: Proof | undefined;
  let why: Ending | undefined;
  /** The gateway has proven who it is. */
  let proven = false;
  let asked = false;
  let quiet = false;
  let machineClosed: () => void = () => {};
  const machineOver = new Promise<void>((resolve) => {
    machineClosed = resolve;
  });
  let tunFeatures: TunFeatures | undefined;

  const ended = () => facts.endingAt !== undefined;

  const carrier = createCarrier(deps, {
    profile,
    stage,
    memory,
    where: facts,
    onPaths: (paths) => driver?.paths(paths),
    onBack: () => driver?.check(),
    onReconnected: () => driver?.command('reconnected'),
    onUdp: () => children.probe(children.spis[0], facts.configuration),
  });
  const readiness = createReadiness(
    {
      carry: (child, how) => children.install(child, how),
      prepareHost,
      onReady,
      onChange: deps.onChange,
      onFailure: (problem) => void end(problem),
    },
    request.beside ? 1 + profile.additionalChildren.length : 1,
  );

  let resolveOver: () => void = () => {};
  const over = new Promise<void>((resolve) => {
    resolveOver = resolve;
  });

  // --- coming up -----------------------------------------------------------------------------------------------------------------

  /** The names are looked up while the device is made. */
  async function prepare(): Promise<void> {
    deps.log('info', 'tunnel', 'connecting', { profile: profile.name, gateway: request.redirect?.to ?? profile.gateway });
    if (outside && !stage.holds()) memory.nameServers = outside.nameServers();
    const parts = Promise.all([stage.device(), request.signer]);
    let signer: SigningKey | undefined;
    const ready = parts.then(([device, opened]) => {
      if (ended() || !device.ok || opened?.ok === false) return false;
      signer = opened?.value;
      facts.interface = { name: device.value.name, mtu: profile.mtu };
      tunFeatures = device.value.features;
      return true;
    });
    reach = startReach(
      {
        ...deps,
        stage,
        send,
        onEvent,
        onAsk: answer,
        trafficArrived: () => children.trafficArrived(),
        lookUp: outside && !request.beside ? whileHeld(lookUp, outside, stage, memory) : lookUp,
        random: deps.random ?? Math.random,
        onLate: request.onLate,
        onRoundTrip: (milliseconds) => {
          facts.pathRtt = Math.round(milliseconds * 10) / 10;
          deps.onChange();
        },
      },
      {
        profile,
        memory,
        tickets: { held: ticket },
        beside: request.beside,
        redirect: request.redirect,
        ready,
        proofFor: (variant) => proofFor(variant, signer),
        onTry,
        onReached,
        onLost,
      },
    );
    const [device, opened] = await parts;
    if (!device.ok) void end(hostFailure(device.error));
    else if (opened?.ok === false) void end(ikeFailure({ code: 'own-key-failed', evidence: opened.error }));
  }

  /** For one machine. */
  function ticket(): IkeTicket | undefined {
    const held = request.tickets.held();
    if (held) ticketKeys.push(held.skD);
    return held;
  }

  function proofFor(variant: Profile, signer: SigningKey | undefined): Result<Proof, Failure> {
    const { log, onChange } = deps;
    const { psk, ppk, credentials } = request;
    const prepared = prepareProof(deps.proof, { profile: variant, psk, ppk, signer, credentials, log, onChange });
    // Warnings about the profile's certificates are worth telling before anybody answers.
    if (prepared.ok) proof ??= prepared.value;
    return prepared;
  }

  function onTry(place: Place): void {
    const { name, remote, port, local } = place;
    const { address, transport } = remote;
    origin = place.origin;
    facts.gateway = { name, address, port, ...(transport && { transport }) };
    facts.local = local;
  }

  function onReached(reached: Reached): void {
    onTry(reached);
    driver = reached.driver;
    carrier.over(reached.line);
    proof = reached.proof;
  }

  function onLost({ failure: cause, redirect, by }: Unreached): void {
    // Of several that were tried at a time it need not be the last.
    if (by) onTry(by);
    void end(cause, undefined, redirect === undefined ? {} : { redirect });
  }

  function send(channel: Channel, to: Endpoint, bytes: Uint8Array): boolean {
    const sent = deps.dataplane.sendIke(channel, to, bytes);
    if (!sent) deps.log('debug', 'tunnel', 'the kernel did not send a message', { to: `${to.address}:${to.port}` });
    return sent;
  }

  function answer(id: number, ask: IkeAsk): void {
    asked ||= ask.kind === 'credential';
    const asking = driver;
    void proof?.asks.answer(ask).then((answered) => {
      asking?.answer(id, answered);
      // The machine wipes what it takes, and a machine that ended takes nothing.
      if (ended() && answered.kind === 'credential') answered.value.fill(0);
    });
  }

  // --- what the machine says -----------------------------------------------------------------------------------------------------

  function onEvent(event: IkeEvent): void {
    switch (event.kind) {
      case 'progress':
        if (event.step === 'sa-init') facts.initSentAt ??= deps.now();
        if (event.step === 'auth') facts.authSentAt ??= deps.now();
        break;
      case 'proven':
        proven = true;
        return;
      case 'established':
        facts.establishedAt = deps.now();
        facts.ike = event.sa;
        facts.gateway = { name: facts.gateway.name, ...event.sa.remote };
        facts.local = { address: event.sa.local.address, port: event.sa.local.port };
        if (!ended()) carrier.roam(facts.interface?.name ?? '', event.sa);
        break;
      case 'configured':
        facts.configuration = event.configuration;
        memory.inside = event.configuration.addresses.map(({ address }) => address);
        break;
      case 'install-child':
        if (event.replaces !== undefined) facts.rekeyingAt = deps.now();
        installChild(event);
        break;
      case 'remove-child':
        children.forget(event.spiIn);
        deps.dataplane.removeChild(event.spiIn, event.grace).catch(() => {});
        break;
      case 'alive':
        carrier.heard();
        request.onAlive();
        return;
      case 'ticket':
        // Given up in silence it was lost, not deleted: what a ticket is for (RFC 5723 §6.2).
        if (event.ticket || !quiet) request.tickets.take(event.ticket);
        return;
      case 'reauthenticate':
        request.onReauthenticate(event.within);
        return;
      case 'moved':
        moved(event);
        break;
      case 'redirecting':
        void redirecting(event.gateway);
        return;
      case 'peer-addresses':
        carrier.peerAddresses(event.addresses);
        return;
      case 'rekeying':
        if (event.underWay) facts.rekeyingAt ??= deps.now();
        else delete facts.rekeyingAt;
        break;
      case 'rekey-due':
        due(event, deps.monotonic() + event.within);
        break;
      case 'ike-rekeyed':
        deps.dataplane.expectIke(event.sa.spiI);
        facts.ike = event.sa;
        facts.gateway = { name: facts.gateway.name, ...event.sa.remote };
        break;
      case 'child-rekeyed':
        break;
      case 'rekey-failed':
        deps.log('warn', 'tunnel', `the ${event.what === 'ike' ? 'IKE' : 'CHILD'} SA could not be rekeyed`, {
          why: event.evidence,
        });
        return;
      case 'child-refused':
        children.refused(event);
        readiness.refused();
        break;
      case 'closed':
        machineClosed();
        void end(event.failure && ikeFailure(proof?.explain(event.failure) ?? event.failure), undefined, {
          ...(event.failure?.redirect !== undefined && { redirect: event.failure.redirect }),
          ...(!isProven() && { unproven: true, told: asked }),
        });
        break;
      case 'log':
        deps.log(event.level, 'ike', event.text, event.fields);
        return;
      case 'key-log':
        deps.keyLog?.(event.table, event.line);
        return;
      default:
        event satisfies never;
    }
    deps.onChange();
  }

  function onReady(): void {
    // Replies to echoes come to our address inside, which the host has now. A later SA goes on with what is known.
    children.probe(children.spis[0], facts.configuration);
    facts.readyAt = deps.now();
    deps.log('info', 'tunnel', 'connected', { profile: profile.name, gateway: facts.gateway.address ?? profile.gateway });
    deps.onChange();
  }

  function installChild(event: Extract<IkeEvent, { readonly kind: 'install-child' }>): void {
    // What is known of the path goes with its last SA, as when the gateway has lost that and another is made: then it is asked about anew.
    const alone = facts.readyAt !== undefined && children.spis.length === 0;
    void readiness.install(event.child, event).finally(() => {
      delete facts.rekeyingAt;
      if (alone && !ended()) children.probe(event.child.spiIn, facts.configuration);
    });
  }

  function due(event: Extract<IkeEvent, { readonly kind: 'rekey-due' }>, at: number): void {
    if (event.what === 'child') children.due(event.spiIn, at);
    else rekeyIkeAt = at;
  }

  /** While the tunnel carries the question, be it to the office's own servers. */
  async function redirecting(name: string): Promise<void> {
    const found = await lookUp(name);
    if (found.ok) learn(memory.addresses, name, found.value, true);
    driver?.give({ kind: 'leave' });
  }

  /** Routes and rules of the host know nothing of addresses outside: they stay. */
  function moved({ local, remote, natLocal, settled }: Extract<IkeEvent, { readonly kind: 'moved' }>): void {
    if (settled) delete facts.roamingAt;
    else facts.roamingAt ??= deps.now();
    facts.local = { address: local.address, port: local.port };
    facts.gateway = { name: facts.gateway.name, ...remote };
    if (facts.ike) facts.ike = { ...facts.ike, local, remote, natLocal };
    children.move({ local, remote, natLocal });
    carrier.moved(settled);
  }

  async function prepareHost(child: ChildSa): Promise<Failure | undefined> {
    const configuration = facts.configuration ?? { addresses: [], dns: [], domains: [], subnets: [] };
    // What is for a further CHILD SA waits for it, and never leaves in clear.
    const remoteSelectors = [...child.remoteSelectors, ...furtherSelectors(profile).flat()];
    const planned = planHost(profile, facts.interface?.name ?? '', configuration, { remoteSelectors });
    if (!planned.ok) return planned.error;
    for (const what of planned.value.left) deps.log('warn', 'tunnel', `not used: ${what}`);
    facts.plan = planned.value.plan;
    const applied = await stage.apply(planned.value.plan);
    if (!applied.ok) return hostFailure(applied.error);
    for (const change of applied.value) deps.log('debug', 'host', change);
    return undefined;
  }

  function offload(): KernelOffload | undefined {
    const socket = deps.dataplane.offload();
    if (tunFeatures === undefined || socket === undefined) return undefined;
    const { headers, tcp, udp } = tunFeatures;
    return { tun: { headers, tcp, udp }, socket };
  }

  /** With EAP it is before the end of IKE_AUTH; then the user is asked. */
  function isProven(): boolean {
    return proven || facts.establishedAt !== undefined || proof?.asks.facts().gatewayProvenAt !== undefined;
  }

  // --- going down ----------------------------------------------------------------------------------------------------------------

  function end(reason?: Failure, silently?: 'silently', more: Partial<Ending> = {}): Promise<void> {
    // Terminating the machine below comes back here by its `closed`.
    if (ended()) return over;
    facts.endingAt = deps.now();
    quiet = silently !== undefined;
    if (reason) {
      facts.failure = reason;
      why = { code: reason.code, evidence: reason.evidence, ...more };
      deps.log('warn', 'tunnel', reason.what, { code: reason.code, evidence: reason.evidence });
    }
    reach?.stop();
    carrier.stop();
    proof?.asks.end();
    // Whoever is logged in asks nothing more: then it is the question of the one beside.
    if (facts.establishedAt === undefined) request.retract();
    deps.onChange();
    takeDown()
      .catch((fault) => deps.log('error', 'tunnel', `taking down failed: ${String(fault)}`))
      .finally(resolveOver);
    return over;
  }

  async function takeDown(): Promise<void> {
    const placed = readiness.stop();
    driver?.command('terminate');
    // The second one ends the machine at once.
    if (quiet) driver?.command('terminate');
    const goodbye = driver && !quiet ? farewell(driver) : Promise.resolve();
    // Steps already on their way put things in place that must then be taken away.
    await placed;
    await goodbye;
    driver?.stop();
    await carrier.close();
    await children.removeAll();
    request.psk?.fill(0);
    request.ppk?.fill(0);
    for (const key of ticketKeys) key.fill(0);
    facts.endedAt = deps.now();
    deps.log('info', 'tunnel', 'disconnected', { profile: profile.name });
    deps.onChange();
  }

  async function farewell(machine: Driver): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, GOODBYE);
    });
    await Promise.race([machineOver, patience]);
    clearTimeout(timer);
    // A second terminate ends the machine at once, answered or not.
    machine.command('terminate');
  }

  void prepare().catch((fault) => end(failure('internal', String(fault))));

  return {
    facts: () => {
      const up = facts.readyAt !== undefined && !ended();
      const lost = up ? carrier.lost() : undefined;
      const carrying = up && { drops: children.drops(), offload: offload(), ...(lost && { lost }) };
      const shown = proof && {
        ...proof.asks.facts(),
        warnings: [...proof.warnings(), ...children.warnings(), ...blockedFamilies(facts.plan)],
      };
      const due = rekeyIkeAt !== undefined && { rekeyIkeAt: wallTime(rekeyIkeAt) };
      return { ...facts, ...shown, ...carrying, ...due, ...children.facts(wallTime) };
    },
    datagram(bytes, channel, from) {
      reach?.datagram(bytes, channel, from);
    },
    knows: (bytes) => reach?.knows(bytes) ?? false,
    streamOver(fd, cause) {
      if (!carrier.streamOver(fd, cause)) reach?.streamOver(fd, cause);
    },
    check() {
      driver?.check();
      // Over a new TCP connection the question goes out again (RFC 9329 §6.2).
      carrier.renew();
    },
    limit: (spiIn, which) => driver?.give({ kind: 'limit', spiIn, which }),
    rekey(what) {
      if (facts.readyAt === undefined || ended()) return false;
      if (what === 'ike') driver?.give({ kind: 'rekey-ike' });
      else for (const spiIn of children.spis) driver?.give({ kind: 'rekey-child', spiIn });
      return true;
    },
    alone: () => readiness.useWhatIsThere(),
    namesChanged: carrier.namesChanged,
    woke: () => driver?.woke(),
    end: (reason, silently) => end(reason, silently),
    over,
    ending: () => why,
    sender: () => ({ from: facts.gateway.address, origin }),
    elsewhere: () => why?.code === 'no-answer-auth' && !asked && (reach?.elsewhere() ?? false),
  };
}
