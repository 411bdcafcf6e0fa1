/** MD5-Challenge (RFC 3748 §5.4). Whoever sees it can try out passwords: only where the user allowed it, or inside a tunnel. */
import { Reader } from '../../../bytes/reader.ts';
import { Writer } from '../../../bytes/writer.ts';
import { md5 } from '../../../crypto/hash.ts';
import type { EapFailure } from './contract.ts';
import {
  askFor,
  credentialOf,
  type EapMethod,
  failed,
  type GivenAnswer,
  type MethodContext,
  type MethodOutcome,
  type MethodStep,
  respond,
} from './method.ts';

export class Md5Challenge implements EapMethod {
  readonly name = 'md5';
  readonly #context: MethodContext;
  #challenge: { readonly identifier: number; readonly value: Uint8Array } | undefined;
  #answered = false;

  constructor(context: MethodContext) {
    this.#context = context;
  }

  request(data: Uint8Array, identifier: number): MethodStep {
    if (this.#challenge !== undefined) return failed('eap-protocol', 'a second MD5 challenge');
    const reader = new Reader(data);
    const value = reader.bytes(reader.u8());
    // RFC 1994 §4.1: the value is one octet or more, the rest is the name of the server.
    if (reader.short || value.length === 0)
      return failed('eap-protocol', `MD5 challenge of ${value.length} octets in ${data.length}`);
    this.#challenge = { identifier, value: value.slice() };
    return askFor('password', '', this.#context.identity(), 1);
  }

  answer(answer: GivenAnswer): MethodStep {
    const challenge = this.#challenge;
    if (challenge === undefined) throw new Error('an answer before the challenge');
    this.#answered = true;
    // RFC 1994 §4.1: identifier, secret and challenge.
    const value = md5(Uint8Array.of(challenge.identifier), credentialOf(answer), challenge.value);
    return respond(new Writer(17).u8(value.length).bytes(value).finish());
  }

  outcome(): MethodOutcome | undefined {
    return this.#answered ? { msk: undefined, mutual: false } : undefined;
  }

  refusal(): EapFailure {
    return { code: 'eap-refused', evidence: 'EAP-Failure in MD5-Challenge' };
  }

  wipe(): void {
    this.#challenge = undefined;
  }
}
