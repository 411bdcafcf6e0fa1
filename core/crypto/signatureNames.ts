/** Names of signature algorithms as people write them: strongSwan's, such as `rsa-pss-sha256`, `rsa-sha384`, `ecdsa-sha256`, `ed25519`. */
import type { SignatureAlgorithm } from './signatureTypes.ts';

const hashes = ['sha256', 'sha384', 'sha512'] as const;

/** SHA-1 has no name: it is used with gateways that know nothing else, and not chosen. */
export const SIGNATURE_NAMES: readonly string[] = [
  ...['rsa-pss', 'rsa', 'ecdsa'].flatMap((kind) => hashes.map((hash) => `${kind}-${hash}`)),
  'ed25519',
  'ed448',
];

export function signatureName(algorithm: SignatureAlgorithm): string {
  switch (algorithm.kind) {
    case 'rsa-pkcs1':
      return `rsa-${algorithm.hash}`;
    case 'rsa-pss':
    case 'ecdsa':
      return `${algorithm.kind}-${algorithm.hash}`;
    case 'ed25519':
    case 'ed448':
      return algorithm.kind;
  }
}

/** Those of `able` that `names` has, in the order of `names`; all of them without names. */
export function chosenSignatures(able: readonly SignatureAlgorithm[], names: readonly string[]): readonly SignatureAlgorithm[] {
  if (names.length === 0) return able;
  return names.flatMap((name) => able.filter((algorithm) => signatureName(algorithm) === name));
}
