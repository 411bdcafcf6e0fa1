/**
 * What the rest of the program asks of the certificate code. Everything here is pure: the time comes as a number, revocation
 * data come as octets that somebody else fetched. Nothing a peer or a file contains makes any of it throw.
 */
import type { SignatureAlgorithm } from '../crypto/signatureTypes.ts';

/** Stable: reasons and words go by it. */
export type PkiFaultCode =
  | 'malformed' // not strict DER, not a certificate, or a field breaks RFC 5280
  | 'too-large' // more octets, certificates or extensions than bounded
  | 'no-certificate' // the peer sent none that could be its own
  | 'untrusted' // no path to a trust anchor
  | 'expired'
  | 'not-yet-valid'
  | 'bad-signature'
  | 'weak-signature' // SHA-1, MD5
  | 'weak-key'
  | 'not-a-ca' // basicConstraints, or version below 3
  | 'path-length'
  | 'name-constraints'
  | 'policy'
  | 'key-usage'
  | 'extended-key-usage'
  | 'unknown-critical-extension'
  | 'too-complex' // the work for finding a path reached its bound
  | 'wrong-name' // a certificate of somebody else
  | 'revoked'
  | 'revocation-unknown'; // strict, and nothing conclusive was to be had

export interface PkiFault {
  readonly code: PkiFaultCode;
  /** One printable line for the administrator: which certificate (subject), and what exactly. */
  readonly evidence: string;
}

/** RFC 5280 §4. Byte fields are copies. Distinguished names come as text (RFC 4514, most specific first) and as DER for comparing. */
export interface Certificate {
  readonly der: Uint8Array;
  /** The signed part, header included. */
  readonly tbs: Uint8Array;
  readonly version: number;
  /** Lower case hex, no leading `00`. */
  readonly serial: string;
  readonly issuer: DistinguishedName;
  readonly subject: DistinguishedName;
  /** Date.now() milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** Undefined: an algorithm that is not known or refused; its OID is in `signatureOid`. */
  readonly signatureAlgorithm: SignatureAlgorithm | undefined;
  readonly signatureOid: string;
  readonly signature: Uint8Array;
  readonly extensions: CertificateExtensions;
}

export interface DistinguishedName {
  readonly der: Uint8Array;
  readonly text: string;
}

export type GeneralName =
  | { readonly kind: 'dns' | 'email' | 'uri'; readonly value: string }
  /** 4 or 16 octets. */
  | { readonly kind: 'ip'; readonly value: Uint8Array }
  | { readonly kind: 'directory'; readonly value: DistinguishedName }
  /** otherName, x400Address, ediPartyName, registeredID. `tag` is the context tag. */
  | { readonly kind: 'other'; readonly tag: number; readonly der: Uint8Array };

/** Undefined fields: the extension is absent. */
export interface CertificateExtensions {
  readonly basicConstraints?: { readonly ca: boolean; readonly pathLength: number | undefined };
  readonly keyUsage?: ReadonlySet<KeyUsage>;
  /** OIDs, dotted. */
  readonly extendedKeyUsage?: readonly string[];
  readonly subjectAltName?: readonly GeneralName[];
  readonly issuerAltName?: readonly GeneralName[];
  readonly subjectKeyId?: Uint8Array;
  readonly authorityKeyId?: Uint8Array;
  readonly nameConstraints?: { readonly permitted: readonly NameSubtree[]; readonly excluded: readonly NameSubtree[] };
  readonly policies?: readonly string[];
  readonly policyMappings?: readonly { readonly issuer: string; readonly subject: string }[];
  /** Counts of certificates that may still follow before it applies (RFC 5280 §4.2.1.11). */
  readonly policyConstraints?: { readonly requireExplicit: number | undefined; readonly inhibitMapping: number | undefined };
  readonly inhibitAnyPolicy?: number;
  readonly crlDistributionPoints?: readonly CrlDistributionPoint[];
  /** http(s) addresses of OCSP responders (RFC 5280 §4.2.2.1). */
  readonly ocspResponders?: readonly string[];
  /** http(s) addresses of the issuer's certificate. */
  readonly issuerCertificates?: readonly string[];
  readonly noCheck?: true; // id-pkix-ocsp-nocheck
  /** OIDs of critical extensions that are not known here. */
  readonly unknownCritical: readonly string[];
  /** OIDs of all critical extensions. */
  readonly critical: ReadonlySet<string>;
}

export type KeyUsage =
  | 'digitalSignature'
  | 'nonRepudiation'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'
  | 'encipherOnly'
  | 'decipherOnly';

export type NameSubtree =
  | { readonly kind: 'dns' | 'email' | 'uri'; readonly value: string }
  | { readonly kind: 'ip'; readonly address: Uint8Array; readonly mask: Uint8Array }
  | { readonly kind: 'directory'; readonly value: DistinguishedName }
  | { readonly kind: 'other'; readonly tag: number };

export interface CrlDistributionPoint {
  /** http(s) only; others are left out. */
  readonly uris: readonly string[];
  /** Only for some reasons: such a CRL cannot say "good". */
  readonly partial: boolean;
  readonly indirect: boolean;
}

export interface PathRequest {
  /** As the peer sent them (DER): the end entity is the first; the others are hints in any order. */
  readonly presented: readonly Uint8Array[];
  /** More certificates that may be between, e.g. of the profile. */
  readonly intermediates?: readonly Certificate[];
  /** Certificates that are trusted as they are; a pinned end entity may be one. */
  readonly anchors: readonly Certificate[];
  /** Date.now() milliseconds. */
  readonly at: number;
  /**
   * `ike`, of a gateway: key usage digitalSignature or nonRepudiation when present (RFC 4945 §5.1.3.2), EKU absent or any, ipsecIKE or
   * serverAuth (§5.1.3.12 and the practice of gateways). `ike-user`: or clientAuth. `tls-server`, `tls-client`: RFC 5280 §4.2.1.12. `any`:
   * EKU is not looked at.
   */
  readonly purpose: 'ike' | 'ike-user' | 'tls-server' | 'tls-client' | 'any';
  /** What the end entity's certificate must be about. Absent: not looked at. */
  readonly name?: ExpectedName;
  /** Intermediates that are allowed, self-issued ones not counted. Absent: as many as a path can have at all. */
  readonly maxIntermediates?: number;
  /**
   * Also refuse what breaks a rule for authorities in RFC 5280 without misleading anyone (no key identifiers, a serial of zero;
   * `conformance.ts`). Off by default: authorities of real offices break them, and every other client takes their certificates.
   */
  readonly strict?: boolean;
}

/** RFC 7296 §3.5 identities against certificates by RFC 4945 §3: SAN first, the common name only when allowed. */
export interface ExpectedName {
  /** `vpn.office.test`, `192.0.2.1`, `2001:db8::1`, `alice@office.test`, or a DN. */
  readonly identity: { readonly type: 'fqdn' | 'ip' | 'email' | 'dn'; readonly data: Uint8Array };
  readonly commonName: boolean;
}

export interface ValidPath {
  /** The end entity first, the anchor last; one entry when the end entity is the anchor. */
  readonly path: readonly Certificate[];
}

/** What is known about revocation of one certificate of a path. */
export interface RevocationVerdict {
  readonly subject: string;
  readonly status: 'good' | 'revoked' | 'unknown' | 'not-checked';
  readonly source: 'ocsp' | 'ocsp-in-band' | 'crl' | 'cache' | 'none';
  /** Date.now() ms of the data, and when they must be fetched anew. */
  readonly producedAt?: number;
  readonly nextUpdate?: number;
  readonly revokedAt?: number;
  /** RFC 5280 §5.3.1 name, e.g. `keyCompromise`. */
  readonly reason?: string;
  /** One printable line: what was tried and came of it. */
  readonly evidence: string;
}
