/**
 * Certificate revocation lists (RFC 5280 §5): whole ones, and a delta on its base. Lists by another than the certificate's issuer
 * (indirect) are refused by name. A list is octets from a stranger until `believeCrl` has nothing to say against it.
 */
import { equalBytes, toHex } from '../bytes/bytes.ts';
import {
  booleanOf,
  childrenOf,
  DerFields,
  type DerNode,
  derTag,
  eachChild,
  onlyChild,
  readDer,
  timeOf,
  wholeBitsOf,
} from '../bytes/der.ts';
import { ok, type Result } from '../bytes/result.ts';
import { signatureAlgorithmOf } from '../crypto/algorithmIdentifier.ts';
import type { SignatureAlgorithm } from '../crypto/signatureTypes.ts';
import type { Certificate, DistinguishedName } from './contract.ts';
import { extensionOid, parseDistributionPoints, parseExtensionList, type RawExtension } from './extensions.ts';
import { parseGeneralNames, parseName, printable, sameName } from './names.ts';
import {
  type RevocationFault,
  type RevocationStatement,
  reasonOf,
  refuse,
  sameNode,
  serialOctets,
  signatureFault,
  timeFault,
} from './revocationTypes.ts';

/** Octets of the longest list that is read; the largest public ones have about as many. */
export const maxCrlOctets = 10 << 20;
/** An entry has at least 22 octets, so this bounds nothing more than a list of nothing else. */
const limits = { octets: maxCrlOctets, depth: 16, elements: 4_000_000 } as const;

export interface Crl {
  readonly issuer: DistinguishedName;
  readonly thisUpdate: number;
  readonly nextUpdate: number | undefined;
  /** CRLNumber, and the number of the base when this is a delta. Hex. */
  readonly number: string | undefined;
  readonly deltaBase: string | undefined;
  /** Where the deltas are. */
  readonly freshest: readonly string[];
  readonly scope: CrlScope | undefined;
  /** What is critical and not known, in the list or in any entry. */
  readonly unknownCritical: readonly string[];
  readonly entries: number;
  readonly tbs: Uint8Array;
  readonly algorithm: SignatureAlgorithm | undefined;
  readonly signature: Uint8Array;
  /** What the list says about a serial (content octets of the INTEGER). */
  find(serial: Uint8Array): CrlEntry | undefined;
}

export interface CrlEntry {
  readonly revokedAt: number;
  readonly reason: string | undefined;
}

/** Issuing distribution point, §5.2.5. */
export interface CrlScope {
  /** DER of the extension, for comparing a delta's with its base's. */
  readonly der: Uint8Array;
  /** Undefined: the point has no name. Only addresses are read. */
  readonly uris: readonly string[] | undefined;
  readonly onlyUser: boolean;
  readonly onlyCa: boolean;
  readonly onlyAttribute: boolean;
  /** Only for some reasons. */
  readonly partial: boolean;
  readonly indirect: boolean;
}

const oid = {
  number: '2.5.29.20',
  reason: '2.5.29.21',
  invalidityDate: '2.5.29.24',
  deltaIndicator: '2.5.29.27',
  issuingPoint: '2.5.29.28',
  certificateIssuer: '2.5.29.29',
} as const;

export function parseCrl(input: Uint8Array): Result<Crl, RevocationFault> {
  if (input.length > maxCrlOctets) return refuse('too-large', `a list of ${input.length} octets`);
  const root = readDer(input, limits);
  if (!root.ok) return refuse('malformed', `the list is not strict DER (${root.error.code} at octet ${root.error.offset})`);
  const outer = new DerFields(root.value);
  const tbs = outer.take(derTag.sequence);
  const algorithm = outer.take(derTag.sequence);
  const signature = wholeBitsOf(outer.take(derTag.bitString));
  const fields = new DerFields(tbs);
  const version = fields.optional(derTag.integer);
  const innerAlgorithm = fields.take(derTag.sequence);
  const issuer = parseName(fields.take());
  const thisUpdate = timeOf(fields.take());
  const next = fields.optional(derTag.utcTime) ?? fields.optional(derTag.generalizedTime);
  const nextUpdate = timeOf(next);
  const revoked = fields.optional(derTag.sequence);
  const extensionsNode = fields.optional(0xa0);
  if (!outer.done || !fields.done || tbs === undefined || signature === undefined || issuer === undefined)
    return refuse('malformed', 'the list has other fields than a list has');
  // §5.1.2.1: version 2 is the number 1, and version 1 is not written.
  if (version !== undefined && (version.content.length !== 1 || version.content[0] !== 1))
    return refuse('malformed', 'the list is of a version that is not known');
  if (!sameNode(algorithm, innerAlgorithm)) return refuse('malformed', 'the list names two different signature algorithms');
  if (thisUpdate === undefined || (next !== undefined && nextUpdate === undefined))
    return refuse('malformed', 'the list has a malformed date');
  if (extensionsNode !== undefined && version === undefined) return refuse('malformed', 'the list of version 1 has extensions');
  const extensions = readListExtensions(extensionsNode);
  if (!extensions.ok) return extensions;
  const survey = surveyEntries(revoked);
  if (typeof survey === 'string') return refuse('malformed', survey);
  const { scope } = extensions.value;
  return ok({
    ...extensions.value,
    // An entry that names its issuer is only in an indirect list (§5.3.3), whatever the list says of itself.
    scope: survey.foreign ? { ...(scope ?? wholeScope), indirect: true } : scope,
    unknownCritical: [...extensions.value.unknownCritical, ...survey.unknownCritical],
    issuer,
    thisUpdate,
    nextUpdate,
    entries: survey.count,
    tbs: tbs.der,
    algorithm: signatureAlgorithmOf(algorithm),
    signature,
    find: (serial) => findEntry(revoked, serial, thisUpdate),
  });
}

/** Why this list may not be used at all with this authority's certificates; its dates are not looked at. §6.3.3 (f), (g). */
export function believeCrl(crl: Crl, issuer: Certificate): RevocationFault | undefined {
  const fault = (code: RevocationFault['code'], evidence: string): RevocationFault => ({ code, evidence });
  if (!sameName(crl.issuer, issuer.subject)) return fault('wrong-issuer', `the list is of ${printable(crl.issuer.text)}`);
  if (crl.scope?.indirect) return fault('indirect', 'the list is an indirect one, which is not supported');
  const usage = issuer.extensions.keyUsage;
  if (usage !== undefined && !usage.has('cRLSign'))
    return fault('not-authorized', 'the key usage of the authority has no cRLSign');
  if (crl.unknownCritical.length > 0) {
    return fault('unknown-critical-extension', `the list has the unknown critical extension ${crl.unknownCritical[0]}`);
  }
  return signatureFault('the list', crl, issuer.publicKey);
}

/**
 * What a list that is believed says about a certificate of the same authority. That it is revoked holds for any such list, also an old
 * or a partial one; that it is good only for one which is current, complete and about such certificates (§6.3.3 (b), (c), (i), (j)).
 */
export function consultCrl(
  crl: Crl,
  delta: Crl | undefined,
  certificate: Certificate,
  at: number,
): Result<RevocationStatement, RevocationFault> {
  if (crl.deltaBase !== undefined) return refuse('delta', 'the list is a delta without its base');
  const serial = serialOctets(certificate);
  const newer = delta?.find(serial);
  const entry = newer ?? crl.find(serial);
  const current = delta ?? crl;
  const dates = { producedAt: current.thisUpdate, nextUpdate: earlier(crl.nextUpdate, delta?.nextUpdate) };
  // §5.3.1: removeFromCRL is in deltas only, and takes a hold back.
  if (entry !== undefined && entry.reason !== 'removeFromCRL') {
    const reason = entry.reason === undefined ? {} : { reason: entry.reason };
    return ok({ status: 'revoked', ...dates, revokedAt: entry.revokedAt, ...reason });
  }
  // §5.1.2.5, §5.2.3: both MUST be there, and without them nobody knows how new it is.
  if (crl.nextUpdate === undefined) return refuse('stale', 'the list does not say when the next one comes');
  if (crl.number === undefined) return refuse('malformed', 'the list has no number');
  const fault = scopeFault(crl.scope, certificate) ?? timeFault('the list', crl.thisUpdate, crl.nextUpdate, at);
  return fault === undefined ? ok({ status: 'good', ...dates }) : { ok: false, error: fault };
}

/** Why a delta does not go with the base, §5.2.4, §6.3.3 (c). Both are believed already. */
export function deltaFault(base: Crl, delta: Crl, at: number): RevocationFault | undefined {
  const fault = (evidence: string): RevocationFault => ({ code: 'delta', evidence });
  if (delta.deltaBase === undefined) return fault('the delta is none');
  if (base.number === undefined || delta.number === undefined) return fault('the delta or its base has no number');
  if (compareHex(base.number, delta.deltaBase) < 0) return fault('the delta is on a later base');
  if (compareHex(base.number, delta.number) >= 0) return fault('the delta is not newer than the base');
  if (!equalBytes(base.scope?.der ?? none, delta.scope?.der ?? none))
    return fault('the delta is about other certificates than the base');
  if (delta.nextUpdate === undefined) return fault('the delta does not say when the next one comes');
  return timeFault('the delta', delta.thisUpdate, delta.nextUpdate, at);
}

/** §6.3.3 (b)(2). */
function scopeFault(scope: CrlScope | undefined, certificate: Certificate): RevocationFault | undefined {
  if (scope === undefined) return undefined;
  const fault = (evidence: string): RevocationFault => ({ code: 'scope', evidence });
  const ca = certificate.extensions.basicConstraints?.ca === true;
  if (scope.onlyAttribute) return fault('the list is about attribute certificates');
  if (scope.onlyUser && ca) return fault('the list is not about authorities');
  if (scope.onlyCa && !ca) return fault('the list is about authorities only');
  if (scope.partial) return fault('the list is for some reasons only');
  if (scope.uris === undefined) return undefined;
  // One of the names must be one of the certificate's own, or it is another part of what the authority revoked.
  const own = (certificate.extensions.crlDistributionPoints ?? []).flatMap(({ uris }) => uris);
  return scope.uris.some((uri) => own.includes(uri)) ? undefined : fault('the list is of another distribution point');
}

type ListExtensions = Pick<Crl, 'number' | 'deltaBase' | 'freshest' | 'scope' | 'unknownCritical'>;

function readListExtensions(node: DerNode | undefined): Result<ListExtensions, RevocationFault> {
  let out: ListExtensions = { number: undefined, deltaBase: undefined, freshest: [], scope: undefined, unknownCritical: [] };
  if (node === undefined) return ok(out);
  const list = parseExtensionList(onlyChild(node));
  if (!list.ok) return refuse('malformed', `the list has ${list.error}`);
  for (const one of list.value) {
    const fields = readListExtension(one);
    if (fields === undefined) return refuse('malformed', `the list has a malformed extension ${one.oid}`);
    out = { ...out, ...fields };
  }
  return ok({ ...out, unknownCritical: list.value.filter(isUnknownCritical).map((one) => one.oid) });
}

const knownInList: ReadonlySet<string> = new Set([
  oid.number,
  oid.deltaIndicator,
  oid.issuingPoint,
  extensionOid.freshestCrl,
  extensionOid.authorityKeyId,
  extensionOid.issuerAltName,
]);

const isUnknownCritical = ({ oid: id, critical }: RawExtension): boolean => critical && !knownInList.has(id);

/** Undefined: malformed. */
function readListExtension({ oid: id, critical, value }: RawExtension): Partial<ListExtensions> | undefined {
  const node = readDer(value);
  if (!node.ok) return undefined;
  switch (id) {
    case oid.number: {
      // §5.2.3: non-critical, at most 20 octets.
      const number = numberOf(node.value);
      return critical || number === undefined ? undefined : { number };
    }
    case oid.deltaIndicator: {
      const deltaBase = numberOf(node.value);
      return deltaBase === undefined ? undefined : { deltaBase };
    }
    case oid.issuingPoint: {
      const scope = readScope(node.value);
      return scope === undefined ? undefined : { scope };
    }
    case extensionOid.freshestCrl: {
      const points = parseDistributionPoints(node.value);
      return points === undefined ? undefined : { freshest: points.flatMap(({ uris }) => uris) };
    }
    default:
      return {};
  }
}

function numberOf(node: DerNode): string | undefined {
  if (node.tag !== derTag.integer || node.content.length > 21 || node.content[0] >= 0x80) return undefined;
  return toHex(node.content).padStart(42, '0');
}

const compareHex = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const none = new Uint8Array(0);
const wholeScope: CrlScope = {
  der: none,
  uris: undefined,
  onlyUser: false,
  onlyCa: false,
  onlyAttribute: false,
  partial: false,
  indirect: false,
};

function readScope(node: DerNode): CrlScope | undefined {
  const fields = new DerFields(node);
  const name = fields.optional(0xa0);
  const flags = [0x81, 0x82].map((tag) => flagOf(fields.optional(tag), tag));
  const partial = fields.optional(0x83) !== undefined;
  const more = [0x84, 0x85].map((tag) => flagOf(fields.optional(tag), tag));
  const [onlyUser, onlyCa, indirect, onlyAttribute] = [...flags, ...more];
  if (!fields.done || onlyUser === undefined || onlyCa === undefined || indirect === undefined || onlyAttribute === undefined)
    return undefined;
  const uris = name === undefined ? undefined : pointUris(name);
  return { der: node.der.slice(), uris, onlyUser, onlyCa, onlyAttribute, partial, indirect };
}

/** False when absent, undefined when malformed. */
const flagOf = (node: DerNode | undefined, tag: number): boolean | undefined =>
  node === undefined ? false : booleanOf(node, tag);

/** Addresses of a DistributionPointName; a name in another form leaves none, which then matches no certificate. */
function pointUris(name: DerNode): readonly string[] {
  const names = parseGeneralNames(onlyChild(name), 0xa0) ?? [];
  return names.flatMap((one) => (one.kind === 'uri' ? [one.value] : []));
}

interface Survey {
  readonly count: number;
  readonly unknownCritical: readonly string[];
  /** An entry names an issuer of its own. */
  readonly foreign: boolean;
}

/** Looks at every entry once; a line when one is malformed. §5.3: an entry whose critical extension is not known spoils the list. */
function surveyEntries(revoked: DerNode | undefined): Survey | string {
  let count = 0;
  let foreign = false;
  const unknown = new Set<string>();
  // Lists of a hundred thousand entries have a dozen different lists of extensions: each is read once.
  const seen = new Set<string>();
  for (const node of revoked === undefined ? [] : eachChild(revoked)) {
    count += 1;
    const extensions = extensionsOfEntry(node);
    if (extensions === 'malformed') return `the list has a malformed entry, number ${count}`;
    if (extensions === undefined || isSeen(extensions.content, seen)) continue;
    const list = parseExtensionList(extensions);
    if (!list.ok) return `the entry ${count} of the list has ${list.error}`;
    for (const { oid: id, critical } of list.value) {
      if (id === oid.certificateIssuer) foreign = true;
      else if (critical && id !== oid.reason && id !== oid.invalidityDate) unknown.add(id);
    }
  }
  return { count, foreign, unknownCritical: [...unknown] };
}

/** Only short ones, and not many of them, are remembered. */
function isSeen(content: Uint8Array, seen: Set<string>): boolean {
  if (content.length > 48) return false;
  const key = String.fromCharCode(...content);
  if (seen.has(key)) return true;
  if (seen.size < 256) seen.add(key);
  return false;
}

/** Serial, date and perhaps extensions. Of the date only the form is looked at here: it is read where it matters. */
function extensionsOfEntry(node: DerNode): DerNode | undefined | 'malformed' {
  if (node.tag !== derTag.sequence) return 'malformed';
  let fields = 0;
  let extensions: DerNode | undefined;
  for (const field of eachChild(node)) {
    if (fields === 0 && field.tag !== derTag.integer) return 'malformed';
    if (fields === 1 && !hasFormOfTime(field)) return 'malformed';
    if (fields === 2) extensions = field;
    fields += 1;
  }
  return fields === 2 || (fields === 3 && extensions?.tag === derTag.sequence) ? extensions : 'malformed';
}

function hasFormOfTime({ tag, content }: DerNode): boolean {
  const utc = tag === derTag.utcTime;
  return (utc || tag === derTag.generalizedTime) && content.length === (utc ? 13 : 15) && content[content.length - 1] === 0x5a;
}

/** The last word wins where a list has a serial twice. A date that is none is that of the list: revoked it is. */
function findEntry(revoked: DerNode | undefined, serial: Uint8Array, thisUpdate: number): CrlEntry | undefined {
  if (revoked === undefined) return undefined;
  let found: DerNode | undefined;
  for (const node of eachChild(revoked)) if (startsWithSerial(node.content, serial)) found = node;
  if (found === undefined) return undefined;
  const [, date, extensions] = childrenOf(found);
  return { revokedAt: timeOf(date) ?? thisUpdate, reason: reasonAmong(extensions) };
}

/** An INTEGER of these octets at the beginning; no certificate has a serial of 128 octets and more. */
function startsWithSerial(content: Uint8Array, serial: Uint8Array): boolean {
  if (content[1] !== serial.length) return false;
  for (let i = 0; i < serial.length; i++) if (content[2 + i] !== serial[i]) return false;
  return true;
}

function reasonAmong(extensions: DerNode | undefined): string | undefined {
  const list = extensions && parseExtensionList(extensions);
  const value = list?.ok ? list.value.find((one) => one.oid === oid.reason)?.value : undefined;
  const node = value && readDer(value);
  return node?.ok ? reasonOf(node.value) : undefined;
}

const earlier = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b);
