/**
 * A session with one peer from its authentication on: the IKE SA in use and those that it replaced or that are to be deleted, the end. What
 * changes them is rekeying (ikeRekeying.ts); CHILD SAs are in childKeeper.ts. Either role. The owner makes the first IKE SA with `open` and
 * calls `established` when the peer has proven who it is; after it all goes through here.
 */

import { equalBytes, toHex } from '../../bytes/bytes.ts';
import type { Random } from '../../crypto/types.ts';
import { FollowupAnswers } from '../exchanges/followupKe.ts';
import { suiteText, withoutAdditional } from '../negotiation.ts';
import { EXCHANGE, NOTIFY } from '../wire/constants.ts';
import type { Message, Payload, PayloadOf, Proposal } from '../wire/message.ts';
import { deleteIkeSa, findPayload, notify } from '../wire/payloads.ts';
import { ChildKeeper } from './childKeeper.ts';
import type { ChildPath, Selectors } from './childLife.ts';
import type { Channel, ChildSa, Endpoint, IkeFailure, IkeOutput, IkeSaFacts, IkeTiming } from './contract.ts';
import { IkeRekeying } from './ikeRekeying.ts';
import { IkeSa } from './ikeSa.ts';
import { defaultLifetimes, type Lifetimes, redundantFor } from './lifetimes.ts';
import type { IkeSaStart, NotifyHandler, Reply, Roads } from './setup.ts';

export interface SessionSetup {
  readonly timing: IkeTiming;
  readonly lifetimes?: Lifetimes | undefined;
  readonly random: Random;
  readonly keyLog: boolean;
  /** Text of APPLICATION_VERSION. */
  readonly version: string;
  readonly ikeProposals: readonly Proposal[];
  readonly espProposals: readonly Proposal[];
  /** Without a CHILD SA the IKE SA is of no use. */
  readonly closeWithoutChild: boolean;
  readonly followPeer: boolean;
  readonly notified?: NotifyHandler;
  readonly roads?: Roads;
  /** The IKE SA in use is a new one, made by an answer with these notifies. */
  readonly rekeyed?: (notifies: readonly PayloadOf<'N'>[], now: number) => void;
  readonly path: () => ChildPath;
  readonly admit: () => Selectors | undefined;
  readonly newSpiIn: () => number;
  readonly emit: (output: IkeOutput) => void;
}

/** IKE SAs that wait for their DELETE: a peer that rekeys and deletes nothing does not fill our memory. */
const maxOthers = 8;
export class Session {
  readonly children: ChildKeeper;
  readonly #setup: SessionSetup;
  readonly #lifetimes: Lifetimes;
  readonly #followups: FollowupAnswers;
  #current: IkeSa | undefined;
  /** Those besides the current one, and when we delete them ourselves. */
  readonly #others = new Map<IkeSa, number>();
  /** The one that the current one took the place of. */
  #before: IkeSa | undefined;
  #facts: IkeSaFacts | undefined;
  readonly #rekeying: IkeRekeying;
  #hardAt = Number.POSITIVE_INFINITY;
  /** Another login was asked for in the place of the IKE SA in use. */
  #isToBeReplaced = false;
  #now = 0;
  /** Why the session ends, once the current IKE SA is gone; others may still say goodbye. */
  #ended: { readonly failure: IkeFailure | undefined } | undefined;

  constructor(setup: SessionSetup) {
    this.#setup = setup;
    this.#lifetimes = setup.lifetimes ?? defaultLifetimes;
    const { random, path, admit, newSpiIn, emit } = setup;
    this.#followups = new FollowupAnswers(random);
    this.children = new ChildKeeper({
      ...{ random, path, admit, newSpiIn, emit },
      lifetimes: this.#lifetimes,
      followups: this.#followups,
      espProposals: () => this.#usable(setup.espProposals),
      ikeProposals: () => setup.ikeProposals,
      current: () => this.#current,
      renews: setup.closeWithoutChild,
      rekeyingIke: () => this.#rekeying.underWay,
      ikePutOff: () => this.#rekeying.isPutOff,
      empty: (now, failure) => this.#withoutChild(now, failure),
      refusedToTheEnd: (within) => this.#makeAnew(within),
    });
    this.#rekeying = new IkeRekeying({
      ...{ random, emit, lifetimes: this.#lifetimes, followups: this.#followups, rekeyed: setup.rekeyed },
      ikeProposals: () => this.#usable(setup.ikeProposals),
      current: () => this.#current,
      make: (start) => this.#make(start),
      adopt: (sa, now, by) => this.#adopt(sa, now, by),
      keep: (sa, until) => void this.#others.set(sa, until),
      crowded: () => this.#others.size >= maxOthers,
      refusedToTheEnd: (within) => this.#makeAnew(within),
    });
  }

  /** The first IKE SA, not authenticated yet. */
  open(first: IkeSaStart): IkeSa {
    this.#current = this.#make(first);
    return this.#current;
  }

  get current(): IkeSa | undefined {
    return this.#current;
  }

  /** The one before, as long as the peer may know no other: its rekeying is answered, and the answer perhaps on its way. */
  before(now: number): IkeSa | undefined {
    return this.#before?.state === 'established' && this.#current?.isQuiet(now) ? this.#before : undefined;
  }

  /** Nothing of it is left. */
  get isOver(): boolean {
    return this.#current === undefined && this.#others.size === 0;
  }

  /** The peer has proven who it is; the first CHILD SA comes right after this. */
  established(facts: IkeSaFacts, now: number): void {
    this.#now = now;
    this.#facts = facts;
    this.#begin(now);
  }

  /** `asked`: what the peer may have left out of it is asked for by itself. */
  addChild(child: ChildSa, now: number, asked?: Selectors): void {
    this.#now = now;
    if (!this.#current) return;
    this.children.install(this.#current, child, now);
    if (asked) this.children.wantOthers(this.#current, asked, child);
  }

  /** One of its IKE SAs has these SPIs. */
  owns(message: Message): boolean {
    return this.#find(message) !== undefined;
  }

  receive(message: Message, bytes: Uint8Array, channel: Channel, from: Endpoint, now: number): void {
    this.#now = now;
    const sa = this.#find(message) ?? this.#current;
    sa?.receive(message, bytes, channel, from, now);
    this.#work(now);
  }

  tick(now: number): void {
    this.#now = now;
    for (const [sa, until] of [...this.#others]) {
      if (now < until) sa.tick(now);
      else {
        this.#others.set(sa, Number.POSITIVE_INFINITY);
        sa.finish([deleteIkeSa()], undefined, now);
      }
    }
    this.#current?.tick(now);
    this.#work(now);
  }

  deadline(): number | undefined {
    if (this.#current === undefined && this.#others.size === 0) return undefined;
    let due = Math.min(this.children.deadline(), this.#current?.deadline() ?? Number.POSITIVE_INFINITY);
    for (const [sa, until] of this.#others) due = Math.min(due, until, sa.deadline() ?? Number.POSITIVE_INFINITY);
    due = Math.min(due, this.#followups.deadline);
    // One that is closing has its own end.
    if (this.#current?.state === 'established') due = Math.min(due, this.#hardAt);
    if (this.#canAsk()) due = Math.min(due, this.#rekeying.dueAt);
    return due === Number.POSITIVE_INFINITY ? undefined : due;
  }

  alive(now: number): void {
    this.#current?.alive(now);
  }

  checkLiveness(now: number, quick = false): void {
    this.#now = now;
    // What cannot wait is asked where the peer is known to hear it.
    if (quick) this.before(now)?.checkLiveness(now, true);
    this.#current?.checkLiveness(now, quick);
  }

  /** The connection under it was made anew (RFC 9329 §6.2): what the other IKE SAs have in flight goes out again. The current one is MOBIKE's. */
  reconnected(now: number): void {
    this.#now = now;
    for (const sa of this.#others.keys()) sa.reconnected(now);
    // Whoever takes the connection now may be no gateway.
    this.#current?.tellAlive();
  }

  rekeyIke(now: number): void {
    this.#rekeying.want(now);
    this.#after(now);
  }

  rekeyChild(spiIn: number, now: number): void {
    this.children.rekey(spiIn, now);
    this.#after(now);
  }

  limit(spiIn: number, which: 'soft' | 'hard', now: number): void {
    this.children.limit(spiIn, which, now);
    this.#after(now);
  }

  /** The CHILD SA that IKE_AUTH did not make; without it there is no use in the IKE SA. */
  wantFirst(selectors: Selectors, now: number): void {
    this.children.want(selectors, 'first');
    this.#after(now);
  }

  want(selectors: Selectors, now: number): void {
    this.children.want(selectors);
    this.#after(now);
  }

  /** DELETE of the IKE SA, then the end. A second call ends at once. */
  terminate(now: number): void {
    this.#now = now;
    const again = this.#current === undefined || this.#current.state === 'closing';
    if (again) for (const sa of [...this.#others.keys()]) sa.close();
    // A peer that knows no other would keep it for long.
    else this.before(now)?.finish([deleteIkeSa()], undefined, now);
    this.#current?.terminate(now);
  }

  /** The end of all, without a word. */
  close(failure?: IkeFailure): void {
    for (const sa of [...this.#others.keys()]) sa.close();
    this.#current?.close(failure);
  }

  // --- IKE SAs ---------------------------------------------------------------------------------------------------------------------

  #make(start: IkeSaStart): IkeSa {
    const { timing, random, keyLog, version, closeWithoutChild, followPeer, roads } = this.#setup;
    const sa: IkeSa = new IkeSa({
      ...start,
      ...{ timing, random, keyLog, version, closeWithoutChild, followPeer },
      notified: (...heard) => this.#notified(...heard),
      ...(roads && { roads }),
      handlers: {
        ...start.handlers,
        [EXCHANGE.CREATE_CHILD_SA]: (payloads, now) => this.#createChild(sa, payloads, now),
        [EXCHANGE.IKE_FOLLOWUP_KE]: (payloads, now) => this.#followupKe(sa, payloads, now),
      },
      // Lines of the key log come while it is being made.
      emit: (output) => (output.kind === 'key-log' ? this.#setup.emit(output) : this.#emit(sa, output)),
      asked: (payloads) => {
        this.children.asked(payloads);
        this.#rekeying.asked(sa, payloads, this.#now);
      },
      beforeEnd: (byPeer) => this.#rekeying.beforeEnd(sa, byPeer, this.#now),
      childComing: () => this.children.pending,
    });
    return sa;
  }

  #notified(...heard: Parameters<NotifyHandler>): ReturnType<NotifyHandler> {
    const [notice, now] = heard;
    if (notice.type === NOTIFY.INVALID_SPI && this.children.isUnknown(notice.data, now)) return {};
    return this.#setup.notified?.(...heard);
  }

  #emit(sa: IkeSa, output: IkeOutput): void {
    if (output.kind === 'closed') this.#gone(sa, output.failure);
    else if (output.kind !== 'remove-child') this.#setup.emit(output);
    else {
      const { grace, empty } = this.children.removed(output.spiIn, this.#now);
      this.#setup.emit(grace === undefined || sa.state === 'closed' ? output : { ...output, grace });
      if (empty) this.#withoutChild(this.#now);
    }
  }

  #gone(sa: IkeSa, failure: IkeFailure | undefined): void {
    this.#others.delete(sa);
    if (sa === this.#current) {
      this.#current = undefined;
      this.#followups.drop();
      this.#rekeying.stop();
      this.#hardAt = Number.POSITIVE_INFINITY;
      this.#ended = { failure };
      // Those that say goodbye themselves may finish that; nobody else will have a use.
      for (const other of [...this.#others.keys()]) if (other.state !== 'closing') other.close();
      // The peer has deleted the one before; one from before that may still be there, as its DELETE was lost.
    } else if (sa === this.#before || this.#others.size === 0) this.#current?.mayAsk(this.#now);
    if (this.#ended === undefined || this.#others.size > 0) return;
    const { failure: why } = this.#ended;
    this.#ended = undefined;
    this.#setup.emit(why ? { kind: 'closed', failure: why } : { kind: 'closed' });
  }

  #find({ header }: Message): IkeSa | undefined {
    const has = (sa: IkeSa | undefined): boolean =>
      sa !== undefined && equalBytes(sa.spis.spiI, header.spiI) && equalBytes(sa.spis.spiR, header.spiR);
    if (has(this.#current)) return this.#current;
    for (const sa of this.#others.keys()) if (has(sa)) return sa;
    return undefined;
  }

  #begin(now: number): void {
    this.#isToBeReplaced = false;
    this.#rekeying.begin(now);
    this.#hardAt = now + this.#lifetimes.ike.hard;
  }

  /** It inherits the CHILD SAs; the other waits for its DELETE. */
  #adopt(sa: IkeSa, now: number, by: 'us' | 'peer'): void {
    const old = this.#current;
    this.#others.delete(sa);
    this.#current = sa;
    this.#before = old;
    old?.handOver(sa, now);
    if (old && old.state !== 'closed') this.#others.set(old, now + redundantFor);
    this.#begin(now);
    if (!this.#facts) return;
    const { spiI, spiR } = sa.spis;
    const { local } = this.#setup.path();
    const spis = { spiI: toHex(spiI), spiR: toHex(spiR) };
    this.#facts = { ...this.#facts, ...sa.suite, ...spis, role: sa.role, local, remote: sa.remote };
    sa.narrator.log('info', `IKE SA rekeyed by ${by === 'us' ? 'us' : 'the peer'}: ${suiteText(sa.suite)}`);
    this.#setup.emit({ kind: 'ike-rekeyed', sa: this.#facts, by });
  }

  /** What was asked for from outside is begun at once where it can. */
  #after(now: number): void {
    this.#now = now;
    this.#work(now);
  }

  #canAsk(): boolean {
    const idle = !this.children.busy && !this.#rekeying.underWay && !this.#followups.busy;
    return this.#current?.state === 'established' && !this.#current.busy && idle;
  }

  #work(now: number): void {
    this.#followups.tick(now);
    if (this.#current?.state === 'established' && now >= this.#hardAt) {
      this.#hardAt = Number.POSITIVE_INFINITY;
      const failure: IkeFailure = { code: 'expired', evidence: 'the IKE SA could not be rekeyed in time' };
      this.#current.finish([deleteIkeSa()], failure, now);
    }
    if (this.#canAsk() && now >= this.#rekeying.dueAt) this.#rekeying.start(now);
    this.children.work(now);
  }

  #withoutChild(now: number, failure?: IkeFailure): void {
    const sa = this.#current;
    if (!this.#setup.closeWithoutChild || sa?.state !== 'established' || sa.children.length > 0 || this.children.pending) return;
    const expired: IkeFailure = { code: 'expired', evidence: 'the last CHILD SA ended without a successor' };
    sa.finish([deleteIkeSa()], failure ?? expired, now);
  }

  /**
   * RFC 7296 §4: who does not rekey (NO_ADDITIONAL_SAS) has us make an IKE SA from scratch. That of a client, which can log in again beside
   * this one; once, since it may be the user who has to.
   */
  #makeAnew(within: number): void {
    if (!this.#setup.closeWithoutChild || this.#isToBeReplaced) return;
    this.#isToBeReplaced = true;
    this.#current?.narrator.log('info', 'what cannot be rekeyed ends soon: time to authenticate again', {
      withinMs: Math.round(within),
    });
    this.#setup.emit({ kind: 'reauthenticate', within });
  }

  // --- requests of the peer that make something ---------------------------------------------------------------------------------------

  #createChild(sa: IkeSa, payloads: readonly Payload[], now: number): Reply {
    // RFC 7296 §2.25.2; one that has a successor is closing too.
    if (sa.state !== 'established' || sa !== this.#current) return { payloads: [notify(NOTIFY.TEMPORARY_FAILURE)] };
    // Whoever asks for something new has given up what was to follow.
    this.#followups.drop();
    // RFC 7296 §1.3.2: without traffic selectors it is the IKE SA that is meant.
    const forIke = !findPayload(payloads, 'TSi') && !findPayload(payloads, 'TSr');
    if (!forIke) return this.children.answer(sa, payloads, now);
    if (!this.children.busy) return this.#rekeying.answer(sa, payloads, now);
    // So that a peer is not put off for ever by one CHILD SA after the other: it comes before the next of them, and by us.
    this.#rekeying.putOff(now);
    return { payloads: [notify(NOTIFY.TEMPORARY_FAILURE)] };
  }

  /** RFC 9370 §2.2.4: the rest of a CREATE_CHILD_SA of the peer. */
  #followupKe(sa: IkeSa, payloads: readonly Payload[], now: number): Reply {
    if (sa.state !== 'established' || sa !== this.#current) return { payloads: [notify(NOTIFY.STATE_NOT_FOUND)] };
    return this.#followups.answer(payloads, now);
  }

  /** Additional key exchanges for who has shown that it knows them: a proposal that has one is none to anybody else (RFC 7296 §3.3.6). */
  #usable(proposals: readonly Proposal[]): readonly Proposal[] {
    return (this.#current?.suite.additional.length ?? 0) > 0 ? proposals : withoutAdditional(proposals);
  }
}
