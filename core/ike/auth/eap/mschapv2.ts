/** EAP-MSCHAPv2 (draft-kamath-pppext-eap-mschapv2-02): challenge, response, and the server's proof that it knows the password too. */
import { equalConstantTime, fromUtf8 } from '../../../bytes/bytes.ts';
import { authenticatorResponse, msChapMsk, ntPasswordHash, ntResponse } from '../../../crypto/msChap.ts';
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
import { encodeResponse, type MsChapRefusal, opCode, parseMsChap } from './mschapv2Packets.ts';

/** How often a server may let us try again in one conversation. */
const MAX_ATTEMPTS = 5;

export class MsChapV2 implements EapMethod {
  readonly name = 'mschapv2';
  readonly #context: MethodContext;
  #state: 'fresh' | 'asking' | 'responded' | 'proven' | 'refused' = 'fresh';
  #attempt = 1;
  /** What the response is made of: the id that it carries and the server's challenge. */
  #challenge: { readonly id: number; readonly octets: Uint8Array } | undefined;
  /** Of the response that was sent: what the server must say, and the key if it does. */
  #expected: { readonly proof: Uint8Array; readonly msk: Uint8Array } | undefined;
  #refusal: MsChapRefusal | undefined;

  constructor(context: MethodContext) {
    this.#context = context;
  }

  request(data: Uint8Array): MethodStep {
    const parsed = parseMsChap(data);
    if (!parsed.ok) return failed('eap-protocol', parsed.error);
    const request = parsed.value;
    switch (request.kind) {
      case 'challenge':
        if (this.#state !== 'fresh') return failed('eap-protocol', `MSCHAPv2 challenge when ${this.#state}`);
        return this.#challenged(request.id, request.challenge, '');
      case 'success':
        if (this.#state !== 'responded') return failed('eap-protocol', `MSCHAPv2 success when ${this.#state}`);
        return this.#proved(request.proof, request.text);
      case 'failure':
        if (this.#state !== 'responded') return failed('eap-protocol', `MSCHAPv2 failure when ${this.#state}`);
        return this.#refused(request.id, request.refusal);
    }
  }

  answer(answer: GivenAnswer): MethodStep {
    const password = credentialOf(answer);
    const challenge = this.#challenge;
    if (challenge === undefined) throw new Error('an answer before the challenge');
    const name = fromUtf8(this.#context.identity());
    const peerChallenge = this.#context.random(16);
    const hash = ntPasswordHash(password);
    const response = ntResponse(challenge.octets, peerChallenge, name, hash);
    this.#expected = {
      proof: authenticatorResponse(hash, response, peerChallenge, challenge.octets, name),
      msk: msChapMsk(hash, response),
    };
    hash.fill(0);
    this.#state = 'responded';
    return respond(encodeResponse(challenge.id, peerChallenge, response, name));
  }

  /**
   * Not mutual: whoever is in the gateway's place gets a response against which passwords can be tried out, before it proves anything.
   */
  outcome(): MethodOutcome | undefined {
    return this.#state === 'proven' ? { msk: this.#expected?.msk, mutual: false } : undefined;
  }

  refusal(): EapFailure {
    if (this.#refusal !== undefined) return describeRefusal(this.#refusal);
    const when = this.#state === 'proven' ? 'after the password was accepted' : 'without a reason';
    return { code: 'eap-refused', evidence: `EAP-Failure in MSCHAPv2 ${when}` };
  }

  wipe(): void {
    this.#expected?.msk.fill(0);
    this.#expected = undefined;
  }

  #challenged(id: number, octets: Uint8Array, text: string): MethodStep {
    this.#challenge = { id, octets };
    this.#state = 'asking';
    return askFor('password', text, this.#context.identity(), this.#attempt);
  }

  /** RFC 2759 §5: without the right proof the server does not know the password (CVE-2015-8023: never count on it being there). */
  #proved(proof: Uint8Array | undefined, text: string): MethodStep {
    const expected = this.#expected;
    if (expected === undefined || proof === undefined || !equalConstantTime(proof, expected.proof)) {
      const what = proof === undefined ? 'without S=' : 'with a wrong S=';
      return failed('eap-server-unproven', `MSCHAPv2 success ${what}: the gateway does not know the password`);
    }
    if (text !== '') this.#context.log('info', `the gateway says: ${text}`);
    this.#state = 'proven';
    // The draft §2.3: the response to a success is its code alone.
    return respond(Uint8Array.of(opCode.success));
  }

  #refused(id: number, refusal: MsChapRefusal): MethodStep {
    this.wipe();
    // RFC 2759 §6: R=1 lets us try again, on the challenge in C=, with the next id.
    if (refusal.retry && refusal.error === WRONG_PASSWORD && refusal.challenge !== undefined && this.#attempt < MAX_ATTEMPTS) {
      this.#attempt++;
      return this.#challenged((id + 1) & 0xff, refusal.challenge, refusal.text);
    }
    this.#refusal = refusal;
    this.#state = 'refused';
    // The draft §2.4: the response to a failure is its code alone; EAP-Failure follows.
    return respond(Uint8Array.of(opCode.failure));
  }
}

const WRONG_PASSWORD = 691;

/** RFC 2759 §6. */
const errors: ReadonlyMap<number, { readonly code: EapFailure['code']; readonly name: string }> = new Map([
  [646, { code: 'account-restricted', name: 'restricted logon hours' }],
  [647, { code: 'account-disabled', name: 'account disabled' }],
  [648, { code: 'password-expired', name: 'password expired' }],
  [649, { code: 'account-restricted', name: 'no dial-in permission' }],
  [WRONG_PASSWORD, { code: 'password-wrong', name: 'authentication failure' }],
]);

/** What an MS-CHAPv2 failure says, inside EAP and inside TTLS. */
export function describeRefusal({ error, text }: MsChapRefusal): EapFailure {
  const words = text === '' ? '' : `: ${text}`;
  // RFC 2759 §6: E= is never left out. Without it nobody can say whether the password was wrong, so nobody is told that.
  if (error === undefined) return { code: 'eap-protocol', evidence: `MSCHAPv2 failure without E=${words}` };
  const known = errors.get(error);
  const name = known === undefined ? '' : ` ${known.name}`;
  return { code: known?.code ?? 'eap-refused', evidence: `MSCHAPv2 E=${error}${name}${words}` };
}
