/**
 * From `up` to its end as the user sees it: asks for a key that is missing, connects, asks again where what the user gave was refused
 * (credentials.ts says when), and brings back what was lost (core/tunnel/session.ts says when). Each try is a connection of its own; what
 * they stand on (stage.ts) stays while the traffic of a lost tunnel is held back. The user's private key is opened once for all of them,
 * and what the user typed is kept until the end.
 */
import { err, type Result } from '../bytes/result.ts';
import type { Channel, Configuration, Endpoint } from '../ike/sa/contract.ts';
import { afterSleep } from '../ike/sa/lifetimes.ts';
import type { Profile, ProfileSecret } from '../profile/model.ts';
import type { Failure } from '../rpc/contract.ts';
import type { HostError } from '../system/ports.ts';
import { failure, hostFailure, reasonOf } from '../tunnel/explain.ts';
import { createSession, type Ending, holdsTraffic, type SessionInput } from '../tunnel/session.ts';
import type { Lost, TunnelFacts } from '../tunnel/status.ts';
import { createWallTime } from '../tunnel/wallTime.ts';
import type { SigningKey } from './asks.ts';
import { type Connection, type ConnectionDeps, type ConnectionRequest, startConnection } from './connection.ts';
import { createCredentials, type Recallable, type Rememberable } from './credentials.ts';
import { type LookUp, whileHeld } from './gatewayNames.ts';
import { resolveGateway } from './gatewayPath.ts';
import { watchWays } from './gatewayWays.ts';
import { createPrompter, PROMPT_PATIENCE, type Prompter } from './prompter.ts';
import type { Memory, Redirect } from './reach.ts';
import { createStage, type Stage } from './stage.ts';
import { createTicketHolder, type TicketHolder } from './ticketHolder.ts';

export interface AttemptsRequest {
  readonly owner: number;
  readonly profile: Profile;
  /** What is stored; what is missing the user is asked for. Wiped when it is over. */
  readonly secret: ProfileSecret;
  /** It was up with an engine that died. */
  readonly before?: Before;
  /** What was learnt of the way to this gateway before, and will be for the next time. */
  readonly memory?: Memory;
  /** What the store has now; owned by who asked. */
  readonly recall: (kind: Recallable) => Uint8Array | undefined;
  readonly mayRemember: (kind: Rememberable) => boolean;
  /** Keeps a typed answer that the gateway took; copies what it needs. */
  readonly remember: (kind: Rememberable, value: Uint8Array) => void;
}

export interface Before {
  readonly ending: Ending;
  /** Its traffic is held back still. */
  readonly held: boolean;
  /** It is for the user to bring it back. */
  readonly untilTold: boolean;
}

export interface AttemptsDeps extends ConnectionDeps {
  /** Takes a private key (PKCS#8) out of our hands; an error is one printable line. */
  readonly openKey: (pkcs8: Uint8Array) => Promise<Result<OpenKey, string>>;
  /** In [0, 1), for the waits between tries. */
  readonly random?: () => number;
  /** Milliseconds for an answer. */
  readonly promptPatience?: number;
}

export interface OpenKey extends SigningKey {
  close(): void;
}

export interface Attempts {
  facts(): TunnelFacts;
  readonly answer: Prompter['answer'];
  datagram(bytes: Uint8Array, channel: Channel, from: Endpoint): void;
  /** As of a connection. */
  streamOver(fd: number, why: string): void;
  /** As those of a connection; false when there is none that is up. */
  limit(spiIn: number, which: 'soft' | 'hard'): void;
  rekey(what: 'ike' | 'child'): boolean;
  /** Another program removed the TUN device: what was meant for it is held as after any other loss, and goes on with another device. */
  deviceGone(detail: string): void;
  /** The computer is about to sleep. */
  suspending(): void;
  /** It is awake again. */
  resumed(): void;
  /** There is a way to the gateway, or none. */
  network(usable: boolean): void;
  /** The user does not want to wait for the next try, or has mended what it waits for; false when nothing was lost. `askSecret`: they type it anew. */
  again(askSecret: boolean): boolean;
  /** As of a connection. */
  end(reason?: Failure): Promise<void>;
  readonly over: Promise<void>;
}

export function newMemory(): Memory {
  return { addresses: new Map(), avoided: new Set() };
}

/** Who fell silent is tried like anybody else again: the next time the network may be another. */
function forgive(memory: Memory): void {
  memory.avoided.clear();
  delete memory.fellSilent;
}

export function startAttempts(deps: AttemptsDeps, request: AttemptsRequest): Attempts {
  const { profile, owner } = request;
  const memory = request.memory ?? newMemory();
  const startedAt = deps.now();
  const wallTime = createWallTime(deps.now, deps.monotonic);
  const patience = deps.promptPatience ?? PROMPT_PATIENCE;
  const prompter = createPrompter({ now: deps.now, onChange: deps.onChange, patience });
  const { psk: storedPsk, password, key, ppk } = request.secret;
  const credentials = createCredentials(
    { prompter, log: deps.log, now: deps.now },
    {
      localId: profile.localId,
      stored: { psk: storedPsk, password },
      keep: profile.whenLost !== 'end',
      recall: request.recall,
      mayRemember: request.mayRemember,
      remember: request.remember,
    },
  );
  const tickets = createTicketHolder();
  const { ending: before, held: inherited, untilTold } = request.before ?? {};
  const session = createSession({ whenLost: profile.whenLost, before, untilTold, random: deps.random ?? Math.random });
  const signer = key && openKey(key);
  let stage: Stage | undefined = inherited ? createStage(deps, profile, hostLost, 'held') : undefined;
  let connection: Connection | undefined;
  /** Beside it, to take its place. */
  let successor: Connection | undefined;
  /** Who the last one beside it was sent away by that did not take its place, and why it did not. */
  let sentBy: Omit<Redirect, 'to'> | undefined;
  let renewalFailure: Failure | undefined;
  /** What the one beside brought along becomes the session's. */
  let promote: () => void = () => {};
  /** Their place was taken, and they say goodbye. */
  const leaving = new Set<Connection>();
  /** The session was told that this one is up. */
  let told: Connection | undefined;
  /** The last one whose gateway took what it was given. */
  let taken: Connection | undefined;
  let timer: NodeJS.Timeout | undefined;
  let firstReadyAt: number | undefined;
  let lostAt = startedAt;
  let pausedAt: number | undefined;
  /** Of the last connection that was up: what the host is set up for while it is held. */
  let configuration: Configuration | undefined;
  const carried = { in: 0, out: 0 };
  let ending: { readonly at: number; readonly reason: Failure | undefined } | undefined;
  let endedAt: number | undefined;
  let resolveOver: () => void = () => {};
  const over = new Promise<void>((resolve) => {
    resolveOver = resolve;
  });

  // --- the session's wishes ------------------------------------------------------------------------------------------------------

  function tell(input: SessionInput): void {
    session.handle(input, deps.monotonic());
    for (let said = session.poll(); said; said = session.poll()) {
      if (said.kind === 'connect') void run(said.redirect);
      else if (said.kind === 'renew') void renew(said.redirect);
      else if (said.kind === 'check') connection?.check();
      else if (said.kind === 'drop') void connection?.end(failure(said.code, said.evidence), 'silently');
      else finish(said.why && wordsOf(said.why));
    }
    pausedAt = session.paused() ? (pausedAt ?? deps.now()) : undefined;
    clearTimeout(timer);
    const due = ending ? undefined : session.deadline();
    if (due !== undefined) timer = setTimeout(() => tell({ kind: 'tick' }), Math.max(0, Math.ceil(due - deps.monotonic())));
    deps.onChange();
  }

  async function run(redirect: string | undefined): Promise<void> {
    const sent = sentOn(redirect, connection?.sender());
    try {
      while (await attempt(sent)) {
        // What was refused is asked for again.
      }
    } catch (fault) {
      deps.log('error', 'tunnel', `a fault while connecting: ${String(fault)}`);
      finish(failure('internal', String(fault)));
    }
  }

  /** However far it is sent, the first one's name goes along. */
  function sentOn(to: string | undefined, by: Omit<Redirect, 'to'> | undefined): Redirect | undefined {
    return to === undefined ? undefined : { from: undefined, origin: profile.gateway, ...by, to };
  }

  /** One connection from its first question to its end. True: at once another one. */
  async function attempt(redirect: Redirect | undefined): Promise<boolean> {
    connection = undefined;
    told = undefined;
    renewalFailure = undefined;
    credentials.begin();
    const psk = needsPsk(profile) ? (credentials.heldPsk() ?? (await askPsk())) : undefined;
    if (ending) {
      psk?.fill(0);
      return false;
    }
    stage ??= createStage(deps, profile, hostLost);
    // What another took the place of gives its ticket back with its DELETE, and must not take that of the other.
    const take: TicketHolder['take'] = (ticket) => void (connection === current && tickets.take(ticket));
    const current: Connection = start(stage, psk, { redirect, tickets: { held: tickets.held, take } });
    connection = current;
    await isOver(current);
    return !ending && connection === current && goesOn(current);
  }

  function start(
    on: Stage,
    psk: Uint8Array | undefined,
    how: Pick<ConnectionRequest, 'redirect' | 'beside' | 'tickets'>,
  ): Connection {
    const { retract } = prompter;
    return startConnection(
      { ...deps, onChange: changed },
      {
        ...{ owner, profile, stage: on, memory, psk, ppk: ppk?.slice(), signer, credentials, retract },
        ...how,
        onAlive: () => tell({ kind: 'alive' }),
        onReauthenticate: (within) => tell({ kind: 'reauthenticate', within }),
        onLate: resumed,
      },
    );
  }

  async function isOver(one: Connection): Promise<void> {
    await one.over;
    leaving.delete(one);
    const { octets } = one.facts();
    carried.in += octets?.in ?? 0;
    carried.out += octets?.out ?? 0;
  }

  /** RFC 7296 §2.8.3: a new IKE SA by a new login, beside the one in use and then in its place. */
  async function renew(redirect: string | undefined): Promise<void> {
    const sent = sentOn(redirect, sentBy);
    for (let again = true; again && !ending; ) {
      // What it would stand on is being taken down: what was in use has ended, and the session hears of it in a moment.
      if (!stage) {
        tell({ kind: 'renewal-ended', why: undefined });
        return;
      }
      deps.log('info', 'tunnel', 'logging in again, beside the connection in use');
      renewalFailure = undefined;
      credentials.begin();
      // Of its own login; a ticket of the one in use would be none.
      const own = createTicketHolder();
      const next = start(stage, needsPsk(profile) ? credentials.heldPsk() : undefined, {
        beside: true,
        redirect: sent,
        tickets: { take: (ticket) => (connection === next ? tickets : own).take(ticket), held: () => undefined },
      });
      successor = next;
      promote = () => {
        tickets.take(own.held());
        own.wipe();
      };
      await isOver(next);
      if (ending) return;
      if (connection === next) {
        if (await goesOn(next)) void run(undefined);
        return;
      }
      own.wipe();
      successor = undefined;
      const cause = next.facts().failure;
      again = cause !== undefined && credentials.another(cause);
      sentBy = next.sender();
      renewalFailure = cause;
      if (again) continue;
      credentials.setAside(cause);
      tell({ kind: 'renewal-ended', why: next.ending() });
    }
  }

  /** What was beside is in use from here on; what was in use says goodbye. */
  function succeed(next: Connection): void {
    const before = connection;
    adopt(next);
    told = next;
    configuration = next.facts().configuration;
    taken = next;
    credentials.accepted();
    deps.log('info', 'tunnel', 'logged in again');
    tell({ kind: 'renewed' });
    if (!before) return;
    leaving.add(before);
    void before.end();
  }

  function adopt(next: Connection): void {
    successor = undefined;
    connection = next;
    told = undefined;
    promote();
    next.alone();
  }

  async function goesOn(ended: Connection): Promise<boolean> {
    const { failure: cause, readyAt, gateway } = ended.facts();
    if (readyAt !== undefined) lostAt = deps.now();
    if (successor) {
      adopt(successor);
      tell({ kind: 'ended', why: ended.ending() });
      return false;
    }
    const again = cause !== undefined && credentials.another(cause);
    const elsewhere = !again && ended.elsewhere();
    if (elsewhere) {
      if (gateway.address !== undefined) memory.avoided.add(gateway.address);
      if (cause) memory.fellSilent ??= cause;
    } else forgive(memory);
    if (!held()) await closeStage();
    if (ending) return false;
    if (again) deps.log('info', 'tunnel', 'trying again', { after: cause.code });
    else tell({ kind: 'ended', why: ended.ending(), elsewhere });
    return again;
  }

  /** By another program, and it cannot be put back. */
  function hostLost(why: HostError): void {
    void connection?.end(hostFailure(why));
  }

  /** The host stays set up, so that nothing meant for the tunnel goes another way. */
  function held(): boolean {
    return stage?.holds() === true && holdsTraffic(profile.whenLost);
  }

  async function closeStage(): Promise<void> {
    const closing = stage;
    stage = undefined;
    await closing?.close();
  }

  async function openKey(pkcs8: Uint8Array): Promise<Result<OpenKey, string>> {
    try {
      return await deps.openKey(pkcs8);
    } catch (fault) {
      return err(fault instanceof Error ? fault.message : 'failed');
    } finally {
      pkcs8.fill(0);
    }
  }

  async function askPsk(): Promise<Uint8Array | undefined> {
    const asked = await credentials.askPsk();
    if (asked.kind === 'answered') return asked.secret;
    if (asked.kind === 'expired') finish(failure('prompt-expired', `nobody answered within ${patience / 1000} s`));
    // Taken back only by what ends it all.
    else finish(undefined);
    return undefined;
  }

  function changed(): void {
    if (successor?.facts().readyAt !== undefined && successor.facts().endingAt === undefined) {
      succeed(successor);
      return;
    }
    const facts = connection?.facts();
    // Once: what is given to a new login beside it later is not accepted by its being there.
    if (facts?.establishedAt !== undefined && taken !== connection) {
      taken = connection;
      credentials.accepted();
    }
    if (facts?.readyAt !== undefined && facts.endingAt === undefined && told !== connection) {
      told = connection;
      firstReadyAt ??= facts.readyAt;
      configuration = facts.configuration;
      forgive(memory);
      tell({ kind: 'up' });
    } else deps.onChange();
  }

  function resumed(): void {
    if (ending) return;
    tell({ kind: 'resumed', patience: credentials.replayable() ? afterSleep.quick : afterSleep.patient });
    connection?.woke();
  }

  // --- what there is to see ------------------------------------------------------------------------------------------------------

  function facts(): TunnelFacts {
    const prompt = prompter.current();
    const now = connection?.facts();
    const common = {
      startedAt,
      ...(firstReadyAt !== undefined && { firstReadyAt }),
      ...(prompt && { prompt }),
      ...(pausedAt !== undefined && { pausedAt }),
      ...(successor && { rekeyingAt: successor.facts().startedAt }),
      ...(renewalFailure && { renewalFailure }),
    };
    if (now && (ending || now.endingAt === undefined || !isTriedAgain(now))) {
      const octets = now.endedAt === undefined ? sum(now.octets) : carried;
      const { endingAt: _at, endedAt: _, failure: _why, ...going } = now;
      const shown = lost();
      return { ...going, ...common, octets, ...(shown && { lost: shown }), ...endOf(now) };
    }
    // Between an end and the next try it does not look as if all were over.
    const shown = lost() ?? (now?.readyAt === undefined ? undefined : lostNow(now));
    return {
      owner,
      profile: { id: profile.id, name: profile.name },
      gateway: now?.gateway ?? { name: profile.gateway },
      backend: deps.dataplane.backend(),
      children: [],
      octets: now && now.endedAt === undefined ? sum(now.octets) : carried,
      ...(held() && configuration && { configuration, plan: stage?.plan() }),
      ...common,
      ...(shown && { lost: shown }),
      ...endOf(undefined),
    };
  }

  function isTriedAgain({ failure: cause }: TunnelFacts): boolean {
    return (
      cause !== undefined && (credentials.wouldTry(cause.code) || session.survives(cause.code) || session.lost() !== undefined)
    );
  }

  function isBeingLost(): boolean {
    const now = connection?.facts();
    return now?.readyAt !== undefined && now.endingAt !== undefined && isTriedAgain(now);
  }

  function endOf(now: TunnelFacts | undefined): Pick<TunnelFacts, 'endingAt' | 'endedAt' | 'failure'> {
    const at = ending?.at ?? now?.endingAt;
    const reason = ending ? ending.reason : now?.failure;
    return {
      ...(at !== undefined && { endingAt: at }),
      ...(endedAt !== undefined && { endedAt }),
      ...(reason && { failure: reason }),
    };
  }

  function lost(): Lost | undefined {
    const found = session.lost();
    if (!found) return undefined;
    const { why, retryAt, stuck } = found;
    return {
      at: lostAt,
      why: wordsOf(why),
      held: held(),
      stuck,
      ...(retryAt !== undefined && { retryAt: wallTime(retryAt) }),
    };
  }

  function lostNow({ failure: why, endingAt }: TunnelFacts): Lost | undefined {
    return why && { at: endingAt ?? deps.now(), why, held: held(), stuck: false };
  }

  function sum(octets: TunnelFacts['octets']): { readonly in: number; readonly out: number } {
    const all = [octets, ...[...leaving].map((one) => one.facts().octets)];
    const total = (way: 'in' | 'out') => all.reduce((before, one) => before + (one?.[way] ?? 0), carried[way]);
    return { in: total('in'), out: total('out') };
  }

  function isUp(): boolean {
    return told !== undefined && told === connection && session.lost() === undefined && !session.paused();
  }

  const lookUp: LookUp = (name, wanted) => {
    const usual = deps.lookUp ?? ((one: string) => resolveGateway(one));
    return deps.outside && stage ? whileHeld(usual, deps.outside, stage, memory)(name, wanted) : usual(name);
  };

  const watch = watchWays(
    {
      network: deps.network,
      lookUp,
      isUp,
      onWays: (usable) => tell({ kind: 'network', usable }),
      onNames: () => {
        connection?.namesChanged();
        deps.onChange();
      },
    },
    profile,
    memory,
  );

  // --- the end -------------------------------------------------------------------------------------------------------------------

  function finish(reason: Failure | undefined): void {
    if (ending) return;
    ending = { at: connection?.facts().endingAt ?? deps.now(), reason };
    if (reason && !connection) deps.log('warn', 'tunnel', reason.what, { code: reason.code, evidence: reason.evidence });
    clearTimeout(timer);
    watch.stop();
    prompter.withdraw();
    deps.onChange();
    wind(reason)
      .catch((fault) => deps.log('error', 'tunnel', `the end failed: ${String(fault)}`))
      .finally(() => {
        endedAt = deps.now();
        deps.onChange();
        resolveOver();
      });
  }

  async function wind(reason: Failure | undefined): Promise<void> {
    // The host first: no route leads into a device that carries nothing; beside it the DELETE while the sockets are there.
    const others = [...leaving, ...(successor ? [successor] : [])];
    await Promise.allSettled([connection?.end(reason), ...others.map((one) => one.end()), stage?.revert()]);
    await closeStage();
    credentials.wipe();
    ppk?.fill(0);
    tickets.wipe();
    const opened = await signer;
    if (opened?.ok) opened.value.close();
  }

  tell({ kind: 'start' });

  return {
    facts,
    answer: prompter.answer,
    datagram(bytes, channel, from) {
      const others = successor ? [successor, ...leaving] : [...leaving];
      (others.find((one) => one.knows(bytes)) ?? connection)?.datagram(bytes, channel, from);
    },
    streamOver(fd, why) {
      for (const one of [connection, successor, ...leaving]) one?.streamOver(fd, why);
    },
    limit(spiIn, which) {
      for (const one of [connection, successor]) one?.limit(spiIn, which);
    },
    rekey: (what) => connection?.rekey(what) ?? false,
    deviceGone(detail) {
      if (ending) return;
      stage?.renewDevice();
      for (const one of [connection, successor, ...leaving]) void one?.end(failure('device-gone', detail));
    },
    suspending: () => tell({ kind: 'suspending' }),
    resumed,
    again(askSecret) {
      const gone = ending ? undefined : session.lost();
      const waiting = gone?.retryAt !== undefined || gone?.stuck === true;
      if (!ending && !waiting && connection?.facts().lost) {
        connection.check();
        return true;
      }
      // It is being tried right now, or will be when what is lost has been taken down: that is what is wanted.
      if (!waiting) return gone !== undefined || (!ending && isBeingLost());
      if (askSecret) credentials.askAnew();
      deps.log('info', 'tunnel', 'tried again at once: the user says so');
      tell({ kind: 'now' });
      return true;
    },
    network: (usable) => tell({ kind: 'network', usable }),
    end(reason) {
      finish(reason);
      return over;
    },
    over,
  };
}

function wordsOf({ code, evidence }: Ending): Failure {
  return failure(reasonOf(code), evidence);
}

/** One side proves itself by it. */
function needsPsk({ auth, trust }: Profile): boolean {
  return auth === 'psk' || trust.method === 'psk';
}
