/**
 * A session with one peer from its authentication on: the IKE SA in use and those that it replaced or that are to be deleted, CHILD SAs
 * (childKeeper.ts), rekeying of the IKE SA from both sides, the end. Either role. The owner makes the first IKE SA with `open` and calls
 * `established` when the peer has proven who it is; after it all goes through here.
 *
 * What crosses, by RFC 7296 §2.25.2, when the peer …
 *  - rekeys the IKE SA while we do: both go through; the new IKE SA with the lowest of the four nonces is deleted by who asked for it, the
 *    other inherits the CHILD SAs (§2.8.2)
 *  - rekeys it while we make, rekey or delete a CHILD SA, or while it is closing: TEMPORARY_FAILURE
 *  - deletes it while we rekey it: as usual; if the peer rekeyed it too, what it made takes over, else that was the end
 */

import { equalBytes, toHex } from '../../bytes/bytes.ts';
import type { KeTransform, Random } from '../../crypto/types.ts';
import {
  type AgreedIke,
  answerIkeRekey,
  type CreateVerdict,
  IkeRekeyRequest,
  isLower,
  wipeFresh,
} from '../exchanges/createChild.ts';
import { FollowupAnswers } from '../exchanges/followupKe.ts';
import { deriveIkeKeys, type Nonces, rekeySkeyseed, wipe } from '../keys/ikeKeys.ts';
import { suiteText, withoutAdditional } from '../negotiation.ts';
import { EXCHANGE, NOTIFY, PROTOCOL } from '../wire/constants.ts';
import type { Message, Payload, PayloadOf, Proposal } from '../wire/message.ts';
import { allPayloads, deleteIkeSa, findPayload, notify } from '../wire/payloads.ts';
import { ChildKeeper, type Selectors } from './childKeeper.ts';
import type { Channel, ChildSa, Endpoint, IkeFailure, IkeOutput, IkeSaFacts, IkeTiming } from './contract.ts';
import { followUp } from './followUp.ts';
import { IkeSa } from './ikeSa.ts';
import { defaultLifetimes, fraction, type Lifetimes, pauseAfter, redundantFor } from './lifetimes.ts';
import { Narrator } from './narrator.ts';
import type { IkeSaSetup, NotifyHandler, Reply, Roads } from './setup.ts';

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
  readonly path: () => Pick<ChildSa, 'local' | 'remote' | 'keepalive'>;
  readonly admit: () => Selectors | undefined;
  readonly newSpiIn: () => number;
  readonly emit: (output: IkeOutput) => void;
}

export type FirstSa = Pick<
  IkeSaSetup,
  | 'role'
  | 'spiI'
  | 'spiR'
  | 'suite'
  | 'keys'
  | 'channel'
  | 'remote'
  | 'nextRequestId'
  | 'expectedRequestId'
  | 'handlers'
  | 'narrator'
  | 'fragmentSize'
  | 'quietUntil'
>;

interface Rekey {
  readonly old: IkeSa;
  theirs: { readonly sa: IkeSa; readonly nonces: Nonces; adopt(now: number): void } | undefined;
}

/** IKE SAs that wait for their DELETE: a peer that rekeys and deletes nothing does not fill our memory. */
const maxOthers = 8;
/** Methods asked for in a row before it is a refusal. */
const maxGroups = 4;

export class Session {
  readonly children: ChildKeeper;
  readonly #setup: SessionSetup;
  readonly #lifetimes: Lifetimes;
  readonly #followups: FollowupAnswers;
  #current: IkeSa | undefined;
  /** Those besides the current one, and when we delete them ourselves. */
  readonly #others = new Map<IkeSa, number>();
  #facts: IkeSaFacts | undefined;
  #rekey: Rekey | undefined;
  #softAt = Number.POSITIVE_INFINITY;
  #hardAt = Number.POSITIVE_INFINITY;
  #notBefore = 0;
  #attempts = 0;
  #method: KeTransform | undefined;
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
      current: () => this.#current,
      renews: setup.closeWithoutChild,
      rekeyingIke: () => this.#rekey !== undefined,
      empty: (now, failure) => this.#withoutChild(now, failure),
    });
  }

  /** The first IKE SA, not authenticated yet. */
  open(first: FirstSa): IkeSa {
    this.#current = this.#make(first);
    return this.#current;
  }

  get current(): IkeSa | undefined {
    return this.#current;
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

  addChild(child: ChildSa, now: number): void {
    this.#now = now;
    if (this.#current) this.children.install(this.#current, child, now);
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
    if (this.#canAsk()) due = Math.min(due, this.#rekeyAt());
    return due === Number.POSITIVE_INFINITY ? undefined : due;
  }

  alive(now: number): void {
    this.#current?.alive(now);
  }

  checkLiveness(now: number, quick = false): void {
    this.#now = now;
    this.#current?.checkLiveness(now, quick);
  }

  /** The connection under it was made anew (RFC 9329 §6.2): what the other IKE SAs have in flight goes out again. The current one is MOBIKE's. */
  reconnected(now: number): void {
    this.#now = now;
    for (const sa of this.#others.keys()) sa.reconnected(now);
  }

  rekeyIke(now: number): void {
    this.#softAt = Math.min(this.#softAt, now);
    this.#notBefore = 0;
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
    this.#current?.terminate(now);
  }

  /** The end of all, without a word. */
  close(failure?: IkeFailure): void {
    for (const sa of [...this.#others.keys()]) sa.close();
    this.#current?.close(failure);
  }

  // --- IKE SAs ---------------------------------------------------------------------------------------------------------------------

  #make(first: FirstSa): IkeSa {
    const { timing, random, keyLog, version, closeWithoutChild, followPeer, notified, roads } = this.#setup;
    const sa: IkeSa = new IkeSa({
      ...first,
      ...{ timing, random, keyLog, version, closeWithoutChild, followPeer },
      ...(notified && { notified }),
      ...(roads && { roads }),
      handlers: {
        ...first.handlers,
        [EXCHANGE.CREATE_CHILD_SA]: (payloads, now) => this.#createChild(sa, payloads, now),
        [EXCHANGE.IKE_FOLLOWUP_KE]: (payloads, now) => this.#followupKe(sa, payloads, now),
      },
      // Lines of the key log come while it is being made.
      emit: (output) => (output.kind === 'key-log' ? this.#setup.emit(output) : this.#emit(sa, output)),
      asked: (payloads) => this.#asked(sa, payloads),
      beforeEnd: () => this.#beforeEnd(sa),
      childComing: () => this.children.pending,
    });
    return sa;
  }

  #emit(sa: IkeSa, output: IkeOutput): void {
    if (output.kind === 'closed') this.#gone(sa, output.failure);
    else if (output.kind !== 'remove-child') this.#setup.emit(output);
    else {
      const { grace, empty } = this.children.removed(output.spiIn);
      this.#setup.emit(grace === undefined || sa.state === 'closed' ? output : { ...output, grace });
      if (empty) this.#withoutChild(this.#now);
    }
  }

  /** RFC 7296 §2.25.2: deleted by the peer while both rekey it. What the peer made is there already. */
  #beforeEnd(sa: IkeSa): void {
    const theirs = this.#rekey?.old === sa ? this.#rekey.theirs : undefined;
    if (this.#rekey?.old === sa) this.#rekey = undefined;
    if (sa === this.#current && theirs && theirs.sa.state === 'established') theirs.adopt(this.#now);
  }

  /** Both rekey it, and the peer uses what it made: it knows already which one stays, be it that ours was refused and we did not hear it yet. */
  #asked(sa: IkeSa, payloads: readonly Payload[]): void {
    const theirs = this.#rekey?.theirs;
    if (theirs?.sa !== sa || deletesIkeSa(payloads)) return;
    this.#rekey = undefined;
    theirs.adopt(this.#now);
  }

  #gone(sa: IkeSa, failure: IkeFailure | undefined): void {
    this.#others.delete(sa);
    if (sa === this.#current) {
      this.#current = undefined;
      this.#followups.drop();
      this.#softAt = Number.POSITIVE_INFINITY;
      this.#hardAt = Number.POSITIVE_INFINITY;
      this.#ended = { failure };
      // Those that say goodbye themselves may finish that; nobody else will have a use.
      for (const other of [...this.#others.keys()]) if (other.state !== 'closing') other.close();
    } else if (this.#others.size === 0) this.#current?.mayAsk(this.#now); // the peer has deleted the one before
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
    const { ike, jitter } = this.#lifetimes;
    this.#softAt = now + ike.soft * (1 - jitter * fraction(this.#setup.random));
    this.#hardAt = now + ike.hard;
    this.#tellDue(this.#softAt - now);
    this.#notBefore = 0;
    this.#attempts = 0;
    this.#method = undefined;
  }

  #tellDue(within: number): void {
    if (Number.isFinite(within)) this.#setup.emit({ kind: 'rekey-due', what: 'ike', within });
  }

  /** It inherits the CHILD SAs; the other waits for its DELETE. */
  #adopt(sa: IkeSa, now: number, by: 'us' | 'peer'): void {
    const old = this.#current;
    this.#others.delete(sa);
    this.#current = sa;
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
    const idle = !this.children.busy && this.#rekey === undefined && !this.#followups.busy;
    return this.#current?.state === 'established' && !this.#current.busy && idle;
  }

  #rekeyAt(): number {
    return Math.max(this.#softAt, this.#notBefore);
  }

  #work(now: number): void {
    this.#followups.tick(now);
    if (this.#current?.state === 'established' && now >= this.#hardAt) {
      this.#hardAt = Number.POSITIVE_INFINITY;
      const failure: IkeFailure = { code: 'expired', evidence: 'the IKE SA could not be rekeyed in time' };
      this.#current.finish([deleteIkeSa()], failure, now);
    }
    if (this.#canAsk() && now >= this.#rekeyAt()) this.#startRekey(now);
    this.children.work(now);
  }

  #withoutChild(now: number, failure?: IkeFailure): void {
    const sa = this.#current;
    if (!this.#setup.closeWithoutChild || sa?.state !== 'established' || sa.children.length > 0 || this.children.pending) return;
    const expired: IkeFailure = { code: 'expired', evidence: 'the last CHILD SA ended without a successor' };
    sa.finish([deleteIkeSa()], failure ?? expired, now);
  }

  // --- rekeying, ours --------------------------------------------------------------------------------------------------------------

  #startRekey(now: number): void {
    const old = this.#current;
    if (!old) return;
    const { random } = this.#setup;
    const proposals = this.#usable(this.#setup.ikeProposals);
    const spi = newSpi(random);
    const request = new IkeRekeyRequest({ random, proposals, spi, ...(this.#method && { method: this.#method }) });
    const rekey: Rekey = { old, theirs: undefined };
    this.#rekey = rekey;
    this.#attempts++;
    old.narrator.log('info', 'rekeying the IKE SA');
    this.#setup.emit({ kind: 'rekeying', what: 'ike', underWay: true });
    old.request(
      {
        exchange: EXCHANGE.CREATE_CHILD_SA,
        build: () => request.build(),
        process: (payloads, at) => {
          followUp(old, request.read(payloads), payloads, random, at, (verdict, then) => {
            this.#setup.emit({ kind: 'rekeying', what: 'ike', underWay: false });
            if (this.#rekeyed(rekey, spi, verdict, then)) this.#setup.rekeyed?.(allPayloads(payloads, 'N'), then);
          });
        },
      },
      now,
    );
  }

  /** True: the IKE SA in use is ours from here on. */
  #rekeyed(rekey: Rekey, spi: Uint8Array, verdict: CreateVerdict<AgreedIke>, now: number): boolean {
    const { old, theirs } = rekey;
    if (this.#rekey !== rekey) {
      // The peer has gone on with its own.
      if (verdict.kind === 'agreed') this.#discard(this.#ours(old, spi, verdict.agreed, now), now);
      return false;
    }
    this.#rekey = undefined;
    switch (verdict.kind) {
      case 'agreed': {
        const made = this.#ours(old, spi, verdict.agreed, now);
        // The gateway has handed the CHILD SAs to it: what was to be deleted is now this one.
        if (old.state !== 'established') this.#discard(made, now);
        else if (theirs && isLower(verdict.agreed.nonces, theirs.nonces)) {
          old.narrator.log('info', 'both sides rekeyed the IKE SA: ours is redundant');
          this.#discard(made, now);
          theirs.adopt(now);
        } else {
          this.#adopt(made, now, 'us');
          this.#discard(old, now);
          return true;
        }
        return false;
      }
      case 'wrong':
        old.narrator.log('warn', `IKE SA not rekeyed: ${verdict.evidence}`);
        // The peer has handed the CHILD SAs to an IKE SA that we cannot use.
        if (theirs) theirs.adopt(now);
        else old.finish([deleteIkeSa()], { code: 'protocol', evidence: verdict.evidence }, now);
        return false;
      case 'group':
        if (theirs) theirs.adopt(now);
        else if (this.#attempts < maxGroups) this.#method = verdict.method;
        else this.#postpone(old, `asks for ${verdict.method.keyword}, and for another before`, now);
        return false;
      case 'refused':
        if (theirs) theirs.adopt(now);
        else this.#postpone(old, verdict.evidence, now);
        return false;
    }
  }

  #postpone(sa: IkeSa, evidence: string, now: number): void {
    const pause = pauseAfter(this.#attempts, this.#setup.random);
    this.#notBefore = now + pause;
    this.#method = undefined;
    sa.narrator.log('info', `IKE SA not rekeyed: ${evidence}`, { retryMs: Math.round(pause) });
    this.#setup.emit({ kind: 'rekey-failed', what: 'ike', evidence, retryIn: pause });
    this.#tellDue(pause);
  }

  /** DELETE of one that has no use any more. */
  #discard(sa: IkeSa, now: number): void {
    this.#others.set(sa, Number.POSITIVE_INFINITY);
    sa.finish([deleteIkeSa()], undefined, now);
  }

  // --- rekeying, theirs ------------------------------------------------------------------------------------------------------------

  #createChild(sa: IkeSa, payloads: readonly Payload[], now: number): Reply {
    // RFC 7296 §2.25.2; one that has a successor is closing too.
    if (sa.state !== 'established' || sa !== this.#current) return { payloads: [notify(NOTIFY.TEMPORARY_FAILURE)] };
    // Whoever asks for something new has given up what was to follow.
    this.#followups.drop();
    // RFC 7296 §1.3.2: without traffic selectors it is the IKE SA that is meant.
    const forIke = !findPayload(payloads, 'TSi') && !findPayload(payloads, 'TSr');
    return forIke ? this.#answerRekey(sa, payloads, now) : this.children.answer(sa, payloads, now);
  }

  #answerRekey(old: IkeSa, payloads: readonly Payload[], now: number): Reply {
    const ours = this.#rekey;
    if (this.children.busy || ours?.theirs || this.#others.size >= maxOthers)
      return { payloads: [notify(NOTIFY.TEMPORARY_FAILURE)] };
    const { random } = this.#setup;
    const proposals = this.#usable(this.#setup.ikeProposals);
    const spi = newSpi(random);
    const answered = answerIkeRekey(payloads, { random, proposals, spi });
    if (!answered.ok) {
      old.narrator.log('warn', `the peer's rekeying of the IKE SA is refused: ${answered.why}`);
      return { payloads: answered.payloads };
    }
    const { agreed } = answered;
    const { additional } = agreed.suite;
    const make = (made: AgreedIke, at: number): IkeSa => {
      const sa = this.#successor(old, made, { role: 'responder', spiI: made.spi, spiR: spi }, at);
      this.#others.set(sa, at + redundantFor);
      return sa;
    };
    const adopt = (sa: IkeSa) => (at: number) => {
      this.#adopt(sa, at, 'peer');
      this.#setup.rekeyed?.(allPayloads(payloads, 'N'), at);
    };
    if (ours && additional.length > 0) {
      // What takes several exchanges cannot go through from both sides at once.
      wipeFresh(agreed);
      return { payloads: [notify(NOTIFY.TEMPORARY_FAILURE)] };
    }
    if (ours) {
      const made = make(agreed, now);
      ours.theirs = { sa: made, nonces: agreed.nonces, adopt: adopt(made) };
      return { payloads: answered.payloads };
    }
    if (additional.length === 0) return { payloads: answered.payloads, after: adopt(make(agreed, now)) };
    const complete = (more: readonly Uint8Array[], at: number) => adopt(make({ ...agreed, more }, at));
    return {
      payloads: [...answered.payloads, this.#followups.begin(additional, now, complete, () => wipeFresh(agreed))],
    };
  }

  /** RFC 9370 §2.2.4: the rest of a CREATE_CHILD_SA of the peer. */
  #followupKe(sa: IkeSa, payloads: readonly Payload[], now: number): Reply {
    if (sa.state !== 'established' || sa !== this.#current) return { payloads: [notify(NOTIFY.STATE_NOT_FOUND)] };
    return this.#followups.answer(payloads, now);
  }

  // --- both ------------------------------------------------------------------------------------------------------------------------

  /** Additional key exchanges for who has shown that it knows them: a proposal that has one is none to anybody else (RFC 7296 §3.3.6). */
  #usable(proposals: readonly Proposal[]): readonly Proposal[] {
    return (this.#current?.suite.additional.length ?? 0) > 0 ? proposals : withoutAdditional(proposals);
  }

  #ours(old: IkeSa, spi: Uint8Array, agreed: AgreedIke, now: number): IkeSa {
    return this.#successor(old, agreed, { role: 'initiator', spiI: spi, spiR: agreed.spi }, now);
  }

  /** RFC 7296 §2.18. Message ids begin anew. */
  #successor(old: IkeSa, agreed: AgreedIke, who: Pick<FirstSa, 'role' | 'spiI' | 'spiR'>, now: number): IkeSa {
    const { suite, nonces, shared, more } = agreed;
    const seed = rekeySkeyseed(old.suite.prf, old.keys.d, shared ?? new Uint8Array(0), nonces, more);
    const keys = deriveIkeKeys(suite, seed, nonces, who);
    wipe(seed);
    wipeFresh(agreed);
    const narrator = new Narrator((output) => this.#setup.emit(output));
    const sa = this.#make({
      ...who,
      ...{ suite, keys, narrator, handlers: {}, fragmentSize: old.fragmentSize },
      ...{ channel: old.channel, remote: old.remote, nextRequestId: 0, expectedRequestId: 0 },
      ...(who.role === 'responder' && { quietUntil: now + redundantFor }),
    });
    sa.authenticated(now);
    return sa;
  }
}

/** RFC 7296 §1.4.1: then it is no use to anybody. */
function deletesIkeSa(payloads: readonly Payload[]): boolean {
  return payloads.some((one) => one.kind === 'D' && one.protocol === PROTOCOL.IKE);
}

/** 8 octets that are not zero (RFC 7296 §2.6). */
function newSpi(random: Random): Uint8Array {
  const spi = random(8).slice();
  if (spi.every((octet) => octet === 0)) spi[7] = 1;
  return spi;
}
