/**
 * The payloads with structures inside them: SA (RFC 7296 §3.3), TSi and TSr (§3.13), CP (§3.15). Total, like `parse.ts`.
 * A read beyond the end gives 0, and no structure here has a length of 0: one length check covers both.
 */
import { Reader } from '../../bytes/reader.ts';
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import { ATTRIBUTE_KEY_LENGTH, TS_TYPE } from './constants.ts';
import type { ConfigAttribute, PayloadOf, Proposal, TrafficSelector, Transform } from './message.ts';
import { isProposalSpiSize } from './spi.ts';

/** A `WireError` from below the header. */
export interface Fault {
  readonly code: 'syntax' | 'too-many';
  readonly place: string;
}

/** Attributes in one configuration payload. */
export const MAX_CONFIG_ATTRIBUTES = 1024;

/** RFC 7296 §3.3.1 and §3.3.2: what the Last Substruc octet says when another one follows. */
export const MORE_PROPOSALS = 2;
export const MORE_TRANSFORMS = 3;

/** Octets of a proposal and of a transform before their variable parts. */
const PROPOSAL_HEADER = 8;
const TRANSFORM_HEADER = 8;
/** RFC 7296 §3.13.1: octets of a whole selector of the two types. */
const SELECTOR_V4 = 16;
const SELECTOR_V6 = 40;

export function fault(code: Fault['code'], place: string): { readonly ok: false; readonly error: Fault } {
  return err({ code, place });
}

/** RFC 7296 §3.3: "MUST check that the total Payload Length is consistent with the payload's internal lengths and counts". */
export function parseSecurityAssociation(body: Uint8Array): Result<PayloadOf<'SA'>, Fault> {
  const reader = new Reader(body);
  const proposals: Proposal[] = [];
  for (let more = true; more; ) {
    const place = `proposal ${proposals.length + 1}`;
    const last = reader.u8();
    reader.u8(); // reserved
    const length = reader.u16();
    if (length < PROPOSAL_HEADER || length - 4 > reader.remaining) return fault('syntax', `${place}: length ${length}`);
    const proposal = parseProposal(reader.sub(length - 4));
    if (!proposal.ok) return fault(proposal.error.code, `${place}: ${proposal.error.place}`);
    more = reader.remaining > 0;
    if (last !== (more ? MORE_PROPOSALS : 0)) return fault('syntax', `${place}: last is ${last}`);
    proposals.push(proposal.value);
  }
  // RFC 7296 §3.3: each number is one greater than the previous one; a list is an offer and begins with 1. A single
  // proposal may be an answer, whose number is that of the proposal accepted (§3.3.1).
  const first = proposals.length > 1 ? 1 : Math.max(1, proposals[0].number);
  for (const [i, proposal] of proposals.entries())
    if (proposal.number !== first + i) return fault('syntax', `proposal ${i + 1}: number ${proposal.number}`);
  return ok({ kind: 'SA', proposals });
}

/** RFC 7296 §3.3.1, from the Proposal Num on. */
function parseProposal(reader: Reader): Result<Proposal, Fault> {
  const number = reader.u8();
  const protocol = reader.u8();
  const spiSize = reader.u8();
  const count = reader.u8();
  const spi = reader.bytes(spiSize);
  if (reader.short || !isProposalSpiSize(protocol, spiSize))
    return fault('syntax', `protocol ${protocol} with an SPI of ${spiSize} octets`);
  const transforms: Transform[] = [];
  for (let i = 1; i <= count; i++) {
    const last = reader.u8();
    reader.u8(); // reserved
    const length = reader.u16();
    if (length < TRANSFORM_HEADER || length - 4 > reader.remaining) return fault('syntax', `transform ${i}: length ${length}`);
    const transform = parseTransform(reader.sub(length - 4));
    if (transform === undefined) return fault('syntax', `transform ${i}: attribute`);
    if (last !== (i < count ? MORE_TRANSFORMS : 0)) return fault('syntax', `transform ${i}: last is ${last}`);
    transforms.push(transform);
  }
  // RFC 7296 §3.3.1: "one or more transform substructures".
  if (count === 0) return fault('syntax', 'no transforms');
  if (reader.remaining > 0) return fault('syntax', `${reader.remaining} octets after ${count} transforms`);
  return ok({ number, protocol, spi, transforms });
}

/** RFC 7296 §3.3.2, from the Transform Type on. Undefined when its attributes do not fill it. */
function parseTransform(reader: Reader): Transform | undefined {
  const type = reader.u8();
  reader.u8(); // reserved
  const id = reader.u16();
  let keyLength: number | undefined;
  let unknownAttribute = false;
  while (reader.remaining > 0) {
    const format = reader.u16();
    const valueOrLength = reader.u16();
    if (format === (0x8000 | ATTRIBUTE_KEY_LENGTH) && keyLength === undefined) {
      keyLength = valueOrLength;
      continue;
    }
    // A second Key Length (RFC 7296 §3.3: none twice) or one in TLV format (§3.3.5: "MUST NOT") cannot be understood
    // either: like an unknown attribute it spoils this transform and no other (§3.3.6).
    unknownAttribute = true;
    if ((format & 0x8000) === 0) reader.bytes(valueOrLength);
  }
  if (reader.short) return undefined;
  return {
    type,
    id,
    ...(keyLength === undefined ? {} : { keyLength }),
    ...(unknownAttribute ? { unknownAttribute } : {}),
  };
}

/** RFC 7296 §3.13. Selectors of unknown type are counted: narrowing leaves them out (§2.9). */
export function parseTrafficSelectors(kind: 'TSi' | 'TSr', body: Uint8Array): Result<PayloadOf<'TSi' | 'TSr'>, Fault> {
  const reader = new Reader(body);
  const count = reader.u8();
  reader.bytes(3); // reserved
  const selectors: TrafficSelector[] = [];
  let unknownTypes = 0;
  for (let i = 1; i <= count; i++) {
    const type = reader.u8();
    const protocol = reader.u8();
    const length = reader.u16();
    if (length < 4 || length - 4 > reader.remaining) return fault('syntax', `selector ${i}: length ${length}`);
    const content = reader.sub(length - 4);
    if (type !== TS_TYPE.IPV4_ADDR_RANGE && type !== TS_TYPE.IPV6_ADDR_RANGE) {
      unknownTypes++;
      continue;
    }
    // RFC 7296 §3.13.1: the length of the addresses is determined by the type.
    if (length !== (type === TS_TYPE.IPV4_ADDR_RANGE ? SELECTOR_V4 : SELECTOR_V6))
      return fault('syntax', `selector ${i}: length ${length}`);
    const startPort = content.u16();
    const endPort = content.u16();
    const octets = (length - 8) / 2;
    const start = content.bytes(octets);
    const end = content.bytes(octets);
    const family = type === TS_TYPE.IPV4_ADDR_RANGE ? 'ipv4' : 'ipv6';
    const selector: TrafficSelector = { type: family, protocol, startPort, endPort, start, end };
    if (!isSelectorOrdered(selector)) return fault('syntax', `selector ${i}: end before start`);
    selectors.push(selector);
  }
  // RFC 7296 §3.13: "One or more individual Traffic Selectors".
  if (reader.short || count === 0) return fault('syntax', 'no selectors');
  if (reader.remaining > 0) return fault('syntax', `${reader.remaining} octets after ${count} selectors`);
  return ok({ kind, selectors, unknownTypes });
}

/** RFC 7296 §3.13.1: smallest and largest port and address; ports 65535 to 0 are the one exception and mean OPAQUE. */
export function isSelectorOrdered({ startPort, endPort, start, end }: TrafficSelector): boolean {
  if (startPort > endPort && !(startPort === 65535 && endPort === 0)) return false;
  for (let i = 0; i < start.length; i++) if (start[i] !== end[i]) return start[i] < end[i];
  return true;
}

/** RFC 7296 §3.15. Attributes are left as octets: a length that does not suit the type is for the reader of that type. */
export function parseConfiguration(body: Uint8Array): Result<PayloadOf<'CP'>, Fault> {
  const reader = new Reader(body);
  const cfgType = reader.u8();
  reader.bytes(3); // reserved
  if (reader.short) return fault('syntax', 'short');
  const attributes: ConfigAttribute[] = [];
  while (reader.remaining > 0) {
    if (attributes.length === MAX_CONFIG_ATTRIBUTES) return fault('too-many', 'attributes');
    const type = reader.u16() & 0x7fff; // RFC 7296 §3.15.1: the R bit is ignored on receipt.
    const length = reader.u16();
    const value = reader.bytes(length);
    if (reader.short) return fault('syntax', `attribute ${attributes.length + 1}: length ${length}`);
    attributes.push({ type, value });
  }
  return ok({ kind: 'CP', cfgType, attributes });
}
