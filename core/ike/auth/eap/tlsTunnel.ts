/** The three methods over TLS: the handshake through the ask `tls`, then what each of them does inside (`TlsPhase`). */
import { concat } from '../../../bytes/bytes.ts';
import type { EapAsk, EapFailure } from './contract.ts';
import { type EapMethod, failed, type GivenAnswer, type MethodOutcome, type MethodStep, respond } from './method.ts';
import { TlsFraming } from './tlsFraming.ts';

/** What happens inside the tunnel. */
export interface TlsPhase {
  /** The handshake is done and the server's certificate was accepted. */
  opened(facts: TlsFacts): PhaseStep;
  /** What came through the tunnel in one message, decrypted; at least one octet. `identifier` is that of the EAP packet. */
  received(plain: Uint8Array, identifier: number): PhaseStep;
  /** Of a credential that was asked for. */
  answer(answer: GivenAnswer): PhaseStep;
  outcome(): MethodOutcome | undefined;
  /** Undefined: it knows no more than that EAP-Failure came. */
  refusal(): EapFailure | undefined;
  wipe(): void;
}

export interface TlsFacts {
  readonly version: 'TLSv1.2' | 'TLSv1.3';
  /** MSK and EMSK, 64 octets each; wiped with the method. */
  readonly keyMaterial: Uint8Array;
  /** TTLS: 17 octets (RFC 5281 §11.1). */
  readonly challenge: Uint8Array | undefined;
}

export type PhaseStep =
  /** Into the tunnel; nothing when empty. */
  | { readonly kind: 'write'; readonly octets: Uint8Array }
  | { readonly kind: 'ask'; readonly ask: EapAsk }
  | { readonly kind: 'failed'; readonly failure: EapFailure };

export const nothing: PhaseStep = { kind: 'write', octets: new Uint8Array(0) };

type TlsAnswer = Extract<GivenAnswer, { readonly kind: 'tls' }>;

export class TlsTunnel implements EapMethod {
  readonly name: 'tls' | 'ttls' | 'peap';
  readonly #phase: TlsPhase;
  readonly #framing: TlsFraming;
  #identifier = 0;
  #facts: TlsFacts | undefined;
  /** TLS for the server that was not sent yet. */
  #send: Uint8Array = EMPTY;
  /** TLS is over: nothing is believed any more, and this is why. */
  #over: EapFailure | undefined;

  constructor(name: 'tls' | 'ttls' | 'peap', phase: TlsPhase) {
    this.name = name;
    this.#phase = phase;
    this.#framing = new TlsFraming(name !== 'tls');
  }

  request(data: Uint8Array, identifier: number): MethodStep {
    this.#identifier = identifier;
    const framed = this.#framing.receive(data);
    switch (framed.kind) {
      case 'fault':
        return failed('eap-protocol', framed.evidence);
      case 'send':
        return respond(framed.data);
      case 'start':
        return this.#ask(true, EMPTY, EMPTY);
      case 'message':
        // After an alert the server has EAP-Failure to send and nothing else (RFC 5216 §2.1.3).
        if (this.#over !== undefined) return { kind: 'failed', failure: this.#over };
        return this.#ask(false, framed.bytes, EMPTY);
    }
  }

  answer(answer: GivenAnswer): MethodStep {
    if (answer.kind !== 'tls') return this.#inside(this.#phase.answer(answer));
    this.#send = concat(this.#send, answer.send);
    if (answer.state === 'failed')
      return this.#end(answer.failure ?? { code: 'eap-tls-failed', evidence: 'the handshake failed' });
    const step = this.#arrived(answer);
    if (step !== undefined) return this.#inside(step);
    if (answer.state === 'closed') return this.#end({ code: 'eap-tls-failed', evidence: 'the server closed the TLS connection' });
    return this.#flush();
  }

  outcome(): MethodOutcome | undefined {
    // Our last message must have left whole: without our Finished the server can not be content.
    if (this.#over !== undefined || this.#facts === undefined || !this.#framing.sent) return undefined;
    return this.#phase.outcome();
  }

  refusal(): EapFailure {
    const when = this.#facts === undefined ? 'during the handshake' : 'inside the tunnel';
    return (
      this.#over ??
      this.#phase.refusal() ?? { code: 'eap-refused', evidence: `EAP-Failure in ${this.name.toUpperCase()} ${when}` }
    );
  }

  wipe(): void {
    this.#facts?.keyMaterial.fill(0);
    this.#phase.wipe();
  }

  /** What the answer brings for the inside; undefined when it brings nothing. */
  #arrived(answer: TlsAnswer): PhaseStep | undefined {
    if (this.#facts === undefined) {
      if (answer.state !== 'open') return undefined;
      const { version, keyMaterial, challenge } = answer;
      if (version === undefined || keyMaterial?.length !== 128)
        throw new Error('an open tunnel has a version and 128 octets of keys');
      this.#facts = { version, keyMaterial, challenge };
      const first = this.#phase.opened(this.#facts);
      if (first !== nothing) {
        // It is our turn, whatever the server sends with the end of its handshake.
        return answer.plain.length === 0
          ? first
          : failed('eap-protocol', 'data inside the tunnel before it was the server’s turn');
      }
    }
    return answer.plain.length > 0 ? this.#phase.received(answer.plain, this.#identifier) : undefined;
  }

  #inside(step: PhaseStep): MethodStep {
    if (step.kind !== 'write') return step;
    return step.octets.length === 0 ? this.#flush() : this.#ask(false, EMPTY, step.octets);
  }

  #ask(open: boolean, received: Uint8Array, write: Uint8Array): MethodStep {
    return { kind: 'ask', ask: { kind: 'tls', method: this.name, open, received, write } };
  }

  #flush(): MethodStep {
    const message = this.#send;
    this.#send = EMPTY;
    return respond(this.#framing.send(message));
  }

  /** RFC 5216 §2.1.3: an alert of ours goes to the server, so that its administrator sees what was wrong; EAP-Failure comes then. */
  #end(failure: EapFailure): MethodStep {
    this.#over = failure;
    return this.#send.length > 0 ? this.#flush() : { kind: 'failed', failure };
  }
}

const EMPTY = new Uint8Array(0);
