/**
 * Message ids, retransmission and cached answers of one IKE SA (RFC 7296 §2.1–§2.3). Both windows have size 1: nothing here
 * sends SET_WINDOW_SIZE, and a peer that does may still be spoken to one request at a time.
 *
 * - `RequestWindow`: our requests. One is in flight; it is repeated byte for byte until answered or given up.
 * - `AnswerWindow`: the peer's requests. The next id is processed, the last one is answered from the cache, others are ignored.
 */
import { equalBytes } from '../../bytes/bytes.ts';
import type { IkeTiming } from './contract.ts';

/** The part of `IkeTiming` that says when to repeat. `retransmitTries` counts the repetitions after the first sending. */
export type RetransmitTiming = Pick<IkeTiming, 'retransmitFirst' | 'retransmitFactor' | 'retransmitMax' | 'retransmitTries'>;

/**
 * RFC 9329 §6.2: over a reliable transport a request is sent once, and again only when the connection is a new one. It is waited for as long as
 * with repetitions.
 */
export function sentOnce(timing: RetransmitTiming): RetransmitTiming {
  let patience = 0;
  for (let i = 0, pause = timing.retransmitFirst; i <= timing.retransmitTries; i++) {
    patience += pause;
    pause = Math.min(pause * timing.retransmitFactor, timing.retransmitMax);
  }
  return { ...timing, retransmitFirst: patience, retransmitTries: 0 };
}

/** When one request is repeated: after `retransmitFirst`, then `retransmitFactor` times the last pause, at most `retransmitMax`. */
export class Retransmission {
  readonly #timing: RetransmitTiming;
  #pause: number;
  #dueAt: number;
  #sent = 1;

  constructor(timing: RetransmitTiming, now: number) {
    this.#timing = timing;
    this.#pause = timing.retransmitFirst;
    this.#dueAt = now + this.#pause;
  }

  /** Transmissions so far, the first one included. */
  get sent(): number {
    return this.#sent;
  }

  get deadline(): number {
    return this.#dueAt;
  }

  /** `again`: transmit once more. `exhausted`: it was repeated often enough and the last pause is over. */
  tick(now: number): 'wait' | 'again' | 'exhausted' {
    if (now < this.#dueAt) return 'wait';
    if (this.#sent > this.#timing.retransmitTries) return 'exhausted';
    this.#sent++;
    this.#pause = Math.min(this.#pause * this.#timing.retransmitFactor, this.#timing.retransmitMax);
    // From now, not from the old deadline: after a suspend the repetitions must not come in a burst.
    this.#dueAt = now + this.#pause;
    return 'again';
  }
}

interface InFlight<T> {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly context: T;
  readonly retransmission: Retransmission;
}

/** Our requests. `T` is whatever belongs to the request in flight. */
export class RequestWindow<T> {
  readonly #timing: RetransmitTiming;
  #next: number;
  #inFlight: InFlight<T> | undefined;

  constructor(timing: RetransmitTiming, firstId: number) {
    this.#timing = timing;
    this.#next = firstId;
  }

  /** Id of the next request. */
  get nextId(): number {
    return this.#next;
  }

  get busy(): boolean {
    return this.#inFlight !== undefined;
  }

  /** What belongs to the request in flight. */
  get context(): T | undefined {
    return this.#inFlight?.context;
  }

  get deadline(): number | undefined {
    return this.#inFlight?.retransmission.deadline;
  }

  /** Puts the request with `nextId` in flight. A second one at the same time is a programmer's mistake. */
  send(bytes: Uint8Array, context: T, now: number, timing = this.#timing): void {
    if (this.#inFlight) throw new Error('a request is in flight already'); // RFC 7296 §2.3: window of one
    this.#inFlight = { id: this.#next, bytes, context, retransmission: new Retransmission(timing, now) };
    this.#next++;
  }

  /** The request in flight, which is to be sent again now and waited for anew; undefined when there is none. */
  again(now: number, timing = this.#timing): Uint8Array | undefined {
    const flight = this.#inFlight;
    if (flight) this.#inFlight = { ...flight, retransmission: new Retransmission(timing, now) };
    return flight?.bytes;
  }

  /** True when a response with this id belongs to the request in flight. */
  awaits(id: number): boolean {
    return this.#inFlight?.id === id;
  }

  /** Ends the request in flight, because it was answered or does not matter any more; gives its context. */
  finish(): T | undefined {
    const context = this.#inFlight?.context;
    this.#inFlight = undefined;
    return context;
  }

  /** The bytes to repeat (RFC 7296 §2.1: the very same ones), or that the peer does not answer. */
  tick(now: number): { readonly bytes: Uint8Array; readonly id: number; readonly sent: number } | 'exhausted' | undefined {
    const flight = this.#inFlight;
    if (!flight) return undefined;
    const verdict = flight.retransmission.tick(now);
    if (verdict === 'wait') return undefined;
    if (verdict === 'exhausted') return 'exhausted';
    return { bytes: flight.bytes, id: flight.id, sent: flight.retransmission.sent };
  }
}

/** What to do with a request of the peer before its ICV is looked at. */
export type RequestVerdict =
  /** Its turn: open it, and when it is genuine process it and `answered`. */
  | { readonly kind: 'new' }
  /** Byte for byte the last genuine one: send this answer again, execute nothing. */
  | { readonly kind: 'repeat'; readonly answer: Uint8Array }
  /** Outside the window, or a different message under a used id: ignore. */
  | { readonly kind: 'ignore' };

/** The peer's requests. */
export class AnswerWindow {
  #expected: number;
  #last: { readonly request: Uint8Array; readonly answer: Uint8Array } | undefined;

  constructor(firstId: number) {
    this.#expected = firstId;
  }

  get expectedId(): number {
    return this.#expected;
  }

  judge(id: number, request: Uint8Array): RequestVerdict {
    if (id === this.#expected) return { kind: 'new' };
    // RFC 7296 §2.1: a retransmission is identical in every bit, so it is as genuine as the original was.
    if (id === this.#expected - 1 && this.#last && equalBytes(this.#last.request, request))
      return { kind: 'repeat', answer: this.#last.answer };
    return { kind: 'ignore' };
  }

  /** Records the answer to the request with `expectedId` and moves on. */
  answered(request: Uint8Array, answer: Uint8Array): void {
    this.#last = { request: request.slice(), answer };
    this.#expected++;
  }
}
