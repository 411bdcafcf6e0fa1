/**
 * Rekeying of the IKE SA of a session, from both sides (RFC 7296 §1.3.2, §2.18). Which IKE SA is in use, and what becomes of the others, is
 * the session's.
 *
 * What crosses, by RFC 7296 §2.25.2, when the peer …
 *  - rekeys the IKE SA while we do: both go through; the new IKE SA with the lowest of the four nonces is deleted by who asked for it, the
 *    other inherits the CHILD SAs (§2.8.2)
 *  - rekeys it while our request still waits: as if there were none
 *  - rekeys it while we make, rekey or delete a CHILD SA: TEMPORARY_FAILURE; then we do it ourselves, and CHILD SAs wait a little for that
 *  - uses what it made before we know which one stays: that one does
 *  - deletes it while we rekey it: as usual; if the peer rekeyed it too, what it made takes over, else that was the end
 */
import type { KeTransform, Random } from '../../crypto/types.ts';
import {
  type AgreedIke,
  answerIkeRekey,
  type CreateVerdict,
  IkeRekeyRequest,
  isLower,
  wipeFresh,
} from '../exchanges/createChild.ts';
import type { FollowupAnswers } from '../exchanges/followupKe.ts';
import { newIkeSpi } from '../exchanges/saInit.ts';
import { deriveIkeKeys, type Nonces, rekeySkeyseed, wipe } from '../keys/ikeKeys.ts';
import { EXCHANGE, NOTIFY, PROTOCOL } from '../wire/constants.ts';
import type { Payload, PayloadOf, Proposal } from '../wire/message.ts';
import { allPayloads, deleteIkeSa, notify } from '../wire/payloads.ts';
import type { IkeOutput } from './contract.ts';
import { followUp } from './followUp.ts';
import type { IkeSa } from './ikeSa.ts';
import { fraction, type Lifetimes, lastResort, pauseAfter, redundantFor } from './lifetimes.ts';
import { Narrator } from './narrator.ts';
import type { IkeSaStart, Reply } from './setup.ts';

export interface IkeRekeyingSetup {
  readonly random: Random;
  readonly lifetimes: Lifetimes;
  /** What may be offered and taken now. */
  readonly ikeProposals: () => readonly Proposal[];
  /** The peer's requests that wait for their additional key exchanges. */
  readonly followups: FollowupAnswers;
  /** The IKE SA in use. */
  readonly current: () => IkeSa | undefined;
  readonly make: (start: IkeSaStart) => IkeSa;
  /** It is the one in use from now on, with the CHILD SAs of the one before. */
  readonly adopt: (sa: IkeSa, now: number, by: 'us' | 'peer') => void;
  /** It is not in use, and has until then to be deleted. */
  readonly keep: (sa: IkeSa, until: number) => void;
  /** Too many IKE SAs wait for their end. */
  readonly crowded: () => boolean;
  /** The IKE SA in use is a new one, made by an answer with these notifies. */
  readonly rekeyed: ((notifies: readonly PayloadOf<'N'>[], now: number) => void) | undefined;
  /** The peer does not let us rekey it, and it ends within so many milliseconds. */
  readonly refusedToTheEnd: (within: number) => void;
  readonly emit: (output: IkeOutput) => void;
}

interface Rekey {
  readonly old: IkeSa;
  /** Until then it waits, and the peer may rekey the IKE SA first. */
  sent: boolean;
  theirs: { readonly sa: IkeSa; readonly nonces: Nonces; adopt(now: number): void } | undefined;
}

/** Methods asked for in a row before it is a refusal. */
const maxGroups = 4;

export class IkeRekeying {
  readonly #setup: IkeRekeyingSetup;
  #rekey: Rekey | undefined;
  #softAt = Number.POSITIVE_INFINITY;
  #hardAt = Number.POSITIVE_INFINITY;
  #notBefore = 0;
  #attempts = 0;
  /** Methods asked for in a row; other refusals are none of that. */
  #groups = 0;
  #method: KeTransform | undefined;
  #isPutOff = false;

  constructor(setup: IkeRekeyingSetup) {
    this.#setup = setup;
  }

  /** One side was told to wait with it, because CHILD SAs were busy. */
  get isPutOff(): boolean {
    return this.#isPutOff;
  }

  /** A request of ours is in flight. */
  get underWay(): boolean {
    return this.#rekey !== undefined;
  }

  /** When `start` is to be called. */
  get dueAt(): number {
    return Math.max(this.#softAt, this.#notBefore);
  }

  /** The life of an IKE SA begins. */
  begin(now: number): void {
    const { lifetimes, random } = this.#setup;
    this.#softAt = now + lifetimes.ike.soft * (1 - lifetimes.jitter * fraction(random));
    this.#hardAt = now + lifetimes.ike.hard;
    this.#tellDue(this.#softAt - now);
    this.#notBefore = 0;
    this.#attempts = 0;
    this.#groups = 0;
    this.#method = undefined;
    this.#isPutOff = false;
  }

  /** There is none any more. */
  stop(): void {
    this.#softAt = Number.POSITIVE_INFINITY;
  }

  /** As soon as that can be. */
  want(now: number): void {
    this.#softAt = Math.min(this.#softAt, now);
    this.#notBefore = 0;
  }

  /** We told the peer to wait with it, and do it ourselves: but not before a pause after a refusal is over. */
  putOff(now: number): void {
    this.#softAt = Math.min(this.#softAt, now);
    this.#isPutOff = true;
  }

  /** RFC 7296 §2.25.2: deleted by the peer while both rekey it. What the peer made is there already. */
  beforeEnd(sa: IkeSa, byPeer: boolean, now: number): void {
    if (this.#rekey?.old !== sa) return;
    const { theirs } = this.#rekey;
    this.#drop();
    if (byPeer && sa === this.#setup.current() && theirs?.sa.state === 'established') theirs.adopt(now);
  }

  /**
   * Both rekey it, and the peer uses what it made: it knows already which one stays, be it that ours was refused and we did not hear it yet.
   */
  asked(sa: IkeSa, payloads: readonly Payload[], now: number): void {
    const theirs = this.#rekey?.theirs;
    if (theirs?.sa !== sa || deletesIkeSa(payloads)) return;
    this.#drop();
    theirs.adopt(now);
  }

  // --- ours ------------------------------------------------------------------------------------------------------------------------

  start(now: number): void {
    const { random, ikeProposals, current, emit, rekeyed } = this.#setup;
    const old = current();
    if (!old) return;
    const spi = newIkeSpi(random);
    const request = new IkeRekeyRequest({
      random,
      proposals: ikeProposals(),
      spi,
      likely: old.suite.ke,
      ...(this.#method && { method: this.#method }),
    });
    const rekey: Rekey = { old, sent: false, theirs: undefined };
    this.#rekey = rekey;
    this.#attempts++;
    old.narrator.log('info', 'rekeying the IKE SA');
    emit({ kind: 'rekeying', what: 'ike', underWay: true });
    old.request(
      {
        exchange: EXCHANGE.CREATE_CHILD_SA,
        own: true,
        build: () => {
          rekey.sent = true;
          return request.build();
        },
        process: (payloads, at) => {
          followUp(old, request.read(payloads), payloads, random, at, (verdict, then) => {
            emit({ kind: 'rekeying', what: 'ike', underWay: false });
            if (this.#rekeyed(rekey, spi, verdict, then)) rekeyed?.(allPayloads(payloads, 'N'), then);
          });
        },
      },
      now,
    );
  }

  /** True: the IKE SA in use is ours from here on. */
  #rekeyed(rekey: Rekey, spi: Uint8Array, verdict: CreateVerdict<AgreedIke>, now: number): boolean {
    const { old } = rekey;
    // The peer may have deleted it as the redundant one.
    const theirs = rekey.theirs?.sa.state === 'established' ? rekey.theirs : undefined;
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
          this.#setup.adopt(made, now, 'us');
          this.#discard(old, now);
          if (theirs) this.#setup.keep(theirs.sa, now + redundantFor);
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
        else if (++this.#groups < maxGroups) this.#method = verdict.method;
        else this.#postpone(old, `asks for ${verdict.method.keyword}, and for another before`, now);
        return false;
      case 'refused':
        if (theirs) theirs.adopt(now);
        else {
          this.#isPutOff = verdict.type === NOTIFY.TEMPORARY_FAILURE;
          this.#postpone(old, verdict.evidence, now);
        }
        return false;
    }
  }

  /** Ours is settled by what the peer did. */
  #drop(): void {
    this.#rekey = undefined;
    this.#setup.emit({ kind: 'rekeying', what: 'ike', underWay: false });
  }

  #postpone(sa: IkeSa, evidence: string, now: number): void {
    const { lifetimes, random, refusedToTheEnd } = this.#setup;
    const left = this.#hardAt - now;
    const pause = pauseAfter(this.#attempts, left, random);
    this.#notBefore = now + pause;
    this.#groups = 0;
    this.#method = undefined;
    sa.narrator.log('info', `IKE SA not rekeyed: ${evidence}`, { retryMs: Math.round(pause) });
    this.#setup.emit({ kind: 'rekey-failed', what: 'ike', evidence, retryIn: pause });
    this.#tellDue(pause);
    if (left <= lastResort(lifetimes.ike)) refusedToTheEnd(left);
  }

  #tellDue(within: number): void {
    if (Number.isFinite(within)) this.#setup.emit({ kind: 'rekey-due', what: 'ike', within });
  }

  /** DELETE of one that has no use any more. */
  #discard(sa: IkeSa, now: number): void {
    this.#setup.keep(sa, Number.POSITIVE_INFINITY);
    sa.finish([deleteIkeSa()], undefined, now);
  }

  // --- theirs ----------------------------------------------------------------------------------------------------------------------

  /** The peer's CREATE_CHILD_SA for the IKE SA, which is in use and not closing. */
  answer(old: IkeSa, payloads: readonly Payload[], now: number): Reply {
    const ours = this.#rekey?.sent ? this.#rekey : undefined;
    const { random, ikeProposals, followups, keep, rekeyed, crowded } = this.#setup;
    if (ours?.theirs || crowded()) return { payloads: [notify(NOTIFY.TEMPORARY_FAILURE)] };
    const spi = newIkeSpi(random);
    const answered = answerIkeRekey(payloads, { random, proposals: ikeProposals(), spi });
    if (!answered.ok) {
      old.narrator.log('warn', `the peer's rekeying of the IKE SA is refused: ${answered.why}`);
      return { payloads: answered.payloads };
    }
    const { agreed } = answered;
    const { additional } = agreed.suite;
    const make = (made: AgreedIke, at: number): IkeSa => {
      const sa = this.#successor(old, made, { role: 'responder', spiI: made.spi, spiR: spi }, at);
      // Which of two stays is known when ours is answered.
      keep(sa, ours ? Number.POSITIVE_INFINITY : at + redundantFor);
      return sa;
    };
    const adopt = (sa: IkeSa) => (at: number) => {
      if (this.#rekey?.sent === false) this.#drop();
      this.#setup.adopt(sa, at, 'peer');
      rekeyed?.(allPayloads(payloads, 'N'), at);
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
    return { payloads: [...answered.payloads, followups.begin(additional, now, complete, () => wipeFresh(agreed))] };
  }

  // --- both ------------------------------------------------------------------------------------------------------------------------

  #ours(old: IkeSa, spi: Uint8Array, agreed: AgreedIke, now: number): IkeSa {
    return this.#successor(old, agreed, { role: 'initiator', spiI: spi, spiR: agreed.spi }, now);
  }

  /** RFC 7296 §2.18. Message ids begin anew. */
  #successor(old: IkeSa, agreed: AgreedIke, who: Pick<IkeSaStart, 'role' | 'spiI' | 'spiR'>, now: number): IkeSa {
    const { suite, nonces, shared, more } = agreed;
    const seed = rekeySkeyseed(old.suite.prf, old.keys.d, shared ?? new Uint8Array(0), nonces, more);
    const keys = deriveIkeKeys(suite, seed, nonces, who);
    wipe(seed);
    wipeFresh(agreed);
    const sa = this.#setup.make({
      ...who,
      ...{ suite, keys, narrator: new Narrator(this.#setup.emit), handlers: {}, fragmentSize: old.fragmentSize },
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
