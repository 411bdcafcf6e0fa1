/**
 * Message ids, retransmission and cached answers of one IKE SA (RFC 7296 §2.1–§2.3). Both windows have size 1: nothing here
 * sends SET_WINDOW_SIZE, and a peer that does may still be spoken to one request at a time.
 *
 * - `RequestWindow`: our requests. One is in flight; it is repeated byte for byte until answered or given up, or made of smaller fragments.
 * - `AnswerWindow`: the peer's requests. The next id is processed, the last one is answered from the cache, others are ignored.
 */
import { equalBytes } from '../../bytes/bytes.ts';
import type { Message } from '../wire/message.ts';
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

/** A sealed message: its datagrams, and how to make it of smaller ones where they can be smaller. */
export interface Sealed {
  readonly datagrams: readonly Uint8Array[];
  readonly smaller?: () => readonly Uint8Array[];
}

/** After so many transmissions of what can be smaller it is supposed to be too large for the path (RFC 7383 §2.5.2). */
const SMALLER_AFTER = 3;

interface InFlight<T> {
  readonly id: number;
  readonly message: Sealed;
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
  send(message: Sealed, context: T, now: number, timing = this.#timing): void {
    if (this.#inFlight) throw new Error('a request is in flight already'); // RFC 7296 §2.3: window of one
    this.#inFlight = { id: this.#next, message, context, retransmission: new Retransmission(timing, now) };
    this.#next++;
  }

  /** The request in flight, to be sent again now; undefined when there is none. */
  get datagrams(): readonly Uint8Array[] | undefined {
    return this.#inFlight?.message.datagrams;
  }

  /** It is sent now, and waited for anew. */
  renew(now: number, timing = this.#timing): void {
    if (this.#inFlight) this.#inFlight = { ...this.#inFlight, retransmission: new Retransmission(timing, now) };
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

  /** What to repeat, or that the peer does not answer. */
  tick(now: number): Repetition | 'exhausted' | undefined {
    const flight = this.#inFlight;
    if (!flight) return undefined;
    const verdict = flight.retransmission.tick(now);
    if (verdict === 'wait') return undefined;
    if (verdict === 'exhausted') return 'exhausted';
    const { id, message, context, retransmission } = flight;
    if (retransmission.sent <= SMALLER_AFTER || !message.smaller)
      return { datagrams: message.datagrams, id, sent: retransmission.sent, smaller: false }; // RFC 7296 §2.1: the very same octets
    // RFC 7383 §2.5.2: a new probe starts the timers over. It is the last, since what is small has nothing smaller.
    const datagrams = message.smaller();
    this.#inFlight = { id, message: { datagrams }, context, retransmission: new Retransmission(this.#timing, now) };
    return { datagrams, id, sent: 1, smaller: true };
  }
}

export interface Repetition {
  readonly datagrams: readonly Uint8Array[];
  readonly id: number;
  readonly sent: number;
  /** Made anew, of smaller fragments. */
  readonly smaller: boolean;
}

/** What to do with a request of the peer before its ICV is looked at. */
export type RequestVerdict =
  /** Its turn: open it, and when it is genuine process it and `answered`. */
  | { readonly kind: 'new' }
  /** Byte for byte the last genuine one: execute nothing, send `answerAgain`. */
  | { readonly kind: 'repeat' }
  /** It may be the last one in other fragments (RFC 7383 §2.5.2): the same when `opens` says that it is genuine. */
  | { readonly kind: 'perhaps-repeat'; readonly opens: (bytes: Uint8Array, message: Message) => boolean }
  /** Outside the window, or a different message under a used id: ignore. */
  | { readonly kind: 'ignore' };

interface Answered {
  /** Of a fragmented request its first fragment (RFC 7383 §2.6.1). */
  readonly request: Uint8Array;
  readonly answer: Sealed;
  readonly opens: (bytes: Uint8Array, message: Message) => boolean;
  repeated: number;
}

/** The peer's requests. */
export class AnswerWindow {
  #expected: number;
  #last: Answered | undefined;

  constructor(firstId: number) {
    this.#expected = firstId;
  }

  get expectedId(): number {
    return this.#expected;
  }

  judge(message: Message, bytes: Uint8Array): RequestVerdict {
    const { messageId } = message.header;
    if (messageId === this.#expected) return { kind: 'new' };
    if (messageId !== this.#expected - 1 || !this.#last) return { kind: 'ignore' };
    // RFC 7296 §2.1: a retransmission is identical in every bit, so it is as genuine as the original was.
    if (equalBytes(this.#last.request, bytes)) return { kind: 'repeat' };
    // RFC 7383 §2.6.1: of all fragments only the first has the answer sent again.
    const [payload] = message.payloads;
    const first = payload?.kind === 'SKF' && payload.fragment === 1;
    return first ? { kind: 'perhaps-repeat', opens: this.#last.opens } : { kind: 'ignore' };
  }

  /**
   * The answer to the last request, once more. RFC 7383 §2.4: repeated repetitions of the request tell the responder that its
   * fragments are too large for the path.
   */
  answerAgain(): readonly Uint8Array[] {
    const last = this.#last;
    if (!last) return [];
    last.repeated++;
    if (last.repeated >= SMALLER_AFTER && last.answer.smaller)
      this.#last = { ...last, answer: { datagrams: last.answer.smaller() } };
    return this.#last?.answer.datagrams ?? [];
  }

  /** Records the answer to the request with `expectedId` and moves on. `opens` tells whether another fragment is as genuine. */
  answered(request: Uint8Array, answer: Sealed, opens: Answered['opens']): void {
    this.#last = { request: request.slice(), answer, opens, repeated: 0 };
    this.#expected++;
  }
}
