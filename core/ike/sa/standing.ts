/**
 * What an authenticated IKE SA has besides keys and CHILD SAs, and what rekeying does not end: how long the authentication is good
 * (authLifetime.ts), a ticket to come back with (tickets.ts), the token that proves a crash (crashDetection.ts), and being sent to
 * another gateway. For the initiator: none of it is a responder's to hear.
 */
import { parseAddress } from '../../bytes/address.ts';
import { readRedirect, redirected } from '../exchanges/redirect.ts';
import { NOTIFY } from '../wire/constants.ts';
import type { Message, PayloadOf } from '../wire/message.ts';
import { findNotify } from '../wire/payloads.ts';
import { AuthLifetime, readAuthLifetime } from './authLifetime.ts';
import type { Identity, IkeConfig, IkeFailure, IkeOutput, IkePorts } from './contract.ts';
import { CrashDetection } from './crashDetection.ts';
import type { IkeSa } from './ikeSa.ts';
import type { Narrator } from './narrator.ts';
import type { NotifyTaken } from './setup.ts';
import { Tickets } from './tickets.ts';

export interface StandingSetup {
  readonly config: IkeConfig;
  readonly ports: IkePorts;
  readonly narrator: Narrator;
  readonly emit: (output: IkeOutput) => void;
  /** The IKE SA in use. */
  readonly current: () => IkeSa | undefined;
  /** DELETE, then the end for this reason. */
  readonly leave: (failure: IkeFailure, now: number) => void;
}

/** How long a name is looked up before the gateway is left, milliseconds: it allows sufficient time for that (RFC 5685 §5). */
const LOOK_UP_WITHIN = 5_000;

export class Standing {
  readonly #setup: StandingSetup;
  readonly #lifetime: AuthLifetime;
  readonly #crash = new CrashDetection();
  readonly #tickets: Tickets | undefined;
  /** Sent to a name, which is being looked up. */
  #leaving: { readonly failure: IkeFailure; readonly by: number } | undefined;

  /** From the last response of IKE_AUTH on, which has these notifies. */
  constructor(setup: StandingSetup, gateway: Identity, notifies: readonly PayloadOf<'N'>[], now: number) {
    this.#setup = setup;
    const { config, ports, narrator, emit } = setup;
    const { localIdentity, reauthenticateEvery = 0, remote } = config;
    const presented = config.resumption?.ticket;
    const authenticatedAt = presented?.authenticatedAt ?? now;
    this.#lifetime = new AuthLifetime(ports.random, reauthenticateEvery, authenticatedAt);
    const until = reauthenticateEvery > 0 ? authenticatedAt + reauthenticateEvery : Number.POSITIVE_INFINITY;
    const who = { localIdentity, remoteIdentity: gateway, gateway: remote.address, authenticatedAt, until };
    this.#tickets = config.resumption && new Tickets({ ...who, emit, narrator }, presented !== undefined);
    for (const type of [NOTIFY.AUTH_LIFETIME, NOTIFY.QUICK_CRASH_DETECTION]) {
      const found = findNotify(notifies, type);
      if (found) this.notified(found, now);
    }
    const sa = setup.current();
    if (sa) this.#tickets?.answered(notifies, sa, now);
  }

  /** A notify in an INFORMATIONAL request. */
  notified(notice: PayloadOf<'N'>, now: number): NotifyTaken | undefined {
    const { config, narrator } = this.#setup;
    switch (notice.type) {
      case NOTIFY.REDIRECT:
        return config.redirect && this.#redirect(notice.data);
      case NOTIFY.AUTH_LIFETIME: {
        const seconds = readAuthLifetime(notice.data);
        if (seconds === undefined) return undefined;
        narrator.log('info', 'the gateway wants another authentication in time', { seconds });
        this.#lifetime.heard(seconds, now);
        return {};
      }
      case NOTIFY.QUICK_CRASH_DETECTION:
        return this.#crash.take(notice.data) ? {} : undefined;
      default:
        return undefined;
    }
  }

  /** The IKE SA in use is a new one, made by an answer with these notifies. */
  rekeyed(notifies: readonly PayloadOf<'N'>[], now: number): void {
    this.#crash.forget();
    const token = findNotify(notifies, NOTIFY.QUICK_CRASH_DETECTION);
    if (token) this.#crash.take(token.data);
    this.#tickets?.rekeyed(now);
  }

  /** Any message, before it is looked at otherwise. True: all is over. */
  overheard(message: Message, now: number): boolean {
    const sa = this.#setup.current();
    if (sa?.state !== 'established') return false;
    const { narrator } = this.#setup;
    const spisOut = sa.children.map((child) => child.spiOut);
    const verdict = this.#crash.judge(message, { ...sa.spis, spisOut }, now);
    if (verdict === 'check') {
      narrator.log('info', 'somebody says that the gateway has lost the connection: asking it');
      sa.checkLiveness(now);
    }
    if (verdict !== 'restarted') return false;
    // RFC 6290 §4.5: without a word.
    sa.close({ code: 'gateway-restarted', evidence: 'QUICK_CRASH_DETECTION with the right token' });
    return true;
  }

  get deadline(): number {
    const never = Number.POSITIVE_INFINITY;
    return Math.min(this.#lifetime.deadline, this.#tickets?.deadline ?? never, this.#leaving?.by ?? never);
  }

  tick(now: number): void {
    const sa = this.#setup.current();
    if (sa?.state !== 'established') return;
    const { emit, leave, narrator } = this.#setup;
    if (this.#leaving && now >= this.#leaving.by) {
      this.lookedUp(now);
      return;
    }
    const event = this.#lifetime.tick(now);
    if (event?.kind === 'expired') {
      leave({ code: 'authentication-expired', evidence: 'the time of the authentication is over' }, now);
      return;
    }
    if (event) {
      narrator.log('info', 'time to authenticate again', { withinMs: Math.round(event.within) });
      emit(event);
    }
    this.#tickets?.tick(sa, now);
  }

  /** Nothing keeps us with a gateway that sends us away. */
  lookedUp(now: number): void {
    const leaving = this.#leaving;
    if (leaving && this.#setup.current()?.state === 'established') this.#setup.leave(leaving.failure, now);
  }

  /** The session is over. */
  ended(failure: IkeFailure | undefined): void {
    this.#tickets?.ended(failure);
  }

  /** Why the session ends, as who uses it should be told: the gateway deletes it because nobody authenticated again. */
  explain(failure: IkeFailure | undefined, now: number): IkeFailure | undefined {
    // RFC 5685 §5: the gateway may delete it first.
    if (failure?.code === 'closed-by-gateway' && this.#leaving) return this.#leaving.failure;
    if (failure?.code !== 'closed-by-gateway' || !this.#lifetime.isOver(now)) return failure;
    return { code: 'authentication-expired', evidence: `${failure.evidence} after AUTH_LIFETIME` };
  }

  /** RFC 5685 §5. */
  #redirect(data: Uint8Array): NotifyTaken {
    const { emit, leave, narrator } = this.#setup;
    const read = readRedirect(data);
    if (!read.ok) {
      narrator.log('warn', `not followed: ${read.error}`);
      return {};
    }
    const { gateway } = read.value;
    const failure = redirected(gateway, 'INFORMATIONAL');
    if (parseAddress(gateway)) return { after: (now) => leave(failure, now) };
    return {
      after: (now) => {
        if (this.#leaving) return;
        this.#leaving = { failure, by: now + LOOK_UP_WITHIN };
        emit({ kind: 'redirecting', gateway });
      },
    };
  }
}
