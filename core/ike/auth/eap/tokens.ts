/** Generic Token Card and One-Time Password (RFC 3748 §5.5, §5.6): the gateway's words to the user, the user's answer to the gateway. */
import type { EapFailure } from './contract.ts';
import {
  askFor,
  credentialOf,
  type EapMethod,
  type GivenAnswer,
  type MethodContext,
  type MethodOutcome,
  type MethodStep,
  respond,
} from './method.ts';
import { oneLine } from './text.ts';

export class TokenMethod implements EapMethod {
  readonly name: 'gtc' | 'otp';
  readonly #context: MethodContext;
  #text: string | undefined;
  #attempt = 0;
  #answered = false;

  constructor(name: 'gtc' | 'otp', context: MethodContext) {
    this.name = name;
    this.#context = context;
  }

  request(data: Uint8Array): MethodStep {
    const text = oneLine(data);
    // The same question again says that the answer before was not taken; another question is another step, such as the next code.
    this.#attempt = text === this.#text ? this.#attempt + 1 : 1;
    this.#text = text;
    this.#answered = false;
    return askFor(this.name === 'gtc' ? wanted(text) : 'code', text, this.#context.identity(), this.#attempt);
  }

  answer(answer: GivenAnswer): MethodStep {
    this.#answered = true;
    // It is in the packet before the peer wipes it.
    return respond(credentialOf(answer));
  }

  /** Neither makes a key nor proves the server. */
  outcome(): MethodOutcome | undefined {
    return this.#answered ? { msk: undefined, mutual: false } : undefined;
  }

  refusal(): EapFailure {
    return { code: 'eap-refused', evidence: `EAP-Failure in ${this.name.toUpperCase()}` };
  }

  wipe(): void {
    this.#text = undefined;
  }
}

/** GTC is used for codes, and as often for plain passwords: the gateway's words tell, and nothing said is a password. */
function wanted(text: string): 'password' | 'code' {
  if (/code|token|otp|challenge|tan\b/i.test(text)) return 'code';
  return text === '' || /pass(word|wort|phrase)?\b|비밀번호|암호|kennwort/i.test(text) ? 'password' : 'code';
}
