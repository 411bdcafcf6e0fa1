/** What a session knows of one of its CHILD SAs besides what the IKE SA does, and what both ways to make another have in common. */
import type { KeTransform } from '../../crypto/types.ts';
import { type AgreedChild, wipeFresh } from '../exchanges/createChild.ts';
import { deriveChildKeys, type Nonces } from '../keys/ikeKeys.ts';
import { suiteText } from '../negotiation.ts';
import { overlaps } from '../selectors.ts';
import type { TrafficSelector } from '../wire/message.ts';
import { spiText } from '../wire/spi.ts';
import type { ChildSa, IkeOutput } from './contract.ts';
import type { IkeSa } from './ikeSa.ts';
import { redundantFor } from './lifetimes.ts';

export interface Selectors {
  readonly local: readonly TrafficSelector[];
  readonly remote: readonly TrafficSelector[];
}

/**
 * RFC 7296 §2.9: of several networks a peer may make a CHILD SA of some, and another of the others when it is asked; some have one network in
 * each. ADDITIONAL_TS_POSSIBLE would tell, but few send it. What is to be asked for then, of the families that we have an address of;
 * undefined: nothing.
 */
export function othersOf(asked: Selectors, given: readonly TrafficSelector[]): Selectors | undefined {
  const ours = asked.remote.filter(({ type }) => asked.local.some((one) => one.type === type));
  const remote = ours.filter((one) => !overlaps(one, given));
  if (remote.length === 0) return undefined;
  return { local: asked.local.filter(({ type }) => remote.some((one) => one.type === type)), remote };
}

/** One CHILD SA and all that came in its place. */
export interface Lineage {
  /** The peer made the first of them: whether there is one is for it to say. */
  readonly byPeer: boolean;
  /** When there was one after there was none. */
  madeAt: number;
  /** How often in a row the peer deleted it soon after that. */
  deletions: number;
}

export interface Life {
  readonly spiIn: number;
  readonly selectors: Selectors;
  lineage: Lineage;
  softAt: number;
  hardAt: number;
  /** Rekeying was refused: not before this. */
  notBefore: number;
  attempts: number;
  /** Methods asked for in a row; other refusals are none of that. */
  groups: number;
  /** Another method than our first was asked for. */
  method: KeTransform | undefined;
  /** Our own request to rekey it, and what the peer made of its own meanwhile. */
  ours: { theirs: Made | undefined } | undefined;
  /** Its successor. */
  replacedBy: number | undefined;
  /** The peer is to delete it until then. */
  redundantAt: number;
  /** We end it, because it had its time. */
  expired: boolean;
  /** The time in which it is rekeyed was slept through: nobody has refused anything. */
  overslept: boolean;
}

export interface Made {
  readonly spiIn: number;
  readonly nonces: Nonces;
}

/** How ESP goes. */
export type ChildPath = Pick<ChildSa, 'local' | 'remote' | 'keepalive'>;

/** Of a CHILD SA whose life begins. */
export interface Installed {
  readonly replaces?: number;
  readonly standby?: true;
}

export function newLineage(byPeer: boolean, now: number): Lineage {
  return { byPeer, madeAt: now, deletions: 0 };
}

/** What the peer made takes over; it deletes the old one. */
export function succeed(life: Life, theirs: Made, now: number): void {
  life.replacedBy = theirs.spiIn;
  life.redundantAt = now + redundantFor;
}

/** RFC 7296 §2.17: the keys come from SK_d of the IKE SA that carried the exchange. */
export function childOf(sa: IkeSa, agreed: AgreedChild, spiIn: number, byUs: boolean, path: ChildPath): ChildSa {
  const { suite, spiOut, nonces, shared, more, localSelectors, remoteSelectors, peerSelectors } = agreed;
  const keys = deriveChildKeys(sa.suite.prf, sa.keys.d, suite, nonces, shared, more);
  wipeFresh(agreed);
  const [keysOut, keysIn] = byUs
    ? [keys.initiatorToResponder, keys.responderToInitiator]
    : [keys.responderToInitiator, keys.initiatorToResponder];
  const selectors = { localSelectors, remoteSelectors, ...(peerSelectors && { peerSelectors }) };
  return { spiIn, spiOut, ...suite, keysIn, keysOut, ...selectors, ...path };
}

export function wipeChild({ keysIn, keysOut }: ChildSa): void {
  for (const { encryption, integrity } of [keysIn, keysOut]) {
    encryption.fill(0);
    integrity.fill(0);
  }
}

/** For the log, and for who counts. */
export function childRekeyed(sa: IkeSa, child: ChildSa, replaces: number, by: 'us' | 'peer'): IkeOutput {
  sa.narrator.log('info', `CHILD SA rekeyed by ${by === 'us' ? 'us' : 'the peer'}: ${suiteText(child)}`, {
    spiIn: spiText(child.spiIn),
    spiOut: spiText(child.spiOut),
    replaces: spiText(replaces),
  });
  return { kind: 'child-rekeyed', spiIn: child.spiIn, replaces, by };
}
