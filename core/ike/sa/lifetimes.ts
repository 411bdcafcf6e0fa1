/**
 * How long keys live and how soon a silent gateway is noticed: all numbers of it in one place, none of them the protocol's (RFC 7296 §2.4 and
 * §2.8 leave them to each side). When a connection that was lost is tried again is in core/tunnel/retry.ts.
 *
 * At the soft limit an SA is rekeyed, at the hard one it ends. The soft limit comes early by a random part (`jitter`), so that two sides with
 * the same numbers seldom rekey at once, and a thousand clients of a gateway do not.
 */
import type { Random } from '../../crypto/types.ts';
import type { ChildSuite } from '../negotiation.ts';
import type { IkeTiming, TrafficLimits } from './contract.ts';

/** Milliseconds; Infinity is never. */
export interface Lifetime {
  readonly soft: number;
  readonly hard: number;
}

export interface Lifetimes {
  readonly ike: Lifetime;
  readonly child: Lifetime;
  /** Of one CHILD SA and direction, from its profile; Infinity is none. What its cipher and sequence numbers carry is a bound besides. */
  readonly octets: Lifetime;
  readonly packets: Lifetime;
  /** Largest part of the soft limit that it may come early. */
  readonly jitter: number;
  /** Rekeys the first CHILD SA at once, so that a gateway that refuses is found out now and not in an hour. */
  readonly rehearse: boolean;
}

const minute = 60_000;
const hour = 60 * minute;
const never: Lifetime = { soft: Number.POSITIVE_INFINITY, hard: Number.POSITIVE_INFINITY };

/** From its soft limit, 0 is never: two fifths more until the end, and as much as a rekeying on a bad road needs. */
export function lifetime(soft: number, of: keyof typeof leastRest): Lifetime {
  return soft === 0 ? never : { soft, hard: soft + Math.max(soft * 0.4, leastRest[of]) };
}

/** Milliseconds, octets, packets. */
const leastRest = { time: 20_000, octets: 64 * 2 ** 20, packets: 2 ** 16 };

/**
 * Below the usual numbers of gateways (strongSwan 4 h and 1 h, others 8 h and 1 h), so that it is mostly the laptop that rekeys:
 * whoever rekeys knows best when it is awake.
 */
export const defaultLifetimes: Lifetimes = {
  ike: lifetime(3 * hour, 'time'),
  child: lifetime(50 * minute, 'time'),
  octets: never,
  packets: never,
  jitter: 0.1,
  rehearse: false,
};

/** Milliseconds after which a refused rekey is tried again, at first; RFC 7296 §2.25: an initiator that is told TEMPORARY_FAILURE waits. */
const retryAfter = { least: 2_000, most: 60_000 };
/** 0 up to 1. */
export function fraction(random: Random): number {
  const [a, b] = random(2);
  return (a * 256 + b) / 65_536;
}

/**
 * Milliseconds until a refused rekey is tried again: longer with every attempt, and never the same on both sides, for two that are told
 * TEMPORARY_FAILURE must not meet again. Of the time that is left it is a quarter at most, so that it is tried again before the hard limit.
 */
export function pauseAfter(attempts: number, left: number, random: Random): number {
  const { least, most } = retryAfter;
  const pause = Math.min(most, least * 2 ** Math.max(0, attempts - 1)) * (0.5 + fraction(random));
  return Math.max(least / 2, Math.min(pause, left / 4));
}

/**
 * Milliseconds before the hard limit of an SA that the peer does not let us rekey, from which on another login is to take its place: while
 * it still carries, and long enough for a user who has to be asked.
 */
export function lastResort({ soft, hard }: Lifetime): number {
  return Math.min(5 * minute, (hard - soft) / 5);
}

/** Milliseconds: a CHILD SA that the peer deletes earlier it did not want, and is asked for another one later and later. */
export const wantedFor = 30_000;
/** Milliseconds that an SA stays which the peer is to delete, because it replaced it or made it in vain. */
export const redundantFor = 20_000;
/** Milliseconds that packets under way may still come on a CHILD SA that was replaced. */
export const graceFor = 5_000;
/** RFC 4303 §3.3.3: 2^32 packets without extended sequence numbers; the rest of the way is for the rekeying. */
const sequenceNumbers: Lifetime = { soft: 3 * 2 ** 30, hard: 2 ** 32 - 2 ** 16 };

/** What is left to the lanes to watch: a child ends by what it carried, whatever the time. */
export function limitsOf({ esn }: Pick<ChildSuite, 'esn'>, { octets, packets }: Lifetimes): TrafficLimits {
  const counted = esn.id === 1 ? never : sequenceNumbers;
  const least = { soft: Math.min(packets.soft, counted.soft), hard: Math.min(packets.hard, counted.hard) };
  return { ...(octets.hard < never.hard && { octets }), ...(least.hard < never.hard && { packets: least }) };
}

// --- a silent gateway ------------------------------------------------------------------------------------------------------------

/**
 * A gateway of which nothing is heard for `livenessAfter` is asked. With the others, one that is silent is given up after 35 s, and 20 %
 * of loss both ways fails one connect in thousands.
 */
export const usualTiming: IkeTiming = {
  livenessAfter: 30_000,
  retransmitFirst: 500,
  retransmitFactor: 1.8,
  retransmitMax: 6_000,
  retransmitTries: 8,
  establishWithin: 60_000,
};
/** A request is sent in so many rounds of repetitions where the gateway's packets say that it is there. */
export const mostRounds = 2;
/** News of the way for which one request is waited for anew, while nothing is heard (RFC 9329 §6.2: then the IKE SA is deleted). */
export const mostNews = 5;
/** RFC 7296 §1.5, §2.4, RFC 6290 §8.1: that an SA is not known is a reason to ask the gateway, or to rekey, this often at most. Milliseconds. */
export const hintsEvery = 10_000;

/**
 * After a sleep, milliseconds. A timer that is so `late` was not run while it should have been: the computer slept, or this process stood
 * still. The gateway is asked at once, and has as long for its answer as three sendings take (`quick`), or as long as a request is repeated
 * (`patient`) where the user would have to log in again. An answer to what was first sent more than `recently` ago, by a clock that
 * counts the sleep, may have waited all through it.
 */
export const afterSleep = { late: 5_000, quick: 1_700, patient: 60_000, recently: 5_000 } as const;
