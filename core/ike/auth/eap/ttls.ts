/** Inside EAP-TTLS version 0 (RFC 5281): inner EAP, which every server knows, or MS-CHAPv2 and PAP as attributes where the profile says so. */
import { concat, equalConstantTime, fromUtf8 } from '../../../bytes/bytes.ts';
import { authenticatorResponse, ntPasswordHash, ntResponse } from '../../../crypto/msChap.ts';
import { type Avp, avpCode, encodeAvps, MICROSOFT, microsoftCode, parseAvps } from './avp.ts';
import type { EapFailure } from './contract.ts';
import type { Conversation, ConversationStep } from './conversation.ts';
import { askFor, credentialOf, failed, type GivenAnswer, type MethodContext, type MethodOutcome } from './method.ts';
import { describeRefusal } from './mschapv2.ts';
import { parseFailure, parseSuccess } from './mschapv2Packets.ts';
import { eapCode, eapType, encodeEap, parseEap } from './packet.ts';
import { oneLine } from './text.ts';
import { nothing, type PhaseStep, type TlsFacts, type TlsPhase } from './tlsTunnel.ts';

/** With inner EAP. The conversation knows the identity already. */
export class TtlsEapPhase implements TlsPhase {
  readonly #context: MethodContext;
  readonly #conversation: Conversation;
  #facts: TlsFacts | undefined;
  #identifier = 0;

  constructor(context: MethodContext, conversation: Conversation) {
    this.#context = context;
    this.#conversation = conversation;
  }

  /** RFC 5281 §11.2.1: the client begins, with the identity that nobody asked for. */
  opened(facts: TlsFacts): PhaseStep {
    this.#facts = facts;
    return this.#wrap({ kind: 'respond', type: eapType.identity, data: fromUtf8(this.#context.identity()) });
  }

  received(plain: Uint8Array): PhaseStep {
    const avps = parseAvps(plain);
    if (!avps.ok) return failed('eap-protocol', avps.error);
    const strange = unknownMandatory(avps.value);
    if (strange !== undefined) return strange;
    tellReplies(avps.value, this.#context);
    // RFC 2869 §5.13: an EAP packet may be spread over several of them.
    const packet = concat(...avps.value.filter((avp) => is(avp, 0, avpCode.eapMessage)).map(({ data }) => data));
    const parsed = parseEap(packet);
    if (!parsed.ok) return failed('eap-protocol', `inside TTLS: ${parsed.error}`);
    if (parsed.value.kind !== 'request') return failed('eap-protocol', `EAP ${parsed.value.kind} inside TTLS`);
    this.#identifier = parsed.value.identifier;
    return this.#wrap(this.#conversation.request(parsed.value.type, parsed.value.data, parsed.value.identifier));
  }

  answer(answer: GivenAnswer): PhaseStep {
    return this.#wrap(this.#conversation.answer(answer));
  }

  outcome(): MethodOutcome | undefined {
    return this.#conversation.outcome() === undefined ? undefined : keyOf(this.#facts);
  }

  refusal(): EapFailure | undefined {
    return this.#facts === undefined ? undefined : this.#conversation.refusal();
  }

  wipe(): void {
    this.#conversation.wipe();
    this.#facts = undefined;
  }

  #wrap(step: ConversationStep): PhaseStep {
    if (step.kind !== 'respond') return step;
    const packet = encodeEap(eapCode.response, this.#identifier, step.type, step.data);
    return { kind: 'write', octets: encodeAvps([{ vendor: 0, code: avpCode.eapMessage, data: packet }]) };
  }
}

/** MS-CHAPv2 without EAP (RFC 5281 §11.2.4). */
export class TtlsMsChapPhase implements TlsPhase {
  readonly #context: MethodContext;
  #facts: TlsFacts | undefined;
  #expected: { readonly id: number; readonly proof: Uint8Array } | undefined;
  #proven = false;
  #refusal: EapFailure | undefined;

  constructor(context: MethodContext) {
    this.#context = context;
  }

  opened(facts: TlsFacts): PhaseStep {
    this.#facts = facts;
    return askPassword(this.#context);
  }

  answer(answer: GivenAnswer): PhaseStep {
    const material = this.#facts?.challenge;
    if (material?.length !== 17) throw new Error('TTLS has a challenge of 17 octets');
    const challenge = material.subarray(0, 16);
    const id = material[16];
    const name = fromUtf8(this.#context.identity());
    const peerChallenge = this.#context.random(16);
    const hash = ntPasswordHash(credentialOf(answer));
    const response = ntResponse(challenge, peerChallenge, name, hash);
    this.#expected = { id, proof: authenticatorResponse(hash, response, peerChallenge, challenge, name) };
    hash.fill(0);
    // RFC 2548 §2.3.2: id, flags, peer challenge, 8 zeros, response.
    const value = concat(Uint8Array.of(id, 0), peerChallenge, new Uint8Array(8), response);
    return {
      kind: 'write',
      octets: encodeAvps([
        { vendor: 0, code: avpCode.userName, data: name },
        { vendor: MICROSOFT, code: microsoftCode.challenge, data: challenge },
        { vendor: MICROSOFT, code: microsoftCode.response, data: value },
      ]),
    };
  }

  received(plain: Uint8Array): PhaseStep {
    const avps = parseAvps(plain);
    if (!avps.ok) return failed('eap-protocol', avps.error);
    const strange = unknownMandatory(avps.value);
    if (strange !== undefined) return strange;
    tellReplies(avps.value, this.#context);
    const refused = avps.value.find((avp) => is(avp, MICROSOFT, microsoftCode.error));
    if (refused !== undefined) {
      this.#refusal = describeRefusal(parseFailure(latin1(refused.data.subarray(1))));
      return nothing;
    }
    const success = avps.value.find((avp) => is(avp, MICROSOFT, microsoftCode.success));
    return success === undefined ? nothing : this.#proved(success.data);
  }

  outcome(): MethodOutcome | undefined {
    // RFC 5281 §11.2.4: the client makes sure of the authenticator response before it goes on.
    return this.#proven ? keyOf(this.#facts) : undefined;
  }

  refusal(): EapFailure | undefined {
    return this.#refusal;
  }

  wipe(): void {
    this.#facts = undefined;
    this.#expected = undefined;
  }

  #proved(data: Uint8Array): PhaseStep {
    const { proof } = parseSuccess(latin1(data.subarray(1)));
    const expected = this.#expected;
    if (expected === undefined || proof === undefined || data[0] !== expected.id || !equalConstantTime(proof, expected.proof)) {
      return failed(
        'eap-server-unproven',
        'MS-CHAP2-Success in TTLS without the right S=: the server does not know the password',
      );
    }
    this.#proven = true;
    return nothing;
  }
}

/** The password itself, inside the tunnel (RFC 5281 §11.2.5); only where the profile says so. */
export class TtlsPapPhase implements TlsPhase {
  readonly #context: MethodContext;
  #facts: TlsFacts | undefined;
  #sent = false;

  constructor(context: MethodContext) {
    this.#context = context;
  }

  opened(facts: TlsFacts): PhaseStep {
    this.#facts = facts;
    return askPassword(this.#context);
  }

  answer(answer: GivenAnswer): PhaseStep {
    const password = credentialOf(answer);
    // RFC 5281 §11.2.5: filled up with zeros to a multiple of 16, so that the length does not show.
    const padded = new Uint8Array(Math.max(16, Math.ceil(password.length / 16) * 16));
    padded.set(password);
    this.#sent = true;
    const octets = encodeAvps([
      { vendor: 0, code: avpCode.userName, data: fromUtf8(this.#context.identity()) },
      { vendor: 0, code: avpCode.userPassword, data: padded },
    ]);
    padded.fill(0);
    return { kind: 'write', octets };
  }

  received(plain: Uint8Array): PhaseStep {
    const avps = parseAvps(plain);
    if (!avps.ok) return failed('eap-protocol', avps.error);
    tellReplies(avps.value, this.#context);
    return unknownMandatory(avps.value) ?? nothing;
  }

  outcome(): MethodOutcome | undefined {
    return this.#sent ? keyOf(this.#facts) : undefined;
  }

  refusal(): undefined {
    return undefined;
  }

  wipe(): void {
    this.#facts = undefined;
  }
}

function askPassword(context: MethodContext): PhaseStep {
  const step = askFor('password', '', context.identity(), 1);
  if (step.kind !== 'ask') throw new Error('a question is asked');
  return step;
}

/** RFC 5281 §8. */
function keyOf(facts: TlsFacts | undefined): MethodOutcome | undefined {
  return facts === undefined ? undefined : { msk: facts.keyMaterial.subarray(0, 64), mutual: true };
}

const known: readonly (readonly [number, number])[] = [
  [0, avpCode.replyMessage],
  [0, avpCode.eapMessage],
  [MICROSOFT, microsoftCode.error],
  [MICROSOFT, microsoftCode.success],
];

/** RFC 5281 §10.1: what must be understood and is not ends it. */
function unknownMandatory(avps: readonly Avp[]): PhaseStep | undefined {
  const strange = avps.find((avp) => avp.mandatory && !known.some(([vendor, code]) => is(avp, vendor, code)));
  return strange === undefined
    ? undefined
    : failed('eap-protocol', `mandatory AVP ${strange.vendor}/${strange.code} inside TTLS`);
}

function tellReplies(avps: readonly Avp[], context: MethodContext): void {
  for (const avp of avps) if (is(avp, 0, avpCode.replyMessage)) context.log('info', `the gateway says: ${oneLine(avp.data)}`);
}

function is(avp: Avp, vendor: number, code: number): boolean {
  return avp.vendor === vendor && avp.code === code;
}

function latin1(octets: Uint8Array): string {
  return String.fromCharCode(...octets.subarray(0, 512));
}
