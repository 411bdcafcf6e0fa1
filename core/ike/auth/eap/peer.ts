/** EAP as the peer (RFC 3748): packets, identifiers, Success and Failure. What is between them is `conversation.ts` and the methods. */
import { equalBytes } from '../../../bytes/bytes.ts';
import type { Random } from '../../../crypto/types.ts';
import type { EapAskAnswer, EapConfig, EapMethodName, EapOutput, EapPeer } from './contract.ts';
import { Conversation, type ConversationStep } from './conversation.ts';
import { createMethod } from './methods.ts';
import { eapCode, encodeEap, parseEap } from './packet.ts';

/** Packets of the gateway in one conversation. 64 KiB of certificates in fragments of 1 KiB and their answers fit. */
const MAX_PACKETS = 150;

/** RFC 5998 §3: methods in which the server proves itself by more than what anybody could try out who guesses a password, and that make a key. */
const MUTUAL: ReadonlySet<EapMethodName> = new Set<EapMethodName>(['tls', 'ttls', 'peap']);

export function createEapPeer(config: EapConfig, random: Random): EapPeer {
  return new Peer(config, random);
}

class Peer implements EapPeer {
  readonly #conversation: Conversation;
  readonly #outputs: EapOutput[] = [];
  #state: 'open' | 'asking' | 'ended' = 'open';
  #packets = 0;
  /** The request in hand, or answered last. */
  #request: { readonly identifier: number; readonly packet: Uint8Array } | undefined;
  #response: Uint8Array | undefined;

  constructor(config: EapConfig, random: Random) {
    const allowed = config.mutualOnly ? config.methods.filter((name) => MUTUAL.has(name)) : config.methods;
    const barred: readonly EapMethodName[] = ['md5', ...config.methods.filter((name) => !allowed.includes(name))];
    const context = {
      random,
      inner: config.inner,
      log: (level: 'debug' | 'info' | 'warn', text: string) => void this.#outputs.push({ kind: 'log', level, text }),
    };
    this.#conversation = new Conversation(allowed, createMethod, { value: config.identity }, context, barred);
  }

  handle(packet: Uint8Array): void {
    if (this.#state !== 'ended') this.#emit(this.#take(packet));
  }

  answer(answer: EapAskAnswer): void {
    if (this.#state === 'asking') {
      this.#state = 'open';
      this.#emit(this.#respond(this.#conversation.answer(answer)));
    }
    if (answer.kind === 'credential') answer.value.fill(0);
  }

  poll(): EapOutput | undefined {
    return this.#outputs.shift();
  }

  #emit(output: EapOutput): void {
    this.#outputs.push(output);
    if (output.kind === 'ask') this.#state = 'asking';
    if (output.kind !== 'success' && output.kind !== 'failed') return;
    this.#state = 'ended';
    this.#conversation.wipe();
    this.#forget();
  }

  #take(packet: Uint8Array): EapOutput {
    this.#packets++;
    if (this.#packets > MAX_PACKETS) return protocolFault(`more than ${MAX_PACKETS} EAP packets`);
    if (this.#state === 'asking') return protocolFault('an EAP packet before the last one was answered');
    const parsed = parseEap(packet);
    if (!parsed.ok) return protocolFault(parsed.error);
    switch (parsed.value.kind) {
      case 'request':
        return this.#requested(parsed.value, packet);
      case 'response':
        return protocolFault('an EAP response from the gateway');
      case 'success':
        return this.#succeeded(parsed.value.identifier);
      case 'failure':
        return { kind: 'failed', failure: this.#conversation.refusal() };
    }
  }

  #requested(
    request: { readonly identifier: number; readonly type: number; readonly data: Uint8Array },
    packet: Uint8Array,
  ): EapOutput {
    // RFC 3748 §4.1: a repeated request is answered with the same response and not looked at again. Only one that is the same in every octet
    // is taken for a repetition: IKE delivers each packet once, and gateways draw a new random identifier for each method, so that one
    // in 256 has that of the identity request before it.
    if (this.#response !== undefined && this.#request !== undefined && equalBytes(packet, this.#request.packet)) {
      return { kind: 'send', packet: this.#response.slice() };
    }
    this.#forget();
    this.#request = { identifier: request.identifier, packet: packet.slice() };
    return this.#respond(this.#conversation.request(request.type, request.data, request.identifier));
  }

  #respond(step: ConversationStep): EapOutput {
    if (step.kind !== 'respond') return step;
    // RFC 3748 §4.1: the identifier of the request that is answered.
    this.#response = encodeEap(eapCode.response, this.#request?.identifier ?? 0, step.type, step.data);
    return { kind: 'send', packet: this.#response.slice() };
  }

  #succeeded(identifier: number): EapOutput {
    const outcome = this.#conversation.outcome();
    const method = this.#conversation.method;
    // RFC 3748 §4.2: Success is believed only when the method allows it (CVE-2021-45079).
    if (outcome === undefined || method === undefined) return protocolFault('EAP-Success before a method was finished');
    const last = this.#request?.identifier ?? 0;
    // RFC 3748 §4.2: it carries the identifier of the response. There are servers that count on by one.
    if (identifier !== last && identifier !== ((last + 1) & 0xff)) {
      return protocolFault(`EAP-Success with identifier ${identifier} after ${last}`);
    }
    return { kind: 'success', msk: outcome.msk?.slice(), mutual: outcome.mutual, method };
  }

  /** The response may have a code or password of the user in it. */
  #forget(): void {
    this.#response?.fill(0);
    this.#response = undefined;
  }
}

function protocolFault(evidence: string): EapOutput {
  return { kind: 'failed', failure: { code: 'eap-protocol', evidence } };
}
