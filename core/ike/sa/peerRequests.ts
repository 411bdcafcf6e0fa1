/**
 * The peer's requests in one IKE SA: window and repetition (RFC 7296 §2.1), whether it may ask that now, what is genuine, the handler of the
 * exchange, and the answer. INFORMATIONAL is handled here, for both roles.
 */
import { judgeInformational } from '../exchanges/informational.ts';
import { exchangeName, type RuleError, siftPayloads } from '../exchanges/rules.ts';
import { type Arrived, InboundMessages } from '../fragment/inbound.ts';
import { EXCHANGE, NOTIFY, nameOf } from '../wire/constants.ts';
import type { Payload, PayloadOf } from '../wire/message.ts';
import { type Arrival, complaint, tellReceived, wrongText } from './arrival.ts';
import type { ChildTable } from './childTable.ts';
import type { IkeFailure } from './contract.ts';
import type { Delivery } from './delivery.ts';
import type { MessageSecurity } from './messageSecurity.ts';
import type { IkeSaSetup, NotifyTaken, Reply, RequestHandler, Route } from './setup.ts';
import { AnswerWindow } from './window.ts';

/**
 * How long fragments of a request wait for the others, milliseconds. RFC 7383 §2.6: as long as an initiator keeps trying; what it
 * sends after that is another request.
 */
const FRAGMENTS_WITHIN = 30_000;

/** More notifies than any request has need of; each may be answered by two payloads, of which a message holds 255. */
const MOST_NOTICES = 64;
/** Lines for one message. */
const MOST_NOTES = 8;

/** Of the IKE SA. */
export interface IkeSaParts {
  readonly security: MessageSecurity;
  readonly delivery: Delivery;
  readonly children: ChildTable;
}

export interface PeerRequestsPorts {
  /** The peer has proven who it is. */
  readonly isAuthenticated: () => boolean;
  /** The peer itself sent this, and it is new. */
  readonly heard: (arrival: Arrival, now: number) => void;
  /** The end for this reason, unless we were ending for one of our own. */
  readonly end: (failure: IkeFailure) => void;
  /** DELETE of the IKE SA, and the end. */
  readonly leave: (failure: IkeFailure, now: number) => void;
}

/** A request whose turn it is and that the peer itself sent. */
interface Request extends Arrival {
  readonly arrived: Arrived;
}

export class PeerRequests {
  readonly #setup: IkeSaSetup;
  readonly #parts: IkeSaParts;
  readonly #ports: PeerRequestsPorts;
  readonly #answers: AnswerWindow;
  readonly #inbound: InboundMessages;

  constructor(setup: IkeSaSetup, parts: IkeSaParts, ports: PeerRequestsPorts) {
    this.#setup = setup;
    this.#parts = parts;
    this.#ports = ports;
    this.#answers = new AnswerWindow(setup.expectedRequestId);
    this.#inbound = new InboundMessages(setup.fragmentSize !== undefined, setup.narrator, FRAGMENTS_WITHIN);
  }

  get deadline(): number {
    return this.#inbound.deadline;
  }

  tick(now: number): void {
    this.#inbound.tick(now);
  }

  clear(): void {
    this.#inbound.clear();
  }

  receive(arrival: Arrival, now: number): void {
    const { message, bytes, channel, from } = arrival;
    const { header } = message;
    const { narrator } = this.#setup;
    const verdict = this.#answers.judge(message, bytes);
    if (verdict.kind === 'repeat' || (verdict.kind === 'perhaps-repeat' && verdict.opens(bytes, message))) {
      narrator.drop('request repeated, answer sent again', { messageId: header.messageId });
      this.#parts.delivery.transmit(this.#answers.answerAgain(), { channel, remote: from });
      return;
    }
    if (verdict.kind !== 'new') {
      narrator.drop('request outside the window', { messageId: header.messageId });
      return;
    }
    const handler = this.#handlerOf(header.exchange);
    if (!handler && !this.#ports.isAuthenticated()) {
      narrator.drop('request before authentication', { exchange: header.exchange });
      return;
    }
    const arrived = this.#inbound.take(this.#parts.security.protection, message, bytes, now);
    if (!arrived) return;
    const { opened } = arrived;
    const request: Request = { ...arrival, arrived };
    this.#ports.heard(arrival, now);
    const sifted = opened.ok ? siftPayloads(header.exchange, 'request', 'inside SK', opened.value.payloads) : undefined;
    if (opened.ok && sifted?.ok && handler) {
      tellReceived(narrator, header, opened.value, sifted.value.ignored, arrived);
      this.#setup.asked?.(sifted.value.payloads);
      const reply = handler(sifted.value.payloads, now, { channel, remote: arrival.from });
      if (reply) this.#reply(request, reply, now);
      return;
    }
    this.#refuse(request, sifted && !sifted.ok ? sifted.error : undefined, wrongText(opened, sifted), now);
  }

  /** RFC 7296 §2.21.2, §2.21.3: UNSUPPORTED_CRITICAL_PAYLOAD refuses the message, INVALID_SYNTAX ends the IKE SA as well. */
  #refuse(request: Request, error: RuleError | undefined, what: string, now: number): void {
    const evidence = `${exchangeName(request.message.header.exchange)} request: ${what}`;
    this.#setup.narrator.log('warn', 'request refused', { messageId: request.message.header.messageId, evidence });
    const close = () => this.#ports.end({ code: 'protocol', evidence });
    const payloads = [complaint(error)];
    const stands = error?.code === 'critical' && this.#ports.isAuthenticated();
    this.#reply(request, stands ? { payloads } : { payloads, after: close }, now);
  }

  #reply(request: Request, reply: Reply, now: number): void {
    const { message, channel, from, arrived } = request;
    const { header } = message;
    const answer = this.#parts.security.header(header.exchange, header.messageId, true);
    // RFC 7383 §2.5.1: what came through one way is a measure for the other.
    const way = { channel, remote: from };
    const sealed = this.#parts.security.seal(answer, reply.payloads, way, { longest: arrived.fragments?.longest });
    const { protection } = this.#parts.security;
    this.#answers.answered(arrived.request, sealed, (bytes, again) => protection.openFragment(bytes, again).ok);
    if (header.exchange === EXCHANGE.IKE_INTERMEDIATE && arrived.opened.ok)
      this.#parts.security.intermediateServed(arrived.request, arrived.opened.value, sealed, reply.payloads);
    this.#setup.narrator.sent(answer, reply.payloads, sealed.datagrams);
    // RFC 7296 §2.11: answers go to where the request came from.
    this.#parts.delivery.transmit(sealed.datagrams, way);
    reply.after?.(now);
  }

  #handlerOf(exchange: number): RequestHandler | undefined {
    // RFC 7296 §2.21.2: before the peer has proven who it is, there are only the exchanges that do that.
    const later = exchange === EXCHANGE.CREATE_CHILD_SA || exchange === EXCHANGE.IKE_FOLLOWUP_KE;
    const own = this.#ports.isAuthenticated() || !later ? this.#setup.handlers[exchange] : undefined;
    if (own || !this.#ports.isAuthenticated()) return own;
    if (exchange === EXCHANGE.INFORMATIONAL) return (payloads, now, way) => this.#informational(payloads, now, way);
    return undefined;
  }

  #informational(payloads: readonly Payload[], now: number, way: Route): Reply {
    const verdict = judgeInformational(payloads, this.#parts.children.all, this.#setup.version);
    const { narrator } = this.#setup;
    for (const note of verdict.notes.slice(0, MOST_NOTES)) narrator.log('warn', note);
    if (verdict.notes.length > MOST_NOTES) narrator.log('warn', `and ${verdict.notes.length - MOST_NOTES} more of these`);
    for (const spiIn of verdict.removed) this.#parts.children.remove(spiIn);
    const { end } = verdict;
    const taken = end ? [] : verdict.notices.slice(0, MOST_NOTICES).flatMap((notice) => this.#notice(notice, now, way));
    const answer = [...verdict.answer, ...taken.flatMap((one) => one.answer ?? [])];
    // RFC 7296 §2.25.2: a DELETE that crosses ours is answered as usual, and ours is forgotten; the reason stays our own.
    if (end) return { payloads: verdict.answer, after: () => this.#ports.end(end) };
    const { closeWithoutChild, childComing } = this.#setup;
    if (verdict.removed.length === 0 || !this.#parts.children.isEmpty || !closeWithoutChild || childComing?.()) {
      const after = (at: number) => {
        for (const one of taken) one.after?.(at);
      };
      return { payloads: answer, after };
    }
    const failure: IkeFailure = { code: 'closed-by-gateway', evidence: 'DELETE of the last CHILD SA' };
    return { payloads: answer, after: (at) => this.#ports.leave(failure, at) };
  }

  #notice(notice: PayloadOf<'N'>, now: number, way: Route): NotifyTaken[] {
    const taken = this.#setup.notified?.(notice, now, way, this.#setup);
    if (taken) return [taken];
    this.#setup.narrator.log('warn', `peer reports ${nameOf(NOTIFY, notice.type)}`);
    return [];
  }
}
