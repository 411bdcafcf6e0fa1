/**
 * IKE_AUTH, with the IKE_INTERMEDIATE before it, is a conversation with several parties: the gateway, by requests and responses, and those who can judge a chain, sign or ask
 * a user, by asks and answers. It is written as generators, top to bottom in the order of the protocol; each `yield` is a step that
 * somebody else does, and what comes of it is what `next` is given.
 */
import type { IkeAnswer, IkeAsk } from '../auth/contract.ts';
import type { IkeFailure } from '../sa/contract.ts';
import { EXCHANGE } from '../wire/constants.ts';
import type { Payload } from '../wire/message.ts';

export type AuthStep =
  /** The inner payloads of the next request, and of which exchange; wants a `response`. */
  | { readonly kind: 'request'; readonly exchange: number; readonly payloads: readonly Payload[] }
  /** Wants an `answer`. */
  | { readonly kind: 'ask'; readonly ask: IkeAsk };

export type AuthInput =
  /** The payloads of a genuine response, sifted by the rule table. */
  { readonly kind: 'response'; readonly payloads: readonly Payload[] } | { readonly kind: 'answer'; readonly answer: IkeAnswer };

export type AuthSteps<T> = Generator<AuthStep, T, AuthInput>;

/** One request and its response. */
export function* exchange(payloads: readonly Payload[], type: number = EXCHANGE.IKE_AUTH): AuthSteps<readonly Payload[]> {
  const input = yield { kind: 'request', exchange: type, payloads };
  if (input.kind !== 'response') throw new Error('an answer where a response was due');
  return input.payloads;
}

/** An ask and its answer. */
export function* askFor(ask: IkeAsk): AuthSteps<IkeAnswer> {
  const input = yield { kind: 'ask', ask };
  if (input.kind !== 'answer') throw new Error('a response where an answer was due');
  return input.answer;
}

/** The answer of this kind, or the failure that came in its place. Any other answer is a mistake of who answers. */
export function* askOf<K extends Exclude<IkeAnswer['kind'], 'refused'>>(
  ask: IkeAsk,
  kind: K,
): AuthSteps<Extract<IkeAnswer, { readonly kind: K }> | { readonly kind: 'refused'; readonly failure: IkeFailure }> {
  const answer = yield* askFor(ask);
  if (answer.kind === 'refused' || isKind(answer, kind)) return answer;
  throw new Error(`${ask.kind} was answered by ${answer.kind}`);
}

function isKind<K extends IkeAnswer['kind']>(answer: IkeAnswer, kind: K): answer is Extract<IkeAnswer, { readonly kind: K }> {
  return answer.kind === kind;
}
