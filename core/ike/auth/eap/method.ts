/** What an EAP method is to those who drive it: one request's data in, one step out. Methods keep no clock and ask for what they need. */
import type { Random } from '../../../crypto/types.ts';
import type { EapAsk, EapAskAnswer, EapConfig, EapFailure, EapMethodName } from './contract.ts';

export interface EapMethod {
  readonly name: EapMethodName;
  /** The data of a request of this method's type. `identifier` is that of the EAP packet. */
  request(data: Uint8Array, identifier: number): MethodStep;
  /** Of the ask that was the last step. Never `credential-missing`. */
  answer(answer: GivenAnswer): MethodStep;
  /** Defined when all is done that the method wants before EAP-Success may be believed. */
  outcome(): MethodOutcome | undefined;
  /** Why EAP-Failure came, as far as the method knows. */
  refusal(): EapFailure;
  /** No key is kept after this. */
  wipe(): void;
}

export type MethodStep =
  /** The data of the response of the method's type. */
  | { readonly kind: 'respond'; readonly data: Uint8Array }
  | { readonly kind: 'ask'; readonly ask: EapAsk }
  | { readonly kind: 'failed'; readonly failure: EapFailure };

export type GivenAnswer = Exclude<EapAskAnswer, { readonly kind: 'credential-missing' }>;

export interface MethodOutcome {
  /** 64 octets, owned by the method until it is wiped. */
  readonly msk: Uint8Array | undefined;
  /** The server proved itself in a way that nobody who does not know it already can make us believe. */
  readonly mutual: boolean;
}

export interface MethodContext {
  readonly random: Random;
  readonly inner: EapConfig['inner'];
  /** Known before a method that needs it starts. */
  identity(): string;
  log(level: 'debug' | 'info' | 'warn', text: string): void;
}

export function respond(data: Uint8Array): MethodStep {
  return { kind: 'respond', data };
}

export function failed(code: EapFailure['code'], evidence: string): { readonly kind: 'failed'; readonly failure: EapFailure } {
  return { kind: 'failed', failure: { code, evidence } };
}

/** The question for a secret of the user. */
export function askFor(want: 'password' | 'code' | 'pin', text: string, identity: string, attempt: number): MethodStep {
  return { kind: 'ask', ask: { kind: 'credential', want, text, identity, attempt } };
}

/** The octets of an answered credential. Another answer is a mistake of the caller. */
export function credentialOf(answer: GivenAnswer): Uint8Array {
  if (answer.kind !== 'credential') throw new Error(`a credential was asked for, not ${answer.kind}`);
  return answer.value;
}
