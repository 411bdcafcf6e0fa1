/** What a private key can do, and whose it is. */
import { equalBytes, fromUtf8 } from '../bytes/bytes.ts';
import { ok, type Result } from '../bytes/result.ts';
import { type SigningKey, signingKey } from '../crypto/node/sign.ts';
import { isWeakRsaKey, keyBits, type PublicKey, parsePublicKey } from '../crypto/publicKey.ts';
import { verifyWithKey } from '../crypto/signatures.ts';
import type { PublicKeyKind, SignatureAlgorithm, SignerInfo } from '../crypto/signatureTypes.ts';
import { type CredentialFault, credentialFault } from './credentialFault.ts';

/** Of DER PKCS #8 without encryption. The key has signed and its signature verified: a damaged one is found here, not at the gateway. */
export function signerInfoOf(pkcs8: Uint8Array): Result<SignerInfo, CredentialFault> {
  const signing = signingKey(pkcs8);
  if (signing === undefined) return credentialFault('malformed', 'the private key is damaged, or of a kind that cannot sign');
  return signerOf(signing);
}

/** As `signerInfoOf`, of a key that is open. */
export function signerOf(signing: SigningKey): Result<SignerInfo, CredentialFault> {
  const key = parsePublicKey(signing.publicKey);
  if (!key.ok) return credentialFault('unsupported', 'the private key is of a kind or curve that is not supported');
  if (key.value.kind === 'rsa' && isWeakRsaKey(key.value))
    return credentialFault('weak-key', `the private key is RSA of ${keyBits(key.value)} bits; 2048 to 8192 are taken`);
  const algorithms = algorithmsOf(key.value);
  const [first] = algorithms;
  const signature = first && signing.sign(first, probe);
  if (first === undefined || signature === undefined || verifyWithKey(first, key.value, probe, signature) !== undefined)
    return credentialFault('damaged', 'the private key is damaged: what it signs does not verify');
  return ok({ publicKey: signing.publicKey, algorithms });
}

/** `publicKey`: DER SubjectPublicKeyInfo of the certificate. Undefined: they belong together. */
export function keyMismatch(signer: SignerInfo, publicKey: Uint8Array): CredentialFault | undefined {
  const [own, theirs] = [parsePublicKey(signer.publicKey), parsePublicKey(publicKey)];
  if (own.ok && theirs.ok && samePublicKey(own.value, theirs.value)) return undefined;
  return { code: 'key-mismatch', evidence: 'the private key is not the one of the certificate' };
}

/** Equal as numbers: the same RSA key may be marked for PSS in one place and for anything in the other. */
export function samePublicKey(a: PublicKey, b: PublicKey): boolean {
  if (a.kind === 'rsa') return b.kind === 'rsa' && equalBytes(a.modulus, b.modulus) && equalBytes(a.exponent, b.exponent);
  if ('point' in a) return 'point' in b && a.kind === b.kind && equalBytes(a.point, b.point);
  return 'key' in b && a.kind === b.kind && equalBytes(a.key, b.key);
}

/**
 * The preferred first. RSA: PSS before PKCS #1, as RFC 8247 §3.2 has it, SHA-1 last and only for the method of RFC 7296 that knows
 * nothing else. ECDSA: the hash that fits the curve; r | s are the forms of RFC 4754, which ties hash and curve together.
 */
export function algorithmsOf(key: PublicKey): readonly SignatureAlgorithm[] {
  switch (key.kind) {
    case 'rsa': {
      if (key.use === 'pss') {
        const { limits } = key;
        return limits === undefined
          ? pss
          : [{ kind: 'rsa-pss', hash: limits.hash, saltLength: Math.max(limits.saltLength, saltOf[limits.hash]) }];
      }
      return [...pss, ...(['sha256', 'sha384', 'sha512', 'sha1'] as const).map((hash) => ({ kind: 'rsa-pkcs1', hash }) as const)];
    }
    case 'ed25519':
    case 'ed448':
      return [{ kind: key.kind }];
    default:
      return ecdsaAlgorithms[key.kind];
  }
}

const probe = fromUtf8('does this key sign?');
const saltOf = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 } as const;
const pss: readonly SignatureAlgorithm[] = (['sha256', 'sha384', 'sha512'] as const).map((hash) => ({
  kind: 'rsa-pss',
  hash,
  saltLength: saltOf[hash],
}));

const ecdsaAlgorithms: Readonly<Record<Exclude<PublicKeyKind, 'rsa' | 'ed25519' | 'ed448'>, readonly SignatureAlgorithm[]>> = {
  p256: ecdsa(['sha256', 'sha384', 'sha512'], true),
  p384: ecdsa(['sha384', 'sha512', 'sha256'], true),
  p521: ecdsa(['sha512', 'sha384', 'sha256'], true),
  brainpoolP256r1: ecdsa(['sha256', 'sha384', 'sha512'], false),
  brainpoolP384r1: ecdsa(['sha384', 'sha512', 'sha256'], false),
  brainpoolP512r1: ecdsa(['sha512', 'sha384', 'sha256'], false),
};

function ecdsa(
  hashes: readonly ['sha256' | 'sha384' | 'sha512', ...('sha256' | 'sha384' | 'sha512')[]],
  rfc4754: boolean,
): readonly SignatureAlgorithm[] {
  const der = hashes.map((hash) => ({ kind: 'ecdsa', hash, format: 'der' }) as const);
  return rfc4754 ? [...der, { kind: 'ecdsa', hash: hashes[0], format: 'p1363' }] : der;
}
