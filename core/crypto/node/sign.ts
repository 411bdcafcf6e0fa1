/** Private keys in the memory of this process, by `node:crypto`. */
import { constants, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import type { SignatureAlgorithm } from '../signatureTypes.ts';

export interface SigningKey {
  /** DER SubjectPublicKeyInfo, as made from the private key. */
  readonly publicKey: Uint8Array;
  /** Undefined when the key cannot sign like this. */
  sign(algorithm: SignatureAlgorithm, message: Uint8Array): Uint8Array | undefined;
}

/**
 * From DER PKCS #8 without encryption; undefined for what OpenSSL does not take as a key. OpenSSL keeps a copy of its own that it wipes when the
 * object is collected; nobody can say when that is, so a process that held a key is best ended.
 */
export function signingKey(pkcs8: Uint8Array): SigningKey | undefined {
  let key: KeyObject;
  let publicKey: Uint8Array;
  const copy = Buffer.from(pkcs8);
  try {
    key = createPrivateKey({ key: copy, format: 'der', type: 'pkcs8' });
    publicKey = new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }));
  } catch {
    return undefined;
  } finally {
    copy.fill(0);
  }
  return {
    publicKey,
    sign: (algorithm, message) => {
      // OpenSSL would sign with an EC key when asked for Ed25519, with a hash of its own choice.
      if (!keyTypes[algorithm.kind].includes(key.asymmetricKeyType ?? '')) return undefined;
      try {
        return new Uint8Array(signWith(key, algorithm, message));
      } catch {
        return undefined;
      }
    },
  };
}

const keyTypes: Readonly<Record<SignatureAlgorithm['kind'], readonly string[]>> = {
  'rsa-pkcs1': ['rsa'],
  'rsa-pss': ['rsa', 'rsa-pss'],
  ecdsa: ['ec'],
  ed25519: ['ed25519'],
  ed448: ['ed448'],
};

function signWith(key: KeyObject, algorithm: SignatureAlgorithm, message: Uint8Array): Uint8Array {
  switch (algorithm.kind) {
    case 'rsa-pkcs1':
      return sign(algorithm.hash, message, { key, padding: constants.RSA_PKCS1_PADDING });
    case 'rsa-pss':
      return sign(algorithm.hash, message, {
        key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: algorithm.saltLength,
      });
    case 'ecdsa':
      return sign(algorithm.hash, message, { key, dsaEncoding: algorithm.format === 'der' ? 'der' : 'ieee-p1363' });
    case 'ed25519':
    case 'ed448':
      return sign(null, message, key);
  }
}
