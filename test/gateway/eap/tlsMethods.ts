/** EAP-TLS and the frame of TTLS and PEAP as a server, over the same ask `tls` as the peer's (`tlsServer.ts` answers it). */
import { concat } from '../../../core/bytes/bytes.ts';
import { Writer } from '../../../core/bytes/writer.ts';
import type { EapMisbehaviour, ServerMethod, ServerStep, TlsAnswer } from './serverMethod.ts';
import { accept, reject, request } from './serverMethod.ts';

/** What the server does inside its tunnel. */
export interface ServerPhase {
  opened(facts: ServerTlsFacts): ServerPhaseStep;
  /** The peer sent an empty message. */
  idle(): ServerPhaseStep;
  received(plain: Uint8Array, identifier: number): ServerPhaseStep;
}

export interface ServerTlsFacts {
  readonly version: 'TLSv1.2' | 'TLSv1.3';
  readonly keyMaterial: Uint8Array;
  readonly challenge: Uint8Array | undefined;
}

export type ServerPhaseStep =
  | { readonly kind: 'wait' }
  | { readonly kind: 'write'; readonly octets: Uint8Array }
  /** `after`: when the peer has answered what is written. */
  | { readonly kind: 'accept'; readonly msk: Uint8Array; readonly after: boolean; readonly octets: Uint8Array }
  | { readonly kind: 'reject'; readonly why: string };

const NONE = new Uint8Array(0);

export class TlsMethodServer implements ServerMethod {
  readonly type: number;
  readonly #name: 'tls' | 'ttls' | 'peap';
  readonly #phase: ServerPhase;
  readonly #misbehave: EapMisbehaviour | undefined;
  readonly #fragment: number;
  #identifier = 0;
  #begun = false;
  #opened = false;
  #received: Uint8Array[] = [];
  #send: Uint8Array = NONE;
  #unsent: Uint8Array = NONE;
  #accepting: Uint8Array | undefined;
  #rejecting: string | undefined;

  constructor(
    name: 'tls' | 'ttls' | 'peap',
    phase: ServerPhase,
    options: { misbehave?: EapMisbehaviour | undefined; fragment?: number | undefined },
  ) {
    this.type = { tls: 13, ttls: 21, peap: 25 }[name];
    this.#name = name;
    this.#phase = phase;
    this.#misbehave = options.misbehave;
    this.#fragment = options.fragment ?? 1000;
  }

  start(): ServerStep {
    return request(Uint8Array.of(0x20));
  }

  respond(data: Uint8Array, identifier: number): ServerStep {
    this.#identifier = identifier;
    const flags = data[0];
    if (this.#unsent.length > 0) return data.length === 1 ? request(this.#next()) : reject('data for a fragment');
    if (this.#misbehave === 'tls-length') return request(Uint8Array.of(0xc0, 0xff, 0xff, 0xff, 0xff, 22, 3, 3));
    if (this.#misbehave === 'fragments-without-end')
      return request(concat(Uint8Array.of(0xc0, 0, 1, 0, 0), new Uint8Array(this.#fragment)));
    this.#received.push(data.subarray((flags & 0x80) === 0 ? 1 : 5));
    if ((flags & 0x40) !== 0) return request(Uint8Array.of(0));
    const message = concat(...this.#received);
    this.#received = [];
    return this.#message(message);
  }

  answer(answer: TlsAnswer): ServerStep {
    this.#send = concat(this.#send, answer.send);
    if (answer.state === 'failed' || answer.state === 'closed') {
      if (this.#send.length === 0) return reject('the handshake failed');
      this.#rejecting = 'the handshake failed';
      return this.#flush();
    }
    if (answer.state === 'open' && !this.#opened) {
      this.#opened = true;
      const { version, keyMaterial, challenge } = answer;
      if (version === undefined || keyMaterial === undefined) throw new Error('open, but no keys');
      if (this.#misbehave === 'success-unfinished-tls') return accept(keyMaterial.slice(0, 64));
      const step = this.#phase.opened({ version, keyMaterial, challenge });
      if (step.kind !== 'wait') return this.#step(step);
    }
    return answer.plain.length > 0 ? this.#step(this.#phase.received(answer.plain, this.#identifier)) : this.#flush();
  }

  #message(message: Uint8Array): ServerStep {
    if (this.#rejecting !== undefined) return reject(this.#rejecting);
    if (message.length === 0) {
      if (this.#accepting !== undefined) return accept(this.#accepting);
      return this.#step(this.#phase.idle());
    }
    const open = !this.#begun;
    this.#begun = true;
    return { kind: 'ask', ask: { kind: 'tls', method: this.#name, open, received: message, write: NONE } };
  }

  #step(step: ServerPhaseStep): ServerStep {
    switch (step.kind) {
      case 'wait':
        return this.#flush();
      case 'reject':
        return reject(step.why);
      case 'write':
        return this.#write(step.octets);
      case 'accept':
        if (!step.after) return accept(step.msk);
        this.#accepting = step.msk;
        return step.octets.length === 0 ? this.#flush() : this.#write(step.octets);
    }
  }

  #write(octets: Uint8Array): ServerStep {
    return { kind: 'ask', ask: { kind: 'tls', method: this.#name, open: false, received: NONE, write: octets } };
  }

  #flush(): ServerStep {
    this.#unsent = this.#send;
    this.#send = NONE;
    const whole = this.#unsent.length;
    if (whole <= this.#fragment) {
      const all = this.#unsent;
      this.#unsent = NONE;
      return request(concat(Uint8Array.of(0), all));
    }
    const first = this.#unsent.subarray(0, this.#fragment);
    this.#unsent = this.#unsent.subarray(this.#fragment);
    return request(new Writer().u8(0xc0).u32(whole).bytes(first).finish());
  }

  #next(): Uint8Array {
    const part = this.#unsent.subarray(0, this.#fragment);
    this.#unsent = this.#unsent.subarray(part.length);
    return concat(Uint8Array.of(this.#unsent.length > 0 ? 0x40 : 0), part);
  }
}

/** EAP-TLS. */
export class EapTlsServerPhase implements ServerPhase {
  opened({ version, keyMaterial }: ServerTlsFacts): ServerPhaseStep {
    // RFC 9190 §2.5.
    return {
      kind: 'accept',
      msk: keyMaterial.slice(0, 64),
      after: true,
      octets: version === 'TLSv1.3' ? Uint8Array.of(0) : NONE,
    };
  }

  idle(): ServerPhaseStep {
    return { kind: 'reject', why: 'an empty message in the handshake' };
  }

  received(): ServerPhaseStep {
    return { kind: 'reject', why: 'data inside EAP-TLS' };
  }
}
