/** Is this signature by that key over these octets? One answer for certificates, AUTH payloads, CRLs and OCSP. */
import { DerFields, readDer, unsignedOf } from '../bytes/der.ts';
import { verifyEcdsa, verifyEdwards, verifyPkcs1, verifyPss } from './node/verify.ts';
import { curves, type EcKind, isWeakRsaKey, type PublicKey, parsePublicKey, type RsaPublicKey } from './publicKey.ts';
import type { SignatureAlgorithm, SignatureFault, SignatureHash } from './signatureTypes.ts';

/**
 * Undefined: it verifies. Whether the hash is good enough (SHA-1) and whether it was negotiated is the caller's question; that the key is, is
 * asked here. `spki` is DER SubjectPublicKeyInfo; all octets may be hostile.
 */
export function verifySignature(
  algorithm: SignatureAlgorithm,
  spki: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): SignatureFault | undefined {
  const key = parsePublicKey(spki);
  return key.ok ? verifyWithKey(algorithm, key.value, message, signature) : key.error;
}

/** As `verifySignature`, with a key that is already parsed. */
export function verifyWithKey(
  algorithm: SignatureAlgorithm,
  key: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
): SignatureFault | undefined {
  switch (algorithm.kind) {
    case 'rsa-pkcs1':
      // RFC 4055 §1.2: a key marked for PSS signs nothing else.
      if (key.kind !== 'rsa' || key.use === 'pss') return 'wrong-key-kind';
      return rsaFault(key, signature) ?? said(verifyPkcs1(key, algorithm.hash, message, signature));
    case 'rsa-pss':
      if (key.kind !== 'rsa' || !pssAllowed(key, algorithm)) return 'wrong-key-kind';
      // RFC 8017 §9.1.2 step 3: a salt that does not fit makes every signature inconsistent.
      if (hashBytes[algorithm.hash] + algorithm.saltLength + 2 > Math.ceil((key.bits - 1) / 8)) return 'malformed-signature';
      return rsaFault(key, signature) ?? said(verifyPss(key, algorithm, message, signature));
    case 'ecdsa': {
      if (!('point' in key)) return 'wrong-key-kind';
      const fixed = algorithm.format === 'p1363' ? signature : fixedOf(key.kind, signature);
      if (fixed?.length !== 2 * curves[key.kind].bytes) return 'malformed-signature';
      return said(verifyEcdsa(key.kind, key.point, algorithm.hash, message, fixed));
    }
    case 'ed25519':
    case 'ed448':
      if (!('key' in key) || key.kind !== algorithm.kind) return 'wrong-key-kind';
      // RFC 8032 §5.1.7, §5.2.7.
      if (signature.length !== 2 * key.key.length) return 'malformed-signature';
      return said(verifyEdwards(key.kind, key.key, message, signature));
  }
}

/** What is wrong with a key before it has signed anything. */
export function publicKeyFault(spki: Uint8Array): SignatureFault | undefined {
  const key = parsePublicKey(spki);
  if (!key.ok) return key.error;
  return key.value.kind === 'rsa' && isWeakRsaKey(key.value) ? 'weak-key' : undefined;
}

export const hashBytes: Readonly<Record<SignatureHash, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 };

function rsaFault(key: RsaPublicKey, signature: Uint8Array): SignatureFault | undefined {
  if (isWeakRsaKey(key)) return 'weak-key';
  // RFC 8017 §8.1.2, §8.2.2 step 1: exactly as long as the modulus, and as a number below it (§5.2.2).
  if (signature.length !== key.modulus.length || !isBelow(signature, key.modulus)) return 'malformed-signature';
  return undefined;
}

/** RFC 4055 §3.3: the key's parameters fix the hash, and the least salt. */
function pssAllowed(key: RsaPublicKey, algorithm: { readonly hash: SignatureHash; readonly saltLength: number }): boolean {
  if (key.use === 'any' || key.limits === undefined) return true;
  return key.limits.hash === algorithm.hash && algorithm.saltLength >= key.limits.saltLength;
}

/** ECDSA-Sig-Value (RFC 3279 §2.2.3), strict DER, as r | s of fixed length; that they are in [1, n-1] is checked by the arithmetic. */
function fixedOf(kind: EcKind, signature: Uint8Array): Uint8Array | undefined {
  const { bytes } = curves[kind];
  const root = readDer(signature, { octets: 2 * bytes + 16, depth: 2, elements: 3 });
  if (!root.ok) return undefined;
  const fields = new DerFields(root.value);
  const r = unsignedOf(fields.take());
  const s = unsignedOf(fields.take());
  if (!fields.done || r === undefined || s === undefined || r.length > bytes || s.length > bytes) return undefined;
  const out = new Uint8Array(2 * bytes);
  out.set(r, bytes - r.length);
  out.set(s, 2 * bytes - s.length);
  return out;
}

function isBelow(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] < b[i];
  return false;
}

function said(verified: boolean | 'malformed-key'): SignatureFault | undefined {
  if (verified === 'malformed-key') return 'malformed-key';
  return verified ? undefined : 'does-not-verify';
}
