/**
 * A tunnel from `up` to its end, whatever happens on the road: when a connection is tried, when it is tried again, what a wake-up or
 * another network means, and when it is over. Sans-IO as the IKE machine is: inputs with the time, outputs, a deadline. The times are
 * milliseconds of a clock that never goes back and does count a suspend.
 *
 * Phases: trying → up → (lost) waiting → trying …; stuck is waiting for somebody: a network, or the user.
 */
import type { WhenLost } from '../rpc/contract.ts';
import type { ReasonCode } from './reasons.ts';
import { type Again, againAfter, isDisbelief, waitBefore } from './retry.ts';

/** Why a connection ended; `code` is a reason. */
export interface Ending {
  readonly code: string;
  readonly evidence: string;
  /** Of `redirected`: where to. */
  readonly redirect?: string;
  /** Whoever ended it had not proven to be the gateway. */
  readonly unproven?: boolean;
  /** The user's password or code had gone into it. */
  readonly told?: boolean;
}

export type SessionInput =
  | { readonly kind: 'start' }
  /** Dataplane and host carry what is meant for the tunnel. */
  | { readonly kind: 'up' }
  /** The connection is over, and taken down; without a reason when nobody wants it any more. `elsewhere`: another address was not tried yet. */
  | { readonly kind: 'ended'; readonly why: Ending | undefined; readonly elsewhere?: boolean }
  /** There is a way to the gateway, or none. */
  | { readonly kind: 'network'; readonly usable: boolean }
  | { readonly kind: 'suspending' }
  /** Awake again. `patience`: how long the gateway may take to show that it still knows us, before the connection is made anew. */
  | { readonly kind: 'resumed'; readonly patience: number }
  /** The gateway answered. */
  | { readonly kind: 'alive' }
  /** The login runs out: a connection is to be made beside the one in use within so many milliseconds, and to take its place. */
  | { readonly kind: 'reauthenticate'; readonly within: number }
  /** It has. */
  | { readonly kind: 'renewed' }
  /** It ended before; without a reason when it could not be tried. */
  | { readonly kind: 'renewal-ended'; readonly why: Ending | undefined }
  /** The user does not want to wait. */
  | { readonly kind: 'now' }
  | { readonly kind: 'tick' };

export type SessionOutput =
  /** Start a connection; `redirect` is the gateway that the one before sent us to, in place of the profile's. */
  | { readonly kind: 'connect'; readonly redirect?: string }
  /** Start one beside it; `redirect` as of `connect`. When the one in use ends first, this one is the one in use. */
  | { readonly kind: 'renew'; readonly redirect?: string }
  /** Ask the gateway now, and quickly, whether it is there. */
  | { readonly kind: 'check' }
  /** End the connection without a word to a gateway that does not answer. */
  | { readonly kind: 'drop'; readonly code: ReasonCode; readonly evidence: string }
  /** It ended with this, or because nobody wants it any more; nothing more comes. */
  | { readonly kind: 'over'; readonly why: Ending | undefined };

/** What there is to show of a tunnel that was up and is not. */
export interface LostSession {
  readonly why: Ending;
  /** On the session's clock; undefined while a try is under way or none is planned. */
  readonly retryAt: number | undefined;
  readonly stuck: boolean;
  /** Only the user can help. */
  readonly final: boolean;
}

export interface Session {
  handle(input: SessionInput, now: number): void;
  poll(): SessionOutput | undefined;
  deadline(): number | undefined;
  lost(): LostSession | undefined;
  /** It was up, and would be brought back after this. */
  survives(code: string): boolean;
  /** Asleep, or awake and not sure yet. */
  paused(): boolean;
}

export interface SessionOptions {
  readonly whenLost: WhenLost;
  /** It was up before, and this is why it is not. */
  readonly before?: Ending | undefined;
  /** Nothing is tried until the user says so. */
  readonly untilTold?: boolean | undefined;
  /** In [0, 1). */
  readonly random: () => number;
}

/** A connection that held for so long was a good one: the next wait is a short one again. */
const GOOD_STRETCH = 60_000;
/** A try is not given up for every word of a network that is being set up. */
const LEAST_TRY = 2_000;
/** Before a login beside the one in use is tried again. */
const BETWEEN_RENEWALS = 1_000;
/** RFC 5685 §7: MAX_REDIRECTS within REDIRECT_LOOP_DETECT_PERIOD. */
const MOST_REDIRECTS = 5;
const REDIRECT_PERIOD = 300_000;

/** While it is lost, what is meant for the tunnel goes nowhere else: the host stays as it was set up for it. */
export function holdsTraffic(whenLost: WhenLost): whenLost is 'hold' | 'lock' {
  return whenLost === 'hold' || whenLost === 'lock';
}

type Phase = 'idle' | 'trying' | 'up' | 'waiting' | 'stuck' | 'over';

export function createSession({ whenLost, before, untilTold, random }: SessionOptions): Session {
  const out: SessionOutput[] = [];
  let phase: Phase = 'idle';
  let everUp = before !== undefined;
  let why = before;
  let failed = 0;
  let phaseAt = 0;
  let retryAt: number | undefined;
  let online = true;
  let paused = false;
  /** About to sleep, or asleep. */
  let asleep = false;
  /** Until when the gateway is to answer after a wake-up. */
  let checkBy: number | undefined;
  let patience = 0;
  /** The next try does not wait. */
  let atOnce = false;
  let redirects: number[] = [];
  let final = false;
  /** A connection beside the one in use is under way, or will be tried at this instant, until that one. */
  let renewing = false;
  let renewAt: number | undefined;
  let renewBy = 0;
  let renewals = 0;

  function enter(next: Phase, now: number): void {
    phase = next;
    phaseAt = now;
    retryAt = undefined;
    checkBy = undefined;
    renewAt = undefined;
  }

  function renew(redirect?: string): void {
    renewing = true;
    renewAt = undefined;
    out.push({ kind: 'renew', ...(redirect !== undefined && { redirect }) });
  }

  /** Not one too many. */
  function follows(now: number): boolean {
    redirects = [...redirects.filter((at) => now - at < REDIRECT_PERIOD), now];
    return redirects.length <= MOST_REDIRECTS;
  }

  function renewalEnded(reason: Ending | undefined, now: number): void {
    renewing = false;
    // RFC 5685 §3: the new login is as any other, and the gateway that all know may be one that sends everybody on.
    if (reason?.redirect !== undefined && phase === 'up' && follows(now)) {
      renew(reason.redirect);
      return;
    }
    const again = reason ? againAfter(reason.code) : 'never';
    // What is in use goes on to its end, and then it is asked anew.
    if (again === 'never' || phase !== 'up') return;
    const at = now + BETWEEN_RENEWALS + waitBefore(again, renewals, random());
    renewals += 1;
    if (at < renewBy) renewAt = at;
  }

  function connect(now: number, redirect?: string): void {
    enter('trying', now);
    atOnce = false;
    out.push({ kind: 'connect', ...(redirect !== undefined && { redirect }) });
  }

  function drop(code: ReasonCode, evidence: string): void {
    checkBy = undefined;
    atOnce = true;
    out.push({ kind: 'drop', code, evidence });
  }

  function check(now: number): void {
    checkBy = now + patience;
    out.push({ kind: 'check' });
  }

  function survives(code: string): boolean {
    return renewing || (everUp && whenLost !== 'end' && againAfter(code) !== 'never');
  }

  function finish(reason: Ending, now: number): void {
    // What is locked stays shut until the user says so. What nobody has proven is no reason to let traffic out in clear, either: later, or
    // in another network, it may be another who answers. Only no password is tried there.
    if (everUp && (whenLost === 'lock' || (whenLost === 'hold' && reason.unproven))) {
      why = reason;
      final = whenLost === 'lock' || reason.told === true;
      enter('stuck', now);
      failed += 1;
      if (!final && online && isDisbelief(reason.code)) retryAt = now + waitBefore('later', failed, random());
      return;
    }
    enter('over', now);
    out.push({ kind: 'over', why: reason });
  }

  function ended(reason: Ending, elsewhere: boolean, now: number): void {
    const wasUp = phase === 'up';
    const held = now - phaseAt;
    paused = false;
    asleep = false;
    if (renewing) {
      renewing = false;
      why = reason;
      enter('trying', now);
      return;
    }
    if (reason.redirect !== undefined) {
      if (follows(now)) {
        if (everUp) why = reason;
        connect(now, reason.redirect);
        return;
      }
    } else if (elsewhere) {
      // Somewhere else the gateway may answer; that is still the same try.
      if (everUp) why = reason;
      connect(now);
      return;
    }
    // That it was up on the way does not end a chain of redirects (RFC 5685 §7): two gateways may send us to each other only then.
    if (reason.redirect === undefined && !elsewhere) redirects = [];
    const again: Again = againAfter(reason.code);
    if (again === 'never' || !survives(reason.code)) {
      finish(reason, now);
      return;
    }
    why = reason;
    // Who walks from network to network is not to wait longer each time.
    failed = wasUp && (held >= GOOD_STRETCH || again === 'now') ? 0 : failed + 1;
    const wait = atOnce ? 0 : waitBefore(again, failed, random());
    atOnce = false;
    if (!online) {
      enter('stuck', now);
      return;
    }
    enter('waiting', now);
    retryAt = now + wait;
  }

  function network(usable: boolean, now: number): void {
    const came = usable && !online;
    online = usable;
    if (!usable) {
      // A check that nothing can carry says nothing of the gateway.
      checkBy = undefined;
      if (phase === 'waiting' || phase === 'stuck') enter('stuck', now);
      return;
    }
    if (phase === 'waiting' || (phase === 'stuck' && !final)) {
      failed = 0;
      retryAt = Math.min(retryAt ?? now, now);
      phase = 'waiting';
    } else if (phase === 'trying' && everUp && now - phaseAt >= LEAST_TRY) drop('no-answer', 'the network changed');
    else if (phase === 'up' && paused && !asleep && came) check(now);
  }

  function resumed(input: Extract<SessionInput, { readonly kind: 'resumed' }>, now: number): void {
    failed = 0;
    asleep = false;
    patience = input.patience;
    if (phase === 'up') {
      paused = true;
      if (online) check(now);
    } else if (phase === 'waiting') retryAt = now;
    else if (phase === 'trying' && everUp) drop('no-answer', 'the computer slept');
  }

  function tick(now: number): void {
    if (checkBy !== undefined && now >= checkBy) drop('gateway-lost', `no answer for ${patience} ms after the computer woke`);
    if (retryAt !== undefined && now >= retryAt) connect(now);
    if (renewAt !== undefined && now >= renewAt) renew();
  }

  return {
    handle(input, now) {
      if (phase === 'over') return;
      switch (input.kind) {
        case 'start':
          if (phase !== 'idle') break;
          if (before && untilTold) finish(before, now);
          else connect(now);
          break;
        case 'up':
          if (phase !== 'trying') break;
          enter('up', now);
          everUp = true;
          why = undefined;
          break;
        case 'ended':
          if (phase !== 'trying' && phase !== 'up') break;
          if (input.why) ended(input.why, input.elsewhere ?? false, now);
          else {
            enter('over', now);
            out.push({ kind: 'over', why: undefined });
          }
          break;
        case 'network':
          network(input.usable, now);
          break;
        case 'suspending':
          if (phase !== 'up') break;
          paused = true;
          asleep = true;
          // Time that nobody has to answer in.
          checkBy = undefined;
          break;
        case 'resumed':
          resumed(input, now);
          break;
        case 'alive':
          paused = asleep;
          checkBy = undefined;
          break;
        case 'reauthenticate':
          if (phase !== 'up' || renewing) break;
          renewBy = now + input.within;
          renewals = 0;
          renew();
          break;
        case 'renewed':
          renewing = false;
          redirects = [];
          phaseAt = now;
          break;
        case 'renewal-ended':
          if (renewing) renewalEnded(input.why, now);
          break;
        case 'now':
          if (phase !== 'waiting' && phase !== 'stuck') break;
          failed = 0;
          final = false;
          connect(now);
          break;
        case 'tick':
          break;
      }
      tick(now);
    },
    poll: () => out.shift(),
    deadline() {
      const due = Math.min(retryAt ?? Infinity, checkBy ?? Infinity, renewAt ?? Infinity);
      return due === Infinity ? undefined : due;
    },
    lost() {
      if (!everUp || why === undefined || phase === 'up' || phase === 'over') return undefined;
      return { why, retryAt, stuck: phase === 'stuck', final };
    },
    survives,
    paused: () => paused,
  };
}
