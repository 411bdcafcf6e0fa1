/**
 * How long an authentication is good for: what the gateway says by AUTH_LIFETIME (RFC 4478), and what we demand of ourselves. It is
 * about who is there, not about keys: rekeying does not touch it (§2). Another authentication is made by another machine beside this one.
 */
import type { Random } from '../../crypto/types.ts';

/** Begun so long before the end at most, and this part of the whole: a user may have to be asked. Milliseconds. */
const leadMost = 300_000;
const leadPart = 0.2;
/** Of the lead, added at random: not all clients of a gateway come in the same second. */
const jitter = 0.25;
/** RFC 4478 §5: less than this from the authentication on is not reasonable, and would be a loop. Milliseconds. */
const shortest = 10_000;
/** What the gateway leaves beyond the end (§2: it deletes soon after), and what there is at least (§2: zero is at once). Milliseconds. */
const grace = 30_000;
const shortestGrace = 60_000;

export type AuthLifetimeEvent = { readonly kind: 'reauthenticate'; readonly within: number } | { readonly kind: 'expired' };

interface Limit {
  readonly askAt: number;
  /** The end of the time given. */
  readonly overAt: number;
  /** When we make an end of it, should nobody else. */
  readonly expiresAt: number;
}

export class AuthLifetime {
  readonly #random: Random;
  readonly #authenticatedAt: number;
  readonly #own: Limit | undefined;
  #theirs: Limit | undefined;
  #asked = false;

  /** From the moment of authentication on, which for a session resumed is long ago; `every` is our own limit in milliseconds, 0 is none. */
  constructor(random: Random, every: number, authenticatedAt: number) {
    this.#random = random;
    this.#authenticatedAt = authenticatedAt;
    this.#own = every > 0 ? this.#limit(every, 0, authenticatedAt) : undefined;
  }

  /** RFC 4478 §3: seconds from now on. What was said before is no more. */
  heard(seconds: number, now: number): void {
    const given = seconds * 1000;
    this.#theirs = this.#limit(given, Math.max(grace, shortestGrace - given), now);
    this.#asked = false;
  }

  /** The time given is over. */
  isOver(now: number): boolean {
    return now >= this.#earliest('overAt');
  }

  get deadline(): number {
    return Math.min(this.#asked ? Number.POSITIVE_INFINITY : this.#earliest('askAt'), this.#earliest('expiresAt'));
  }

  /** Expired is said again and again: who hears it makes an end. */
  tick(now: number): AuthLifetimeEvent | undefined {
    const expiresAt = this.#earliest('expiresAt');
    if (now >= expiresAt) return { kind: 'expired' };
    if (this.#asked || now < this.#earliest('askAt')) return undefined;
    this.#asked = true;
    return { kind: 'reauthenticate', within: expiresAt - now };
  }

  #limit(given: number, beyond: number, now: number): Limit {
    const lead = Math.min(leadMost, given * leadPart) * (1 + jitter * this.#fraction());
    const askAt = Math.max(now + given - lead, this.#authenticatedAt + shortest);
    const overAt = now + given;
    return { askAt, overAt, expiresAt: Math.max(overAt, askAt) + beyond };
  }

  #earliest(which: keyof Limit): number {
    return Math.min(...[this.#own, this.#theirs].map((limit) => limit?.[which] ?? Number.POSITIVE_INFINITY));
  }

  #fraction(): number {
    const [high, low] = this.#random(2);
    return (high * 256 + low) / 65_536;
  }
}

/** The seconds of an AUTH_LIFETIME; undefined when it is none (RFC 4478 §3: four octets). */
export function readAuthLifetime(data: Uint8Array): number | undefined {
  return data.length === 4 ? new DataView(data.buffer, data.byteOffset, 4).getUint32(0) : undefined;
}
