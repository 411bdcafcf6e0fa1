/**
 * Our own CREATE_CHILD_SA requests for CHILD SAs: what they offer, one under way at a time (RFC 7296 §2.3), and answers that come after the
 * peer has deleted what they tell of.
 */
import type { Random } from '../../crypto/types.ts';
import { type AgreedChild, type ChildOffer, ChildRequest, type CreateVerdict, wipeFresh } from '../exchanges/createChild.ts';
import { withKeyExchange } from '../negotiation.ts';
import { EXCHANGE, NOTIFY, PROTOCOL } from '../wire/constants.ts';
import type { Payload, Proposal } from '../wire/message.ts';
import { allPayloads } from '../wire/payloads.ts';
import { spiNumber } from '../wire/spi.ts';
import { followUp } from './followUp.ts';
import type { IkeSa } from './ikeSa.ts';

export interface ChildRequestsSetup {
  readonly random: Random;
  /** What may be offered now. */
  readonly espProposals: () => readonly Proposal[];
  readonly ikeProposals: () => readonly Proposal[];
  /** A fresh inbound SPI. */
  readonly newSpiIn: () => number;
}

/** What one asks for; `rekeyed` is our SPI of what it is to replace. */
export type Asked = Pick<ChildOffer, 'rekeyed' | 'localSelectors' | 'remoteSelectors' | 'peerSelectors' | 'method'>;

/** `on`: the IKE SA that it was sent in, whose keys it is about. `spiIn`: ours of what was asked for. */
export type Answered = (verdict: CreateVerdict<AgreedChild>, now: number, on: IkeSa, spiIn: number) => void;

export class ChildRequests {
  readonly #setup: ChildRequestsSetup;
  #underWay = false;
  /** The peer refused what goes without a key exchange: we ask with one, though our proposals name none. */
  #withKeyExchange = false;
  /** SPIs of the peer's that it deleted meanwhile: the answer that tells us of one may be late. */
  readonly #deleted = new Set<number>();

  constructor(setup: ChildRequestsSetup) {
    this.#setup = setup;
  }

  get underWay(): boolean {
    return this.#underWay;
  }

  ask(waitsIn: IkeSa, asked: Asked, now: number, done: Answered): void {
    const { random, newSpiIn } = this.#setup;
    const spiIn = newSpiIn();
    const request = new ChildRequest({ ...asked, random, spiIn, proposals: this.#proposals(), likely: waitsIn.suite.ke });
    this.#underWay = true;
    this.#deleted.clear();
    waitsIn.request(
      {
        exchange: EXCHANGE.CREATE_CHILD_SA,
        build: () => request.build(),
        process: (payloads, at, sa) => {
          followUp(sa, request.read(payloads), payloads, random, at, (verdict, then) => {
            this.#underWay = false;
            const gone = verdict.kind === 'agreed' && this.#deleted.has(verdict.agreed.spiOut);
            // The DELETE of the IKE SA, which is on its way, ends whatever this made.
            if (verdict.kind === 'agreed' && (gone || sa.state !== 'established')) wipeFresh(verdict.agreed);
            if (sa.state === 'established') done(gone ? deletedAlready : verdict, then, sa, spiIn);
          });
        },
      },
      now,
    );
  }

  /** A genuine request of the peer, before it is answered. */
  heard(payloads: readonly Payload[]): void {
    if (!this.#underWay) return;
    for (const { protocol, spis } of allPayloads(payloads, 'D')) {
      if (protocol !== PROTOCOL.ESP) continue;
      for (const spi of spis) if (this.#deleted.size < maxDeleted) this.#deleted.add(spiNumber(spi) ?? 0);
    }
  }

  /**
   * RFC 7296 §1.2: the CHILD SA of IKE_AUTH has no key exchange, so nobody learns there that the peer wants one for those to come, as Libreswan
   * does by default. Where our proposals name none, what was refused without is asked for with one, which is stronger. True: at once.
   */
  asksOtherwise(sa: IkeSa, refusal: number): boolean {
    const own = this.#setup.espProposals();
    if (refusal !== NOTIFY.NO_PROPOSAL_CHOSEN || withKeyExchange(own, this.#setup.ikeProposals()) === own) return false;
    this.#withKeyExchange = !this.#withKeyExchange;
    if (this.#withKeyExchange) sa.narrator.log('info', 'refused without a key exchange; asking with one');
    return this.#withKeyExchange;
  }

  #proposals(): readonly Proposal[] {
    const own = this.#setup.espProposals();
    return this.#withKeyExchange ? withKeyExchange(own, this.#setup.ikeProposals()) : own;
  }
}

/** SPIs of a peer that deletes without end while we wait for its answer. */
const maxDeleted = 256;
/** The DELETE of what an answer made came before the answer. */
export const deletedAlready = {
  kind: 'refused',
  type: NOTIFY.CHILD_SA_NOT_FOUND,
  evidence: 'the peer has deleted it already',
} as const;
