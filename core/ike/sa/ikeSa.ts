/**
 * One IKE SA from the moment its keys are known, for both roles: message windows, protection, dispatch of exchanges,
 * liveness, DELETE of either SA, errors, the end. IKE_SA_INIT is over when it is made.
 *
 *   const sa = new IkeSa({ role, spiI, spiR, suite, keys, …, emit });
 *   sa.request(exchange, now)              // ours: build, send, repeat, process the answer (IKE_AUTH of an initiator)
 *   setup.handlers[EXCHANGE.IKE_AUTH]      // theirs, before authentication; then also CREATE_CHILD_SA, to replace the refusal
 *   sa.authenticated(now)                  // from here on the peer is believed and its requests are served
 *   sa.addChild(child)                     // emits install-child
 *   sa.receive(message, bytes, channel, from, now); sa.tick(now); sa.deadline()
 *   sa.terminate(now) / sa.finish(…) / sa.close(…)   // DELETE and end / a last request and end / end
 *
 * Outputs go to `emit` in order. The owner demultiplexes datagrams by SPI and parses them. Order of an inbound message:
 * SPIs and role → id in the window → authentication state → ICV → syntax → payload rules → exchange. Nothing before the ICV
 * changes anything but a counter of the log.
 */
import { equalBytes } from '../../bytes/bytes.ts';
import { informational } from '../exchanges/informational.ts';
import { exchangeName, siftPayloads } from '../exchanges/rules.ts';
import { InboundMessages } from '../fragment/inbound.ts';
import type { FragmentSize } from '../fragment/size.ts';
import type { IkeKeys } from '../keys/ikeKeys.ts';
import type { IkeSuite } from '../negotiation.ts';
import { EXCHANGE, PROTOCOL } from '../wire/constants.ts';
import type { Message, Payload } from '../wire/message.ts';
import { deleteChildSas, deleteIkeSa } from '../wire/payloads.ts';
import { spiBytes } from '../wire/spi.ts';
import { type Arrival, complaint, tellReceived, wrongText } from './arrival.ts';
import type { Installed } from './childLife.ts';
import { type Child, type ChildFacts, ChildTable } from './childTable.ts';
import type { Channel, ChildSa, Endpoint, IkeFailure } from './contract.ts';
import { Delivery } from './delivery.ts';
import { afterSleep, mostNews, mostRounds } from './lifetimes.ts';
import { MessageSecurity } from './messageSecurity.ts';
import type { Narrator } from './narrator.ts';
import { PeerRequests } from './peerRequests.ts';
import type { Role } from './protect.ts';
import type { IkeSaSetup, OutgoingExchange, Route, Spis } from './setup.ts';
import { RequestWindow } from './window.ts';

export type IkeSaState = 'half-open' | 'established' | 'closing' | 'closed';

/** How long our DELETE is repeated at most: with 20 % loss each way four tries fit in, and a user waits for it. Milliseconds. */
const DELETE_WITHIN = 5000;
/** So often a request goes the ways that it is to try first (`OutgoingExchange.first`): with the usual timing for 1.4 s. */
const TRIALS = 2;

export class IkeSa {
  readonly #setup: IkeSaSetup;
  readonly #security: MessageSecurity;
  readonly #delivery: Delivery;
  readonly #children: ChildTable;
  readonly #requests: RequestWindow<OutgoingExchange>;
  /** Fragments of an answer wait as long as the request is in flight. */
  readonly #theirAnswers: InboundMessages;
  readonly #theirRequests: PeerRequests;
  readonly #queue: OutgoingExchange[] = [];
  #state: IkeSaState = 'half-open';
  #quietUntil: number;
  #authenticated = false;
  /** Last sign of life of the peer that nobody else can have given. */
  #heardAt = 0;
  /** Of the request in flight. */
  #rounds = 1;
  /** Since it was sent, or the peer heard. */
  #news = 0;
  #hasRepeated = false;
  /** When the request in flight, or the last one, was first sent. */
  #askedAt = 0;
  /** Somebody wants to know when the peer answers a request with this id or a later one. */
  #awaited = Infinity;
  #ending: { readonly failure: IkeFailure | undefined; readonly exchange: OutgoingExchange; readonly by: number } | undefined;

  constructor(setup: IkeSaSetup) {
    this.#setup = setup;
    this.#delivery = new Delivery(setup);
    this.#children = new ChildTable(setup);
    this.#requests = new RequestWindow(setup.timing, setup.nextRequestId);
    this.#theirAnswers = new InboundMessages(setup.fragmentSize !== undefined, setup.narrator, Infinity);
    this.#quietUntil = setup.quietUntil ?? 0;
    setup.narrator.setSpis(setup.spiI, setup.spiR);
    this.#security = new MessageSecurity(setup);
    const parts = { security: this.#security, delivery: this.#delivery, children: this.#children };
    this.#theirRequests = new PeerRequests(setup, parts, {
      isAuthenticated: () => this.#authenticated,
      heard: (arrival, now) => this.#heard(arrival, now),
      end: (failure) => this.#end(failure),
      leave: (failure, now) => this.finish([deleteIkeSa()], failure, now),
    });
  }

  get state(): IkeSaState {
    return this.#state;
  }

  /** Where requests go now. */
  get remote(): Endpoint {
    return this.#delivery.way.remote;
  }

  get channel(): Channel {
    return this.#delivery.way.channel;
  }

  /** What an IKE SA that takes this one's place begins with. */
  get fragmentSize(): FragmentSize | undefined {
    return this.#security.fragmentSize;
  }

  get keys(): IkeKeys {
    return this.#security.keys;
  }

  /** What IKE_INTERMEDIATE exchanges add to the octets of AUTH; undefined: there were none (RFC 9242 §3.3.2). */
  get intAuth(): Uint8Array | undefined {
    return this.#security.intAuth;
  }

  /** RFC 8784 §3: a PPK went into it, and all that is derived from now on comes of this one. */
  replaceSkD(d: Uint8Array): void {
    this.#security.replaceSkD(d);
  }

  /** RFC 9242 §3.3.1: from the next exchange on all is protected by these, which are of an additional key exchange; the old are wiped. */
  replaceKeys(keys: IkeKeys): void {
    this.#security.replaceKeys(keys);
  }

  get suite(): IkeSuite {
    return this.#setup.suite;
  }

  get role(): Role {
    return this.#setup.role;
  }

  get spis(): Spis {
    const { spiI, spiR } = this.#setup;
    return { spiI, spiR };
  }

  get narrator(): Narrator {
    return this.#setup.narrator;
  }

  /** A request of ours is in flight or waits. */
  get busy(): boolean {
    return this.#requests.busy || this.#queue.length > 0;
  }

  /** A request of ours went out more than once: which of them the peer took, and from where, is not known. */
  get hasRepeated(): boolean {
    return this.#hasRepeated;
  }

  get children(): readonly Child[] {
    return this.#children.all;
  }

  child(spiIn: number): ChildFacts | undefined {
    return this.#children.get(spiIn)?.sa;
  }

  /** A message with our SPIs; `message` is what `bytes` were parsed into. */
  receive(message: Message, bytes: Uint8Array, channel: Channel, from: Endpoint, now: number): void {
    if (this.#state === 'closed') return;
    const { header } = message;
    const { spiI, spiR, role, narrator } = this.#setup;
    if (!equalBytes(header.spiI, spiI) || !equalBytes(header.spiR, spiR)) {
      narrator.drop('other SPIs');
      return;
    }
    // RFC 7296 §3.1: the I flag is set in all messages of the original initiator, so our own cannot be reflected to us.
    if (header.flags.initiator !== (role === 'responder')) {
      narrator.drop('sender has our role');
      return;
    }
    const arrival = { message, bytes, channel, from };
    if (header.flags.response) this.#receiveResponse(arrival, now);
    else this.#theirRequests.receive(arrival, now);
    this.#pump(now);
  }

  tick(now: number): void {
    if (this.#state === 'closed') return;
    if (now >= this.#quietUntil) this.#quietUntil = 0;
    if (this.#ending && now >= this.#ending.by) {
      this.close(this.#ending.failure);
      return;
    }
    const again = this.#delivery.isCutOff ? undefined : this.#requests.tick(now);
    if (again === 'exhausted' && this.#isWorthMore(now)) this.#repeatNow(now);
    else if (again === 'exhausted') this.#unanswered(now);
    // RFC 9329 §7.1: the very same request, and no other.
    else if (again && this.#delivery.trying && again.sent > TRIALS) this.#repeatNow(now);
    else if (again) {
      const name = exchangeName(this.#requests.context?.exchange ?? 0);
      const { datagrams, id: messageId, sent } = again;
      this.#hasRepeated = true;
      if (again.smaller) this.#security.sendSmaller();
      const how = again.smaller ? ' in smaller fragments' : '';
      this.#setup.narrator.log('debug', `repeating ${name} request${how}`, { messageId, sent, datagrams: datagrams.length });
      this.#delivery.request(datagrams, sent);
    }
    this.#theirRequests.tick(now);
    if (now >= this.#livenessDue()) this.checkLiveness(now);
    this.#pump(now);
  }

  deadline(): number | undefined {
    if (this.#state === 'closed') return undefined;
    const deadline = this.#delivery.isCutOff ? Infinity : (this.#requests.deadline ?? Infinity);
    const silence = this.#quietUntil > 0 && this.#queue.length > 0 ? this.#quietUntil : Infinity;
    const due = Math.min(deadline, silence, this.#ending?.by ?? Infinity, this.#livenessDue(), this.#theirRequests.deadline);
    return due === Infinity ? undefined : due;
  }

  /** Sends the request, or keeps it until the one in flight is answered (RFC 7296 §2.3); `next`: before others that wait. */
  request(exchange: OutgoingExchange, now: number, next = false): void {
    if (this.#state === 'closed' || this.#state === 'closing') return;
    this.#enqueue(exchange, next);
    this.#pump(now);
  }

  /** RFC 4555 §3.5: requests go there from now on, the one in flight at once, and then `next` before all that wait. */
  moveTo(route: Route, next: OutgoingExchange | undefined, now: number): void {
    if (this.#state === 'closed') return;
    this.#delivery.moveTo(route);
    if (next && this.#state !== 'closing') this.#enqueue(next, true);
    if (!this.#hurry(now)) this.#pump(now);
  }

  /** RFC 7296 §2.4: an empty INFORMATIONAL, over these ways first. Which one was answered is told by `Roads.answered`. */
  tryWays(ways: () => readonly Route[], now: number): void {
    this.request({ ...informational([], () => {}), first: ways }, now);
  }

  /** The request in flight tries other ways. */
  get trying(): boolean {
    return this.#delivery.trying;
  }

  /** RFC 4555 §3.8: with MOBIKE, the peer moves only when its initiator says so. */
  stopFollowing(): void {
    this.#delivery.stopFollowing();
  }

  /** The peer has proven who it is. */
  authenticated(now: number): void {
    this.#authenticated = true;
    this.#heardAt = now;
    if (this.#state === 'half-open') this.#state = 'established';
  }

  /** The dataplane saw an authenticated packet. */
  alive(now: number): void {
    this.#heardAt = Math.max(this.#heardAt, now);
  }

  /**
   * RFC 7296 §2.4: an empty INFORMATIONAL; any request in flight does as well. For `quick` one does that was not sent long ago: requests of the
   * peer, and answers to what was asked before a sleep, may have waited in the socket all through it.
   */
  checkLiveness(now: number, quick = false): void {
    if (this.#state !== 'established') return;
    if (quick)
      this.#awaited = this.#requests.nextId - (this.#requests.busy && now - this.#askedAt <= afterSleep.recently ? 1 : 0);
    if (this.#requests.busy) {
      if (quick) this.#hurry(now);
      return;
    }
    this.#setup.narrator.log('debug', 'asking whether the peer lives', { silentMs: now - this.#heardAt });
    this.request(this.#question(), now);
  }

  /**
   * RFC 9329 §6.2: over a new connection the request in flight goes out again. Without one the peer is asked, so that it learns of the
   * connection (§6.1): from then on it sends there.
   */
  reconnected(now: number): void {
    if (this.#state === 'closed') return;
    if (!this.#hurry(now)) this.checkLiveness(now);
  }

  /** `alive` is said when the peer answers what it is being asked, or will be asked next. */
  tellAlive(): void {
    if (this.#state === 'established') this.#awaited = this.#requests.nextId - (this.#requests.busy ? 1 : 0);
  }

  addChild(child: ChildSa, how: Installed = {}): void {
    this.#children.add(child, how);
  }

  /** The peer may not know of it: nothing is asked in it (`IkeSaSetup.quietUntil`). */
  isQuiet(now: number): boolean {
    return now < this.#quietUntil;
  }

  /** The peer is known to have it. */
  mayAsk(now: number): void {
    this.#quietUntil = 0;
    this.#pump(now);
  }

  /** RFC 7296 §2.25.1: without a word to the peer, who does not know it. */
  forgetChild(spiIn: number): void {
    this.#children.remove(spiIn);
  }

  /** RFC 7296 §2.18: the IKE SA that replaces this one inherits all CHILD SAs, the requests that wait, and whether the peer is followed. */
  handOver(successor: IkeSa, now: number): void {
    this.#children.moveTo(successor.#children);
    // All that it asks is asked later; what is in flight here may yet be answered in time.
    if (this.#awaited < Infinity) successor.#awaited = 0;
    if (!this.#requests.busy || this.#awaited >= this.#requests.nextId) this.#awaited = Infinity;
    successor.#queue.push(...this.#queue.splice(0).filter(({ own }) => !own));
    successor.#delivery.followAs(this.#delivery);
    successor.#pump(now);
  }

  /** DELETE of a CHILD SA by its inbound SPI. It stays until the peer has answered (RFC 7296 §1.4.1). */
  deleteChild(spiIn: number, now: number): void {
    if (!this.#children.markDeleting(spiIn)) return;
    this.request(
      informational([deleteChildSas(PROTOCOL.ESP, [spiBytes(spiIn)])], (_answer, _at, sa) => sa.#children.remove(spiIn)),
      now,
    );
  }

  /** DELETE of the IKE SA, then the end. A second call ends at once. */
  terminate(now: number): void {
    if (this.#state === 'closing') {
      this.close(this.#ending?.failure);
      return;
    }
    this.finish([deleteIkeSa()], undefined, now);
  }

  /**
   * A last INFORMATIONAL request with these payloads, and the end with `failure` when it is answered, or after `within`
   * milliseconds. Requests that were waiting are forgotten; one in flight is waited for.
   */
  finish(payloads: readonly Payload[], failure: IkeFailure | undefined, now: number, within = DELETE_WITHIN): void {
    if (this.#state === 'closed' || this.#state === 'closing') return;
    this.#state = 'closing';
    this.#awaited = Infinity;
    this.#quietUntil = 0;
    const end = () => this.close(failure);
    const exchange: OutgoingExchange = {
      exchange: EXCHANGE.INFORMATIONAL,
      build: () => payloads,
      process: end,
      malformed: end,
      unanswered: end,
    };
    this.#ending = { failure, exchange, by: now + within };
    this.#queue.length = 0;
    this.#queue.push(exchange);
    if (this.#delivery.trying) this.#repeatNow(now);
    this.#pump(now);
  }

  /** The end, without a word to the peer. CHILD SAs end too, keys are wiped. */
  close(failure?: IkeFailure): void {
    if (this.#state === 'closed') return;
    this.#setup.beforeEnd?.(this.#state === 'established' && failure?.code === 'closed-by-gateway');
    this.#state = 'closed';
    this.#children.removeAll();
    this.#queue.length = 0;
    this.#requests.finish();
    this.#theirAnswers.clear();
    this.#theirRequests.clear();
    this.#security.wipe();
    const { emit, narrator } = this.#setup;
    if (failure) narrator.log('info', `IKE SA ended: ${failure.evidence}`, { code: failure.code });
    else narrator.log('info', 'IKE SA ended');
    emit(failure ? { kind: 'closed', failure } : { kind: 'closed' });
  }

  // Our requests.

  #enqueue(exchange: OutgoingExchange, next: boolean): void {
    const before = exchange.latest ? this.#queue.findIndex(({ latest }) => latest) : -1;
    if (before >= 0) this.#queue.splice(before, 1);
    if (next) this.#queue.unshift(exchange);
    else this.#queue.push(exchange);
  }

  #pump(now: number): void {
    if (this.#state === 'closed' || this.#requests.busy || this.#delivery.isCutOff) return;
    if (this.isQuiet(now)) return;
    const exchange = this.#queue.shift() ?? (this.#awaited < Infinity ? this.#question() : undefined);
    if (!exchange) return;
    const payloads = exchange.build(this);
    const header = this.#security.header(exchange.exchange, this.#requests.nextId, false);
    const { inTheClear = [] } = exchange;
    const message = this.#security.seal(header, payloads, this.#delivery.way, { inTheClear });
    if (exchange.exchange === EXCHANGE.IKE_INTERMEDIATE) this.#security.intermediateSent(message, payloads);
    this.#theirAnswers.clear();
    this.#delivery.tryFirst(exchange.first?.() ?? []);
    this.#rounds = 1;
    this.#news = 0;
    this.#askedAt = now;
    this.#requests.send(message, exchange, now, this.#delivery.patience);
    this.#setup.narrator.sent(header, [...inTheClear, ...payloads], message.datagrams);
    this.#delivery.request(message.datagrams, 1);
  }

  #receiveResponse(arrival: Arrival, now: number): void {
    const { message } = arrival;
    const { header } = message;
    const { narrator } = this.#setup;
    const exchange = this.#requests.context;
    // RFC 7296 §2.1, §2.2: an answer without a request, or one more to a request that was answered.
    if (!exchange || !this.#requests.awaits(header.messageId) || header.exchange !== exchange.exchange) {
      narrator.drop('answer to no request in flight', { messageId: header.messageId });
      return;
    }
    const arrived = this.#theirAnswers.take(this.#security.protection, message, arrival.bytes, now);
    if (!arrived) return;
    const { opened } = arrived;
    this.#heard(arrival, now);
    if (header.messageId >= this.#awaited) {
      this.#awaited = Infinity;
      this.#setup.emit({ kind: 'alive' });
    }
    this.#delivery.tryFirst([]);
    this.#requests.finish();
    this.#setup.roads?.answered({ channel: arrival.channel, remote: arrival.from }, now);
    const sifted = opened.ok ? siftPayloads(header.exchange, 'response', 'inside SK', opened.value.payloads) : undefined;
    if (opened.ok && sifted?.ok) {
      tellReceived(narrator, header, opened.value, sifted.value.ignored, arrived);
      if (header.exchange === EXCHANGE.IKE_INTERMEDIATE) this.#security.intermediateAnswered(arrived.request, opened.value);
      exchange.process(sifted.value.payloads, now, this);
      return;
    }
    const evidence = `${exchangeName(header.exchange)} response: ${wrongText(opened, sifted)}`;
    narrator.log('warn', 'answer breaks the protocol', { messageId: header.messageId, evidence });
    const failure: IkeFailure = { code: 'protocol', evidence };
    // RFC 7296 §2.21: errors in answers are not answered, but the IKE state is cleaned up.
    if (exchange.malformed) exchange.malformed(failure, complaint(sifted && !sifted.ok ? sifted.error : undefined), now);
    else this.finish([deleteIkeSa()], failure, now);
  }

  /**
   * RFC 7296 §2.4: who receives protected packets knows that the peer is alive, and that the road is a bad one; it suggests a dozen sendings
   * over several minutes. There is a bound, because our packets may be those that never arrive.
   */
  #isWorthMore(now: number): boolean {
    const { timing, narrator } = this.#setup;
    const heard = now - this.#heardAt <= timing.retransmitMax && this.remote.transport !== 'tcp';
    if (this.#state !== 'established' || !heard || this.#rounds >= mostRounds) return false;
    this.#rounds++;
    narrator.log('info', 'no answer, but the peer sends: going on to ask');
    return true;
  }

  #unanswered(now: number): void {
    const exchange = this.#requests.finish();
    if (!exchange) return;
    const name = exchangeName(exchange.exchange);
    this.#setup.narrator.log('info', `no answer to ${name} request`);
    if (exchange.unanswered) exchange.unanswered(now);
    // RFC 7296 §2.4: a peer that does not answer repeated requests has failed, and with it all its SAs.
    else this.#end({ code: 'gateway-lost', evidence: `no answer to ${name}` });
  }

  #question(): OutgoingExchange {
    const { roads } = this.#setup;
    return informational(roads?.question(this) ?? [], (payloads, at, sa) => roads?.lives(payloads, at, sa));
  }

  // Both.

  /**
   * There is news of the way, and the request in flight goes out again; false when there is none. It is not waited for anew every time: the
   * addresses of some other device come and go for hours, and what stands at the gateway's port may take each TCP connection and break it.
   */
  #hurry(now: number): boolean {
    return this.#repeatNow(now, this.#news++ < mostNews);
  }

  /** The request in flight goes out again, and is waited for anew; false when there is none. */
  #repeatNow(now: number, anew = true): boolean {
    if (this.#delivery.isCutOff || !this.#requests.datagrams) return this.#requests.busy;
    this.#delivery.tryFirst([]);
    if (anew) this.#requests.renew(now, this.#delivery.patience);
    this.#delivery.request(this.#requests.datagrams, 1);
    return true;
  }

  /** The peer itself sent this, and not long ago: it is the answer to a request in flight, or a request that is new. */
  #heard(arrival: Arrival, now: number): void {
    this.#quietUntil = 0;
    this.#news = 0;
    this.#heardAt = Math.max(this.#heardAt, now);
    this.#delivery.heardFrom({ channel: arrival.channel, remote: arrival.from });
  }

  /** The end for this reason, unless we were ending for one of our own. */
  #end(failure: IkeFailure): void {
    this.close(this.#ending ? this.#ending.failure : failure);
  }

  #livenessDue(): number {
    const { livenessAfter } = this.#setup.timing;
    if (this.#state !== 'established' || livenessAfter === 0 || this.busy || this.#delivery.isCutOff) return Infinity;
    return this.#heardAt + livenessAfter;
  }
}
