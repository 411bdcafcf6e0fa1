/**
 * Choosing a proposal and checking the choice of the other side (RFC 7296 §2.7, §3.3).
 *
 * An initiator calls `checkChosen` with what it offered; a responder calls `chooseProposal`. Both then turn the chosen
 * proposal into algorithms with `ikeSuite` or `childSuite`.
 */
import type { Result } from '../bytes/result.ts';
import { err, ok } from '../bytes/result.ts';
import type {
  AdditionalKe,
  EncrTransform,
  EsnTransform,
  IntegTransform,
  KeTransform,
  PrfTransform,
  TransformRow,
} from '../crypto/types.ts';
import { isAdditionalKe, transformRow, transformText } from './proposals.ts';
import { nameOf, PROTOCOL, TRANSFORM } from './wire/constants.ts';
import type { Proposal, Transform } from './wire/message.ts';

/** The algorithms of an IKE SA. `integ` is undefined exactly when `encr` is an AEAD. */
export interface IkeSuite {
  readonly encr: EncrTransform;
  readonly prf: PrfTransform;
  readonly integ: IntegTransform | undefined;
  readonly ke: KeTransform;
  /** Key exchanges to be done after `ke`, in this order (RFC 9370 §2.2.1); usually none or one. */
  readonly additional: readonly AdditionalKe[];
}

/** The algorithms of a CHILD SA. `ke` is set when a key exchange of its own was negotiated, and then `additional` may be filled. */
export interface ChildSuite {
  readonly encr: EncrTransform;
  readonly integ: IntegTransform | undefined;
  readonly esn: EsnTransform;
  readonly ke: KeTransform | undefined;
  readonly additional: readonly AdditionalKe[];
}

/**
 * The one proposal of an answer, which must be a choice among `offered` and nothing else (RFC 7296 §2.7: exactly one
 * transform of each type that the proposal has). The error is one printable line that names what was wrong.
 * The SPI in the offer does not matter; the answer's must have the same length.
 */
export function checkChosen(offered: readonly Proposal[], answer: readonly Proposal[]): Result<Proposal, string> {
  if (answer.length !== 1) return err(`${answer.length} proposals in the answer`);
  const chosen = answer[0];
  // RFC 7296 §3.3.1: the number in the answer is that of the proposal accepted.
  const offer = offered.find((one) => one.number === chosen.number);
  if (!offer) return err(`proposal number ${chosen.number} was not offered`);
  if (chosen.protocol !== offer.protocol)
    return err(`protocol ${nameOf(PROTOCOL, chosen.protocol)} in proposal ${chosen.number}`);
  if (chosen.spi.length !== offer.spi.length) return err(`SPI of ${chosen.spi.length} octets in proposal ${chosen.number}`);
  const transforms = chosen.transforms.filter((one) => !isOmission(one, offer));
  for (const [i, transform] of transforms.entries()) {
    if (transforms.findIndex((other) => other.type === transform.type) !== i)
      return err(`several ${typeText(transform.type)} transforms in the answer`);
    if (!offer.transforms.some((other) => sameTransform(other, transform)))
      return err(`${transformText(transform)} was not offered in proposal ${chosen.number}`);
  }
  for (const { type } of offer.transforms) {
    // A type that was offered with NONE may be left out (RFC 7296 §3.3.3).
    if (offer.transforms.some((one) => one.type === type && isNone(one))) continue;
    if (!transforms.some((one) => one.type === type)) return err(`no ${typeText(type)} in the answer`);
  }
  const additional = transforms.filter((one) => isAdditionalKe(one.type) && !isNone(one));
  // RFC 9370 §2.2.1: the choice must not contain one algorithm twice, whatever was offered.
  for (const [i, { id }] of additional.entries())
    if (additional.findIndex((other) => other.id === id) !== i) return err(`key exchange ${id} twice in the answer`);
  return ok({ ...chosen, transforms });
}

/**
 * A responder's choice: the first acceptable proposal that matches an offered one, with the offerer's order among the
 * transforms of a type. It has the number and SPI of the offer; put your own SPI before answering. Undefined: nothing matches.
 */
export function chooseProposal(offered: readonly Proposal[], acceptable: readonly Proposal[]): Proposal | undefined {
  for (const policy of acceptable) {
    for (const offer of offered) {
      const transforms = policy.protocol === offer.protocol ? chooseTransforms(offer, policy) : undefined;
      if (transforms) return { ...offer, transforms };
    }
  }
  return undefined;
}

/** The algorithms of a proposal with one transform of each type; undefined when it is none for an IKE SA. */
export function ikeSuite(proposal: Proposal): IkeSuite | undefined {
  const parts = partsOf(proposal);
  if (!parts?.encr || !parts.prf || !parts.ke || parts.encr.aead !== (parts.integ === undefined)) return undefined;
  return { encr: parts.encr, prf: parts.prf, integ: parts.integ, ke: parts.ke, additional: parts.additional };
}

/** The algorithms of a proposal with one transform of each type; undefined when it is none for ESP. */
export function childSuite(proposal: Proposal): ChildSuite | undefined {
  const parts = partsOf(proposal);
  if (!parts?.encr || !parts.esn || parts.encr.aead !== (parts.integ === undefined)) return undefined;
  if (parts.additional.length > 0 && !parts.ke) return undefined;
  return { encr: parts.encr, integ: parts.integ, esn: parts.esn, ke: parts.ke, additional: parts.additional };
}

/** RFC 7296 §1.2: the CHILD SA of IKE_AUTH has no key exchange of its own, so its proposals carry none. */
export function withoutKeyExchange(proposals: readonly Proposal[]): readonly Proposal[] {
  const kept = ({ type }: Transform) => type !== TRANSFORM.KE && !isAdditionalKe(type);
  return proposals.map((one) => ({ ...one, transforms: one.transforms.filter(kept) }));
}

/**
 * Where the CHILD SA has to have a key exchange of its own and its proposals name none: any of those that the IKE SA may have. The same
 * proposals where they say what they want.
 */
export function withKeyExchange(proposals: readonly Proposal[], ofIke: readonly Proposal[]): readonly Proposal[] {
  if (proposals.some(({ transforms }) => transforms.some(({ type }) => type === TRANSFORM.KE))) return proposals;
  const methods = offeredKeyExchanges(ofIke).map(({ type, id }): Transform => ({ type, id }));
  return proposals.map((one) => ({ ...one, transforms: [...one.transforms, ...methods] }));
}

/** Some proposal asks for more than one key exchange (RFC 9370 §2.2.1). */
export function offersAdditional(proposals: readonly Proposal[]): boolean {
  return proposals.some(({ transforms }) => transforms.some(({ type }) => isAdditionalKe(type)));
}

/**
 * Those of a rekeying as long as it makes one key exchange only: without additional ones, and none twice that differed in them alone.
 */
export function withoutAdditional(proposals: readonly Proposal[]): readonly Proposal[] {
  const plain = proposals.filter(({ transforms }) => !transforms.some((one) => isAdditionalKe(one.type) && !isNone(one)));
  // RFC 7296 §3.3.1: the first proposal is number 1, and each is one more than the one before.
  if (plain.length > 0) return plain.map((one, at) => ({ ...one, number: at + 1 }));
  return proposals.map((one) => ({ ...one, transforms: one.transforms.filter(({ type }) => !isAdditionalKe(type)) }));
}

/** Every proposal with this SPI. */
export function withSpi(proposals: readonly Proposal[], spi: Uint8Array): readonly Proposal[] {
  return proposals.map((one) => ({ ...one, spi }));
}

/** Key exchange methods in the order of the proposals, each once, as far as they are known here. */
export function offeredKeyExchanges(proposals: readonly Proposal[]): readonly KeTransform[] {
  const methods: KeTransform[] = [];
  for (const { transforms } of proposals) {
    for (const transform of transforms) {
      const row = transformRow(transform);
      if (row?.type === TRANSFORM.KE && !methods.includes(row)) methods.push(row);
    }
  }
  return methods;
}

/** Which of them to begin with: `likely` is what both sides have used already, the first of ours what we like best. */
export function firstKeyExchange(proposals: readonly Proposal[], likely: KeTransform | undefined): KeTransform | undefined {
  const methods = offeredKeyExchanges(proposals);
  return methods.find((one) => one === likely) ?? methods[0];
}

/** The keywords of a suite, as `proposalText` writes them. */
export function suiteText(suite: IkeSuite | (Omit<ChildSuite, 'additional'> & Partial<ChildSuite>)): string {
  const { additional = [] } = suite;
  const parts =
    'prf' in suite
      ? [suite.encr, suite.integ, suite.prf, suite.ke, ...additional]
      : [suite.encr, suite.integ, suite.ke, ...additional, suite.esn];
  return parts.flatMap((part) => (part ? [part.keyword] : [])).join('-');
}

function sameTransform(a: Transform, b: Transform): boolean {
  return a.type === b.type && a.id === b.id && a.keyLength === b.keyLength && !a.unknownAttribute && !b.unknownAttribute;
}

/** Id 0 means NONE for integrity and key exchanges (RFC 7296 §3.3.2, RFC 9370 §2.2.1); for ESN it is a choice like any other. */
function isNone({ type, id }: Transform): boolean {
  return id === 0 && (type === TRANSFORM.INTEG || type === TRANSFORM.KE || isAdditionalKe(type));
}

/** `ENCR`, `ADDKE3`. */
function typeText(type: number): string {
  return isAdditionalKe(type) ? `ADDKE${type - TRANSFORM.ADDKE1 + 1}` : nameOf(TRANSFORM, type);
}

/** RFC 5282 §8: some answer a combined-mode offer without INTEG with INTEG NONE; it says the same. */
function isOmission(transform: Transform, offer: Proposal): boolean {
  return isNone(transform) && !offer.transforms.some((one) => one.type === transform.type);
}

function chooseTransforms(offer: Proposal, policy: Proposal): readonly Transform[] | undefined {
  const chosen: Transform[] = [];
  const additional: (readonly Transform[])[] = [];
  for (const type of new Set([...offer.transforms, ...policy.transforms].map((one) => one.type))) {
    const wanted = policy.transforms.filter((one) => one.type === type);
    const given = offer.transforms.filter((one) => one.type === type);
    const matches = given.filter((one) => wanted.some((other) => sameTransform(one, other)));
    if (isAdditionalKe(type) && matches.length > 0) additional.push(matches);
    else if (matches.length > 0) chosen.push(matches[0]);
    else if (!mayBeLeftOut(wanted, given)) return undefined;
  }
  const distinct = chooseDistinct(additional);
  return distinct && [...chosen, ...distinct];
}

function mayBeLeftOut(wanted: readonly Transform[], given: readonly Transform[]): boolean {
  if (wanted.length === 0) return given.some(isNone);
  // NONE, said by one side, is what the other means by nothing of that type (RFC 7296 §3.3.3, RFC 9370 §2.2.1).
  return given.length === 0 && wanted.some(isNone);
}

/**
 * RFC 9370 §2.2.1: one of each list, none twice but NONE; undefined when there is no such choice, and then the proposal is none. Each takes
 * its first wish, and who had that before moves on if it can (augmenting paths, so that hostile lists cost little).
 */
function chooseDistinct(lists: readonly (readonly Transform[])[]): readonly Transform[] | undefined {
  const chosen: Transform[] = [];
  const holders = new Map<number, number>();
  const take = (at: number, tried: Set<number>): boolean => {
    for (const wish of lists[at]) {
      if (!isNone(wish)) {
        if (tried.has(wish.id)) continue;
        tried.add(wish.id);
        const holder = holders.get(wish.id);
        if (holder !== undefined && !take(holder, tried)) continue;
        holders.set(wish.id, at);
      }
      chosen[at] = wish;
      return true;
    }
    return false;
  };
  return lists.every((_, at) => take(at, new Set())) ? chosen : undefined;
}

interface Parts {
  encr?: EncrTransform;
  prf?: PrfTransform;
  integ?: IntegTransform;
  ke?: KeTransform;
  esn?: EsnTransform;
  readonly additional: AdditionalKe[];
}

function partsOf(proposal: Proposal): Parts | undefined {
  const parts: Parts = { additional: [] };
  for (const transform of proposal.transforms) {
    if (isNone(transform)) continue;
    const row = transformRow(transform);
    switch (row?.type) {
      case TRANSFORM.ENCR:
        parts.encr = row;
        break;
      case TRANSFORM.PRF:
        parts.prf = row;
        break;
      case TRANSFORM.INTEG:
        parts.integ = row;
        break;
      case TRANSFORM.KE:
        parts.ke = row;
        break;
      case TRANSFORM.ESN:
        parts.esn = row;
        break;
      default:
        if (!isMethod(row)) return undefined;
        parts.additional.push(row);
    }
  }
  // RFC 9370 §2.2.1: they are done in the order of their numbers.
  parts.additional.sort((a, b) => a.type - b.type);
  return parts;
}

function isMethod(row: TransformRow | undefined): row is AdditionalKe {
  return row !== undefined && 'ke' in row && row.ke !== undefined;
}
