/** The extensions of RFC 5280 §4.2 that are understood here, each read to its last octet; all else is an OID and a critical bit. */
import {
  bitsOf,
  booleanOf,
  childrenOf,
  DerFields,
  type DerNode,
  derTag,
  eachChild,
  integerOf,
  octetsOf,
  oidOf,
  readDer,
} from '../bytes/der.ts';
import { err, ok, type Result } from '../bytes/result.ts';
import type { CertificateExtensions, CrlDistributionPoint, KeyUsage } from './contract.ts';
import { parseNameConstraints } from './nameConstraints.ts';
import { parseGeneralNames } from './names.ts';

export interface RawExtension {
  readonly oid: string;
  readonly critical: boolean;
  /** DER inside the OCTET STRING; a view. */
  readonly value: Uint8Array;
}

/** No certificate, CRL or OCSP answer has more. */
const maxExtensions = 64;
const maxListed = 256;

export const extensionOid = {
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  issuerAltName: '2.5.29.18',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  crlDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  authorityKeyId: '2.5.29.35',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  freshestCrl: '2.5.29.46',
  inhibitAnyPolicy: '2.5.29.54',
  authorityInfoAccess: '1.3.6.1.5.5.7.1.1',
  subjectInfoAccess: '1.3.6.1.5.5.7.1.11',
  ocspNoCheck: '1.3.6.1.5.5.7.48.1.5',
} as const;

/** `Extensions`, also of a CRL, its entries, and OCSP: one or more, none twice (RFC 5280 §4.2). The error is a line for evidence. */
export function parseExtensionList(node: DerNode | undefined): Result<readonly RawExtension[], string> {
  if (node?.tag !== derTag.sequence) return err('extensions that are no sequence');
  const seen = new Set<string>();
  const list: RawExtension[] = [];
  for (const child of eachChild(node)) {
    const fields = new DerFields(child);
    const oid = oidOf(fields.take(derTag.oid));
    const critical = booleanOf(fields.optional(derTag.boolean)) ?? false;
    const value = octetsOf(fields.take(derTag.octetString));
    if (!fields.done || oid === undefined || value === undefined) return err('a malformed extension');
    if (seen.has(oid)) return err(`the extension ${oid} twice`);
    if (list.length >= maxExtensions) return err(`more than ${maxExtensions} extensions`);
    seen.add(oid);
    list.push({ oid, critical, value });
  }
  return list.length === 0 ? err('an empty list of extensions') : ok(list);
}

/** What a certificate's extensions say; the error names the one that is malformed. */
export function readCertificateExtensions(list: readonly RawExtension[]): Result<CertificateExtensions, string> {
  let all: Partial<CertificateExtensions> = {};
  const unknownCritical: string[] = [];
  for (const { oid, critical, value } of list) {
    const parser = parsers.get(oid);
    if (parser === undefined) {
      if (critical && !ignoredCritical.has(oid)) unknownCritical.push(oid);
      continue;
    }
    const node = readDer(value);
    const fields = node.ok ? parser(node.value) : undefined;
    if (fields === undefined) return err(`a malformed extension ${oid}`);
    all = { ...all, ...fields };
  }
  return ok({ ...all, unknownCritical, critical: new Set(list.filter(({ critical }) => critical).map(({ oid }) => oid)) });
}

/** RFC 5280 §4.2.1.13, also of a freshest CRL extension (§4.2.1.15). */
export function parseDistributionPoints(node: DerNode): CrlDistributionPoint[] | undefined {
  const points = listOf(node, (child) => {
    const fields = new DerFields(child);
    const name = fields.optional(0xa0);
    const reasons = fields.optional(0x81);
    const issuer = fields.optional(0xa2);
    const uris = name === undefined ? [] : fullNameUris(name);
    if (!fields.done || uris === undefined) return undefined;
    // A point MUST NOT be only reasons.
    if (name === undefined && issuer === undefined) return undefined;
    if (reasons !== undefined && bitsOf(reasons, 0x81) === undefined) return undefined;
    if (issuer !== undefined && parseGeneralNames(issuer, 0xa2) === undefined) return undefined;
    return { uris, partial: reasons !== undefined, indirect: issuer !== undefined };
  });
  return points;
}

/** Parsers say undefined for malformed. The node is the whole of the OCTET STRING. */
type Fields = Partial<CertificateExtensions> | undefined;

const parsers: ReadonlyMap<string, (node: DerNode) => Fields> = new Map<string, (node: DerNode) => Fields>([
  [extensionOid.basicConstraints, basicConstraints],
  [extensionOid.keyUsage, keyUsage],
  [extensionOid.extendedKeyUsage, (node) => field('extendedKeyUsage', listOf(node, oidOf))],
  [extensionOid.subjectAltName, (node) => field('subjectAltName', parseGeneralNames(node))],
  [extensionOid.issuerAltName, (node) => field('issuerAltName', parseGeneralNames(node))],
  [extensionOid.subjectKeyId, (node) => field('subjectKeyId', copyOf(octetsOf(node)))],
  [extensionOid.authorityKeyId, authorityKeyId],
  [extensionOid.nameConstraints, (node) => field('nameConstraints', parseNameConstraints(node))],
  [extensionOid.certificatePolicies, certificatePolicies],
  [extensionOid.policyMappings, policyMappings],
  [extensionOid.policyConstraints, policyConstraints],
  [extensionOid.inhibitAnyPolicy, (node) => field('inhibitAnyPolicy', countOf(node))],
  [extensionOid.crlDistributionPoints, (node) => field('crlDistributionPoints', parseDistributionPoints(node))],
  [extensionOid.authorityInfoAccess, authorityInfoAccess],
  [extensionOid.ocspNoCheck, (node) => (node.tag === derTag.null ? { noCheck: true } : undefined)],
]);

/** Known, and nothing follows from them for a path: whether critical or not they are no reason to refuse. */
const ignoredCritical: ReadonlySet<string> = new Set([extensionOid.freshestCrl, extensionOid.subjectInfoAccess]);

function field<K extends keyof CertificateExtensions>(name: K, value: CertificateExtensions[K] | undefined): Fields {
  return value === undefined ? undefined : { [name]: value };
}

function copyOf(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes === undefined ? undefined : new Uint8Array(bytes);
}

/** One or more of something, undefined when any is malformed. */
function listOf<T>(node: DerNode, parse: (child: DerNode) => T | undefined): T[] | undefined {
  if (node.tag !== derTag.sequence) return undefined;
  const list: T[] = [];
  for (const child of eachChild(node)) {
    const item = parse(child);
    if (item === undefined || list.length >= maxListed) return undefined;
    list.push(item);
  }
  return list.length === 0 ? undefined : list;
}

/** RFC 5280 §4.2.1.9. A path length without `cA` is forbidden, common, and means nothing. */
function basicConstraints(node: DerNode): Fields {
  const fields = new DerFields(node);
  const ca = booleanOf(fields.optional(derTag.boolean)) ?? false;
  const length = fields.optional(derTag.integer);
  const pathLength = length === undefined ? undefined : countOf(length);
  if (!fields.done || (length !== undefined && pathLength === undefined)) return undefined;
  return { basicConstraints: { ca, pathLength } };
}

/** RFC 5280 §4.2.1.3. */
const usageBits: readonly KeyUsage[] = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
];

function keyUsage(node: DerNode): Fields {
  const bits = bitsOf(node);
  if (bits === undefined) return undefined;
  const set = usageBits.filter((_, i) => ((bits.octets[i >> 3] ?? 0) & (0x80 >> (i & 7))) !== 0);
  // "At least one of the bits MUST be set to 1."
  return bits.octets.some((octet) => octet !== 0) ? { keyUsage: new Set(set) } : undefined;
}

/** RFC 5280 §4.2.1.1. Issuer and serial are read past: nothing here goes by them. */
function authorityKeyId(node: DerNode): Fields {
  const fields = new DerFields(node);
  const keyId = fields.optional(0x80);
  fields.optional(0xa1);
  fields.optional(0x82);
  if (!fields.done) return undefined;
  return keyId === undefined ? {} : { authorityKeyId: new Uint8Array(keyId.content) };
}

/** RFC 5280 §4.2.1.4: no policy twice. Qualifiers are for people and not shown. */
function certificatePolicies(node: DerNode): Fields {
  const policies = listOf(node, (child) => {
    const fields = new DerFields(child);
    const oid = oidOf(fields.take(derTag.oid));
    fields.optional(derTag.sequence);
    return fields.done ? oid : undefined;
  });
  return policies !== undefined && new Set(policies).size === policies.length ? { policies } : undefined;
}

function policyMappings(node: DerNode): Fields {
  const mappings = listOf(node, (child) => {
    const fields = new DerFields(child);
    const issuer = oidOf(fields.take());
    const subject = oidOf(fields.take());
    return fields.done && issuer !== undefined && subject !== undefined ? { issuer, subject } : undefined;
  });
  return field('policyMappings', mappings);
}

/** RFC 5280 §4.2.1.11: not an empty sequence. */
function policyConstraints(node: DerNode): Fields {
  const fields = new DerFields(node);
  const explicit = fields.optional(0x80);
  const mapping = fields.optional(0x81);
  const requireExplicit = explicit === undefined ? undefined : countOf(explicit, 0x80);
  const inhibitMapping = mapping === undefined ? undefined : countOf(mapping, 0x81);
  if (!fields.done || (explicit === undefined && mapping === undefined)) return undefined;
  if ((explicit === undefined) !== (requireExplicit === undefined)) return undefined;
  if ((mapping === undefined) !== (inhibitMapping === undefined)) return undefined;
  return { policyConstraints: { requireExplicit, inhibitMapping } };
}

/** RFC 5280 §4.2.2.1. */
function authorityInfoAccess(node: DerNode): Fields {
  const descriptions = listOf(node, (child) => {
    const fields = new DerFields(child);
    const method = oidOf(fields.take(derTag.oid));
    const location = fields.take();
    if (!fields.done || method === undefined || location === undefined) return undefined;
    return { method, uri: httpUri(location) };
  });
  if (descriptions === undefined) return undefined;
  const of = (wanted: string): string[] =>
    descriptions.flatMap(({ method, uri }) => (method === wanted && uri !== undefined ? [uri] : []));
  return { ocspResponders: of('1.3.6.1.5.5.7.48.1'), issuerCertificates: of('1.3.6.1.5.5.7.48.2') };
}

/** http(s) addresses of a DistributionPointName; nothing of a name relative to the issuer, which nobody can fetch. */
function fullNameUris(name: DerNode): string[] | undefined {
  const [choice, ...more] = childrenOf(name);
  if (choice === undefined || more.length > 0) return undefined;
  if (choice.tag === 0xa1) return [];
  if (choice.tag !== 0xa0 || parseGeneralNames(choice, 0xa0) === undefined) return undefined;
  return childrenOf(choice)
    .map(httpUri)
    .filter((uri) => uri !== undefined);
}

function httpUri(node: DerNode): string | undefined {
  if (node.tag !== 0x86 || node.content.length > 2048) return undefined;
  const text = String.fromCharCode(...node.content);
  return /^https?:\/\/[\x21-\x7e]+$/i.test(text) ? text : undefined;
}

/** INTEGER (0..MAX). Beyond what any path can count it makes no difference how much. */
function countOf(node: DerNode, tag: number = derTag.integer): number | undefined {
  const value = integerOf(node, tag);
  if (value !== undefined) return value < 0 ? undefined : value;
  return node.tag === tag && node.content.length > 6 && node.content[0] < 0x80 ? Number.MAX_SAFE_INTEGER : undefined;
}
