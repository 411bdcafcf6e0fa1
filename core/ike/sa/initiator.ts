/**
 * The client's IKE SA: IKE_SA_INIT, IKE_AUTH, then an established `IkeSa`. Sans-IO; see contract.ts for inputs and outputs.
 *
 *   const machine = createInitiator(config, { random, keyLog: false });   // the key pair is made here, before it is needed
 *   machine.handle({ kind: 'start' }, now);
 *
 * Phases: idle → sa-init → auth → up (the IkeSa says established, closing or closed).
 */
import { equalBytes, toHex } from '../../bytes/bytes.ts';
import { IkeAuthExchange, type IkeAuthVerdict } from '../exchanges/ikeAuth.ts';
import { SaInitExchange, type SaInitResult } from '../exchanges/saInit.ts';
import { wipe } from '../keys/ikeKeys.ts';
import { suiteText } from '../negotiation.ts';
import { selectorsText } from '../selectors.ts';
import { EXCHANGE, NOTIFY } from '../wire/constants.ts';
import { encodeMessage } from '../wire/encode.ts';
import type { Header, Message, Payload, WireError } from '../wire/message.ts';
import { parseMessage } from '../wire/parse.ts';
import { deleteIkeSa, notify } from '../wire/payloads.ts';
import { spiText } from '../wire/spi.ts';
import type {
  Channel,
  ChildSa,
  Endpoint,
  Identity,
  IkeConfig,
  IkeFailure,
  IkeInput,
  IkeMachine,
  IkeOutput,
  IkePorts,
  IkeSaFacts,
} from './contract.ts';
import { IkeSa } from './ikeSa.ts';
import { Narrator } from './narrator.ts';
import type { OutgoingExchange } from './setup.ts';
import { Retransmission } from './window.ts';

/** Throws for a configuration that no message could be made of: a mistake of the program, found before anything is sent. */
export function createInitiator(config: IkeConfig, ports: IkePorts): IkeMachine {
  for (const { length } of [config.localSelectors, config.remoteSelectors])
    if (length < 1 || length > 255) throw new RangeError(`${length} traffic selectors`); // RFC 7296 §3.13: the count is one octet
  if (config.espProposals.length === 0) throw new RangeError('no ESP proposals');
  return new Initiator(config, ports);
}

/**
 * How long a genuine answer may still come after one that cannot be believed (RFC 7296 §2.21.1), milliseconds. A forger who
 * races the gateway wins by less than a round trip, and with usual timing one repetition of ours falls into this time; the
 * user, for whom the answer is nearly always the truth, does not wait long.
 */
const DOUBT_WITHIN = 1500;
/** How long a gateway is told that we do not believe it. Milliseconds. */
const COMPLAIN_WITHIN = 2000;
/** How long a cancelled IKE_AUTH waits for its answer, so that the gateway's SA can be deleted. Milliseconds. */
const CANCEL_WITHIN = 1000;

type Datagram = Extract<IkeInput, { kind: 'datagram' }>;

class Initiator implements IkeMachine {
  readonly #config: IkeConfig;
  readonly #ports: IkePorts;
  readonly #out: IkeOutput[] = [];
  readonly #narrator: Narrator;
  readonly #saInit: SaInitExchange;
  #phase: 'idle' | 'sa-init' | 'auth' | 'up' = 'idle';
  #establishBy = 0;
  /** The IKE_SA_INIT request in flight: RealMessage1 of the AUTH calculation. */
  #request: Uint8Array = new Uint8Array(0);
  #retransmission: Retransmission | undefined;
  /** When that request was first sent. */
  #requestAt = 0;
  #doubt: { readonly failure: IkeFailure; readonly until: number } | undefined;
  #cancelBy: number | undefined;
  #sa: IkeSa | undefined;
  #closed = false;

  constructor(config: IkeConfig, ports: IkePorts) {
    this.#config = config;
    this.#ports = ports;
    this.#narrator = new Narrator((output) => this.#emit(output));
    this.#saInit = new SaInitExchange(config, ports.random);
    this.#narrator.setSpis(this.#saInit.spiI, new Uint8Array(8));
  }

  handle(input: IkeInput, now: number): void {
    if (this.#closed) return;
    switch (input.kind) {
      case 'start':
        this.#start(now);
        return;
      case 'tick':
        this.#tick(now);
        return;
      case 'datagram':
        this.#datagram(input, now);
        return;
      case 'inbound-traffic':
        this.#sa?.alive(now);
        return;
      case 'check-liveness':
        this.#sa?.checkLiveness(now);
        return;
      case 'answer':
        return; // nothing is asked
      case 'terminate':
        this.#terminate(now);
        return;
    }
  }

  poll(): IkeOutput | undefined {
    return this.#out.shift();
  }

  deadline(): number | undefined {
    if (this.#closed || this.#phase === 'idle') return undefined;
    const dues = [this.#sa?.deadline(), this.#cancelBy];
    if (this.#phase === 'sa-init') dues.push(this.#retransmission?.deadline, this.#doubt?.until);
    if (this.#phase !== 'up') dues.push(this.#establishBy);
    const known = dues.filter((due) => due !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  }

  #emit(output: IkeOutput): void {
    if (this.#closed) return;
    if (output.kind === 'closed') this.#closed = true;
    this.#out.push(output);
  }

  #close(failure?: IkeFailure): void {
    if (this.#sa) this.#sa.close(failure);
    else {
      if (failure) this.#narrator.log('info', `IKE SA failed: ${failure.evidence}`, { code: failure.code });
      this.#emit(failure ? { kind: 'closed', failure } : { kind: 'closed' });
    }
  }

  #start(now: number): void {
    if (this.#phase !== 'idle') return;
    this.#phase = 'sa-init';
    this.#establishBy = now + this.#config.timing.establishWithin;
    this.#emit({ kind: 'progress', step: 'sa-init' });
    this.#sendSaInit(now);
  }

  #tick(now: number): void {
    if (this.#phase === 'idle') return;
    if (this.#cancelBy !== undefined && this.#phase === 'auth' && now >= this.#cancelBy) {
      this.#close();
      return;
    }
    if (this.#phase !== 'up' && now >= this.#establishBy) {
      this.#close(this.#whyNoAnswer());
      return;
    }
    if (this.#phase === 'sa-init') this.#tickSaInit(now);
    this.#sa?.tick(now);
  }

  /**
   * RFC 7296 §2.21.2 knows no way to take back an IKE_SA_INIT, and the gateway forgets it by itself. An IKE_AUTH under way may
   * have made an SA there, which is worth a short wait for its answer and a DELETE. A second call ends at once.
   */
  #terminate(now: number): void {
    if (this.#phase === 'idle' || this.#phase === 'sa-init') {
      this.#close();
      return;
    }
    if (this.#phase === 'up') {
      this.#sa?.terminate(now);
      return;
    }
    if (this.#cancelBy !== undefined) {
      this.#close();
      return;
    }
    this.#cancelBy = Math.min(now + CANCEL_WITHIN, this.#establishBy);
  }

  #datagram(arrived: Datagram, now: number): void {
    // A copy, because parts of it are kept and the driver uses its buffers again (and `slice` of a Buffer is none).
    const input = { ...arrived, bytes: new Uint8Array(arrived.bytes) };
    const parsed = parseMessage(input.bytes);
    if (!parsed.ok) this.#unparsed(input, parsed.error, now);
    else if (this.#sa) this.#sa.receive(parsed.value, input.bytes, input.channel, input.from, now);
    else this.#receiveSaInit(input, parsed.value, now);
  }

  // IKE_SA_INIT.

  #sendSaInit(now: number): void {
    const flags = { initiator: true, version: false, response: false };
    const spis = { spiI: this.#saInit.spiI, spiR: new Uint8Array(8) };
    const header: Header = { ...spis, majorVersion: 2, minorVersion: 0, exchange: EXCHANGE.IKE_SA_INIT, messageId: 0, flags };
    const payloads = this.#saInit.build();
    this.#request = encodeMessage(header, payloads);
    this.#requestAt = now;
    this.#retransmission = new Retransmission(this.#config.timing, now);
    this.#narrator.message('sent', header, payloads, this.#request.length);
    this.#transmitSaInit();
  }

  #transmitSaInit(): void {
    this.#emit({ kind: 'transmit', bytes: this.#request, channel: 'ike', to: this.#gateway('ike') });
  }

  #tickSaInit(now: number): void {
    if (this.#doubt && now >= this.#doubt.until) {
      this.#close(this.#doubt.failure);
      return;
    }
    const verdict = this.#retransmission?.tick(now);
    if (verdict === 'exhausted') {
      this.#close(this.#whyNoAnswer());
      return;
    }
    if (verdict !== 'again') return;
    this.#narrator.log('debug', 'repeating IKE_SA_INIT request', { messageId: 0, sent: this.#retransmission?.sent ?? 0 });
    this.#transmitSaInit();
  }

  /** True for what may be an answer to our IKE_SA_INIT: right SPI, id and role, from where we sent it to (RFC 7296 §2.11). */
  #answersSaInit(input: Datagram, header: Header | undefined): header is Header {
    if (this.#phase !== 'sa-init' || !header) return false;
    const gateway = this.#gateway('ike');
    if (input.channel !== 'ike' || input.from.address !== gateway.address || input.from.port !== gateway.port) return false;
    return header.flags.response && equalBytes(header.spiI, this.#saInit.spiI);
  }

  #unparsed(input: Datagram, error: WireError, now: number): void {
    if (!this.#answersSaInit(input, error.header)) {
      this.#narrator.drop(`${error.code}: ${error.place}`);
      return;
    }
    // RFC 7296 §2.5: an answer of another major version is from a gateway that does not speak ours.
    const code = error.code === 'major-version' ? 'gateway-version' : 'protocol';
    this.#remember({ code, evidence: `${error.place} in IKE_SA_INIT response` }, now);
  }

  #receiveSaInit(input: Datagram, message: Message, now: number): void {
    const { header } = message;
    const fits = header.exchange === EXCHANGE.IKE_SA_INIT && header.messageId === 0 && !header.flags.initiator;
    if (!this.#answersSaInit(input, header) || !fits) {
      this.#narrator.drop('no answer to IKE_SA_INIT');
      return;
    }
    this.#narrator.message('received', header, message.payloads, input.bytes.length);
    const progress = { sent: this.#retransmission?.sent ?? 1, firstAt: this.#requestAt, now };
    const verdict = this.#saInit.process(message, progress);
    switch (verdict.kind) {
      case 'ignore':
        this.#narrator.drop(verdict.why);
        return;
      case 'doubt':
        this.#remember(verdict.failure, now);
        return;
      case 'failed':
        this.#close(verdict.failure);
        return;
      case 'restart':
        this.#narrator.log('info', verdict.why);
        this.#sendSaInit(now);
        return;
      case 'done':
        this.#authenticate(verdict.result, input.bytes, now);
        return;
    }
  }

  /** RFC 7296 §2.21.1: not believed at once, because anybody may have sent it. */
  #remember(failure: IkeFailure, now: number): void {
    this.#narrator.log('info', `unauthenticated: ${failure.evidence}; waiting for a better answer`, { code: failure.code });
    this.#doubt ??= { failure, until: now + DOUBT_WITHIN };
  }

  #whyNoAnswer(): IkeFailure {
    if (this.#phase === 'auth') return { code: 'no-answer-auth', evidence: 'no answer to IKE_AUTH' };
    return this.#doubt?.failure ?? { code: 'no-answer', evidence: 'no answer to IKE_SA_INIT' };
  }

  // IKE_AUTH.

  #authenticate(result: SaInitResult, saInitResponse: Uint8Array, now: number): void {
    const { spiR, suite, keys, nr, nat } = result;
    const config = this.#config;
    // RFC 7296 §2.23: with a NAT between, and so always when one is pretended, all goes to port 4500 from IKE_AUTH on.
    const channel: Channel = config.forceEncapsulation || nat.local || nat.remote ? 'natt' : 'ike';
    const local = { address: config.local.address, port: config.local.ports[channel] };
    const remote = this.#gateway(channel);
    this.#phase = 'auth';
    this.#retransmission = undefined;
    const sa = new IkeSa({
      role: 'initiator',
      spiI: this.#saInit.spiI,
      spiR,
      suite,
      keys,
      timing: config.timing,
      random: this.#ports.random,
      keyLog: this.#ports.keyLog,
      version: config.request.version,
      channel,
      remote,
      nextRequestId: 1, // RFC 7296 §2.2: IKE_SA_INIT was 0
      expectedRequestId: 0,
      handlers: {},
      closeWithoutChild: true,
      followPeer: false, // RFC 7296 §2.23: usually behind a NAT, and the dataplane has one gateway address
      emit: (output) => this.#emit(output),
      narrator: this.#narrator,
    });
    this.#sa = sa;
    this.#narrator.log('info', `IKE algorithms agreed: ${suiteText(suite)}`, {
      natLocal: nat.local,
      natRemote: nat.remote,
      channel,
    });
    if (!nat.supported) this.#narrator.log('warn', 'the gateway does not say that it knows NAT traversal');
    const nonces = { ni: this.#saInit.ni, nr };
    const exchange = new IkeAuthExchange(
      { config, suite, keys, nonces, saInitRequest: this.#request, saInitResponse, local, remote, natLocal: nat.local },
      this.#ports.random,
    );
    this.#emit({ kind: 'progress', step: 'auth' });
    sa.request(
      this.#outgoing(sa, exchange, (identity) => this.#facts(result, identity, local, remote)),
      now,
    );
  }

  #outgoing(sa: IkeSa, exchange: IkeAuthExchange, facts: (identity: Identity) => IkeSaFacts): OutgoingExchange {
    return {
      exchange: EXCHANGE.IKE_AUTH,
      build: () => exchange.build(),
      process: (payloads, now) => this.#judged(sa, exchange.judge(payloads), facts, now),
      malformed: (failure, complaint, now) => this.#complain(sa, failure, complaint, now),
      unanswered: () => this.#close(this.#cancelBy === undefined ? this.#whyNoAnswer() : undefined),
    };
  }

  #judged(sa: IkeSa, verdict: IkeAuthVerdict, facts: (identity: Identity) => IkeSaFacts, now: number): void {
    const cancelled = this.#cancelBy !== undefined;
    this.#cancelBy = undefined;
    this.#phase = 'up';
    if (verdict.kind === 'refused') {
      sa.close(cancelled ? undefined : verdict.failure);
      return;
    }
    if (verdict.kind === 'disbelieved') {
      this.#complain(sa, cancelled ? undefined : verdict.failure, notify(NOTIFY.AUTHENTICATION_FAILED), now);
      return;
    }
    sa.authenticated(now);
    const { child, identity } = verdict;
    if (cancelled) {
      if (child.ok) wipeChild(child.value.child);
      sa.terminate(now);
      return;
    }
    if (!child.ok) {
      this.#narrator.log('info', `no CHILD SA: ${child.error.evidence}; deleting the IKE SA`);
      // RFC 7296 §2.21.2: the IKE SA stands without it, but it is of no use to us.
      sa.finish([deleteIkeSa()], child.error, now);
      return;
    }
    const { configuration, notes, child: first } = child.value;
    for (const note of notes) this.#narrator.log('warn', `configuration: ${note}`);
    this.#emit({ kind: 'progress', step: 'established' });
    this.#narrator.log('info', `IKE SA established with ${identity.text}`);
    this.#emit({ kind: 'established', sa: facts(identity) });
    this.#emit({ kind: 'configured', configuration });
    this.#narrator.log('info', `CHILD SA established: ${suiteText(first)}`, {
      spiIn: spiText(first.spiIn),
      spiOut: spiText(first.spiOut),
      local: selectorsText(first.localSelectors),
      remote: selectorsText(first.remoteSelectors),
    });
    sa.addChild(first);
  }

  /** RFC 7296 §2.21.2: an error of ours in IKE_AUTH goes into an INFORMATIONAL, which ends the IKE SA without a DELETE. */
  #complain(sa: IkeSa, failure: IkeFailure | undefined, complaint: Payload, now: number): void {
    this.#phase = 'up';
    this.#cancelBy = undefined;
    sa.finish([complaint], failure, now, COMPLAIN_WITHIN);
  }

  #facts(result: SaInitResult, identity: Identity, local: Endpoint, remote: Endpoint): IkeSaFacts {
    const { spiR, suite, nat, vendorIds } = result;
    return {
      role: 'initiator',
      spiI: toHex(this.#saInit.spiI),
      spiR: toHex(spiR),
      ...suite,
      local,
      remote,
      localIdentity: this.#config.localIdentity.text,
      remoteIdentity: identity.text,
      natLocal: nat.local,
      natRemote: nat.remote,
      peerVendorIds: vendorIds,
    };
  }

  #gateway(channel: Channel): Endpoint {
    const { remote } = this.#config;
    return { address: remote.address, port: remote.ports[channel] };
  }
}

/** The keys of a CHILD SA that nobody will own. */
function wipeChild({ keysIn, keysOut }: ChildSa): void {
  wipe(keysIn.encryption, keysIn.integrity, keysOut.encryption, keysOut.integrity);
}
