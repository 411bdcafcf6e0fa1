/** Inside PEAP version 0 (draft-kamath-pppext-peapv0-00, [MS-PEAP]): EAP without its header, and at the end a result that is signed by the tunnel. */
import type { EapFailure } from './contract.ts';
import type { Conversation, ConversationStep } from './conversation.ts';
import { failed, type GivenAnswer, type MethodOutcome } from './method.ts';
import { eapCode, eapType, encodeEap, parseEap } from './packet.ts';
import {
  answerBinding,
  type CryptoBinding,
  compoundKeys,
  compoundMsk,
  encodeResult,
  parseTlvs,
  verifyBinding,
} from './peapBinding.ts';
import { nothing, type PhaseStep, type TlsFacts, type TlsPhase } from './tlsTunnel.ts';

export class PeapPhase implements TlsPhase {
  readonly #conversation: Conversation;
  #facts: TlsFacts | undefined;
  /** Set when the server said success and we agreed. */
  #msk: Uint8Array | undefined;
  #refusal: EapFailure | undefined;

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
  }

  /** The server begins. */
  opened(facts: TlsFacts): PhaseStep {
    this.#facts = facts;
    return nothing;
  }

  received(plain: Uint8Array, identifier: number): PhaseStep {
    if (this.#msk !== undefined || this.#refusal !== undefined)
      return failed('eap-protocol', 'a request inside PEAP after the result');
    const whole = parseEap(plain);
    // [MS-PEAP] §3.1.5.6: requests have lost their header, but for the extensions; some servers leave it on for the others as well.
    if (whole.ok && whole.value.kind === 'request' && plain.length === plain[2] * 256 + plain[3]) {
      if (whole.value.type === eapType.extensions) return this.#extensions(whole.value.data, whole.value.identifier);
      return wrap(this.#conversation.request(whole.value.type, whole.value.data, whole.value.identifier));
    }
    return wrap(this.#conversation.request(plain[0], plain.subarray(1), identifier));
  }

  answer(answer: GivenAnswer): PhaseStep {
    return wrap(this.#conversation.answer(answer));
  }

  outcome(): MethodOutcome | undefined {
    return this.#msk === undefined ? undefined : { msk: this.#msk, mutual: true };
  }

  refusal(): EapFailure | undefined {
    return this.#refusal ?? (this.#facts === undefined ? undefined : this.#conversation.refusal());
  }

  wipe(): void {
    this.#conversation.wipe();
    this.#msk?.fill(0);
    this.#facts = undefined;
  }

  #extensions(data: Uint8Array, identifier: number): PhaseStep {
    const parsed = parseTlvs(data);
    if (!parsed.ok) return failed('eap-protocol', parsed.error);
    const { result, binding } = parsed.value;
    if (result === undefined) return failed('eap-protocol', 'PEAP extensions without a result');
    if (result === 'failure') {
      this.#refusal = this.#conversation.refusal();
      return write(identifier, encodeResult(false, undefined));
    }
    return this.#succeed(identifier, binding);
  }

  #succeed(identifier: number, binding: CryptoBinding | undefined): PhaseStep {
    const inner = this.#conversation.outcome();
    // As outside: no success before the inner method was finished.
    if (inner === undefined || this.#facts === undefined)
      return failed('eap-protocol', 'PEAP success before an inner method was finished');
    if (binding === undefined) {
      this.#msk = this.#facts.keyMaterial.slice(0, 64);
      return write(identifier, encodeResult(true, undefined));
    }
    const innerKey = inner.msk?.subarray(0, 32) ?? new Uint8Array(32);
    const keys = compoundKeys(this.#facts.keyMaterial, innerKey);
    if (!verifyBinding(keys, binding)) {
      return failed(
        'eap-server-unproven',
        'the PEAP cryptobinding is wrong: the ends of the tunnel and of the inner method differ',
      );
    }
    this.#msk = compoundMsk(keys);
    return write(identifier, encodeResult(true, answerBinding(keys, binding.nonce)));
  }
}

/** An inner response without its header. */
function wrap(step: ConversationStep): PhaseStep {
  if (step.kind !== 'respond') return step;
  const octets = new Uint8Array(1 + step.data.length);
  octets[0] = step.type;
  octets.set(step.data, 1);
  return { kind: 'write', octets };
}

function write(identifier: number, data: Uint8Array): PhaseStep {
  return { kind: 'write', octets: encodeEap(eapCode.response, identifier, eapType.extensions, data) };
}
