/** SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) of the kinds of keys that sign. */
import { DerFields, type DerNode, derTag, oidOf, readDer, unsignedOf, wholeBitsOf } from '../bytes/der.ts';
import { err, ok, type Result } from '../bytes/result.ts';
import { ed448Oid, ed25519Oid, type PssParameters, pssOid, pssParametersOf, rsaKeyOid } from './algorithmIdentifier.ts';
import type { PublicKeyKind } from './signatureTypes.ts';

export type EcKind = Exclude<PublicKeyKind, 'rsa' | 'ed25519' | 'ed448'>;

export interface RsaPublicKey {
  readonly kind: 'rsa';
  readonly bits: number;
  /** Magnitudes, without leading zeros. */
  readonly modulus: Uint8Array;
  readonly exponent: Uint8Array;
  /** DER RSAPublicKey (RFC 8017 §A.1.1). */
  readonly pkcs1: Uint8Array;
  /** `any`: rsaEncryption. `pss`: id-RSASSA-PSS, for PSS alone (RFC 4055 §1.2), with the least that `limits` ask for when there are some. */
  readonly use: 'any' | 'pss';
  readonly limits: PssParameters | undefined;
}

export type PublicKey =
  | RsaPublicKey
  /** SEC 1 §2.3.3: 04 | x | y. */
  | { readonly kind: EcKind; readonly point: Uint8Array }
  | { readonly kind: 'ed25519' | 'ed448'; readonly key: Uint8Array };

/** `unsupported`: well-formed, of an algorithm or curve we do not have, or with explicit curve parameters or a compressed point. */
export type PublicKeyFault = 'malformed-key' | 'unsupported';

/** Octets of the largest SPKI we look at: RSA of 16384 bits, and some. */
const maxOctets = 4096;

export function parsePublicKey(spki: Uint8Array): Result<PublicKey, PublicKeyFault> {
  const root = readDer(spki, { octets: maxOctets, depth: 12, elements: 64 });
  if (!root.ok) return err('malformed-key');
  const fields = new DerFields(root.value);
  const algorithm = new DerFields(fields.take());
  const bits = wholeBitsOf(fields.take(derTag.bitString));
  const oid = oidOf(algorithm.take(derTag.oid));
  const parameters = algorithm.rest();
  if (!fields.done || algorithm.bad || bits === undefined || oid === undefined || parameters.length > 1)
    return err('malformed-key');
  const [parameter] = parameters;
  switch (oid) {
    case rsaKeyOid:
      // RFC 3279 §2.3.1: the parameters MUST be NULL.
      return parameter?.tag === derTag.null ? rsaKey(bits, 'any', undefined) : err('malformed-key');
    case pssOid:
      return pssKey(bits, parameter);
    case ecKeyOid:
      return ecKey(bits, parameter);
    case ed25519Oid:
      return edwardsKey('ed25519', bits, parameter);
    case ed448Oid:
      return edwardsKey('ed448', bits, parameter);
    default:
      return err('unsupported');
  }
}

/** Bits of an RSA modulus, or of a curve; what a person calls the size of the key. */
export function keyBits(key: PublicKey): number {
  if (key.kind === 'rsa') return key.bits;
  return key.kind === 'ed25519' ? 256 : key.kind === 'ed448' ? 456 : curves[key.kind].bits;
}

/**
 * RFC 8247 §3.2 wants 2048 bits and more. An even modulus is no product of two primes, an exponent that is even or 1 is no exponent. The upper
 * bounds keep one verification below some milliseconds, whoever made the key.
 */
export function isWeakRsaKey({ bits, modulus, exponent }: RsaPublicKey): boolean {
  if (bits < 2048 || bits > 8192 || !isOdd(modulus)) return true;
  return exponent.length > 8 || !isOdd(exponent) || (exponent.length === 1 && exponent[0] < 3);
}

export interface CurveProperties {
  readonly oid: string;
  readonly bits: number;
  /** Of a coordinate, and of r and s: the orders are as long as the fields. */
  readonly bytes: number;
}

/** RFC 5480 §2.1.1.1, RFC 5639 §4.1. */
export const curves: Readonly<Record<EcKind, CurveProperties>> = {
  p256: { oid: '1.2.840.10045.3.1.7', bits: 256, bytes: 32 },
  p384: { oid: '1.3.132.0.34', bits: 384, bytes: 48 },
  p521: { oid: '1.3.132.0.35', bits: 521, bytes: 66 },
  brainpoolP256r1: { oid: '1.3.36.3.3.2.8.1.1.7', bits: 256, bytes: 32 },
  brainpoolP384r1: { oid: '1.3.36.3.3.2.8.1.1.11', bits: 384, bytes: 48 },
  brainpoolP512r1: { oid: '1.3.36.3.3.2.8.1.1.13', bits: 512, bytes: 64 },
};

export const ecKeyOid = '1.2.840.10045.2.1';
const kinds = Object.keys(curves) as EcKind[];
const kindByOid: ReadonlyMap<string, EcKind> = new Map(kinds.map((kind) => [curves[kind].oid, kind]));

/** The curve of a `namedCurve` OID, if it is one of ours. */
export function curveOf(oid: string | undefined): EcKind | undefined {
  return kindByOid.get(oid ?? '');
}

function rsaKey(pkcs1: Uint8Array, use: 'any' | 'pss', limits: PssParameters | undefined): Result<PublicKey, PublicKeyFault> {
  const root = readDer(pkcs1, { octets: maxOctets, depth: 2, elements: 3 });
  if (!root.ok) return err('malformed-key');
  const fields = new DerFields(root.value);
  const modulus = unsignedOf(fields.take());
  const exponent = unsignedOf(fields.take());
  if (!fields.done || modulus === undefined || exponent === undefined) return err('malformed-key');
  const bits = modulus.length * 8 - (Math.clz32(modulus[0]) - 24);
  return ok({ kind: 'rsa', bits, modulus: modulus.slice(), exponent: exponent.slice(), pkcs1: pkcs1.slice(), use, limits });
}

function pssKey(bits: Uint8Array, parameter: DerNode | undefined): Result<PublicKey, PublicKeyFault> {
  if (parameter === undefined) return rsaKey(bits, 'pss', undefined);
  if (parameter.tag !== derTag.sequence) return err('malformed-key');
  const limits = pssParametersOf(parameter);
  return limits === undefined ? err('unsupported') : rsaKey(bits, 'pss', limits);
}

function ecKey(point: Uint8Array, parameter: DerNode | undefined): Result<PublicKey, PublicKeyFault> {
  if (parameter === undefined || parameter.tag === derTag.null) return err('malformed-key');
  // RFC 5480 §2.1.1: implicitCurve and specifiedCurve MUST NOT be used (CVE-2020-0601).
  const kind = curveOf(oidOf(parameter));
  if (kind === undefined) return err('unsupported');
  const { bytes } = curves[kind];
  // RFC 5480 §2.2: the compressed form is optional.
  if (point.length === 1 + bytes && (point[0] === 2 || point[0] === 3)) return err('unsupported');
  if (point.length !== 1 + 2 * bytes || point[0] !== 4) return err('malformed-key');
  return ok({ kind, point: point.slice() });
}

/** RFC 8410 §3: no parameters; §4: the BIT STRING is the key. */
function edwardsKey(
  kind: 'ed25519' | 'ed448',
  key: Uint8Array,
  parameter: DerNode | undefined,
): Result<PublicKey, PublicKeyFault> {
  if (parameter !== undefined || key.length !== (kind === 'ed25519' ? 32 : 57)) return err('malformed-key');
  return ok({ kind, key: key.slice() });
}

function isOdd(magnitude: Uint8Array): boolean {
  return (magnitude[magnitude.length - 1] & 1) === 1;
}
