/**
 * What is above the packets and below Success and Failure, the same outside and inside a tunnel: Identity, Notification, NAK, and one
 * method in its order (RFC 3748 §2.1, §5).
 */
import { fromUtf8, toUtf8 } from '../../../bytes/bytes.ts';
import type { EapAsk, EapAskAnswer, EapFailure, EapMethodName } from './contract.ts';
import { type EapMethod, failed, type GivenAnswer, type MethodContext, type MethodOutcome, type MethodStep } from './method.ts';
import { describeType, eapType, methodOfType, typeOfMethod } from './packet.ts';
import { oneLine } from './text.ts';

/** Requests that ask for an identity, tell something or offer a type: more than a server with sense sends. */
const MAX_PREAMBLE = 20;

export type ConversationStep =
  | { readonly kind: 'respond'; readonly type: number; readonly data: Uint8Array }
  | { readonly kind: 'ask'; readonly ask: EapAsk }
  | { readonly kind: 'failed'; readonly failure: EapFailure };

/** Shared by the outer and the inner conversation: asked for once. */
export interface IdentityHolder {
  value: string | undefined;
}

export type MethodFactory = (name: EapMethodName, context: MethodContext) => EapMethod;

export class Conversation {
  readonly #allowed: readonly EapMethodName[];
  /** What could be spoken but is not good enough here: MD5 where it was not allowed, and for EAP-only what does not prove the server. */
  readonly #barred: readonly EapMethodName[];
  readonly #create: MethodFactory;
  readonly #identity: IdentityHolder;
  readonly #context: MethodContext;
  #method: EapMethod | undefined;
  /** Types that were answered with a NAK. */
  readonly #refusedTypes = new Set<number>();
  #preamble = 0;
  /** A request that waits for the identity. */
  #waiting: { readonly type: number; readonly data: Uint8Array; readonly identifier: number } | undefined;

  constructor(
    allowed: readonly EapMethodName[],
    create: MethodFactory,
    identity: IdentityHolder,
    context: Omit<MethodContext, 'identity'>,
    barred: readonly EapMethodName[] = ['md5'],
  ) {
    this.#allowed = allowed;
    this.#barred = barred;
    this.#create = create;
    this.#identity = identity;
    this.#context = { ...context, identity: () => identity.value ?? '' };
  }

  get method(): EapMethodName | undefined {
    return this.#method?.name;
  }

  request(type: number, data: Uint8Array, identifier: number): ConversationStep {
    if (this.#method !== undefined && type === typeOfMethod(this.#method.name))
      return this.#toMethod(this.#method, data, identifier);
    this.#preamble++;
    if (this.#preamble > MAX_PREAMBLE) return failed('eap-protocol', 'requests without end before a method');
    if (type === eapType.notification) return this.#notified(data);
    // RFC 3748 §2.1: once a method has begun, nothing else is asked before it is finished, and no other method after it.
    if (this.#method !== undefined) {
      return failed(
        'eap-protocol',
        `${describeType(type)} requested after ${describeType(typeOfMethod(this.#method.name))} began`,
      );
    }
    // RFC 3748 §5.3: a NAK is only ever a response.
    if (type === eapType.nak) return failed('eap-protocol', 'a NAK as a request');
    if (type === eapType.identity) return this.#identify(data, identifier);
    return this.#begin(type, data, identifier);
  }

  /** The answer to the ask that was the last step. */
  answer(answer: EapAskAnswer): ConversationStep {
    if (answer.kind === 'credential-missing') {
      return failed(
        answer.why === 'cancelled' ? 'credential-cancelled' : 'credential-expired',
        answer.why === 'cancelled' ? 'what was asked for was not given' : 'nobody answered in time',
      );
    }
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      this.#identity.value = identityOf(answer);
      return this.request(waiting.type, waiting.data, waiting.identifier);
    }
    if (this.#method === undefined) throw new Error('an answer, but nothing was asked');
    return this.#step(this.#method, this.#method.answer(answer));
  }

  outcome(): MethodOutcome | undefined {
    return this.#method?.outcome();
  }

  /** Why EAP-Failure came. */
  refusal(): EapFailure {
    if (this.#method !== undefined) return this.#method.refusal();
    if (this.#refusedTypes.size === 0) return { code: 'eap-refused', evidence: 'EAP-Failure before any method' };
    const offered = [...this.#refusedTypes].map(describeType).join(', ');
    const wanted = this.#allowed.map((name) => describeType(typeOfMethod(name))).join(', ');
    const barred = [...this.#refusedTypes].every((type) => this.#barred.some((name) => typeOfMethod(name) === type));
    return {
      code: barred ? 'eap-not-allowed' : 'eap-no-common-method',
      evidence: `the gateway offers ${offered}; allowed here: ${wanted === '' ? 'none' : wanted}`,
    };
  }

  wipe(): void {
    this.#method?.wipe();
  }

  #toMethod(method: EapMethod, data: Uint8Array, identifier: number): ConversationStep {
    return this.#step(method, method.request(data, identifier));
  }

  #step(method: EapMethod, step: MethodStep): ConversationStep {
    return step.kind === 'respond' ? { kind: 'respond', type: typeOfMethod(method.name), data: step.data } : step;
  }

  /** RFC 3748 §5.2: what it says may be shown; the response has no data. */
  #notified(data: Uint8Array): ConversationStep {
    this.#context.log('info', `the gateway says: ${oneLine(data)}`);
    return { kind: 'respond', type: eapType.notification, data: new Uint8Array(0) };
  }

  #identify(data: Uint8Array, identifier: number): ConversationStep {
    if (this.#identity.value === undefined) {
      this.#waiting = { type: eapType.identity, data: data.slice(), identifier };
      return askIdentity(oneLine(untilNul(data)));
    }
    return { kind: 'respond', type: eapType.identity, data: fromUtf8(this.#identity.value) };
  }

  #begin(type: number, data: Uint8Array, identifier: number): ConversationStep {
    const name = methodOfType(type);
    if (name === undefined || !this.#allowed.includes(name)) return this.#nak(type);
    // Not every gateway asks for the identity first. TLS has none but that of the certificate.
    if (this.#identity.value === undefined && name !== 'tls') {
      this.#waiting = { type, data: data.slice(), identifier };
      return askIdentity('');
    }
    this.#method = this.#create(name, this.#context);
    return this.#toMethod(this.#method, data, identifier);
  }

  /**
   * RFC 3748 §5.3.1: what we would take instead, the preferred first; 0 is nothing at all. It is the answer to expanded types as well,
   * for this peer has none (§5.3.2).
   */
  #nak(type: number): ConversationStep {
    this.#refusedTypes.add(type);
    const wanted = this.#allowed.map(typeOfMethod);
    this.#context.log('info', `EAP ${describeType(type)} is not taken; offered instead: ${wanted.map(describeType).join(', ')}`);
    return { kind: 'respond', type: eapType.nak, data: Uint8Array.from(wanted.length === 0 ? [0] : wanted) };
  }
}

function askIdentity(text: string): ConversationStep {
  return { kind: 'ask', ask: { kind: 'credential', want: 'identity', text, identity: '', attempt: 1 } };
}

function identityOf(answer: GivenAnswer): string {
  if (answer.kind !== 'credential') throw new Error(`the identity was asked for, not ${answer.kind}`);
  return toUtf8(answer.value);
}

/** RFC 3748 §5.1: options come after a NUL and are not for people. */
function untilNul(data: Uint8Array): Uint8Array {
  const nul = data.indexOf(0);
  return nul < 0 ? data : data.subarray(0, nul);
}
