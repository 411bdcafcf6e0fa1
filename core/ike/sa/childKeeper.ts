/**
 * The CHILD SAs of one session: their lifetimes, our rekeying, one more, and what happens when requests cross; those of the peer are answered
 * in childAnswers.ts. Either role; the IKE SA that they belong to changes when that is rekeyed (session.ts), and only one request of ours is
 * in flight (RFC 7296 §2.3).
 *
 * What crosses, by RFC 7296 §2.25.1, when the peer …
 *  - rekeys an SA that we are deleting or that has a successor: TEMPORARY_FAILURE
 *  - rekeys an SA that we are rekeying: both go through; the SA with the lowest of the four nonces is deleted by who asked for it (§2.8.1)
 *  - rekeys an SA that is not there: CHILD_SA_NOT_FOUND
 *  - deletes an SA that we are rekeying: as usual; what our request brings then stands alone
 *  - deletes an SA before the answer has come that tells us of it: it is not taken, what it was to replace is deleted, and another is asked for
 *  - deletes one of several that we wanted, and nothing comes in its place: it is asked for again after a pause, later and later
 *  - asks for anything while we rekey the IKE SA: TEMPORARY_FAILURE (§2.25.2)
 *
 * An SA that was replaced receives for a while after it was deleted (`graceFor`): packets under way are not lost.
 */
import type { Random } from '../../crypto/types.ts';
import { type AgreedChild, type CreateVerdict, isLower } from '../exchanges/createChild.ts';
import type { FollowupAnswers } from '../exchanges/followupKe.ts';
import { childCode } from '../exchanges/ikeAuthErrors.ts';
import type { Nonces } from '../keys/ikeKeys.ts';
import { suiteText } from '../negotiation.ts';
import { selectorsText } from '../selectors.ts';
import { EXCHANGE, NOTIFY, PROTOCOL } from '../wire/constants.ts';
import type { Payload, Proposal } from '../wire/message.ts';
import { deleteChildSas, notify } from '../wire/payloads.ts';
import { spiBytes, spiNumber, spiText } from '../wire/spi.ts';
import { ChildAnswers } from './childAnswers.ts';
import {
  type ChildPath,
  childOf,
  childRekeyed,
  type Installed,
  type Life,
  type Made,
  newLineage,
  othersOf,
  type Selectors,
  succeed,
  wipeChild,
} from './childLife.ts';
import { ChildRequests, deletedAlready } from './childRequests.ts';
import type { ChildFacts } from './childTable.ts';
import type { ChildSa, IkeFailure, IkeOutput } from './contract.ts';
import type { IkeSa } from './ikeSa.ts';
import { fraction, graceFor, hintsEvery, type Lifetimes, lastResort, limitsOf, pauseAfter, redundantFor } from './lifetimes.ts';
import type { Reply } from './setup.ts';
import { asking, type Wanted, WantedChildren } from './wantedChildren.ts';

export interface ChildKeeperSetup {
  readonly random: Random;
  readonly lifetimes: Lifetimes;
  /** What may be offered and taken now. */
  readonly espProposals: () => readonly Proposal[];
  readonly ikeProposals: () => readonly Proposal[];
  /** The peer's requests that wait for their additional key exchanges. */
  readonly followups: FollowupAnswers;
  /** A fresh inbound SPI. */
  readonly newSpiIn: () => number;
  /** How ESP goes now. */
  readonly path: () => ChildPath;
  /** What the peer may have in a CHILD SA of its own asking; undefined: none (RFC 7296 §1.3: NO_ADDITIONAL_SAS). */
  readonly admit: () => Selectors | undefined;
  readonly emit: (output: IkeOutput) => void;
  /** The IKE SA of all CHILD SAs. */
  readonly current: () => IkeSa | undefined;
  /** What had its time is asked for again. */
  readonly renews: boolean;
  /** A request of ours to rekey the IKE SA is in flight. */
  readonly rekeyingIke: () => boolean;
  /** It was refused because CHILD SAs were busy, ours or the peer's. */
  readonly ikePutOff: () => boolean;
  /** None is left, and none is coming. */
  readonly empty: (now: number, failure?: IkeFailure) => void;
  /** The peer does not let us rekey one, and it ends within so many milliseconds. */
  readonly refusedToTheEnd: (within: number) => void;
}

/** Methods asked for in a row, one after the other, before it is a refusal. */
const maxGroups = 4;

export class ChildKeeper {
  readonly #setup: ChildKeeperSetup;
  readonly #lives = new Map<number, Life>();
  readonly #wanted: WantedChildren;
  readonly #requests: ChildRequests;
  readonly #answers: ChildAnswers;
  /** When it was last said of one in use that the peer does not know it. */
  #unknownAt = Number.NEGATIVE_INFINITY;

  constructor(setup: ChildKeeperSetup) {
    this.#setup = setup;
    const { random, espProposals, ikeProposals, followups, newSpiIn, path, admit, emit } = setup;
    this.#wanted = new WantedChildren(random, this.#lives);
    this.#requests = new ChildRequests({ random, espProposals, ikeProposals, newSpiIn });
    this.#answers = new ChildAnswers({
      ...{ random, espProposals, ikeProposals, followups, newSpiIn, path, admit, emit },
      life: (spiIn) => this.#lives.get(spiIn),
      making: () => this.#requests.underWay,
      sameTraffic: ({ localSelectors, remoteSelectors }) =>
        this.#wanted.usableFor({ local: localSelectors, remote: remoteSelectors })?.spiIn,
      install: (sa, child, now, how, lineage) => this.install(sa, child, now, how, lineage),
    });
  }

  /** The peer's CREATE_CHILD_SA for a CHILD SA, in an IKE SA that is not closing. */
  answer(sa: IkeSa, payloads: readonly Payload[], now: number): Reply {
    // RFC 7296 §2.25.2: the CHILD SAs are about to move.
    if (this.#setup.rekeyingIke()) return { payloads: [notify(NOTIFY.TEMPORARY_FAILURE)] };
    return this.#answers.answer(sa, payloads, now);
  }

  /** RFC 7296 §2.25.1: a CHILD SA is being created, rekeyed or closed by us. */
  get busy(): boolean {
    return this.#requests.underWay || (this.#setup.current()?.children.some(({ deleting }) => deleting) ?? false);
  }

  /** One more is being made, or will be. */
  get pending(): boolean {
    return this.#requests.underWay || this.#wanted.pending;
  }

  /**
   * RFC 7296 §1.5: the peer says, under protection, that it was sent packets of an SA that it does not have; `spi` is its own. Cisco's gateways
   * do, and else all would go there in vain until the next rekeying. Of one that is in use that is not to be taken for granted, since a gateway
   * may be slow to set up what it has agreed to: it is rekeyed, and who does not know it says so then (CHILD_SA_NOT_FOUND). True: it was one.
   */
  isUnknown(spi: Uint8Array, now: number): boolean {
    const sa = this.#setup.current();
    const child = sa?.children.find(({ spiOut }) => spiOut === spiNumber(spi));
    const life = child && this.#lives.get(child.spiIn);
    if (!sa || !life || life.replacedBy !== undefined || life.expired) return false;
    if (life.ours || now < this.#unknownAt + hintsEvery) return true;
    this.#unknownAt = now;
    sa.narrator.log('warn', 'the peer does not know the CHILD SA that it is sent to: rekeying it', {
      spiIn: spiText(life.spiIn),
    });
    this.rekey(life.spiIn, now);
    return true;
  }

  /** Its life begins. Every CHILD SA comes by here. */
  install(sa: IkeSa, child: ChildSa, now: number, how: Installed = {}, lineage = newLineage(false, now)): void {
    const { lifetimes, random } = this.#setup;
    const { soft, hard } = lifetimes.child;
    const rehearse = lifetimes.rehearse && this.#lives.size === 0 && how.replaces === undefined;
    this.#lives.set(child.spiIn, {
      spiIn: child.spiIn,
      selectors: { local: child.localSelectors, remote: child.remoteSelectors },
      lineage,
      softAt: rehearse ? now : now + soft * (1 - lifetimes.jitter * fraction(random)),
      hardAt: now + hard,
      notBefore: 0,
      attempts: 0,
      groups: 0,
      method: undefined,
      ours: undefined,
      replacedBy: undefined,
      redundantAt: Number.POSITIVE_INFINITY,
      expired: false,
      overslept: false,
    });
    const before = how.replaces === undefined ? undefined : sa.child(how.replaces);
    sa.addChild({ ...child, limits: limitsOf(child, lifetimes) }, how);
    this.#tellDue(child.spiIn, (this.#lives.get(child.spiIn)?.softAt ?? now) - now);
    if (before) this.#askForRest(sa, before, child, now);
  }

  /** One more CHILD SA, when there is time; or the first one. */
  want(selectors: Selectors, which: 'first' | 'further' = 'further'): void {
    this.#wanted.add(selectors, which);
  }

  /** What the peer left out of `child`, for which it was asked as well. */
  wantOthers(sa: IkeSa, asked: Selectors, { remoteSelectors }: Pick<ChildSa, 'remoteSelectors'>): void {
    const others = othersOf(asked, remoteSelectors);
    // Nothing of what was asked for would be in it again and again.
    if (!others || others.remote.length >= asked.remote.length) return;
    sa.narrator.log('info', 'the peer leaves out networks that it was asked for: asking for them by themselves', {
      remote: selectorsText(others.remote),
    });
    this.want(others);
  }

  /** Rekey it as soon as that can be. */
  rekey(spiIn: number, now: number): void {
    const life = this.#lives.get(spiIn);
    if (life) life.softAt = Math.min(life.softAt, now);
  }

  limit(spiIn: number, which: 'soft' | 'hard', now: number): void {
    const life = this.#lives.get(spiIn);
    if (!life) return;
    // Not at once: while a rekeying of the peer is under way in several exchanges, a DELETE would be left behind in the old IKE SA.
    if (which === 'hard') life.hardAt = Math.min(life.hardAt, now);
    else this.rekey(spiIn, now);
  }

  /**
   * It ended on the IKE SA. With a successor, or while one is asked for, it receives for `grace` milliseconds more; `empty`: it had its time,
   * and nothing comes after it. Who woke up after its end has an IKE SA that stands, and no reason to log in again for another one.
   */
  removed(spiIn: number, now: number): { readonly grace?: number; readonly empty: boolean } {
    const life = this.#lives.get(spiIn);
    this.#lives.delete(spiIn);
    // A successor may have gone before it.
    const last = this.#lives.size === 0 && !this.pending;
    if (life && (life.replacedBy !== undefined || life.ours || this.#wanted.isAsked(life.lineage)))
      return { grace: graceFor, empty: last };
    // Of several one had its time because nobody could rekey it, or the peer deleted it: the others stay, and it is asked for anew.
    if (life && (!last || life.overslept)) this.#miss(life, now);
    return { empty: last && life?.expired === true && !this.pending };
  }

  /** A genuine request of the peer, before it is answered. */
  asked(payloads: readonly Payload[]): void {
    this.#requests.heard(payloads);
  }

  /** When `work` has something to do. */
  deadline(): number {
    if (!this.#canAsk()) return Number.POSITIVE_INFINITY;
    let due = this.#wanted.deadline();
    for (const life of this.#lives.values()) due = Math.min(due, this.#dueOf(life));
    return due;
  }

  /** Starts what is due, one thing at a time. */
  work(now: number): void {
    if (!this.#canAsk()) return;
    for (const life of this.#lives.values()) {
      if (now < this.#dueOf(life)) continue;
      if (now >= life.redundantAt || now >= life.hardAt) this.#expire(life, now);
      else this.#startRekey(life, now);
      return;
    }
    const wanted = this.#wanted.take(now);
    if (wanted) this.#create(wanted, now);
  }

  // --- ours ------------------------------------------------------------------------------------------------------------------------

  #canAsk(): boolean {
    const sa = this.#setup.current();
    const { rekeyingIke, followups } = this.#setup;
    return sa?.state === 'established' && !sa.busy && !this.#requests.underWay && !followups.busy && !rekeyingIke();
  }

  #dueOf(life: Life): number {
    const { softAt, hardAt, notBefore } = life;
    const ends = Math.min(hardAt, life.redundantAt);
    if (life.replacedBy !== undefined || life.ours) return ends;
    // One CHILD SA after the other would put off the rekeying of the IKE SA for ever. They can wait, if not until their end.
    const after = this.#setup.ikePutOff() ? Math.min((softAt + hardAt) / 2, softAt + redundantFor) : softAt;
    return Math.min(ends, Math.max(after, notBefore));
  }

  #startRekey(life: Life, now: number): void {
    const sa = this.#setup.current();
    const child = sa?.child(life.spiIn);
    if (!sa || !child) return;
    const { localSelectors, remoteSelectors, peerSelectors } = child;
    const { method } = life;
    const asked = { rekeyed: life.spiIn, localSelectors, remoteSelectors, peerSelectors, ...(method && { method }) };
    const ours = { theirs: undefined };
    life.ours = ours;
    life.attempts++;
    sa.narrator.log('info', 'rekeying a CHILD SA', { spiIn: spiText(life.spiIn) });
    this.#setup.emit({ kind: 'rekeying', what: 'child', underWay: true });
    this.#requests.ask(sa, asked, now, (verdict, at, on, spiIn) => {
      this.#setup.emit({ kind: 'rekeying', what: 'child', underWay: false });
      this.#rekeyed(on, life, ours, spiIn, verdict, at);
      // The peer deleted the old one meanwhile (RFC 7296 §2.25.1), and nothing has come in its place.
      if (this.#lives.size === 0 && !this.pending) this.#setup.empty(at, lastDeleted);
      else if (!this.#lives.has(life.spiIn)) this.#miss(life, at);
    });
  }

  #create(wanted: Wanted, now: number): void {
    const sa = this.#setup.current();
    if (!sa) return;
    const { local: localSelectors, remote: remoteSelectors, method } = wanted;
    const asked = { rekeyed: undefined, localSelectors, remoteSelectors, ...(method && { method }) };
    sa.narrator.log('info', `${asking[wanted.which]} CHILD SA`, {
      local: selectorsText(wanted.local),
      remote: selectorsText(wanted.remote),
    });
    this.#requests.ask(sa, asked, now, (verdict, at, on, spiIn) => this.#created(on, wanted, spiIn, verdict, at));
  }

  #rekeyed(
    sa: IkeSa,
    life: Life,
    { theirs }: NonNullable<Life['ours']>,
    spiIn: number,
    verdict: CreateVerdict<AgreedChild>,
    now: number,
  ): void {
    life.ours = undefined;
    const living = this.#lives.get(life.spiIn) === life;
    switch (verdict.kind) {
      case 'agreed':
        this.#replace(sa, life, theirs, childOf(sa, verdict.agreed, spiIn, true, this.#setup.path()), verdict.agreed.nonces, now);
        return;
      case 'group':
        if (theirs) succeed(life, theirs, now);
        else if (++life.groups < maxGroups) life.method = verdict.method;
        else this.#postpone(sa, life, `asks for ${verdict.method.keyword}, and for another before`, now);
        return;
      case 'wrong':
        sa.narrator.log('warn', `CHILD SA not rekeyed: ${verdict.evidence}`);
        this.#disown(sa, spiIn, now);
        if (theirs) succeed(life, theirs, now);
        else this.#postpone(sa, life, verdict.evidence, now);
        return;
      case 'refused':
        if (theirs) succeed(life, theirs, now);
        else if (verdict.type === NOTIFY.CHILD_SA_NOT_FOUND) {
          if (living) this.#startAnew(sa, life, now, verdict === deletedAlready);
        } else if (!this.#requests.asksOtherwise(sa, verdict.type)) this.#postpone(sa, life, verdict.evidence, now);
    }
  }

  /** RFC 7296 §2.8.1: ours, theirs, or both were made. */
  #replace(sa: IkeSa, life: Life, theirs: Made | undefined, child: ChildSa, nonces: Nonces, now: number): void {
    const living = this.#lives.has(life.spiIn);
    if (theirs && isLower(nonces, theirs.nonces)) {
      sa.narrator.log('info', 'both sides rekeyed the CHILD SA: ours is redundant', { spiIn: spiText(child.spiIn) });
      wipeChild(child);
      this.#disown(sa, child.spiIn, now);
      succeed(life, theirs, now);
      return;
    }
    this.install(sa, child, now, living ? { replaces: life.spiIn } : {}, life.lineage);
    this.#setup.emit(childRekeyed(sa, child, life.spiIn, 'us'));
    if (theirs) {
      const redundant = this.#lives.get(theirs.spiIn);
      if (redundant) {
        redundant.replacedBy = child.spiIn;
        redundant.redundantAt = now + redundantFor;
      }
    }
    if (!living) return;
    life.replacedBy = child.spiIn;
    sa.deleteChild(life.spiIn, now);
  }

  /**
   * Another is asked for in its place. RFC 7296 §2.25.1: after CHILD_SA_NOT_FOUND it is forgotten without a word. `known`: to the peer it is an
   * SA with a successor, which it waits for us to delete.
   */
  #startAnew(sa: IkeSa, life: Life, now: number, known: boolean): void {
    const { spiIn } = life;
    const what = known ? 'the peer has deleted what was to replace the CHILD SA' : 'the peer does not know the CHILD SA any more';
    sa.narrator.log('info', `${what}; asking for another`, { spiIn: spiText(spiIn) });
    this.#wanted.add(life.selectors, 'further', life.lineage);
    if (known) {
      sa.deleteChild(spiIn, now);
      return;
    }
    this.#lives.delete(spiIn);
    sa.forgetChild(spiIn);
  }

  /** It ended without a successor, and the IKE SA is of use without it. */
  #miss(life: Life, now: number): void {
    const { renews, current, emit } = this.#setup;
    const sa = current();
    if (!renews || sa?.state !== 'established') return;
    const pause = this.#wanted.missed(life, now);
    if (pause === undefined) return;
    const { remote } = life.selectors;
    const retryMs = Math.round(pause);
    sa.narrator.log('warn', 'the peer deleted a CHILD SA of several', { remote: selectorsText(remote), retryMs });
    emit({ kind: 'child-refused', remoteSelectors: remote, evidence: 'deleted by the gateway' });
  }

  /**
   * RFC 7296 §2.9.2: who rekeys must not leave out what the old one was for. Where the peer does, its packets would go nowhere and nobody would
   * know: networks of which nothing is left are asked for in a CHILD SA of their own.
   */
  #askForRest(sa: IkeSa, before: ChildFacts, child: ChildSa, now: number): void {
    const { renews, emit } = this.#setup;
    const others = othersOf({ local: before.localSelectors, remote: before.remoteSelectors }, child.remoteSelectors);
    if (!renews || !others) return;
    const { remote } = others;
    const pause = this.#wanted.leftOut(others, now);
    const retryMs = Math.round(pause);
    sa.narrator.log('warn', 'the new CHILD SA leaves out networks of the old one', { remote: selectorsText(remote), retryMs });
    emit({ kind: 'child-refused', remoteSelectors: remote, evidence: 'left out by the gateway when it was rekeyed' });
  }

  #created(sa: IkeSa, wanted: Wanted, spiIn: number, verdict: CreateVerdict<AgreedChild>, now: number): void {
    if (verdict.kind === 'agreed') {
      const child = childOf(sa, verdict.agreed, spiIn, true, this.#setup.path());
      sa.narrator.log('info', `CHILD SA established: ${suiteText(child)}`, {
        spiIn: spiText(spiIn),
        local: selectorsText(child.localSelectors),
        remote: selectorsText(child.remoteSelectors),
      });
      wanted.lineage.madeAt = now;
      this.install(sa, child, now, {}, wanted.lineage);
      this.wantOthers(sa, wanted, child);
      return;
    }
    const attempts = wanted.attempts + 1;
    const groups = wanted.groups + 1;
    if (verdict.kind === 'group' && groups < maxGroups) {
      this.#wanted.retry({ ...wanted, method: verdict.method, groups, notBefore: now });
      return;
    }
    if (verdict.kind === 'refused' && this.#requests.asksOtherwise(sa, verdict.type)) {
      this.#wanted.retry({ ...wanted, attempts, notBefore: now });
      return;
    }
    if (verdict.kind === 'wrong') this.#disown(sa, spiIn, now);
    const evidence = verdict.kind === 'group' ? `asks for ${verdict.method.keyword}` : verdict.evidence;
    const passing = verdict.kind === 'refused' && (verdict.type === NOTIFY.TEMPORARY_FAILURE || verdict === deletedAlready);
    const { which } = wanted;
    const none = this.#lives.size === 0 && !this.pending;
    // The peer deleted the others too meanwhile: a new session has all of them sooner.
    const again = passing && attempts < maxTemporary && !(none && which === 'again');
    sa.narrator.log(again ? 'info' : 'warn', `no ${which === 'first' ? 'first' : 'further'} CHILD SA: ${evidence}`);
    if (again)
      this.#wanted.retry({ ...wanted, attempts, groups: 0, notBefore: now + pauseAfter(attempts, Infinity, this.#setup.random) });
    else if (none)
      this.#setup.empty(now, which === 'first' ? whyNone(verdict, evidence) : which === 'again' ? lastDeleted : undefined);
    else this.#setup.emit({ kind: 'child-refused', remoteSelectors: wanted.remote, evidence });
  }

  #postpone(sa: IkeSa, life: Life, evidence: string, now: number): void {
    if (!this.#lives.has(life.spiIn)) return;
    const { lifetimes, random, refusedToTheEnd } = this.#setup;
    const left = life.hardAt - now;
    const pause = pauseAfter(life.attempts, left, random);
    life.notBefore = now + pause;
    life.groups = 0;
    life.method = undefined;
    sa.narrator.log('info', `CHILD SA not rekeyed: ${evidence}`, { spiIn: spiText(life.spiIn), retryMs: Math.round(pause) });
    this.#setup.emit({ kind: 'rekey-failed', what: 'child', evidence, retryIn: pause });
    this.#tellDue(life.spiIn, pause);
    if (left <= lastResort(lifetimes.child)) refusedToTheEnd(left);
  }

  /** The end of one that has no use, or no time left. */
  #expire(life: Life, now: number): void {
    const sa = this.#setup.current();
    if (!sa) return;
    const { spiIn } = life;
    life.overslept = life.replacedBy === undefined && life.attempts === 0 && life.softAt <= life.hardAt;
    life.redundantAt = Number.POSITIVE_INFINITY;
    life.expired = true;
    life.hardAt = Number.POSITIVE_INFINITY;
    if (life.replacedBy === undefined) sa.narrator.log('warn', 'CHILD SA expired', { spiIn: spiText(spiIn) });
    sa.deleteChild(spiIn, now);
  }

  /** DELETE of one that the peer may have and we do not. */
  #disown(sa: IkeSa, spiIn: number, now: number): void {
    sa.request(
      {
        exchange: EXCHANGE.INFORMATIONAL,
        build: () => [deleteChildSas(PROTOCOL.ESP, [spiBytes(spiIn)])],
        process() {},
      },
      now,
    );
  }

  #tellDue(spiIn: number, within: number): void {
    if (Number.isFinite(within)) this.#setup.emit({ kind: 'rekey-due', what: 'child', spiIn, within });
  }
}

/** TEMPORARY_FAILURE in a row for one more CHILD SA. */
const maxTemporary = 8;

const lastDeleted: IkeFailure = { code: 'closed-by-gateway', evidence: 'DELETE of the last CHILD SA' };

/** Why there is not even the first one. */
function whyNone(verdict: CreateVerdict<AgreedChild>, evidence: string): IkeFailure {
  if (verdict.kind === 'refused') return { code: childCode(verdict.type), evidence };
  return { code: verdict.kind === 'group' ? 'child-refused' : 'protocol', evidence };
}
