/**
 * AlgorithmIdentifier of signatures (RFC 5280 §4.1.1.2) to and from DER: in certificates, CRLs, OCSP answers, and before the signature in an
 * AUTH payload (RFC 7427 §3, Appendix A).
 */
import { childrenOf, DerFields, type DerNode, derTag, integerOf, oidOf, onlyChild, readDer } from '../bytes/der.ts';
import { derContext, derInteger, derNull, derOid, derSequence } from '../bytes/derWriter.ts';
import type { SignatureAlgorithm, SignatureHash } from './signatureTypes.ts';

/** An AUTH payload says its length in one octet (RFC 7427 §3); certificates never need more. */
const maxOctets = 255;
/** A salt that a modulus of 16384 bits could still hold; whether it fits the key at hand is the verifier's to say. */
const maxSalt = 2048;

/** The algorithm, or undefined for octets that are no such DER and for algorithms and parameters we do not take. */
export function readSignatureAlgorithm(der: Uint8Array): SignatureAlgorithm | undefined {
  const node = readDer(der, { octets: maxOctets, depth: 8, elements: 32 });
  return node.ok ? signatureAlgorithmOf(node.value) : undefined;
}

/** As `readSignatureAlgorithm`, of an element of something that was read. */
export function signatureAlgorithmOf(node: DerNode | undefined): SignatureAlgorithm | undefined {
  const fields = new DerFields(node);
  const oid = oidOf(fields.take(derTag.oid));
  const parameters = fields.rest();
  if (fields.bad || oid === undefined || parameters.length > 1) return undefined;
  const [parameter] = parameters;
  if (oid === pssOid) return pssAlgorithm(parameter);
  const known = byOid.get(oid);
  if (known === undefined) return undefined;
  // RFC 4055 §5: RSA's parameters are NULL, and absent ones MUST be accepted. RFC 5758 §3.2, RFC 8410 §3: the others have none.
  if (parameter !== undefined && (known.kind !== 'rsa-pkcs1' || parameter.tag !== derTag.null)) return undefined;
  return known;
}

/** The form the algorithm's own specification prefers, which is what RFC 7427 §3 asks for. An ECDSA signature beside it is always DER. */
export function encodeSignatureAlgorithm(algorithm: SignatureAlgorithm): Uint8Array {
  switch (algorithm.kind) {
    case 'rsa-pkcs1':
      return derSequence(derOid(rsaOids[algorithm.hash]), derNull());
    case 'rsa-pss':
      return derSequence(derOid(pssOid), encodePssParameters(algorithm.hash, algorithm.saltLength));
    case 'ecdsa':
      return derSequence(derOid(ecdsaOids[algorithm.hash]));
    case 'ed25519':
      return derSequence(derOid(ed25519Oid));
    case 'ed448':
      return derSequence(derOid(ed448Oid));
  }
}

export interface PssParameters {
  readonly hash: SignatureHash;
  readonly saltLength: number;
}

/** RSASSA-PSS-params (RFC 8017 §A.2.3). Undefined also for another hash in MGF1 and for trailers other than 1. */
export function pssParametersOf(node: DerNode | undefined): PssParameters | undefined {
  const fields = new DerFields(node);
  const hash = fields.optional(0xa0);
  const mask = fields.optional(0xa1);
  const salt = fields.optional(0xa2);
  const trailer = fields.optional(0xa3);
  if (!fields.done) return undefined;
  const named = hash === undefined ? 'sha1' : hashOf(onlyChild(hash));
  const masked = mask === undefined ? 'sha1' : maskHashOf(onlyChild(mask));
  const saltLength = salt === undefined ? 20 : integerOf(onlyChild(salt));
  if (named === undefined || masked !== named || saltLength === undefined || saltLength < 0 || saltLength > maxSalt)
    return undefined;
  if (trailer !== undefined && integerOf(onlyChild(trailer)) !== 1) return undefined;
  return { hash: named, saltLength };
}

export const rsaKeyOid = '1.2.840.113549.1.1.1';
export const pssOid = '1.2.840.113549.1.1.10';
export const ed25519Oid = '1.3.101.112'; // RFC 8410 §3
export const ed448Oid = '1.3.101.113';

/** RFC 8017 §A.2.4. */
export const rsaOids: Readonly<Record<SignatureHash, string>> = {
  sha1: '1.2.840.113549.1.1.5',
  sha256: '1.2.840.113549.1.1.11',
  sha384: '1.2.840.113549.1.1.12',
  sha512: '1.2.840.113549.1.1.13',
};

/** RFC 5758 §3.2, RFC 3279 §2.2.3. */
const ecdsaOids: Readonly<Record<SignatureHash, string>> = {
  sha1: '1.2.840.10045.4.1',
  sha256: '1.2.840.10045.4.3.2',
  sha384: '1.2.840.10045.4.3.3',
  sha512: '1.2.840.10045.4.3.4',
};

/** RFC 4055 §2.1. */
const hashOids: Readonly<Record<SignatureHash, string>> = {
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
};

const mgf1Oid = '1.2.840.113549.1.1.8';
const hashes: readonly SignatureHash[] = ['sha1', 'sha256', 'sha384', 'sha512'];
const hashByOid: ReadonlyMap<string, SignatureHash> = new Map(hashes.map((hash) => [hashOids[hash], hash]));

const byOid: ReadonlyMap<string, SignatureAlgorithm> = new Map<string, SignatureAlgorithm>([
  ...hashes.map((hash) => [rsaOids[hash], { kind: 'rsa-pkcs1', hash }] as const),
  ...hashes.map((hash) => [ecdsaOids[hash], { kind: 'ecdsa', hash, format: 'der' }] as const),
  [ed25519Oid, { kind: 'ed25519' }],
  [ed448Oid, { kind: 'ed448' }],
]);

function pssAlgorithm(parameter: DerNode | undefined): SignatureAlgorithm | undefined {
  // RFC 4055 §3.1: in a signature the parameters are not optional, though they may be empty.
  const parameters = pssParametersOf(parameter);
  return parameters && { kind: 'rsa-pss', ...parameters };
}

/** RFC 4055 §2.1: NULL and absent parameters are both taken. */
export function hashOf(node: DerNode | undefined): SignatureHash | undefined {
  if (node?.tag !== derTag.sequence) return undefined;
  const [oid, parameter, ...more] = childrenOf(node);
  if (more.length > 0 || (parameter !== undefined && parameter.tag !== derTag.null)) return undefined;
  return hashByOid.get(oidOf(oid) ?? '');
}

function maskHashOf(node: DerNode | undefined): SignatureHash | undefined {
  const fields = new DerFields(node);
  const oid = oidOf(fields.take(derTag.oid));
  const hash = hashOf(fields.take());
  return fields.done && oid === mgf1Oid ? hash : undefined;
}

/** RFC 4055 §3.1: what equals its default is left out, the trailer always. */
function encodePssParameters(hash: SignatureHash, saltLength: number): Uint8Array {
  const name = derSequence(derOid(hashOids[hash]), derNull());
  const fields: Uint8Array[] = [];
  if (hash !== 'sha1') fields.push(derContext(0, name), derContext(1, derSequence(derOid(mgf1Oid), name)));
  if (saltLength !== 20) fields.push(derContext(2, derInteger(saltLength)));
  return derSequence(...fields);
}
