/**
 * The EAP server of the test head office (RFC 3748), sans-IO like the peer: `poll` gives packets to send, `tls` asks that `tlsServer.ts` answers, and the
 * end. `misbehave` names what it does wrong.
 */
import { toUtf8 } from '../../../core/bytes/bytes.ts';
import type { EapMethodName } from '../../../core/ike/auth/eap/contract.ts';
import { encodeEap, parseEap } from '../../../core/ike/auth/eap/packet.ts';
import { type InnerOptions, PeapServerPhase, TtlsEapServerPhase, TtlsPlainServerPhase } from './innerServer.ts';
import { Md5Server, MsChapV2Server, TokenServer } from './passwordMethods.ts';
import type { EapMisbehaviour, EapUser, ServerMethod, ServerStep, TlsAnswer, TlsAsk } from './serverMethod.ts';
import { EapTlsServerPhase, TlsMethodServer } from './tlsMethods.ts';

export interface EapServerConfig {
  /** What is offered, the first first; the next that the peer names in a NAK. */
  readonly methods: readonly EapMethodName[];
  /** By EAP identity. EAP-TLS takes whoever has a certificate. */
  readonly users: Readonly<Record<string, EapUser>>;
  /** Is the identity asked for? Default true; else `name` is whom the gateway takes the peer for. */
  readonly askIdentity?: boolean;
  readonly name?: string;
  /** Inside TTLS and PEAP; default MSCHAPv2 in EAP. */
  readonly inner?: InnerOptions['inner'] | 'mschapv2-attributes' | 'pap';
  /** PEAP: see `InnerOptions`. */
  readonly binding?: boolean;
  readonly headers?: boolean;
  /** Octets of TLS in one request; default 1000. */
  readonly fragment?: number;
  readonly retries?: number;
  readonly failureText?: Uint8Array;
  readonly misbehave?: EapMisbehaviour;
}

export type EapServerOutput =
  | { readonly kind: 'send'; readonly packet: Uint8Array }
  | { readonly kind: 'ask'; readonly ask: TlsAsk }
  /** `packet` is EAP-Success or EAP-Failure and goes to the peer as well. */
  | { readonly kind: 'success'; readonly packet: Uint8Array; readonly msk: Uint8Array | undefined; readonly identity: string }
  | { readonly kind: 'failure'; readonly packet: Uint8Array; readonly why: string };

export interface EapServer {
  start(): void;
  handle(packet: Uint8Array): void;
  answer(answer: TlsAnswer): void;
  poll(): EapServerOutput | undefined;
}

export function createEapServer(config: EapServerConfig): EapServer {
  return new Server(config);
}

class Server implements EapServer {
  readonly #config: EapServerConfig;
  readonly #outputs: EapServerOutput[] = [];
  #identifier = 40;
  #identity: string;
  #method: ServerMethod | undefined;
  #state: 'identity' | 'method' | 'ended' = 'identity';

  constructor(config: EapServerConfig) {
    this.#config = config;
    this.#identity = config.name ?? '';
  }

  start(): void {
    this.#outputs.push(this.#first());
  }

  handle(packet: Uint8Array): void {
    if (this.#state !== 'ended') this.#outputs.push(this.#take(packet));
  }

  answer(answer: TlsAnswer): void {
    const step = this.#method?.answer?.(answer);
    if (step === undefined) throw new Error('nothing was asked');
    this.#outputs.push(this.#step(step));
  }

  poll(): EapServerOutput | undefined {
    return this.#outputs.shift();
  }

  #first(): EapServerOutput {
    const { misbehave, askIdentity } = this.#config;
    if (misbehave === 'success-at-once') return this.#succeed(new Uint8Array(64));
    return askIdentity === false ? this.#begin(this.#config.methods[0]) : this.#request(1, new Uint8Array(0));
  }

  #take(packet: Uint8Array): EapServerOutput {
    const parsed = parseEap(packet);
    if (!parsed.ok || parsed.value.kind !== 'response') return this.#fail('not an EAP response');
    const { identifier, type, data } = parsed.value;
    // RFC 3748 §4.1: a response carries the identifier of its request.
    if (identifier !== this.#identifier) return this.#fail(`identifier ${identifier} instead of ${this.#identifier}`);
    if (this.#config.misbehave === 'endless-rounds') return this.#request(2, Buffer.from('wait'));
    if (type === 1 && this.#state === 'identity') return this.#identified(toUtf8(data));
    if (type === 3 && this.#state === 'method') return this.#negotiate(data);
    if (this.#method === undefined || (type !== this.#method.type && this.#config.misbehave === undefined)) {
      return this.#fail(`a response of type ${type}`);
    }
    if (this.#config.misbehave === 'identity-in-method') return this.#request(1, new Uint8Array(0));
    return this.#step(this.#method.respond(data, identifier));
  }

  #identified(name: string): EapServerOutput {
    this.#identity = name;
    switch (this.#config.misbehave) {
      case 'success-after-identity':
        return this.#succeed(new Uint8Array(64));
      case 'downgrade-md5':
        return this.#begin('md5');
      case 'expanded-type':
        this.#state = 'method';
        return this.#request(254, Uint8Array.of(0, 0x37, 0x2a, 0, 0, 0, 1));
      case 'response-code':
        return { kind: 'send', packet: encodeEap(2, this.#identifier, 26, Uint8Array.of(1)) };
      case 'wrong-length':
        return { kind: 'send', packet: Uint8Array.of(1, this.#identifier + 1, 1, 0, 26) };
      default:
        return this.#begin(this.#config.methods[0]);
    }
  }

  /** RFC 3748 §5.3.1: what the peer wants instead. */
  #negotiate(wanted: Uint8Array): EapServerOutput {
    if (this.#config.misbehave === 'downgrade-md5') return this.#begin('md5');
    const next = this.#config.methods.find((name) => wanted.includes(this.#create(name).type));
    return next === undefined ? this.#fail('no method in common') : this.#begin(next);
  }

  #begin(name: EapMethodName): EapServerOutput {
    this.#state = 'method';
    this.#method = this.#create(name);
    return this.#step(this.#method.start());
  }

  #step(step: ServerStep): EapServerOutput {
    switch (step.kind) {
      case 'request':
        return this.#request(this.#method?.type ?? 0, step.data);
      case 'ask':
        return step;
      case 'reject':
        return this.#fail(step.why);
      case 'accept':
        if (this.#config.misbehave === 'second-method') return this.#begin(this.#method?.type === 6 ? 'mschapv2' : 'gtc');
        return this.#succeed(step.msk);
    }
  }

  #request(type: number, data: Uint8Array): EapServerOutput {
    this.#identifier = (this.#identifier + 1) & 0xff;
    return { kind: 'send', packet: encodeEap(1, this.#identifier, type, data) };
  }

  #succeed(msk: Uint8Array | undefined): EapServerOutput {
    this.#state = 'ended';
    const { misbehave } = this.#config;
    const identifier = misbehave === 'success-wrong-identifier' ? (this.#identifier + 77) & 0xff : this.#identifier;
    const key = misbehave === 'wrong-msk' ? new Uint8Array(64).fill(7) : msk;
    return { kind: 'success', packet: Uint8Array.of(3, identifier, 0, 4), msk: key, identity: this.#identity };
  }

  #fail(why: string): EapServerOutput {
    this.#state = 'ended';
    return { kind: 'failure', packet: Uint8Array.of(4, this.#identifier, 0, 4), why };
  }

  #create(name: EapMethodName): ServerMethod {
    const { users, misbehave, retries, failureText, fragment } = this.#config;
    const options = { user: users[this.#identity], misbehave, retries, failureText };
    switch (name) {
      case 'mschapv2':
        return new MsChapV2Server(options);
      case 'md5':
        return new Md5Server(options);
      case 'gtc':
      case 'otp':
        return new TokenServer(name, options);
      case 'tls':
        return new TlsMethodServer('tls', new EapTlsServerPhase(), { misbehave, fragment });
      case 'peap':
        return new TlsMethodServer('peap', new PeapServerPhase(this.#inner()), { misbehave, fragment });
      case 'ttls':
        return new TlsMethodServer('ttls', this.#ttls(), { misbehave, fragment });
    }
  }

  #ttls(): TtlsEapServerPhase | TtlsPlainServerPhase {
    const { inner, users, misbehave } = this.#config;
    if (inner === 'mschapv2-attributes' || inner === 'pap') return new TtlsPlainServerPhase(users, misbehave);
    return new TtlsEapServerPhase(this.#inner());
  }

  #inner(): InnerOptions {
    const { inner, users, misbehave, binding, headers } = this.#config;
    if (inner === 'mschapv2-attributes' || inner === 'pap') throw new Error(`${inner} is for TTLS`);
    return { users, inner: inner ?? 'mschapv2', misbehave, binding, headers };
  }
}
