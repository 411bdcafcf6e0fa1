/**
 * IKE_FOLLOWUP_KE (RFC 9370 §2.2.4): the additional key exchanges of a CREATE_CHILD_SA, one exchange each, after it. What ties them to it is
 * the data of ADDITIONAL_KEY_EXCHANGE, which the responder gives with every answer but the last and the initiator brings back.
 *
 *   HDR, SK{SA, Ni, KEi(0), …} →   ← HDR, SK{SA, Nr, KEr(0), …, N(ADDITIONAL_KEY_EXCHANGE)(link 1)}
 *   HDR, SK{KEi(1), N(ADDITIONAL_KEY_EXCHANGE)(link 1)} →   ← HDR, SK{KEr(1) [, N(ADDITIONAL_KEY_EXCHANGE)(link 2)]}   and so on
 *
 * The SA is made when the last of them is done. Secrets go to who derives the keys and wipes them.
 */
import { equalBytes } from '../../bytes/bytes.ts';
import { answerKeyExchange, startKeyExchange } from '../../crypto/ke.ts';
import type { AdditionalKe, KeyExchange, Random } from '../../crypto/types.ts';
import { wipe } from '../keys/ikeKeys.ts';
import { NOTIFY, nameOf } from '../wire/constants.ts';
import type { Payload } from '../wire/message.ts';
import { allPayloads, findNotify, findPayload, notify } from '../wire/payloads.ts';
import { isErrorNotify } from './rules.ts';

/** Milliseconds that the peer's next exchange is waited for; after that it is told STATE_NOT_FOUND. */
export const followupWithin = 20_000;

export type FollowupVerdict =
  /** Another request is due. */
  | { readonly kind: 'more' }
  /** SK(1) | SK(2) | … */
  | { readonly kind: 'done'; readonly secrets: readonly Uint8Array[] }
  /** An error notify: the peer has no SA, and neither have we. */
  | { readonly kind: 'refused'; readonly type: number; readonly evidence: string }
  /** The answer cannot be used; the peer may have made the SA all the same. */
  | { readonly kind: 'wrong'; readonly evidence: string };

/** Ours. */
export class FollowupRequests {
  readonly #left: AdditionalKe[];
  readonly #random: Random;
  readonly #secrets: Uint8Array[] = [];
  #link: Uint8Array | undefined;
  #exchange: KeyExchange | undefined;

  /** `answer` is the response to CREATE_CHILD_SA. */
  constructor(additional: readonly AdditionalKe[], answer: readonly Payload[], random: Random) {
    this.#left = [...additional];
    this.#random = random;
    this.#link = linkIn(answer);
  }

  /** The next request; undefined: the peer did not say what it belongs to. */
  build(): readonly Payload[] | undefined {
    const [next] = this.#left;
    if (!next || !this.#link) return undefined;
    this.#exchange = startKeyExchange(next.ke, this.#random);
    return [
      { kind: 'KE', method: next.ke.id, data: this.#exchange.publicValue },
      notify(NOTIFY.ADDITIONAL_KEY_EXCHANGE, this.#link),
    ];
  }

  read(payloads: readonly Payload[]): FollowupVerdict {
    const error = allPayloads(payloads, 'N').find(({ type }) => isErrorNotify(type));
    if (error) return this.#failed({ kind: 'refused', type: error.type, evidence: place(nameOf(NOTIFY, error.type)) });
    const next = this.#left.shift();
    const ke = findPayload(payloads, 'KE');
    if (!next || !this.#exchange || ke?.method !== next.ke.id)
      return this.#failed({ kind: 'wrong', evidence: place(`key exchange ${ke?.method} where ${next?.keyword} was due`) });
    const shared = this.#exchange.derive(ke.data);
    this.#exchange = undefined;
    if (!(shared instanceof Uint8Array))
      return this.#failed({ kind: 'wrong', evidence: place(`${next.keyword}: ${shared.fault}`) });
    this.#secrets.push(shared);
    if (this.#left.length === 0) return { kind: 'done', secrets: this.#secrets };
    this.#link = linkIn(payloads);
    return this.#link ? { kind: 'more' } : this.#failed({ kind: 'wrong', evidence: place('no ADDITIONAL_KEY_EXCHANGE') });
  }

  #failed<T>(verdict: T): T {
    wipe(...this.#secrets);
    return verdict;
  }
}

interface Pending {
  readonly left: AdditionalKe[];
  readonly secrets: Uint8Array[];
  readonly complete: (secrets: readonly Uint8Array[], now: number) => ((now: number) => void) | undefined;
  readonly dropped: () => void;
  link: Uint8Array;
  until: number;
}

export interface FollowupAnswer {
  readonly payloads: readonly Payload[];
  after?(now: number): void;
}

/** Theirs: one at a time, since nothing else of the peer's is agreed to meanwhile. */
export class FollowupAnswers {
  readonly #random: Random;
  #pending: Pending | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A CREATE_CHILD_SA of the peer waits for its additional key exchanges. */
  get busy(): boolean {
    return this.#pending !== undefined;
  }

  get deadline(): number {
    return this.#pending?.until ?? Number.POSITIVE_INFINITY;
  }

  tick(now: number): void {
    if (now >= this.deadline) this.drop();
  }

  /** What goes with the answer to CREATE_CHILD_SA. `complete` makes the SA and may say what is to be done once the last answer is out. */
  begin(additional: readonly AdditionalKe[], now: number, complete: Pending['complete'], dropped: () => void): Payload {
    this.drop();
    const link = this.#random(LINK_OCTETS).slice();
    this.#pending = { left: [...additional], secrets: [], complete, dropped, link, until: now + followupWithin };
    return notify(NOTIFY.ADDITIONAL_KEY_EXCHANGE, link);
  }

  answer(payloads: readonly Payload[], now: number): FollowupAnswer {
    this.tick(now);
    const pending = this.#pending;
    const brought = linkIn(payloads);
    // RFC 9370 §2.2.4: what it belongs to was never there, is done, or was given up.
    if (!pending || !brought || !equalBytes(brought, pending.link)) return { payloads: [notify(NOTIFY.STATE_NOT_FOUND)] };
    const [next] = pending.left;
    const ke = findPayload(payloads, 'KE');
    const answered = next && ke?.method === next.ke.id ? answerKeyExchange(next.ke, ke.data, this.#random) : undefined;
    if (!next || !answered || 'fault' in answered) {
      this.drop();
      return { payloads: [notify(NOTIFY.INVALID_SYNTAX)] };
    }
    pending.left.shift();
    pending.secrets.push(answered.shared);
    const value: Payload = { kind: 'KE', method: next.ke.id, data: answered.publicValue };
    if (pending.left.length > 0) {
      pending.link = this.#random(LINK_OCTETS).slice();
      pending.until = now + followupWithin;
      return { payloads: [value, notify(NOTIFY.ADDITIONAL_KEY_EXCHANGE, pending.link)] };
    }
    this.#pending = undefined;
    const after = pending.complete(pending.secrets, now);
    return after ? { payloads: [value], after } : { payloads: [value] };
  }

  /** Nothing comes of it. */
  drop(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (!pending) return;
    wipe(...pending.secrets);
    pending.dropped();
  }
}

/** Ours; a peer's may have any length. */
const LINK_OCTETS = 16;
/** RFC 9370 §2.2.4 has no limit; it is a reference, or the state of the responder itself. */
const MOST_LINK_OCTETS = 4096;

/** One that is so long that no request could bring it back is none. */
function linkIn(payloads: readonly Payload[]): Uint8Array | undefined {
  const link = findNotify(payloads, NOTIFY.ADDITIONAL_KEY_EXCHANGE)?.data;
  return link && link.length <= MOST_LINK_OCTETS ? link.slice() : undefined;
}

function place(what: string): string {
  return `${what} in IKE_FOLLOWUP_KE response`;
}
