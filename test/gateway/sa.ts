/**
 * One IKE SA of the head office. Its life from the keys on is core/ike's own `IkeSa`, the same for both roles; what is written here is
 * the responder's part: answering IKE_SA_INIT again, IKE_AUTH, the time limit of a half-open SA, and the misbehaviours after them.
 */

import { formatAddress } from '../../core/bytes/address.ts';
import { equalBytes, toHex } from '../../core/bytes/bytes.ts';
import type { Random } from '../../core/crypto/types.ts';
import type { Channel, ChildSa, Endpoint, IkeFailure, IkeOutput } from '../../core/ike/sa/contract.ts';
import type { IkeSa, IkeSaState } from '../../core/ike/sa/ikeSa.ts';
import { Narrator } from '../../core/ike/sa/narrator.ts';
import { Session } from '../../core/ike/sa/session.ts';
import type { NotifyTaken, OutgoingExchange, Reply } from '../../core/ike/sa/setup.ts';
import { EXCHANGE, NOTIFY } from '../../core/ike/wire/constants.ts';
import type { Message, Payload, PayloadOf } from '../../core/ike/wire/message.ts';
import { notify } from '../../core/ike/wire/payloads.ts';
import type { HeadOfficeConfig, HeadOfficeInput, SaSummary } from './config.ts';
import type { AddressPools, Lease } from './configReply.ts';
import type { TlsAnswer, TlsAsk } from './eap/serverMethod.ts';
import type { NegotiatedChild } from './firstChild.ts';
import { type Authenticated, type AuthRounds, answerIkeAuth } from './ikeAuth.ts';
import { answerIntermediate } from './intermediate.ts';
import { ownMessage } from './misbehaveFragment.ts';
import type { MisbehaviourHooks } from './misbehaviours.ts';
import { OfficeMobike } from './mobike.ts';
import { everything, hostSelector } from './narrow.ts';
import { AuthGate } from './puzzle.ts';
import { additionalOf, type HalfOpen } from './saInit.ts';
import { crashToken, type TicketStore, ticketAnswer, tokenPayload } from './standing.ts';

/** What the front object gives each SA. */
export interface SaServices {
  readonly config: HeadOfficeConfig;
  readonly random: Random;
  readonly pools: AddressPools;
  readonly hooks: readonly MisbehaviourHooks[];
  /** `id` is the SA's responder SPI. */
  readonly emit: (id: string, output: IkeOutput) => void;
  readonly ask: (id: string, ask: TlsAsk) => void;
  readonly newSpiIn: () => number;
  readonly ticketStore: TicketStore;
  readonly now: () => number;
  readonly authenticated: (sa: ResponderSa, peer: Authenticated) => void;
}

type Step = ReturnType<AuthRounds['next']>;

interface Arrival {
  readonly channel: Channel;
  readonly from: Endpoint;
}

export class ResponderSa {
  /** Responder SPI, 16 hex digits. */
  readonly id: string;
  #half: HalfOpen;
  readonly #gate: AuthGate;
  /** IKE_INTERMEDIATE exchanges done. */
  #intermediates = 0;
  readonly #services: SaServices;
  readonly #session: Session;
  readonly #first: IkeSa;
  readonly #giveUpAt: number;
  /** RFC 4478 §2: it is deleted soon after the time given. */
  #overAt = Infinity;
  /** Of the message that is being received. */
  #arrival: Arrival;
  #peer: Authenticated | undefined;
  #mobike: OfficeMobike | undefined;
  #rounds: AuthRounds | undefined;
  /** The message that is being received, once more. */
  #again: (now: number) => void = () => {};
  /** The IKE_AUTH request in hand waits for what its EAP method asked, and then for its answer to be sent. */
  #waits = false;
  #ready: Step | undefined;
  #lease: Lease | undefined;

  constructor(half: HalfOpen, services: SaServices, now: number) {
    this.id = toHex(half.spiR);
    this.#half = half;
    this.#gate = new AuthGate(half);
    this.#services = services;
    this.#giveUpAt = now + services.config.timing.establishWithin;
    this.#arrival = { channel: half.channel, from: half.remote };
    const emit = (output: IkeOutput): void => this.#emit(output);
    const { config, random, newSpiIn } = services;
    const { spiI, spiR, suite, keys, channel, remote, fragmentSize } = half;
    this.#session = new Session({
      ...{ timing: config.timing, lifetimes: config.lifetimes, keyLog: config.keyLog, version: config.version },
      ...{ ikeProposals: config.ikeProposals, espProposals: config.espProposals },
      ...{ random, newSpiIn, emit },
      notified: (notice, _, way, of) => this.#notified(notice) ?? this.#mobike?.notified(notice, way, of),
      rekeyed: (_, at) => {
        this.#tellToken(at);
        this.#mobike?.rekeyed(at);
      },
      closeWithoutChild: false,
      // RFC 9329 §6.1: a client's new connection comes from a new port, even from a new address.
      followPeer: !half.natLocal || half.remote.transport === 'tcp',
      path: () => this.#path(),
      admit: () => this.#lease && { local: config.selectors, remote: this.#lease.addresses.map(hostSelector) },
    });
    this.#first = this.#session.open({
      role: 'responder',
      ...{ spiI, spiR, suite, keys, channel, remote, fragmentSize },
      nextRequestId: 0,
      expectedRequestId: 1,
      handlers: {
        [EXCHANGE.IKE_INTERMEDIATE]: (payloads) => this.#intermediate(payloads),
        [EXCHANGE.IKE_AUTH]: (payloads, at) => this.#ikeAuth(payloads, at),
      },
      narrator: new Narrator(emit),
    });
  }

  /** The IKE SA in use. */
  get #ike(): IkeSa {
    return this.#session.current ?? this.#first;
  }

  get state(): IkeSaState {
    return this.#session.current?.state ?? (this.#session.isOver ? 'closed' : 'closing');
  }

  /** One of its IKE SAs is meant. */
  owns(message: Message): boolean {
    return this.#session.owns(message);
  }

  get spiI(): Uint8Array {
    return this.#half.spiI;
  }

  get remoteIdentity(): string | undefined {
    return this.#peer?.identity.text;
  }

  ownsChild(spiIn: number): boolean {
    return this.#ike.children.some((child) => child.spiIn === spiIn);
  }

  /** RFC 7296 §2.1: the same octets from the same place are the same request. */
  repeatsSaInit(bytes: Uint8Array, from: Endpoint): boolean {
    const { remote, request } = this.#half;
    return from.address === remote.address && from.port === remote.port && equalBytes(bytes, request);
  }

  answerSaInit(): void {
    const { response, channel, remote } = this.#half;
    this.#emit({ kind: 'transmit', bytes: response, channel, to: remote });
  }

  /** Misbehaviours that follow the first answer. */
  afterSaInit(now: number): void {
    for (const { afterSaInit } of this.#services.hooks) {
      if (afterSaInit === 'create-child') this.#ike.request(this.#earlyChild(), now);
      else if (afterSaInit === 'intermediate') this.#ike.request(this.#earlyIntermediate(), now);
    }
  }

  /** A message with our responder SPI. */
  message(message: Message, bytes: Uint8Array, channel: Channel, from: Endpoint, now: number): void {
    const admitted = this.#gate.admit(message);
    if (!admitted) return;
    this.#arrival = { channel, from };
    this.#again = (at) => this.message(message, bytes, channel, from, at);
    this.#session.receive(admitted, bytes, channel, from, now);
  }

  handle(input: Exclude<HeadOfficeInput, { kind: 'datagram' }>, now: number): void {
    switch (input.kind) {
      case 'tick':
        if (this.state === 'half-open' && now >= this.#giveUpAt) this.drop('never authenticated');
        else if (this.state === 'established' && now >= this.#overAt) this.#session.terminate(now);
        else this.#session.tick(now);
        return;
      case 'inbound-traffic':
        this.#session.alive(now);
        return;
      case 'answer':
        this.#answered(input.answer, now);
        return;
      case 'check-liveness':
        this.#session.checkLiveness(now);
        return;
      case 'rekey-ike':
        this.#session.rekeyIke(now);
        return;
      case 'rekey-child':
        for (const { spiIn } of this.#ike.children) this.#session.rekeyChild(spiIn, now);
        return;
      case 'delete-child':
        this.#session.limit(input.spiIn, 'hard', now);
        return;
      case 'tell':
        this.#tell(input.payloads, now);
        return;
      case 'forget':
        this.drop('forgotten');
        return;
      case 'terminate':
        // Before authentication there is nobody to tell.
        if (this.state === 'half-open') this.drop('the office closes');
        else this.#session.terminate(now);
    }
  }

  /** RFC 5723 §4.1: a ticket asked for while the IKE SA stands. */
  #notified({ type }: PayloadOf<'N'>): NotifyTaken | undefined {
    const { tickets } = this.#services.config;
    if (type !== NOTIFY.TICKET_REQUEST || !tickets || !this.#peer) return undefined;
    const when = tickets.when === 'never' ? 'never' : 'now';
    const { suite, keys } = this.#ike;
    return { answer: ticketAnswer({ suite, keys, spiR: this.#half.spiR }, this.#peer.identity, this.#services, when) };
  }

  /** RFC 6290 §4.3: new SPIs, and so a new token, in an INFORMATIONAL whoever rekeyed. */
  #tellToken(now: number): void {
    const { crashSecret } = this.#services.config;
    const { spiI, spiR } = this.#ike.spis;
    if (crashSecret) this.#tell([tokenPayload(crashToken(crashSecret, spiI, spiR))], now);
  }

  #tell(payloads: readonly Payload[], now: number): void {
    const nothing = () => {};
    const exchange = { exchange: EXCHANGE.INFORMATIONAL, build: () => payloads, process: nothing, malformed: nothing };
    this.#ike.request(exchange, now);
  }

  /** The end without a word to the peer. */
  drop(evidence: string): void {
    this.#session.close({ code: 'closed-by-gateway', evidence });
  }

  deadline(): number | undefined {
    const own = this.state === 'half-open' ? this.#giveUpAt : this.state === 'established' ? this.#overAt : Infinity;
    const due = Math.min(own, this.#session.deadline() ?? Infinity);
    return due === Infinity ? undefined : due;
  }

  summary(): SaSummary {
    const identity = this.remoteIdentity;
    return {
      id: this.id,
      state: this.state,
      remote: this.#ike.remote,
      ...(identity === undefined ? {} : { remoteIdentity: identity }),
      virtualAddresses: (this.#lease?.addresses ?? []).map(formatAddress),
      children: this.#ike.children.map(({ spiIn, spiOut }) => ({ spiIn, spiOut })),
    };
  }

  #emit(output: IkeOutput): void {
    if (output.kind === 'closed') this.#lease?.release();
    if (output.kind !== 'transmit') {
      this.#services.emit(this.id, output);
      return;
    }
    const { suite, keys } = this.#half;
    let datagrams: readonly Uint8Array[] = [output.bytes];
    for (const { reseal } of this.#services.hooks) {
      if (!reseal) continue;
      datagrams = datagrams.flatMap((bytes) => {
        const own = ownMessage(bytes, suite, keys, this.#services.random);
        return own ? reseal(own) : [bytes];
      });
    }
    for (const bytes of datagrams) this.#services.emit(this.id, { ...output, bytes });
  }

  /** RFC 9242 §3.2: before IKE_AUTH, as often as was agreed. */
  #intermediate(payloads: readonly Payload[]): Reply {
    if (this.#rounds !== undefined) return { payloads: [notify(NOTIFY.INVALID_SYNTAX)] };
    const verdict = answerIntermediate(this.#half, payloads, this.#intermediates, this.#services);
    if (verdict.kind === 'refused') return this.#refused(verdict);
    this.#intermediates++;
    const adopt = () => {
      const { keys = this.#half.keys } = verdict;
      this.#half = { ...this.#half, keys, intAuth: this.#ike.intAuth };
      if (verdict.keys) this.#ike.replaceKeys(verdict.keys);
    };
    return { payloads: verdict.payloads, after: adopt };
  }

  #refused({ why, payloads }: { readonly why: string; readonly payloads: readonly Payload[] }): Reply {
    const failure: IkeFailure = { code: 'authentication-failed', evidence: why };
    return { payloads, after: () => this.#ike.close(failure) };
  }

  #ikeAuth(payloads: readonly Payload[], now: number): Reply | undefined {
    // RFC 9370 §2.2.2: all that was agreed comes first.
    if (this.#intermediates < additionalOf(this.#half).length)
      return this.#refused({ why: 'IKE_AUTH without IKE_INTERMEDIATE', payloads: [notify(NOTIFY.INVALID_SYNTAX)] });
    // RFC 7296 §1.2: IKE_AUTH is over; another one is out of place.
    if (this.#peer !== undefined) return { payloads: [notify(NOTIFY.INVALID_SYNTAX)] };
    if (this.#waits) {
      const ready = this.#ready;
      // A repetition of the client's, or the request once more because its answer is there.
      if (ready === undefined) return undefined;
      this.#waits = false;
      this.#ready = undefined;
      return this.#replyOf(ready, now);
    }
    const first = this.#rounds === undefined;
    this.#rounds ??= answerIkeAuth(this.#half, payloads, this.#services.newSpiIn(), this.#services);
    const step = first ? this.#rounds.next() : this.#rounds.next({ kind: 'request', payloads });
    if (this.#asks(step)) {
      this.#waits = true;
      return undefined;
    }
    return this.#replyOf(step, now);
  }

  #asks(step: Step): boolean {
    if (step.done || step.value.kind !== 'ask') return false;
    this.#services.ask(this.id, step.value.ask);
    return true;
  }

  #answered(answer: TlsAnswer, now: number): void {
    if (!this.#waits || this.#ready !== undefined || this.#rounds === undefined) return;
    const step = this.#rounds.next({ kind: 'answer', answer });
    if (this.#asks(step)) return;
    this.#ready = step;
    this.#again(now);
  }

  #replyOf(step: Step, now: number): Reply {
    if (!step.done) return { payloads: step.value.kind === 'reply' ? step.value.payloads : [] };
    const verdict = step.value;
    if (verdict.kind === 'refused') return this.#refused(verdict);
    this.#peer = verdict;
    if (verdict.mixed) {
      this.#half = { ...this.#half, keys: { ...this.#half.keys, ...verdict.mixed } };
      this.#ike.replaceSkD(verdict.mixed.d);
    }
    const { authLifetime } = this.#services.config;
    if (authLifetime !== undefined) this.#overAt = now + authLifetime * 1000;
    this.#ike.authenticated(now);
    this.#services.authenticated(this, verdict);
    if (verdict.mobile) this.#mobike = this.#follow();
    const facts = this.#facts(verdict);
    this.#emit({ kind: 'established', sa: facts });
    this.#session.established(facts, now);
    this.#lease = verdict.lease;
    if (verdict.child === undefined) {
      this.#emit({ kind: 'log', level: 'info', text: 'no CHILD SA', fields: { why: verdict.childRefusal ?? '' } });
    } else this.#addChild(verdict.child, now);
    return { payloads: verdict.payloads, after: (at) => this.#afterAuth(at) };
  }

  /** In place before the answer leaves: the client may send at once. */
  #addChild({ lease, ...child }: NegotiatedChild, now: number): void {
    this.#lease = lease;
    const open = this.#services.hooks.some((one) => one.openDataplane === true);
    this.#session.addChild({ ...child, ...(open ? { localSelectors: everything } : {}), ...this.#path() }, now);
  }

  /** How ESP goes: to where the client's messages come from. */
  #path(): Pick<ChildSa, 'local' | 'remote' | 'keepalive'> {
    const { ports } = this.#services.config;
    const { channel, from } = this.#arrival;
    return {
      local: from.transport === 'tcp' ? this.#half.local : { address: this.#half.local.address, port: ports.natt },
      // ESP travels in UDP only; a client that stayed on port 500 must take it on 4500 (RFC 3948 §4).
      remote: channel === 'natt' ? from : { address: from.address, port: ports.natt },
      keepalive: this.#half.natLocal && from.transport !== 'tcp',
    };
  }

  #follow(): OfficeMobike | undefined {
    const { config, random } = this.#services;
    const { local, natLocal } = this.#half;
    if (!config.mobike) return undefined;
    const at = { address: local.address, port: config.ports.natt };
    const emit = (output: IkeOutput): void => this.#emit(output);
    return new OfficeMobike({ policy: config.mobike, random, ike: () => this.#ike, local: at, natLocal, emit });
  }

  #afterAuth(now: number): void {
    for (const { afterAuth } of this.#services.hooks) {
      if (afterAuth === 'delete') this.#ike.terminate(now);
      else if (afterAuth === 'check-liveness') this.#ike.checkLiveness(now);
    }
  }

  #facts(peer: Authenticated): Extract<IkeOutput, { kind: 'established' }>['sa'] {
    const { suite, spiI, local, natLocal, natRemote } = this.#half;
    const { channel, from } = this.#arrival;
    return {
      role: 'responder',
      spiI: toHex(spiI),
      spiR: this.id,
      ...suite,
      ...(peer.mixed && { ppk: true }),
      local: from.transport === 'tcp' ? local : { address: local.address, port: this.#services.config.ports[channel] },
      remote: from,
      localIdentity: peer.ownIdentity.text,
      remoteIdentity: peer.identity.text,
      natLocal,
      natRemote,
      peerVendorIds: [],
    };
  }

  /** RFC 9242 §3.2: the initiator starts it and nobody else. */
  #earlyIntermediate(): OutgoingExchange {
    const ke: Payload = { kind: 'KE', method: 36, data: this.#services.random(1184) };
    const ignore = () => {};
    return { exchange: EXCHANGE.IKE_INTERMEDIATE, build: () => [ke], process: ignore, malformed: ignore, unanswered: ignore };
  }

  /** A well-formed request at the wrong time (RFC 7296 §2.3 wants nothing before IKE_AUTH). */
  #earlyChild(): OutgoingExchange {
    const { config, random, newSpiIn } = this.#services;
    const spi = new Uint8Array(4);
    new DataView(spi.buffer).setUint32(0, newSpiIn());
    return {
      exchange: EXCHANGE.CREATE_CHILD_SA,
      build: () => [
        { kind: 'SA', proposals: config.espProposals.map((one) => ({ ...one, spi })) },
        { kind: 'NONCE', data: random(32) },
        { kind: 'TSi', selectors: config.selectors, unknownTypes: 0 },
        { kind: 'TSr', selectors: config.selectors, unknownTypes: 0 },
      ],
      process: () => {},
      malformed: () => {},
      unanswered: () => {},
    };
  }
}
