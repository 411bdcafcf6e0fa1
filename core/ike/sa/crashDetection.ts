/**
 * What unprotected messages about SAs that the gateway does not know may do (RFC 7296 §1.5, §2.4, §2.21.4; RFC 6290). Anybody can send
 * them, so without a token they are a reason to ask the gateway whether it lives, and no more. With the token that it gave us under
 * protection they prove that it has lost the IKE SA: it tells the token to nobody while it has it (RFC 6290 §9.2).
 *
 * We take tokens and make none: a client starts its connections again itself (RFC 6290 §8.1).
 */
import { equalBytes, equalConstantTime } from '../../bytes/bytes.ts';
import { NOTIFY } from '../wire/constants.ts';
import type { Message } from '../wire/message.ts';
import { allNotifies, findNotify, findPayload } from '../wire/payloads.ts';
import { spiNumber } from '../wire/spi.ts';
import { hintsEvery } from './lifetimes.ts';

/** RFC 6290 §5: 16 to 128 octets. */
const tokenOctets = { least: 16, most: 128 } as const;
/** RFC 6290 §5: some earlier tokens may be kept; §4.5: at least four of a message are looked at. */
const tokensKept = 4;
const tokensRead = 8;
/** In the time in which one hint is believed. */
const messagesRead = 10;

/** Of the IKE SA in use. */
export interface KnownSpis {
  readonly spiI: Uint8Array;
  readonly spiR: Uint8Array;
  /** Of the CHILD SAs, as we send. */
  readonly spisOut: readonly number[];
}

export class CrashDetection {
  readonly #tokens: Uint8Array[] = [];
  #checkedAt = Number.NEGATIVE_INFINITY;
  #countingSince = Number.NEGATIVE_INFINITY;
  #read = 0;

  /** A token that came under protection; false when it cannot be one. */
  take(token: Uint8Array): boolean {
    if (token.length < tokenOctets.least || token.length > tokenOctets.most) return false;
    this.#tokens.unshift(token.slice());
    this.#tokens.length = Math.min(this.#tokens.length, tokensKept);
    return true;
  }

  /** RFC 6290 §5.3: the token goes with its IKE SA. */
  forget(): void {
    this.#tokens.length = 0;
  }

  /**
   * Of a message that is not encrypted: `restarted`, the gateway has proven that it lost the IKE SA; `check`, it is time to ask it;
   * undefined: it is about nothing of ours, or there were too many.
   */
  judge(message: Message, known: KnownSpis, now: number): 'restarted' | 'check' | undefined {
    if (!isAbout(message, known)) return undefined;
    const shown = allNotifies(message.payloads, NOTIFY.QUICK_CRASH_DETECTION).slice(0, tokensRead);
    if (shown.length > 0 && this.#mayRead(now) && shown.some(({ data }) => this.#knows(data))) return 'restarted';
    if (now < this.#checkedAt + hintsEvery) return undefined;
    this.#checkedAt = now;
    return 'check';
  }

  #knows(shown: Uint8Array): boolean {
    return this.#tokens.some((token) => equalConstantTime(token, shown));
  }

  #mayRead(now: number): boolean {
    if (now >= this.#countingSince + hintsEvery) {
      this.#countingSince = now;
      this.#read = 0;
    }
    this.#read++;
    return this.#read <= messagesRead;
  }
}

/** It says that an SA of ours is not known, in the clear. */
function isAbout({ header, payloads }: Message, { spiI, spiR, spisOut }: KnownSpis): boolean {
  if (findPayload(payloads, 'SK') || findPayload(payloads, 'SKF')) return false;
  const invalidSpi = findNotify(payloads, NOTIFY.INVALID_SPI);
  const ours = equalBytes(header.spiI, spiI) && equalBytes(header.spiR, spiR);
  // RFC 7296 §1.5: about ESP the SPIs of the header mean nothing; the one in the data is of the packet that came, so one we send with.
  if (invalidSpi) return ours || spisOut.some((spi) => spi === spiNumber(invalidSpi.data));
  return ours && findNotify(payloads, NOTIFY.INVALID_IKE_SPI) !== undefined;
}
