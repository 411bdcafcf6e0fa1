/** What lists (CRL) and answers (OCSP) about revocation have in common. */
import { equalBytes } from '../bytes/bytes.ts';
import { childrenOf, type DerNode, derTag, integerOf, readDer, wholeBitsOf } from '../bytes/der.ts';
import { err, type Result } from '../bytes/result.ts';
import { verifySignature } from '../crypto/signatures.ts';
import type { SignatureAlgorithm } from '../crypto/signatureTypes.ts';
import type { Certificate } from './contract.ts';

export type RevocationFaultCode =
  | 'malformed'
  | 'too-large'
  | 'refused' // the responder said why it does not answer
  | 'wrong-issuer' // about, or by, another authority
  | 'not-authorized' // signed by somebody who may not
  | 'bad-signature'
  | 'weak-signature'
  | 'unknown-critical-extension'
  | 'indirect' // not supported, and said so
  | 'scope' // a list about other certificates, or for some reasons only
  | 'delta' // a delta where its base was expected, or one that does not fit
  | 'not-yet-valid'
  | 'stale'
  | 'nonce'
  | 'no-answer'; // nothing in it about this certificate

export interface RevocationFault {
  readonly code: RevocationFaultCode;
  /** One printable line. */
  readonly evidence: string;
}

/** What a list or an answer that may be believed says about one certificate. */
export interface RevocationStatement {
  /** `unknown`: the responder does not know the certificate (RFC 6960 §2.2). */
  readonly status: 'good' | 'revoked' | 'unknown';
  readonly producedAt: number;
  /** Undefined: newer information is to be had at any time. */
  readonly nextUpdate: number | undefined;
  readonly revokedAt?: number;
  readonly reason?: string;
}

/** Milliseconds by which the clocks of authorities and ours may differ. */
export const CLOCK_SKEW = 300_000;

/** RFC 5280 §5.3.1; 7 is not used, what is not in the table is `unspecified`. */
const reasons: ReadonlyMap<number, string> = new Map([
  [0, 'unspecified'],
  [1, 'keyCompromise'],
  [2, 'cACompromise'],
  [3, 'affiliationChanged'],
  [4, 'superseded'],
  [5, 'cessationOfOperation'],
  [6, 'certificateHold'],
  [8, 'removeFromCRL'],
  [9, 'privilegeWithdrawn'],
  [10, 'aACompromise'],
]);

/** The name of an ENUMERATED CRLReason. */
export function reasonOf(node: DerNode | undefined): string | undefined {
  const code = integerOf(node, derTag.enumerated);
  return code === undefined ? undefined : (reasons.get(code) ?? 'unspecified');
}

/** Undefined when it is the key's signature, made with something that is good enough. */
export function signatureFault(
  what: string,
  { algorithm, tbs, signature }: { algorithm: SignatureAlgorithm | undefined; tbs: Uint8Array; signature: Uint8Array },
  publicKey: Uint8Array,
): RevocationFault | undefined {
  if (algorithm === undefined)
    return { code: 'bad-signature', evidence: `${what} is signed with an algorithm that is not known` };
  if ('hash' in algorithm && algorithm.hash === 'sha1')
    return { code: 'weak-signature', evidence: `${what} is signed with SHA-1` };
  const fault = verifySignature(algorithm, publicKey, tbs, signature);
  if (fault === undefined) return undefined;
  return { code: fault === 'weak-key' ? 'weak-signature' : 'bad-signature', evidence: `the signature of ${what}: ${fault}` };
}

/** Undefined when `at` is between the two, give or take the skew. */
export function timeFault(what: string, thisUpdate: number, nextUpdate: number, at: number): RevocationFault | undefined {
  if (thisUpdate > at + CLOCK_SKEW) return { code: 'not-yet-valid', evidence: `${what} is of the future` };
  if (nextUpdate < at - CLOCK_SKEW) return { code: 'stale', evidence: `${what} should have been replaced by a newer one` };
  return undefined;
}

/** Content octets of the certificate's INTEGER, as they are; `Certificate.serial` has lost leading zeros. */
export function serialOctets(certificate: Certificate): Uint8Array {
  const tbs = readDer(certificate.tbs);
  const [first, second] = tbs.ok ? childrenOf(tbs.value) : [];
  const node = first?.tag === 0xa0 ? second : first;
  return node?.tag === derTag.integer ? node.content : new Uint8Array(0);
}

/** The octets of a SubjectPublicKeyInfo's BIT STRING, of which key identifiers are made. */
export function keyOctets(publicKey: Uint8Array): Uint8Array {
  const spki = readDer(publicKey);
  const [, bits] = spki.ok ? childrenOf(spki.value) : [];
  return wholeBitsOf(bits) ?? new Uint8Array(0);
}

/** Both fields that name the algorithm must be the same (RFC 5280 §5.1.1.2). */
export function sameNode(a: DerNode | undefined, b: DerNode | undefined): boolean {
  return a !== undefined && b !== undefined && equalBytes(a.der, b.der);
}

export function refuse(code: RevocationFaultCode, evidence: string): Result<never, RevocationFault> {
  return err({ code, evidence });
}
