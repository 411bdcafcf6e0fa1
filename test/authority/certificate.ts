/**
 * Certificates of any shape, right or wrong, without openssl:
 *
 *   const root = authority.root({ subject: 'CN=Office Root', key: 'p256' });
 *   const sub = root.authority({ subject: 'CN=Office CA' });
 *   const gateway = sub.issue({ subject: 'CN=vpn.office.test', san: ['dns:vpn.office.test'], eku: ['serverAuth'] });
 *   gateway.der, gateway.pem, gateway.key.pkcs8, gateway.chainPem
 *
 * What is not said is what a careful office would do; everything that is said is done, however wrong.
 */
import { randomBytes } from 'node:crypto';
import { concat } from '../../core/bytes/bytes.ts';
import { bitString, type Der, explicit, integer, sequence, time } from './der.ts';
import {
  type DistributionPointSpec,
  type ExtensionSpec,
  extension,
  extensionsDer,
  type KeyUsageName,
  keyId,
} from './extensions.ts';
import { type KeyName, type KeyPair, makeKey, type SignatureSpec, signWith } from './keys.ts';
import { type GeneralNameText, type NameText, nameDer } from './names.ts';

export interface CertificateSpec {
  readonly subject?: NameText;
  /** Default P-256. A pair that is given is used as it is, so two certificates can share a key. */
  readonly key?: KeyName | KeyPair;
  /** A number, or the octets of the INTEGER. Default: 16 random octets, positive. */
  readonly serial?: number | bigint | Uint8Array;
  /** Default: an hour ago, and a year from now. */
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Default 3. */
  readonly version?: 1 | 2 | 3;
  readonly ca?: boolean | { readonly pathLength: number };
  readonly san?: readonly GeneralNameText[];
  /** `null` leaves it out, for this and the ones below. Default: what fits a CA or an end entity. */
  readonly keyUsage?: readonly KeyUsageName[] | null;
  /** Names of `extensions.ts` or OIDs. Default: none. */
  readonly eku?: readonly string[];
  readonly nameConstraints?: { readonly permitted?: readonly GeneralNameText[]; readonly excluded?: readonly GeneralNameText[] };
  readonly policies?: readonly string[];
  /** One distribution point per address, or the points as they are. */
  readonly crlUrl?: string | readonly string[] | readonly DistributionPointSpec[];
  readonly ocspUrl?: string | readonly string[];
  readonly issuerUrl?: string | readonly string[];
  /** id-pkix-ocsp-nocheck. */
  readonly noCheck?: boolean;
  readonly subjectKeyId?: Uint8Array | null;
  readonly authorityKeyId?: Uint8Array | null;
  readonly basicConstraints?: null;
  /** Added at the end, or in place of one with the same OID. */
  readonly extensions?: readonly ExtensionSpec[];
  readonly signature?: SignatureSpec;
  /** Another issuer name or key than the issuing authority's. */
  readonly issuer?: NameText;
  readonly signedBy?: KeyPair;
  /** The AlgorithmIdentifier inside the signed part, when it shall differ from the outer one. */
  readonly innerAlgorithm?: Der;
  /** The last word on the signed part before it is signed. */
  readonly tamper?: (tbs: Uint8Array) => Uint8Array;
}

export interface IssuedCertificate {
  readonly der: Uint8Array;
  readonly pem: string;
  readonly key: KeyPair;
  /** DER PrivateKeyInfo of `key`. */
  readonly pkcs8: Uint8Array;
  readonly subject: Der;
  /** The octets of the INTEGER. */
  readonly serial: Uint8Array;
  readonly keyId: Uint8Array;
  /** The authority that issued it; undefined for one that issued itself. */
  readonly issuer: IssuedCertificate | undefined;
}

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** A certificate by `issuer`; without one it issues itself. */
export function makeCertificate(spec: CertificateSpec, issuer?: IssuedCertificate): IssuedCertificate {
  const key = typeof spec.key === 'object' ? spec.key : makeKey(spec.key ?? 'p256');
  const subject = nameDer(spec.subject ?? '');
  const signer = spec.signedBy ?? issuer?.key ?? key;
  const serial = serialOctets(spec.serial);
  const subjectKeyId = spec.subjectKeyId ?? keyId(key.spki);
  const body = (algorithm: Der): Der => {
    const list = extensionsOf(spec, subjectKeyId, spec.authorityKeyId ?? issuer?.keyId ?? subjectKeyId);
    const tbs = sequence(
      ...(spec.version === 1 ? [] : [explicit(0, integer((spec.version ?? 3) - 1))]),
      integer(serial),
      algorithm,
      spec.issuer === undefined ? (issuer?.subject ?? subject) : nameDer(spec.issuer),
      sequence(time(spec.notBefore ?? new Date(Date.now() - HOUR)), time(spec.notAfter ?? new Date(Date.now() + 365 * DAY))),
      subject,
      key.spki,
      ...(list.length === 0 || (spec.version ?? 3) < 3 ? [] : [explicit(3, extensionsDer(list))]),
    );
    return spec.tamper?.(tbs) ?? tbs;
  };
  const der = signed(signer, body, spec.signature, spec.innerAlgorithm);
  return {
    der,
    pem: pem('CERTIFICATE', der),
    key,
    pkcs8: key.pkcs8,
    subject,
    serial,
    keyId: subjectKeyId,
    issuer,
  };
}

/** `SEQUENCE { tbs, algorithm, BIT STRING }`: what certificates, CRLs and basic OCSP answers have in common. `extra` comes at the end. */
export function signed(
  key: KeyPair,
  body: (algorithm: Der) => Der,
  spec?: SignatureSpec,
  innerAlgorithm?: Der,
  extra: readonly Der[] = [],
): Der {
  // The algorithm is part of what is signed, so it is asked for first.
  const { algorithm } = signWith(key, new Uint8Array(0), spec);
  const tbs = body(innerAlgorithm ?? algorithm);
  return sequence(tbs, algorithm, bitString(signWith(key, tbs, spec).signature), ...extra);
}

export function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function extensionsOf(spec: CertificateSpec, subjectKeyId: Uint8Array, authorityKeyId: Uint8Array): ExtensionSpec[] {
  const ca = spec.ca === true || typeof spec.ca === 'object';
  const pathLength = typeof spec.ca === 'object' ? spec.ca.pathLength : undefined;
  const usage = spec.keyUsage === undefined ? (ca ? caUsage : entityUsage) : spec.keyUsage;
  const points = distributionPoints(spec.crlUrl);
  const list: ExtensionSpec[] = [];
  if (spec.basicConstraints !== null && spec.ca !== undefined) list.push(extension.basicConstraints(ca, pathLength));
  if (usage !== null) list.push(extension.keyUsage(usage));
  if (spec.eku !== undefined) list.push(extension.extendedKeyUsage(spec.eku));
  if (spec.san !== undefined) list.push(extension.subjectAltName(spec.san, spec.subject === undefined || spec.subject === ''));
  if (spec.nameConstraints !== undefined) {
    list.push(extension.nameConstraints(spec.nameConstraints.permitted ?? [], spec.nameConstraints.excluded ?? []));
  }
  if (spec.policies !== undefined) list.push(extension.policies(spec.policies));
  if (spec.subjectKeyId !== null) list.push(extension.subjectKeyId(subjectKeyId));
  if (spec.authorityKeyId !== null) list.push(extension.authorityKeyId(authorityKeyId));
  if (points.length > 0) list.push(extension.crlDistributionPoints(points));
  if (spec.ocspUrl !== undefined || spec.issuerUrl !== undefined) {
    list.push(extension.authorityInfoAccess(asList(spec.ocspUrl), asList(spec.issuerUrl)));
  }
  if (spec.noCheck) list.push(extension.ocspNoCheck());
  const given = spec.extensions ?? [];
  return [...list.filter(({ oid }) => !given.some((other) => other.oid === oid)), ...given];
}

const caUsage: readonly KeyUsageName[] = ['keyCertSign', 'cRLSign'];
const entityUsage: readonly KeyUsageName[] = ['digitalSignature'];

function distributionPoints(given: CertificateSpec['crlUrl']): readonly DistributionPointSpec[] {
  if (given === undefined) return [];
  if (typeof given === 'string') return [{ uris: [given] }];
  return given.map((point) => (typeof point === 'string' ? { uris: [point] } : point));
}

const asList = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;

function serialOctets(serial: CertificateSpec['serial']): Uint8Array {
  if (serial instanceof Uint8Array) return serial;
  if (serial !== undefined) return integer(serial).subarray(2);
  // Positive, without a leading zero.
  return concat(Uint8Array.of(0x40), randomBytes(15));
}
