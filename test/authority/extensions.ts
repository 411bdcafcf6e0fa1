/** Every extension of RFC 5280 §4.2 as DER, the right ones by name and the wrong ones by octets. */
import { createHash } from 'node:crypto';
import { concat } from '../../core/bytes/bytes.ts';
import { boolean, type Der, explicit, implicit, integer, namedBits, nothing, octetString, oid, sequence, tlv } from './der.ts';
import { type GeneralNameText, generalName, nameDer, subtree } from './names.ts';

export interface ExtensionSpec {
  readonly oid: string;
  readonly critical?: boolean;
  /** What is in the OCTET STRING. */
  readonly value: Uint8Array;
}

export type KeyUsageName =
  | 'digitalSignature'
  | 'nonRepudiation'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'
  | 'encipherOnly'
  | 'decipherOnly';

export const keyUsageBits: readonly KeyUsageName[] = [
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

/** Extended key usages by name; any other OID as it is. */
const ekuOids: Readonly<Record<string, string>> = {
  any: '2.5.29.37.0',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  emailProtection: '1.3.6.1.5.5.7.3.4',
  ocspSigning: '1.3.6.1.5.5.7.3.9',
  ipsecIKE: '1.3.6.1.5.5.7.3.17',
  ikeIntermediate: '1.3.6.1.5.5.8.2.2',
};

export function extensionDer({ oid: id, critical, value }: ExtensionSpec): Der {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(value));
}

export const extensionsDer = (list: readonly ExtensionSpec[]): Der => sequence(...list.map(extensionDer));

/** The names of RFC 5280; each may be given with its octets instead through `CertificateSpec.extensions`. */
export const extension = {
  basicConstraints: (ca: boolean, pathLength?: number): ExtensionSpec => ({
    oid: '2.5.29.19',
    critical: true,
    value: sequence(...(ca ? [boolean(true)] : []), ...(pathLength === undefined ? [] : [integer(pathLength)])),
  }),

  keyUsage: (names: readonly KeyUsageName[]): ExtensionSpec => ({
    oid: '2.5.29.15',
    critical: true,
    value: namedBits(names.map((name) => keyUsageBits.indexOf(name))),
  }),

  extendedKeyUsage: (names: readonly string[], critical = false): ExtensionSpec => ({
    oid: '2.5.29.37',
    critical,
    value: sequence(...names.map((name) => oid(ekuOids[name] ?? name))),
  }),

  subjectAltName: (names: readonly GeneralNameText[], critical = false): ExtensionSpec => ({
    oid: '2.5.29.17',
    critical,
    value: sequence(...names.map(generalName)),
  }),

  issuerAltName: (names: readonly GeneralNameText[]): ExtensionSpec => ({
    oid: '2.5.29.18',
    value: sequence(...names.map(generalName)),
  }),

  subjectKeyId: (id: Uint8Array): ExtensionSpec => ({ oid: '2.5.29.14', value: octetString(id) }),

  authorityKeyId: (id: Uint8Array): ExtensionSpec => ({ oid: '2.5.29.35', value: sequence(implicit(0, id)) }),

  nameConstraints: (
    permitted: readonly GeneralNameText[],
    excluded: readonly GeneralNameText[],
    critical = true,
  ): ExtensionSpec => ({
    oid: '2.5.29.30',
    critical,
    value: sequence(
      ...(permitted.length > 0 ? [tlv(0xa0, ...permitted.map(subtree))] : []),
      ...(excluded.length > 0 ? [tlv(0xa1, ...excluded.map(subtree))] : []),
    ),
  }),

  policies: (oids: readonly string[], critical = false): ExtensionSpec => ({
    oid: '2.5.29.32',
    critical,
    value: sequence(...oids.map((id) => sequence(oid(id)))),
  }),

  policyConstraints: (requireExplicit?: number, inhibitMapping?: number): ExtensionSpec => ({
    oid: '2.5.29.36',
    critical: true,
    value: sequence(
      ...(requireExplicit === undefined ? [] : [implicit(0, integer(requireExplicit).subarray(2))]),
      ...(inhibitMapping === undefined ? [] : [implicit(1, integer(inhibitMapping).subarray(2))]),
    ),
  }),

  inhibitAnyPolicy: (skip: number): ExtensionSpec => ({ oid: '2.5.29.54', critical: true, value: integer(skip) }),

  crlDistributionPoints: (points: readonly DistributionPointSpec[]): ExtensionSpec => ({
    oid: '2.5.29.31',
    value: sequence(...points.map(distributionPoint)),
  }),

  freshestCrl: (points: readonly DistributionPointSpec[]): ExtensionSpec => ({
    oid: '2.5.29.46',
    value: sequence(...points.map(distributionPoint)),
  }),

  authorityInfoAccess: (ocsp: readonly string[], issuers: readonly string[]): ExtensionSpec => ({
    oid: '1.3.6.1.5.5.7.1.1',
    value: sequence(
      ...ocsp.map((uri) => sequence(oid('1.3.6.1.5.5.7.48.1'), generalName(`uri:${uri}`))),
      ...issuers.map((uri) => sequence(oid('1.3.6.1.5.5.7.48.2'), generalName(`uri:${uri}`))),
    ),
  }),

  ocspNoCheck: (): ExtensionSpec => ({ oid: '1.3.6.1.5.5.7.48.1.5', value: nothing() }),
} as const;

export interface DistributionPointSpec {
  readonly uris?: readonly string[];
  readonly reasons?: readonly ReasonName[];
  /** The CRL is another's (indirect). */
  readonly issuer?: string;
}

export type ReasonName =
  | 'unspecified'
  | 'keyCompromise'
  | 'cACompromise'
  | 'affiliationChanged'
  | 'superseded'
  | 'cessationOfOperation'
  | 'certificateHold'
  | 'removeFromCRL'
  | 'privilegeWithdrawn'
  | 'aACompromise';

/** CRLReason, RFC 5280 §5.3.1; value 7 is not used. */
export const reasonCodes: Readonly<Record<ReasonName, number>> = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  removeFromCRL: 8,
  privilegeWithdrawn: 9,
  aACompromise: 10,
};

/** ReasonFlags, §4.2.1.13, has a numbering of its own. */
const reasonFlags: readonly (ReasonName | undefined)[] = [
  undefined,
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
  'aACompromise',
];

/** The content of a BIT STRING of reasons, for an implicit tag. */
export const reasonFlagsContent = (reasons: readonly ReasonName[]): Uint8Array =>
  namedBits(reasons.map((reason) => reasonFlags.indexOf(reason))).subarray(2);

/** DistributionPointName with a full name: `[0] { [0] { uri… } }`. */
export const fullName = (uris: readonly string[]): Der => explicit(0, tlv(0xa0, ...uris.map((uri) => generalName(`uri:${uri}`))));

function distributionPoint({ uris = [], reasons, issuer }: DistributionPointSpec): Der {
  return sequence(
    ...(uris.length > 0 ? [fullName(uris)] : []),
    ...(reasons === undefined ? [] : [implicit(1, reasonFlagsContent(reasons))]),
    ...(issuer === undefined ? [] : [tlv(0xa2, explicit(4, nameDer(issuer)))]),
  );
}

/** RFC 5280 §4.2.1.2 method 1: SHA-1 over the octets of the key in the SubjectPublicKeyInfo. */
export function keyId(spki: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha1').update(keyOctets(spki)).digest());
}

/** The octets of the BIT STRING of a SubjectPublicKeyInfo, without its count of unused bits. */
export function keyOctets(spki: Uint8Array): Uint8Array {
  const body = skipHeader(spki, 0);
  const algorithmEnd = end(spki, body);
  return spki.subarray(skipHeader(spki, algorithmEnd) + 1);
}

function skipHeader(der: Uint8Array, at: number): number {
  const first = der[at + 1];
  return at + 2 + (first < 0x80 ? 0 : first & 0x7f);
}

function end(der: Uint8Array, at: number): number {
  const start = skipHeader(der, at);
  const octets = der.subarray(at + 2, start);
  return start + (octets.length === 0 ? der[at + 1] : octets.reduce((sum, octet) => sum * 256 + octet, 0));
}

export const rawExtension = (id: string, critical: boolean, ...value: readonly Uint8Array[]): ExtensionSpec => ({
  oid: id,
  critical,
  value: concat(...value),
});
