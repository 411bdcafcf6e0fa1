/**
 * CREATE_CHILD_SA (RFC 7296 §1.3) from both sides, as pure pieces: a CHILD SA made or rekeyed, and the IKE SA rekeyed. When which of them is
 * sent, and what happens when two cross, is for core/ike/sa/session.ts. Shared secrets go to who derives the keys and wipes them.
 *
 *   const request = new ChildRequest({ … }); request.build(); request.read(answer)      // ours
 *   answerChild(request, { … }); answerIkeRekey(request, { … })                         // theirs
 */
import { answerKeyExchange, startKeyExchange } from '../../crypto/ke.ts';
import type { KeTransform, KeyExchange, Random } from '../../crypto/types.ts';
import { type Nonces, wipe } from '../keys/ikeKeys.ts';
import {
  type ChildSuite,
  checkChosen,
  childSuite,
  chooseProposal,
  firstKeyExchange,
  type IkeSuite,
  ikeSuite,
  offeredKeyExchanges,
  withSpi,
} from '../negotiation.ts';
import { copySelector, mostSelectors, selectorsText, withinAsked } from '../selectors.ts';
import { NOTIFY, nameOf, PROTOCOL } from '../wire/constants.ts';
import type { Payload, PayloadOf, Proposal, TrafficSelector } from '../wire/message.ts';
import { allPayloads, findNotify, findPayload, notify, notifyAbout } from '../wire/payloads.ts';
import { spiBytes, spiNumber } from '../wire/spi.ts';
import { isErrorNotify } from './rules.ts';

/** RFC 7296 §2.10: at least half the key size of the PRF; 32 octets suit every PRF here. */
const NONCE_OCTETS = 32;
/** RFC 7296 §3.9. */
const LEAST_NONCE = 16;
const MOST_NONCE = 256;

/** What both kinds agree on besides their suite. `shared` is g^ir of a key exchange of its own. */
export interface Fresh {
  readonly nonces: Nonces;
  readonly shared: Uint8Array | undefined;
  /** Of the additional key exchanges, which come after this one (followupKe.ts). */
  readonly more?: readonly Uint8Array[];
}

export interface AgreedChild extends Fresh {
  readonly suite: ChildSuite;
  /** The peer's. */
  readonly spiOut: number;
  readonly localSelectors: readonly TrafficSelector[];
  readonly remoteSelectors: readonly TrafficSelector[];
  /** As in `ChildSa`. */
  readonly peerSelectors?: readonly TrafficSelector[];
}

export interface AgreedIke extends Fresh {
  readonly suite: IkeSuite;
  /** The peer's, 8 octets. */
  readonly spi: Uint8Array;
}

export type CreateVerdict<T> =
  | { readonly kind: 'agreed'; readonly agreed: T }
  /** INVALID_KE_PAYLOAD: another method of those offered is wanted; to be asked again. */
  | { readonly kind: 'group'; readonly method: KeTransform }
  /** An error notify. */
  | { readonly kind: 'refused'; readonly type: number; readonly evidence: string }
  /** The answer cannot be used; the peer may have made an SA all the same. */
  | { readonly kind: 'wrong'; readonly evidence: string };

// --- ours --------------------------------------------------------------------------------------------------------------------------

export interface ChildOffer {
  readonly random: Random;
  readonly proposals: readonly Proposal[];
  readonly spiIn: number;
  readonly localSelectors: readonly TrafficSelector[];
  readonly remoteSelectors: readonly TrafficSelector[];
  /** Asked for in place of `remoteSelectors`, in which what is agreed stays. */
  readonly peerSelectors?: readonly TrafficSelector[] | undefined;
  /** Our inbound SPI of the SA that is rekeyed; undefined for one more. */
  readonly rekeyed: number | undefined;
  /** Wanted by the peer in an earlier answer. */
  readonly method?: KeTransform;
  /** That of the IKE SA: who took it there takes it here, and Libreswan 4.10 answers any other with INVALID_SYNTAX, not INVALID_KE_PAYLOAD. */
  readonly likely?: KeTransform;
}

/** A CHILD SA: HDR, SK{[N(REKEY_SA)], SA, Ni, [KEi], TSi, TSr} (RFC 7296 §1.3.1, §1.3.3). */
export class ChildRequest {
  readonly ni: Uint8Array;
  readonly #offer: ChildOffer;
  readonly #proposals: readonly Proposal[];
  readonly #exchange: KeyExchange | undefined;

  constructor(offer: ChildOffer) {
    this.#offer = offer;
    this.#proposals = withSpi(offer.proposals, spiBytes(offer.spiIn));
    this.ni = offer.random(NONCE_OCTETS).slice();
    const method = offer.method ?? firstKeyExchange(offer.proposals, offer.likely);
    this.#exchange = method && startKeyExchange(method, offer.random);
  }

  build(): readonly Payload[] {
    const { rekeyed, localSelectors, remoteSelectors, peerSelectors = remoteSelectors } = this.#offer;
    return [
      // RFC 7296 §1.3.3: the SPI is the one that the sender expects in inbound packets.
      ...(rekeyed === undefined ? [] : [notifyAbout(PROTOCOL.ESP, spiBytes(rekeyed), NOTIFY.REKEY_SA)]),
      { kind: 'SA', proposals: this.#proposals },
      { kind: 'NONCE', data: this.ni },
      ...keyExchangeOf(this.#exchange),
      { kind: 'TSi', selectors: localSelectors, unknownTypes: 0 },
      { kind: 'TSr', selectors: peerSelectors, unknownTypes: 0 },
    ];
  }

  read(payloads: readonly Payload[]): CreateVerdict<AgreedChild> {
    const { localSelectors, remoteSelectors } = this.#offer;
    const opened = open(payloads, this.#proposals);
    if (opened.kind !== 'agreed') return opened;
    const { chosen, nonce, ke } = opened.agreed;
    const suite = childSuite(chosen);
    const spiOut = spiNumber(chosen.spi);
    if (!suite) return wrong('the chosen transforms do not go together');
    // RFC 4303 §2.1: 0 is never on the wire, 1 to 255 are reserved.
    if (spiOut === undefined || spiOut < 256) return wrong(`SPI ${spiOut}`);
    // We did not offer it, and the other side may only take up what was offered (RFC 7296 §1.3.1).
    if (findNotify(payloads, NOTIFY.USE_TRANSPORT_MODE)) return wrong('USE_TRANSPORT_MODE');
    const tsi = findPayload(payloads, 'TSi');
    const tsr = findPayload(payloads, 'TSr');
    if (!tsi || !tsr || tsi.selectors.length === 0 || tsr.selectors.length === 0) return wrong('no traffic selectors');
    const ours = withinAsked(localSelectors, tsi.selectors);
    const theirs = withinAsked(remoteSelectors, tsr.selectors);
    if (ours.length === 0 || theirs.length === 0 || ours.length > mostSelectors || theirs.length > mostSelectors)
      return wrong(
        `${selectorsText(tsi.selectors.slice(0, 4))} to ${selectorsText(tsr.selectors.slice(0, 4))}, not what was asked for,`,
      );
    const shared = agree(this.#exchange, suite.ke, ke);
    if (!shared.ok) return wrong(shared.error);
    return {
      kind: 'agreed',
      agreed: {
        suite,
        spiOut,
        nonces: { ni: this.ni, nr: nonce },
        shared: shared.value,
        localSelectors: ours.map(copySelector),
        remoteSelectors: theirs.map(copySelector),
        ...(theirs !== tsr.selectors && { peerSelectors: tsr.selectors.map(copySelector) }),
      },
    };
  }
}

export interface IkeOffer {
  readonly random: Random;
  readonly proposals: readonly Proposal[];
  /** The SPI that the new IKE SA has for us, 8 octets. */
  readonly spi: Uint8Array;
  readonly method?: KeTransform;
  /** That of the IKE SA until now. */
  readonly likely?: KeTransform;
}

/** The IKE SA anew: HDR, SK{SA, Ni, KEi} (RFC 7296 §1.3.2). */
export class IkeRekeyRequest {
  readonly ni: Uint8Array;
  readonly #proposals: readonly Proposal[];
  readonly #exchange: KeyExchange;

  constructor({ random, proposals, spi, method, likely }: IkeOffer) {
    this.#proposals = withSpi(proposals, spi);
    this.ni = random(NONCE_OCTETS).slice();
    const first = method ?? firstKeyExchange(proposals, likely);
    if (!first) throw new RangeError('the IKE proposals offer no key exchange');
    this.#exchange = startKeyExchange(first, random);
  }

  build(): readonly Payload[] {
    return [{ kind: 'SA', proposals: this.#proposals }, { kind: 'NONCE', data: this.ni }, ...keyExchangeOf(this.#exchange)];
  }

  read(payloads: readonly Payload[]): CreateVerdict<AgreedIke> {
    const opened = open(payloads, this.#proposals);
    if (opened.kind !== 'agreed') return opened;
    const { chosen, nonce, ke } = opened.agreed;
    const suite = ikeSuite(chosen);
    if (!suite) return wrong('the chosen transforms do not go together');
    if (isZero(chosen.spi)) return wrong('the SPI is zero');
    const shared = agree(this.#exchange, suite.ke, ke);
    if (!shared.ok) return wrong(shared.error);
    const nonces = { ni: this.ni, nr: nonce };
    return { kind: 'agreed', agreed: { suite, spi: chosen.spi.slice(), nonces, shared: shared.value } };
  }
}

interface Opened {
  readonly chosen: Proposal;
  readonly nonce: Uint8Array;
  readonly ke: PayloadOf<'KE'> | undefined;
}

/** What the answers to both kinds have in common, up to the key exchange. */
function open(payloads: readonly Payload[], offered: readonly Proposal[]): CreateVerdict<Opened> {
  const error = allPayloads(payloads, 'N').find(({ type }) => isErrorNotify(type));
  if (error?.type === NOTIFY.INVALID_KE_PAYLOAD) return wantedGroup(error.data, offered);
  if (error) return { kind: 'refused', type: error.type, evidence: nameOf(NOTIFY, error.type) };
  const sa = findPayload(payloads, 'SA');
  const nonce = findPayload(payloads, 'NONCE')?.data.slice();
  if (!sa || !nonce) return wrong('no SA or nonce');
  if (!isNonce(nonce)) return wrong(`a nonce of ${nonce.length} octets`);
  const chosen = checkChosen(offered, sa.proposals);
  if (!chosen.ok) return wrong(chosen.error);
  return { kind: 'agreed', agreed: { chosen: chosen.value, nonce, ke: findPayload(payloads, 'KE') } };
}

/** RFC 7296 §1.3: the data are the method wanted. */
function wantedGroup(data: Uint8Array, offered: readonly Proposal[]): CreateVerdict<never> {
  const wanted = data.length === 2 ? (data[0] << 8) | data[1] : -1;
  const method = offeredKeyExchanges(offered).find(({ id }) => id === wanted);
  if (method) return { kind: 'group', method };
  return { kind: 'refused', type: NOTIFY.INVALID_KE_PAYLOAD, evidence: `INVALID_KE_PAYLOAD wants method ${wanted}` };
}

type Shared = { readonly ok: true; readonly value: Uint8Array | undefined } | { readonly ok: false; readonly error: string };

/** The secret of the exchange that was started, when it is the one that is chosen. */
function agree(exchange: KeyExchange | undefined, chosen: KeTransform | undefined, ke: PayloadOf<'KE'> | undefined): Shared {
  if (!chosen) return { ok: true, value: undefined };
  if (!exchange || !ke || chosen.id !== exchange.method.id || ke.method !== chosen.id)
    return { ok: false, error: `${chosen.keyword} was chosen, and the key exchanges are others` };
  const shared = exchange.derive(ke.data);
  if (!(shared instanceof Uint8Array)) return { ok: false, error: `${chosen.keyword}: ${shared.fault}` };
  return { ok: true, value: shared };
}

// --- theirs ------------------------------------------------------------------------------------------------------------------------

export type Answer<T> =
  | { readonly ok: true; readonly payloads: readonly Payload[]; readonly agreed: T }
  | { readonly ok: false; readonly payloads: readonly Payload[]; readonly why: string };

export interface ChildAnswerSetup {
  readonly random: Random;
  readonly proposals: readonly Proposal[];
  readonly spiIn: number;
  /** What both sides may use of what is proposed; empty: nothing. */
  readonly narrow: (
    local: readonly TrafficSelector[],
    remote: readonly TrafficSelector[],
  ) => { readonly local: readonly TrafficSelector[]; readonly remote: readonly TrafficSelector[] };
}

/** The answer to a request for a CHILD SA, new or rekeyed. */
export function answerChild(payloads: readonly Payload[], setup: ChildAnswerSetup): Answer<AgreedChild> {
  const tsi = findPayload(payloads, 'TSi');
  const tsr = findPayload(payloads, 'TSr');
  if (!tsi || !tsr) return refuse(NOTIFY.INVALID_SYNTAX, 'no traffic selectors');
  const taken = take(payloads, setup.proposals);
  if (!taken.ok) return taken.refusal;
  const { chosen, ni, ke } = taken;
  const suite = childSuite(chosen);
  const spiOut = spiNumber(chosen.spi);
  if (!suite || spiOut === undefined || spiOut < 256) return refuse(NOTIFY.NO_PROPOSAL_CHOSEN, `SPI ${spiOut}`);
  // TSi is of the side that asks.
  const { local, remote } = setup.narrow(tsr.selectors, tsi.selectors);
  if (local.length === 0 || remote.length === 0)
    return refuse(NOTIFY.TS_UNACCEPTABLE, `${selectorsText(tsi.selectors)} to ${selectorsText(tsr.selectors)}`);
  const exchanged = respond(suite.ke, ke, setup.random);
  if (!exchanged.ok) return exchanged.refusal;
  const nr = setup.random(NONCE_OCTETS).slice();
  return {
    ok: true,
    payloads: [
      { kind: 'SA', proposals: [{ ...chosen, spi: spiBytes(setup.spiIn) }] },
      { kind: 'NONCE', data: nr },
      ...exchanged.payloads,
      { kind: 'TSi', selectors: remote, unknownTypes: 0 },
      { kind: 'TSr', selectors: local, unknownTypes: 0 },
    ],
    agreed: {
      suite,
      spiOut,
      nonces: { ni, nr },
      shared: exchanged.shared,
      localSelectors: local.map(copySelector),
      remoteSelectors: remote.map(copySelector),
    },
  };
}

/** The answer to a request for the IKE SA anew; `spi` is ours. */
export function answerIkeRekey(
  payloads: readonly Payload[],
  { random, proposals, spi }: Omit<IkeOffer, 'method' | 'likely'>,
): Answer<AgreedIke> {
  const taken = take(payloads, proposals);
  if (!taken.ok) return taken.refusal;
  const { chosen, ni, ke } = taken;
  const suite = ikeSuite(chosen);
  if (!suite || chosen.spi.length !== 8 || isZero(chosen.spi)) return refuse(NOTIFY.NO_PROPOSAL_CHOSEN, 'no IKE SPI');
  const exchanged = respond(suite.ke, ke, random);
  if (!exchanged.ok) return exchanged.refusal;
  const nr = random(NONCE_OCTETS).slice();
  return {
    ok: true,
    payloads: [{ kind: 'SA', proposals: [{ ...chosen, spi }] }, { kind: 'NONCE', data: nr }, ...exchanged.payloads],
    agreed: { suite, spi: chosen.spi.slice(), nonces: { ni, nr }, shared: exchanged.shared },
  };
}

type Refusal = Extract<Answer<never>, { ok: false }>;

type Taken =
  | { readonly ok: true; readonly chosen: Proposal; readonly ni: Uint8Array; readonly ke: PayloadOf<'KE'> | undefined }
  | { readonly ok: false; readonly refusal: Refusal };

function take(payloads: readonly Payload[], acceptable: readonly Proposal[]): Taken {
  const sa = findPayload(payloads, 'SA');
  const ni = findPayload(payloads, 'NONCE')?.data.slice();
  if (!sa || !ni || !isNonce(ni))
    return { ok: false, refusal: refuse(NOTIFY.INVALID_SYNTAX, 'no SA, or a nonce of a wrong length') };
  const chosen = chooseProposal(sa.proposals, acceptable);
  if (!chosen) return { ok: false, refusal: refuse(NOTIFY.NO_PROPOSAL_CHOSEN, 'no proposal in common') };
  return { ok: true, chosen, ni, ke: findPayload(payloads, 'KE') };
}

type Responded =
  | { readonly ok: true; readonly payloads: readonly Payload[]; readonly shared: Uint8Array | undefined }
  | { readonly ok: false; readonly refusal: Refusal };

function respond(method: KeTransform | undefined, ke: PayloadOf<'KE'> | undefined, random: Random): Responded {
  if (!method) return { ok: true, payloads: [], shared: undefined };
  if (ke?.method !== method.id) {
    // RFC 7296 §1.3: the data are the method that would do.
    const wanted = Uint8Array.of(method.id >> 8, method.id);
    const refusal: Refusal = { ok: false, payloads: [notify(NOTIFY.INVALID_KE_PAYLOAD, wanted)], why: `wants ${method.keyword}` };
    return { ok: false, refusal };
  }
  const answered = answerKeyExchange(method, ke.data, random);
  if ('fault' in answered) return { ok: false, refusal: refuse(NOTIFY.INVALID_SYNTAX, `${method.keyword}: ${answered.fault}`) };
  return { ok: true, payloads: [{ kind: 'KE', method: method.id, data: answered.publicValue }], shared: answered.shared };
}

function refuse(type: number, why: string): Refusal {
  return { ok: false, payloads: [notify(type)], why: `${nameOf(NOTIFY, type)}: ${why}` };
}

// --- both --------------------------------------------------------------------------------------------------------------------------

/**
 * RFC 7296 §2.8.1: of two exchanges that crossed, the SA of the one with the lowest of the four nonces is redundant. Octet by octet, the
 * first difference counts; a nonce that the other begins with is lower.
 */
export function isLower(a: Nonces, b: Nonces): boolean {
  return compareNonces(lowest(a), lowest(b)) < 0;
}

/** The secrets are not needed any more. */
export function wipeFresh({ shared, more = [] }: Fresh): void {
  wipe(...(shared ? [shared] : []), ...more);
}

function lowest({ ni, nr }: Nonces): Uint8Array {
  return compareNonces(ni, nr) < 0 ? ni : nr;
}

function compareNonces(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

function keyExchangeOf(exchange: KeyExchange | undefined): readonly Payload[] {
  return exchange ? [{ kind: 'KE', method: exchange.method.id, data: exchange.publicValue }] : [];
}

function isNonce({ length }: Uint8Array): boolean {
  return length >= LEAST_NONCE && length <= MOST_NONCE;
}

function isZero(spi: Uint8Array): boolean {
  return spi.every((octet) => octet === 0);
}

function wrong(what: string): { readonly kind: 'wrong'; readonly evidence: string } {
  return { kind: 'wrong', evidence: `${what} in CREATE_CHILD_SA response` };
}
