/**
 * CREATE_CHILD_SA of the peer for CHILD SAs: it rekeys one, or makes one more (RFC 7296 §1.3.1, §1.3.3). What crosses requests of ours is at
 * the head of childKeeper.ts.
 */
import type { Random } from '../../crypto/types.ts';
import { type AgreedChild, type Answer, answerChild, wipeFresh } from '../exchanges/createChild.ts';
import type { FollowupAnswers } from '../exchanges/followupKe.ts';
import { suiteText, withKeyExchange } from '../negotiation.ts';
import { mostSelectors, narrow, withinAsked } from '../selectors.ts';
import { NOTIFY } from '../wire/constants.ts';
import type { Payload, PayloadOf, Proposal, TrafficSelector } from '../wire/message.ts';
import { findNotify, notify, notifyAbout } from '../wire/payloads.ts';
import { spiNumber, spiText } from '../wire/spi.ts';
import {
  type ChildPath,
  childOf,
  childRekeyed,
  type Installed,
  type Life,
  type Lineage,
  newLineage,
  type Selectors,
  succeed,
} from './childLife.ts';
import type { ChildFacts } from './childTable.ts';
import type { ChildSa, IkeOutput } from './contract.ts';
import type { IkeSa } from './ikeSa.ts';
import type { Reply } from './setup.ts';

/** Of `ChildKeeperSetup`, and what childKeeper.ts knows. */
export interface ChildAnswersSetup {
  readonly random: Random;
  readonly espProposals: () => readonly Proposal[];
  readonly ikeProposals: () => readonly Proposal[];
  readonly followups: FollowupAnswers;
  readonly newSpiIn: () => number;
  readonly path: () => ChildPath;
  readonly admit: () => Selectors | undefined;
  readonly emit: (output: IkeOutput) => void;
  /** By its inbound SPI. */
  readonly life: (spiIn: number) => Life | undefined;
  /** A request of ours about CHILD SAs is in flight. */
  readonly making: () => boolean;
  /** Inbound SPI of one in use for the very same traffic. */
  readonly sameTraffic: (child: ChildSa) => number | undefined;
  readonly install: (sa: IkeSa, child: ChildSa, now: number, how: Installed, lineage: Lineage) => void;
}

/** A peer cannot fill our memory with SAs. */
const maxChildren = 32;

export class ChildAnswers {
  readonly #setup: ChildAnswersSetup;

  constructor(setup: ChildAnswersSetup) {
    this.#setup = setup;
  }

  answer(sa: IkeSa, payloads: readonly Payload[], now: number): Reply {
    const rekeyed = findNotify(payloads, NOTIFY.REKEY_SA);
    return rekeyed ? this.#answerRekey(sa, payloads, rekeyed, now) : this.#answerNew(sa, payloads, now);
  }

  #answerRekey(sa: IkeSa, payloads: readonly Payload[], { protocol, spi }: PayloadOf<'N'>, now: number): Reply {
    const old = sa.children.find(({ spiOut }) => spiOut === spiNumber(spi));
    const life = old && this.#setup.life(old.spiIn);
    // The answer that tells us of it may still be on its way: CHILD_SA_NOT_FOUND would have the peer forget an SA that we are about to have.
    if (!life && this.#setup.making()) return { payloads: [notify(NOTIFY.TEMPORARY_FAILURE)] };
    // As it was named: the SPI of a protocol that we do not know may have any size.
    if (!old || !life) return { payloads: [notifyAbout(protocol, spi.slice(), NOTIFY.CHILD_SA_NOT_FOUND)] };
    const crowded = sa.children.length >= maxChildren;
    if (crowded || old.deleting || life.replacedBy !== undefined || life.ours?.theirs)
      return { payloads: [notify(NOTIFY.TEMPORARY_FAILURE)] };
    const { random, newSpiIn } = this.#setup;
    const spiIn = newSpiIn();
    const answered = answerChild(payloads, {
      ...{ random, proposals: this.#acceptable(), spiIn },
      narrow: (local, remote) => ({
        local: narrow(local, old.sa.localSelectors),
        remote: sameAsBefore(narrow(remote, old.sa.peerSelectors ?? old.sa.remoteSelectors), old.sa),
      }),
    });
    if (!answered.ok) {
      sa.narrator.log('warn', `the peer's rekeying of a CHILD SA is refused: ${answered.why}`, { spiIn: spiText(old.spiIn) });
      return { payloads: answered.payloads };
    }
    // What takes several exchanges cannot go through from both sides at once: each is told so, and tries again when the other has not.
    if (answered.agreed.suite.additional.length > 0 && life.ours) {
      wipeFresh(answered.agreed);
      return { payloads: [notify(NOTIFY.TEMPORARY_FAILURE)] };
    }
    return this.#answered(answered, now, (agreed, at) => {
      const living = this.#setup.life(old.spiIn) === life;
      const child = childOf(sa, asBefore(agreed, old.sa), spiIn, false, this.#setup.path());
      this.#setup.install(sa, child, at, living ? { replaces: old.spiIn, standby: true } : {}, life.lineage);
      const made = { spiIn, nonces: agreed.nonces };
      if (life.ours) life.ours.theirs = made;
      else succeed(life, made, at);
      this.#setup.emit(childRekeyed(sa, child, old.spiIn, 'peer'));
    });
  }

  /** A key exchange beside what our proposals say makes it no weaker; IKE_AUTH could not show that the peer wants one (RFC 7296 §1.2). */
  #acceptable(): readonly Proposal[] {
    const own = this.#setup.espProposals();
    const stronger = withKeyExchange(own, this.#setup.ikeProposals());
    return stronger === own ? own : [...own, ...stronger];
  }

  /** The SA is made now, or once its additional key exchanges are done. */
  #answered(
    { payloads, agreed }: Extract<Answer<AgreedChild>, { ok: true }>,
    now: number,
    make: (agreed: AgreedChild, now: number) => void,
  ): Reply {
    const { additional } = agreed.suite;
    if (additional.length === 0) {
      make(agreed, now);
      return { payloads };
    }
    const complete = (more: readonly Uint8Array[], at: number) => {
      make({ ...agreed, more }, at);
      return undefined;
    };
    const link = this.#setup.followups.begin(additional, now, complete, () => wipeFresh(agreed));
    return { payloads: [...payloads, link] };
  }

  #answerNew(sa: IkeSa, payloads: readonly Payload[], now: number): Reply {
    const admitted = this.#setup.admit();
    if (!admitted || sa.children.length >= maxChildren) return { payloads: [notify(NOTIFY.NO_ADDITIONAL_SAS)] };
    const { random, newSpiIn } = this.#setup;
    const spiIn = newSpiIn();
    const answered = answerChild(payloads, {
      ...{ random, proposals: this.#acceptable(), spiIn },
      narrow: (local, remote) => ({ local: narrow(local, admitted.local), remote: narrow(remote, admitted.remote) }),
    });
    if (!answered.ok) {
      sa.narrator.log('info', `a CHILD SA that the peer wants is refused: ${answered.why}`);
      return { payloads: answered.payloads };
    }
    return this.#answered(answered, now, (agreed, at) => {
      const child = childOf(sa, agreed, spiIn, false, this.#setup.path());
      sa.narrator.log('info', `the peer makes one more CHILD SA: ${suiteText(child)}`, { spiIn: spiText(spiIn) });
      // What went another way until now goes on there: the peer has the new keys only when it has the answer (RFC 7296 §2.8), which may get lost.
      const same = this.#setup.sameTraffic(child);
      const how: Installed = same === undefined ? {} : { replaces: same, standby: true };
      this.#setup.install(sa, child, at, how, newLineage(true, at));
    });
  }
}

/** Of an SA that the peer has wider than we use it, something of what we use must be left. */
function sameAsBefore(narrowed: readonly TrafficSelector[], old: ChildFacts): readonly TrafficSelector[] {
  return old.peerSelectors && withinAsked(old.remoteSelectors, narrowed).length === 0 ? [] : narrowed;
}

/** The successor is used as its predecessor was, be it of more (RFC 7296 §2.9.2). */
function asBefore(agreed: AgreedChild, { peerSelectors, remoteSelectors }: ChildFacts): AgreedChild {
  if (!peerSelectors) return agreed;
  return {
    ...agreed,
    remoteSelectors: withinAsked(remoteSelectors, agreed.remoteSelectors).slice(0, mostSelectors),
    peerSelectors: agreed.remoteSelectors,
  };
}
