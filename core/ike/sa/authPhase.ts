/** IKE_INTERMEDIATE and IKE_AUTH at work: carries the steps of the exchange to the IKE SA (requests) and to the world (asks), one at a time. */
import type { IkeAnswer } from '../auth/contract.ts';
import type { AuthInput, AuthSteps } from '../exchanges/authSteps.ts';
import { errorOf, type IkeAuthVerdict, isRefusal } from '../exchanges/ikeAuthErrors.ts';
import { EXCHANGE } from '../wire/constants.ts';
import type { Payload } from '../wire/message.ts';
import { findPayload } from '../wire/payloads.ts';
import type { IkeFailure, IkeOutput } from './contract.ts';
import type { IkeSa } from './ikeSa.ts';

export interface AuthPhasePorts {
  readonly sa: IkeSa;
  /** Data of a PS payload for the first IKE_AUTH request (RFC 8019 §7.2.2). */
  readonly solution: Uint8Array | undefined;
  readonly emit: (output: IkeOutput) => void;
  /** Looked at when a response comes: true leaves it unread and calls `cancelled`. */
  readonly isCancelled: () => boolean;
  readonly cancelled: (now: number) => void;
  readonly finished: (verdict: IkeAuthVerdict, now: number) => void;
  readonly malformed: (failure: IkeFailure, complaint: Payload, now: number) => void;
  readonly unanswered: () => void;
}

export class AuthPhase {
  readonly #steps: AuthSteps<IkeAuthVerdict>;
  readonly #ports: AuthPhasePorts;
  #asks = 0;
  #askedAt: number | undefined;
  #response: readonly Payload[] = [];
  #exchange: number = EXCHANGE.IKE_AUTH;
  #solution: Uint8Array | undefined;

  constructor(steps: AuthSteps<IkeAuthVerdict>, ports: AuthPhasePorts) {
    this.#steps = steps;
    this.#ports = ports;
    this.#solution = ports.solution;
  }

  start(now: number): void {
    this.#go(this.#steps.next(), now);
  }

  /** Since when an ask is open; undefined when none is. */
  get askedAt(): number | undefined {
    return this.#askedAt;
  }

  /** By its last response the gateway has an IKE SA, believed or not, which it should be told to delete. */
  get gatewayHasSa(): boolean {
    const error = errorOf(this.#response);
    if (error !== undefined && isRefusal(error)) return false;
    if (findPayload(this.#response, 'EAP')) return false;
    return findPayload(this.#response, 'SA') !== undefined || findPayload(this.#response, 'AUTH') !== undefined;
  }

  /** Of the last request. */
  get exchange(): number {
    return this.#exchange;
  }

  /** The gateway has begun EAP, and its last response was part of it. */
  get inEap(): boolean {
    return findPayload(this.#response, 'EAP') !== undefined;
  }

  /** This ask is open. */
  awaits(id: number): boolean {
    return this.#askedAt !== undefined && id === this.#asks;
  }

  /** Of the open ask. */
  answer(answer: IkeAnswer, now: number): void {
    this.#askedAt = undefined;
    this.#next({ kind: 'answer', answer }, now);
  }

  #next(input: AuthInput, now: number): void {
    this.#go(this.#steps.next(input), now);
  }

  #go(result: ReturnType<AuthSteps<IkeAuthVerdict>['next']>, now: number): void {
    if (result.done) {
      this.#ports.finished(result.value, now);
      return;
    }
    const step = result.value;
    if (step.kind === 'ask') {
      this.#askedAt = now;
      this.#asks++;
      this.#ports.emit({ kind: 'ask', id: this.#asks, ask: step.ask });
      return;
    }
    this.#request(step.exchange, step.payloads, now);
  }

  #request(type: number, payloads: readonly Payload[], now: number): void {
    const { sa, malformed, unanswered } = this.#ports;
    this.#exchange = type;
    const exchange = {
      exchange: type,
      ...(type === EXCHANGE.IKE_AUTH && this.#solution && { inTheClear: [{ kind: 'PS', data: this.#solution } as const] }),
      build: () => payloads,
      process: (response: readonly Payload[], at: number) => this.#received(response, at),
      malformed,
      unanswered,
    };
    if (type === EXCHANGE.IKE_AUTH) this.#solution = undefined;
    sa.request(exchange, now);
  }

  #received(response: readonly Payload[], now: number): void {
    this.#response = response;
    if (this.#ports.isCancelled()) this.#ports.cancelled(now);
    else this.#next({ kind: 'response', payloads: response }, now);
  }
}
