/** IKE_SA_INIT, or IKE_SESSION_RESUME in its place (RFC 5723), at work: sends, repeats, and remembers the doubts of RFC 7296 §2.21.1; ends with what the exchange agreed. */
import { equalBytes } from '../../bytes/bytes.ts';
import type { PuzzleSearch } from '../exchanges/puzzle.ts';
import { exchangeName } from '../exchanges/rules.ts';
import { type AuthPuzzle, SaInitExchange, type SaInitResult } from '../exchanges/saInit.ts';
import { SessionResumeExchange } from '../exchanges/sessionResume.ts';
import { encodeMessage } from '../wire/encode.ts';
import type { Header, Message, WireError } from '../wire/message.ts';
import { findPayload } from '../wire/payloads.ts';
import type { Channel, Endpoint, IkeConfig, IkeFailure, IkeInput, IkeOutput, IkePorts, IkeTicket } from './contract.ts';
import type { Narrator } from './narrator.ts';
import { Retransmission, type RetransmitTiming, sentOnce } from './window.ts';

/**
 * How long a genuine answer may still come after one that cannot be believed (RFC 7296 §2.21.1), milliseconds. A forger who
 * races the gateway wins by less than a round trip, and with usual timing one repetition of ours falls into this time; the
 * user, for whom the answer is nearly always the truth, does not wait long.
 */
const DOUBT_WITHIN = 1500;

/** Whoever took a TCP connection and says nothing of IKE for so long, milliseconds, is no gateway, or none that works. */
const TCP_ANSWER_WITHIN = 10_000;

export type Datagram = Extract<IkeInput, { kind: 'datagram' }>;

export interface SaInitPhasePorts {
  readonly emit: (output: IkeOutput) => void;
  readonly narrator: Narrator;
  readonly failed: (failure: IkeFailure) => void;
  readonly done: (agreed: Agreed, now: number) => void;
}

/** RealMessage1 and RealMessage2 of RFC 7296 §2.15 with what they agreed on. */
export interface Agreed {
  readonly spiI: Uint8Array;
  readonly ni: Uint8Array;
  readonly result: SaInitResult;
  readonly request: Uint8Array;
  readonly response: Uint8Array;
  /** By which the keys were made. */
  readonly ticket: IkeTicket | undefined;
  /** Data of the PS payload that IKE_AUTH is to bring (RFC 8019 §7.2.2). */
  readonly solution?: Uint8Array;
}

/** A puzzle that is being solved: meanwhile nothing is repeated and no doubt becomes certain. */
interface Work {
  readonly search: PuzzleSearch;
  readonly solved: (solution: Uint8Array | undefined, took: number, now: number) => void;
  /** IKE_SA_INIT is over, but for this; otherwise a genuine answer is still taken. */
  readonly agreed?: AuthPuzzle;
}

export class SaInitPhase {
  readonly #config: IkeConfig;
  readonly #ports: SaInitPhasePorts;
  readonly #exchange: SaInitExchange | SessionResumeExchange;
  /** Of the exchange. */
  readonly #name: string;
  /** The request in flight. */
  #request: Uint8Array = new Uint8Array(0);
  #retransmission: Retransmission | undefined;
  /** When that request was first sent. */
  #requestAt = 0;
  #work: Work | undefined;
  #doubt: { readonly failure: IkeFailure; readonly until: number } | undefined;

  /** The key pair is made here, before it is needed. */
  constructor(config: IkeConfig, { random }: IkePorts, ports: SaInitPhasePorts) {
    this.#config = config;
    this.#ports = ports;
    const ticket = config.resumption?.ticket;
    this.#exchange = ticket ? new SessionResumeExchange(config, ticket, random) : new SaInitExchange(config, random);
    this.#name = exchangeName(this.#exchange.type);
  }

  start(now: number): void {
    const flags = { initiator: true, version: false, response: false };
    const spis = { spiI: this.#exchange.spiI, spiR: new Uint8Array(8) };
    this.#ports.narrator.setSpis(spis.spiI, spis.spiR);
    const header: Header = { ...spis, majorVersion: 2, minorVersion: 0, exchange: this.#exchange.type, messageId: 0, flags };
    const payloads = this.#exchange.build();
    this.#request = encodeMessage(header, payloads);
    this.#requestAt = now;
    this.#retransmission = new Retransmission(this.#timing(), now);
    this.#ports.narrator.sent(header, payloads, [this.#request]);
    this.#transmit();
  }

  /** RFC 9329 §6.2: the request goes out again over the new connection. */
  reconnected(now: number): void {
    this.#retransmission = new Retransmission(this.#timing(), now);
    this.#transmit();
  }

  deadline(): number {
    if (this.#work) return this.#work.search.deadline;
    return Math.min(this.#retransmission?.deadline ?? Infinity, this.#doubt?.until ?? Infinity);
  }

  tick(now: number): void {
    if (this.#work) {
      this.#solve(this.#work, now);
      return;
    }
    if (this.#doubt && now >= this.#doubt.until) {
      this.#ports.failed(this.#doubt.failure);
      return;
    }
    const verdict = this.#retransmission?.tick(now);
    if (verdict === 'exhausted') {
      this.#ports.failed(this.whyNoAnswer());
      return;
    }
    if (verdict !== 'again') return;
    this.#ports.narrator.log('debug', `repeating ${this.#name} request`, { messageId: 0, sent: this.#retransmission?.sent ?? 0 });
    this.#transmit();
  }

  #solve({ search, solved }: Work, now: number): void {
    const state = search.tick(now);
    if (state === 'working') return;
    this.#work = undefined;
    const took = search.spent(now);
    const found = state === 'given-up' ? undefined : state;
    this.#ports.narrator.log('info', found ? 'puzzle solved' : 'puzzle given up', { milliseconds: took, trials: search.trials });
    solved(found, took, now);
  }

  /** What the answer wants next; the cookie alone where that was too much. */
  #again(now: number): void {
    if (this.#doubt) this.#doubt = { ...this.#doubt, until: now + DOUBT_WITHIN };
    this.start(now);
  }

  #done(agreed: Agreed, puzzle: AuthPuzzle | undefined, now: number): void {
    this.#work = undefined;
    if (!puzzle) {
      this.#ports.done(agreed, now);
      return;
    }
    this.#ports.narrator.log('info', puzzle.why);
    const solved: Work['solved'] = (solution, _took, at) => {
      if (solution) this.#ports.done({ ...agreed, solution }, at);
      else this.#ports.failed(puzzle.unsolved);
    };
    this.#work = { search: puzzle.search, solved, agreed: puzzle };
  }

  whyNoAnswer(): IkeFailure {
    return this.#work?.agreed?.unsolved ?? this.#doubt?.failure ?? { code: 'no-answer', evidence: `no answer to ${this.#name}` };
  }

  unparsed(input: Datagram, error: WireError, now: number): void {
    if (!this.#isAnswer(input, error.header)) {
      this.#ports.narrator.drop(`${error.code}: ${error.place}`);
      return;
    }
    // RFC 7296 §2.5: an answer of another major version is from a gateway that does not speak ours.
    const code = error.code === 'major-version' ? 'gateway-version' : 'protocol';
    this.#remember({ code, evidence: `${error.place} in ${this.#name} response` }, now);
  }

  receive(input: Datagram, message: Message, now: number): void {
    const { header } = message;
    const { narrator } = this.#ports;
    const fits = header.exchange === this.#exchange.type && header.messageId === 0 && !header.flags.initiator;
    if (!this.#isAnswer(input, header) || !fits) {
      narrator.drop(`no answer to ${this.#name}`);
      return;
    }
    narrator.received(header, message.payloads, input.bytes.length);
    // Repetitions of the puzzle, or cookies and refusals of somebody who wants the work to be for nothing.
    if (this.#work && !findPayload(message.payloads, 'SA')) {
      narrator.drop('a puzzle is being solved');
      return;
    }
    const progress = { sent: this.#retransmission?.sent ?? 1, firstAt: this.#requestAt, now };
    const verdict = this.#exchange.process(message, progress);
    switch (verdict.kind) {
      case 'ignore':
        narrator.drop(verdict.why);
        return;
      case 'puzzle':
        narrator.log('info', verdict.why);
        this.#work = {
          search: verdict.search,
          solved: (solution, took, at) => {
            verdict.solved(solution, took);
            this.#again(at);
          },
        };
        return;
      case 'doubt':
        this.#remember(verdict.failure, now);
        return;
      case 'failed':
        this.#ports.failed(verdict.failure);
        return;
      case 'restart':
        narrator.log('info', verdict.why);
        this.start(now);
        return;
      case 'done': {
        const { spiI, ni } = this.#exchange;
        const ticket = 'ticket' in this.#exchange ? this.#exchange.ticket : undefined;
        const { result, puzzle } = verdict;
        this.#done({ spiI, ni, result, request: this.#request, response: input.bytes, ticket }, puzzle, now);
        return;
      }
    }
  }

  #transmit(): void {
    this.#ports.emit({ kind: 'transmit', bytes: this.#request, channel: this.#channel(), to: this.#gateway() });
  }

  /** True for what may be an answer to our IKE_SA_INIT: right SPI, id and role, from where we sent it to (RFC 7296 §2.11). */
  #isAnswer(input: Datagram, header: Header | undefined): header is Header {
    if (!this.#retransmission || !header || this.#work?.agreed) return false;
    const gateway = this.#gateway();
    const { address, port, transport } = input.from;
    if (input.channel !== this.#channel() || transport !== gateway.transport) return false;
    if (address !== gateway.address || port !== gateway.port) return false;
    return header.flags.response && equalBytes(header.spiI, this.#exchange.spiI);
  }

  /** RFC 7296 §2.21.1: not believed at once, because anybody may have sent it. */
  #remember(failure: IkeFailure, now: number): void {
    // RFC 9329 §6.4: whoever put it into the connection has the connection; no better answer will come.
    if (this.#config.transport === 'tcp') {
      this.#ports.failed(failure);
      return;
    }
    const text = `unauthenticated: ${failure.evidence}; waiting for a better answer`;
    this.#ports.narrator.log('info', text, { code: failure.code });
    this.#doubt ??= { failure, until: now + DOUBT_WITHIN };
  }

  #gateway(): Endpoint {
    const { remote, transport } = this.#config;
    return { address: remote.address, port: remote.ports[this.#channel()], ...(transport && { transport }) };
  }

  #channel(): Channel {
    return this.#config.transport === 'tcp' ? 'natt' : 'ike';
  }

  #timing(): RetransmitTiming {
    const { timing, transport } = this.#config;
    if (transport !== 'tcp') return timing;
    const once = sentOnce(timing);
    return { ...once, retransmitFirst: Math.min(once.retransmitFirst, TCP_ANSWER_WITHIN) };
  }
}
