/** Signature algorithms as closed data: what a certificate, an AUTH payload (RFC 7427) or an OCSP answer is signed with. */

export type SignatureHash = 'sha1' | 'sha256' | 'sha384' | 'sha512';

export type SignatureAlgorithm =
  | { readonly kind: 'rsa-pkcs1'; readonly hash: SignatureHash }
  /** RFC 8017 §8.1; the mask generation function is MGF1 with the same hash (others are refused). */
  | { readonly kind: 'rsa-pss'; readonly hash: SignatureHash; readonly saltLength: number }
  /** `der` is ECDSA-Sig-Value (X.509, RFC 7427); `p1363` is r | s of fixed length (RFC 4754 §7). */
  | { readonly kind: 'ecdsa'; readonly hash: SignatureHash; readonly format: 'der' | 'p1363' }
  | { readonly kind: 'ed25519' }
  | { readonly kind: 'ed448' };

export type PublicKeyKind =
  | 'rsa'
  | 'p256'
  | 'p384'
  | 'p521'
  | 'ed25519'
  | 'ed448'
  | 'brainpoolP256r1'
  | 'brainpoolP384r1'
  | 'brainpoolP512r1';

/** Why a signature is not believed. `weak-key`: RSA below 2048 bit, even modulus, exponent below 3 or even, or absurdly large. */
export type SignatureFault =
  | 'malformed-key'
  | 'weak-key'
  | 'wrong-key-kind'
  | 'malformed-signature'
  | 'does-not-verify'
  | 'unsupported';

/** What signs for us; the private key may be in another process, a token or a TPM. Shapes only: who calls it waits. */
export interface SignerInfo {
  /** DER SubjectPublicKeyInfo of the key. */
  readonly publicKey: Uint8Array;
  /** What it can do, the preferred first. */
  readonly algorithms: readonly SignatureAlgorithm[];
}
