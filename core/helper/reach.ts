/**
 * Reaching the gateway: from its names to the one IKE machine that was answered. Names are looked up, addresses raced
 * (core/tunnel/race.ts says which when), each with a machine of its own up to the answer to IKE_SA_INIT. The first that is answered goes
 * on; the others end there, without having said anything of the user.
 *
 * IKE_SA_INIT goes to port 500, and what comes after it to 4500, which a network may not let pass. Where nothing at all comes from there, the
 * gateway is tried over TCP beside that, up to the answer to IKE_SA_INIT; when that is there first it takes the other's place.
 */
import { err, ok, type Result } from '../bytes/result.ts';
import type { IkeAsk } from '../ike/auth/contract.ts';
import type { Channel, Endpoint, IkeConfig, IkeFailure, IkeMachine } from '../ike/sa/contract.ts';
import type { Profile } from '../profile/model.ts';
import type { Failure } from '../rpc/contract.ts';
import type { Log } from '../system/log.ts';
import { failure, hostFailure, ikeFailure } from '../tunnel/explain.ts';
import { createRace, type Race, type Target } from '../tunnel/race.ts';
import { createDriver, type Driver, type IkeEvent } from './driver.ts';
import { type GatewayAddresses, type LookUp, learn } from './gatewayNames.ts';
import { localAddressTowards } from './gatewayPath.ts';
import { ikeConfig, type Path } from './ikeConfig.ts';
import type { Proof } from './proof.ts';
import type { NetworkPorts } from './roaming.ts';
import type { Stage } from './stage.ts';
import { type Line, openLine } from './tcpLine.ts';
import type { TicketHolder } from './ticketHolder.ts';

/** What was learnt of the way, for the next time. */
export interface Memory {
  /** The address that answered last. */
  preferred?: string;
  /** What the names stood for: while a tunnel is held, nobody can be asked. */
  readonly addresses: GatewayAddresses;
  /** Whom this computer asked for names before there was a tunnel. */
  nameServers?: readonly string[];
  /** UDP was silent, and TCP was answered. */
  udpBlocked?: boolean;
  /** Those that answered IKE_SA_INIT and nothing after it. */
  readonly avoided: Set<string>;
  /** How the first of those ended: where nobody else answers, that is what people need to know. */
  fellSilent?: Failure;
  /** Our addresses inside: with the same ones, what ran through the tunnel runs on. */
  inside?: readonly string[];
}

export interface ReachPorts {
  readonly createMachine: (config: IkeConfig) => IkeMachine;
  readonly stage: Stage;
  readonly network: Pick<NetworkPorts, 'sourceTowards'>;
  readonly send: (channel: Channel, to: Endpoint, bytes: Uint8Array) => boolean;
  readonly trafficArrived: () => boolean;
  readonly onLate: () => void;
  readonly lookUp: LookUp;
  readonly onRoundTrip: (milliseconds: number) => void;
  /** What a machine says: of all of them until one is answered, of that one from then on. */
  readonly onEvent: (event: IkeEvent) => void;
  readonly onAsk: (id: number, ask: IkeAsk) => void;
  readonly log: Log;
  /** In [0, 1). */
  readonly random: () => number;
  readonly monotonic: () => number;
  readonly version: string;
}

/** Where a gateway sent us, in place of the profile's. */
export interface Redirect {
  readonly to: string;
  /** The address that sent us. */
  readonly from: string | undefined;
  /** The gateway of the profile that we set out for. Anybody can say where to go next (RFC 5685 §3): who is there has to prove to be this one. */
  readonly origin: string;
}

export interface ReachRequest {
  readonly profile: Profile;
  /** False: it ended before anything could be tried. */
  readonly ready: Promise<boolean>;
  /** Who both sides are, for this gateway of the profile. */
  readonly proofFor: (profile: Profile) => Result<Proof, Failure>;
  readonly memory: Memory;
  readonly tickets: Pick<TicketHolder, 'held'>;
  readonly redirect?: Redirect | undefined;
  /** Another connection is in use still. */
  readonly beside?: boolean | undefined;
  /** This address is tried. */
  readonly onTry: (reached: Place) => void;
  /** Twice where the gateway turned out to be reached by TCP only: what was told first has ended. */
  readonly onReached: (reached: Reached) => void;
  readonly onLost: (why: Unreached) => void;
}

/** An address, and ours towards it. */
export interface Place {
  readonly name: string;
  /** The gateway of the profile that it has to prove to be. */
  readonly origin: string;
  readonly remote: Target;
  readonly port: number;
  readonly local: { readonly address: string; readonly port: number };
}

export interface Reached extends Place {
  readonly driver: Driver;
  /** What it goes over, where that is TCP; whoever has it closes it. */
  readonly line: Line | undefined;
  readonly proof: Proof;
}

export interface Unreached {
  readonly failure: Failure;
  readonly redirect?: string;
  /** Who sent us there. */
  readonly by?: Place;
}

export interface Reach {
  /** Who this message is for. */
  datagram(bytes: Uint8Array, channel: Channel, from: Endpoint): void;
  /** A TCP connection is over. */
  streamOver(fd: number, why: string): void;
  /** Is it of one of the machines that are tried? */
  knows(bytes: Uint8Array): boolean;
  /** There are addresses that were not tried to the end. */
  elsewhere(): boolean;
  /** Ends all that were not answered. */
  stop(): void;
}

interface Talk {
  readonly target: Target;
  readonly place: Place;
  readonly proof: Proof;
  readonly driver: Driver;
  readonly line: Line | undefined;
}

/**
 * How long nothing may come from port 4500, milliseconds. With the usual timing a request has then gone out five times, or four times in the
 * smaller fragments that come after the large ones. A gateway that only takes long to think loses nothing by it but its UDP.
 */
const SILENT = 6_500;
/** The same on a network where UDP did not pass: three times. */
const SILENT_BLOCKED = 2_000;

/** The way that one machine's messages go. */
interface Way {
  readonly path: Path;
  readonly line?: Line;
}

export function startReach(ports: ReachPorts, request: ReachRequest): Reach {
  const { profile, memory, redirect } = request;
  const goals = goalsOf(profile, redirect);
  const proofs = new Map<number, Result<Proof, Failure>>();
  const talks = new Set<Talk>();
  const problems: Failure[] = [];
  /** To the end, whichever it was. */
  const tried = new Set<string>();
  const { preferred, avoided, udpBlocked = false } = memory;
  const race: Race = createRace({ gateways: goals.length, preferred, avoided, tcp: profile.tcp, udpBlocked });
  let cancelled = new AbortController();
  let winner: Talk | undefined;
  let over = false;
  let timer: NodeJS.Timeout | undefined;
  /** Runs, or ran, while nothing has come from the winner's port 4500. */
  let silence: NodeJS.Timeout | undefined;
  /** It was over: the winner may yet be another. */
  let doubted = false;
  let certain = false;

  /** Nobody else is wanted. */
  function isDecided(): boolean {
    return over || (winner !== undefined && !doubted);
  }

  function pump(): void {
    clearTimeout(timer);
    for (let said = race.poll(); said && !over; said = race.poll()) {
      if (said.kind === 'begin') void begin(said.target);
      else if (said.kind === 'drop') drop(said.target);
      else if (memory.fellSilent) lose({ failure: worst([...problems, memory.fellSilent]) ?? memory.fellSilent });
      else lose({ failure: worst(problems) ?? failure('name-not-resolved', `${profile.gateway}: the name has no address`) });
    }
    const due = over ? undefined : race.deadline();
    if (due !== undefined) timer = setTimeout(() => tell({ kind: 'tick' }), Math.max(0, Math.ceil(due - ports.monotonic())));
  }

  function tell(input: Parameters<Race['handle']>[0]): void {
    if (over) return;
    race.handle(input, ports.monotonic());
    pump();
  }

  async function lookUp(gateway: number, name: string): Promise<void> {
    const before = memory.addresses.get(name);
    if (before) tell({ kind: 'addresses', gateway, addresses: before });
    const found = await ports.lookUp(name, () => !isDecided());
    if (found.ok) {
      // Beside one that is up, names are looked up through that.
      learn(memory.addresses, name, found.value, request.beside === true);
      tell({ kind: 'addresses', gateway, addresses: found.value });
    } else if (!before) problems.push(found.error);
    tell({ kind: 'looked-up', gateway });
  }

  /** `before`: what became of another TCP port. */
  async function begin(target: Target, tcpPorts = profile.tcpPorts, before = ''): Promise<void> {
    const made = await makeTalk(target, tcpPorts).catch((fault) => failure('internal', String(fault)));
    if (made === undefined || isDecided()) {
      if (made && !('code' in made)) void made.line?.close();
      return;
    }
    if ('code' in made) {
      problems.push(before === '' ? made : { ...made, evidence: `${before}; ${made.evidence ?? made.what}` });
      tell({ kind: 'failed', target });
      return;
    }
    talks.add(made);
    const { transport = 'udp' } = target;
    ports.log('debug', 'tunnel', 'trying the gateway', { gateway: made.place.name, address: target.address, transport });
    if (!winner) request.onTry(made.place);
    made.driver.command('start');
  }

  /** Undefined: nobody wants it any more. */
  async function makeTalk(target: Target, tcpPorts: readonly number[]): Promise<Talk | Failure | undefined> {
    if (!(await request.ready) || isDecided()) return undefined;
    const { name, variant } = goals[target.gateway] ?? { name: profile.gateway, variant: profile };
    const proof = proofs.get(target.gateway) ?? request.proofFor(variant);
    proofs.set(target.gateway, proof);
    if (!proof.ok) return proof.error;
    const way = target.transport === 'tcp' ? await tcpWay(target, tcpPorts) : await udpWay(target);
    if (!way.ok) return way.error;
    const { path, line } = way.value;
    const { beside } = request;
    const before = { redirectedFrom: redirect?.from, ticket: request.tickets.held(), beside, inside: memory.inside };
    const config = ikeConfig(variant, proof.value, path, ports.version, before);
    if (config.ok) await ports.stage.attach();
    if (!config.ok || isDecided()) {
      void line?.close();
      return config.ok ? undefined : config.error;
    }
    const driver = createDriver(ports.createMachine(config.value), {
      now: ports.monotonic,
      send: (channel, to, bytes) => {
        if (channel === 'natt') spoke(talk);
        return ports.send(channel, to, bytes);
      },
      onEvent: (event) => heard(talk, event),
      onAsk: ports.onAsk,
      trafficArrived: ports.trafficArrived,
      onLate: ports.onLate,
      onRoundTrip: ports.onRoundTrip,
    });
    const local = { address: path.local, port: path.localPorts.ike };
    const port = path.tcpPort ?? profile.gatewayPorts.ike;
    const place = { name, origin: variant.gateway, remote: target, port, local };
    const talk: Talk = { target, place, proof: proof.value, driver, line };
    if (line) line.onBack = () => driver.command('reconnected');
    return talk;
  }

  async function udpWay(target: Target): Promise<Result<Way, Failure>> {
    const known = ports.network.sourceTowards(target.address);
    const local = known === undefined ? await localAddressTowards(target, profile.gatewayPorts.ike) : ok(known);
    if (!local.ok) return local;
    const bound = await ports.stage.sockets(target.family);
    if (!bound.ok) return err(hostFailure(bound.error));
    return ok({ path: { local: local.value, remote: target.address, localPorts: bound.value } });
  }

  async function tcpWay({ address }: Target, tcpPorts: readonly number[]): Promise<Result<Way, Failure>> {
    const { stage, log, random, monotonic } = ports;
    const opened = await openLine({ stage, log, random, now: monotonic }, address, tcpPorts, cancelled.signal);
    if (!opened.ok) return err(failure('no-answer', `${address}: no TCP connection: ${opened.error}`));
    const { local, port } = opened.value.connection;
    const localPorts = { ike: local.port, natt: local.port };
    return ok({ path: { local: local.address, remote: address, localPorts, tcpPort: port }, line: opened.value });
  }

  function heard(talk: Talk, event: IkeEvent): void {
    if (winner === talk) ports.onEvent(event);
    if (winner === talk || isDecided() || !talks.has(talk)) return;
    switch (event.kind) {
      case 'closed':
        talks.delete(talk);
        talk.driver.stop();
        void talk.line?.close();
        if (event.failure) refused(talk, event.failure);
        return;
      case 'progress':
        if (event.step !== 'sa-init') win(talk);
        break;
      case 'log':
      case 'key-log':
      case 'ticket':
        break;
      default:
        win(talk);
    }
    ports.onEvent(event);
  }

  function refused(talk: Talk, cause: IkeFailure): void {
    const why = ikeFailure(talk.proof.explain(cause));
    if (cause.redirect !== undefined) {
      lose({ failure: why, redirect: cause.redirect, by: talk.place });
      return;
    }
    const left = cause.code === 'no-answer' ? portsAfter(talk) : [];
    if (left.length > 0) {
      const port = `TCP port ${talk.line?.connection.port}: `;
      void begin(talk.target, left, cause.evidence.startsWith(port) ? cause.evidence : `${port}${cause.evidence}`);
      return;
    }
    // Of two that were silent UDP is the one to tell of.
    if (talk.line) problems.push(why);
    else problems.unshift(why);
    tried.add(talk.target.address);
    tell({ kind: 'failed', target: talk.target, silent: cause.code === 'no-answer' });
  }

  /** TCP ports of the gateway that were not tried. */
  function portsAfter({ line }: Talk): readonly number[] {
    return line ? profile.tcpPorts.slice(profile.tcpPorts.indexOf(line.connection.port) + 1) : [];
  }

  /** Before anybody answered. Whoever took the connection may be no gateway at all; the last port has a second chance. */
  function broken(talk: Talk, why: string): void {
    const { line } = talk;
    if (line && portsAfter(talk).length === 0 && !line.wasBroken) {
      line.broken(why);
      return;
    }
    talks.delete(talk);
    talk.driver.stop();
    void line?.close();
    refused(talk, { code: 'no-answer', evidence: `TCP port ${line?.connection.port}: ${why}` });
  }

  function win(talk: Talk): void {
    const before = winner;
    winner = talk;
    doubted = false;
    // Before the user is spoken of a second time. Had the gateway heard the first, it would find out by itself, as after every silence.
    if (before) drop(before.target);
    tried.add(talk.target.address);
    memory.preferred = talk.target.address;
    memory.udpBlocked = talk.target.transport === 'tcp' && profile.tcp === 'auto';
    request.onReached({ ...talk.place, driver: talk.driver, line: talk.line, proof: talk.proof });
    tell({ kind: 'answered', target: talk.target });
    cancelled.abort();
    clearTimeout(timer);
  }

  /** The winner said something to port 4500. */
  function spoke(talk: Talk): void {
    if (talk !== winner || talk.line || profile.tcp !== 'auto' || certain || silence !== undefined) return;
    const { target } = talk;
    silence = setTimeout(
      () => {
        doubted = true;
        cancelled = new AbortController();
        ports.log('info', 'tunnel', 'nothing comes from the second port: trying TCP beside it', { address: target.address });
        void begin({ ...target, transport: 'tcp' });
      },
      udpBlocked ? SILENT_BLOCKED : SILENT,
    );
  }

  /** Something came from there. */
  function believe(): void {
    certain = true;
    clearTimeout(silence);
    if (!doubted) return;
    doubted = false;
    cancelled.abort();
    for (const talk of talks) if (talk !== winner) drop(talk.target);
  }

  function drop(target: Target): void {
    for (const talk of talks) {
      if (talk.target !== target) continue;
      talks.delete(talk);
      // RFC 7296 §2.21.2: what the gateway made of an IKE_SA_INIT it forgets by itself.
      talk.driver.command('terminate');
      talk.driver.stop();
      void talk.line?.close();
    }
  }

  function lose(why: Unreached): void {
    stop();
    request.onLost(why);
  }

  function stop(): void {
    over = true;
    cancelled.abort();
    clearTimeout(timer);
    clearTimeout(silence);
    for (const talk of talks) if (talk !== winner) drop(talk.target);
  }

  for (const [gateway, { name }] of goals.entries()) void lookUp(gateway, name);

  return {
    datagram(bytes, channel, from) {
      const talk = winner && !doubted ? winner : ([...talks].find(({ driver }) => driver.knows(bytes)) ?? winner);
      if (!talk) return;
      if (talk === winner && !certain && channel === 'natt' && talk.driver.knows(bytes)) believe();
      talk.driver.datagram(bytes, channel, from);
      if (winner === undefined) tell({ kind: 'heard', target: talk.target });
    },
    streamOver(fd, why) {
      for (const talk of talks) if (talk.line?.has(fd)) broken(talk, why);
    },
    knows: (bytes) => [...talks].some(({ driver }) => driver.knows(bytes)),
    elsewhere: () =>
      (profile.tcp === 'auto' && winner !== undefined && winner.target.transport === undefined) ||
      [...memory.addresses].some(
        ([name, addresses]) =>
          goals.some((goal) => goal.name === name) &&
          addresses.some(({ address }) => !tried.has(address) && !memory.avoided.has(address)),
      ),
    stop,
  };
}

/** Where to go, and the profile as whoever is there has to prove it. */
interface Goal {
  readonly name: string;
  readonly variant: Profile;
}

function goalsOf(profile: Profile, redirect: Redirect | undefined): readonly Goal[] {
  const own = variants(profile);
  if (!redirect) return own.map((variant) => ({ name: variant.gateway, variant }));
  return [{ name: redirect.to, variant: own.find(({ gateway }) => gateway === redirect.origin) ?? profile }];
}

/** The profile for each of its gateways: one that has to prove the name it is called by proves its own. */
function variants(profile: Profile): readonly Profile[] {
  const follows = profile.remoteId === profile.gateway;
  const others = profile.gateways.map((gateway) => ({ ...profile, gateway, ...(follows && { remoteId: gateway }) }));
  return [profile, ...others];
}

/** The one that tells most of several: whoever said something, then who was silent, then where no way leads. */
const TELLS_LITTLE: readonly string[] = ['no-answer', 'no-route', 'name-not-resolved'];

function worst(problems: readonly Failure[]): Failure | undefined {
  const rank = ({ code }: Failure) => TELLS_LITTLE.indexOf(code);
  return problems.toSorted((a, b) => rank(a) - rank(b))[0];
}
