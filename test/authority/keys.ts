/** Key pairs of every kind a certificate may have, and signatures by them, right or wrong. */
import { constants, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign as nodeSign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { concat } from '../../core/bytes/bytes.ts';
import { type Der, explicit, integer, nothing, oid, sequence } from './der.ts';

/** `rsa` is 2048 bit. `rsa-pss`: a 2048 bit key whose SubjectPublicKeyInfo says id-RSASSA-PSS. */
export type KeyName =
  | 'rsa'
  | 'rsa1024'
  | 'rsa3072'
  | 'rsa4096'
  | 'rsa-pss'
  | 'p256'
  | 'p384'
  | 'p521'
  | 'ed25519'
  | 'ed448'
  | 'brainpoolP256r1'
  | 'brainpoolP384r1'
  | 'brainpoolP512r1';

export interface KeyPair {
  readonly name: KeyName | 'given';
  readonly privateKey: KeyObject;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Der;
  /** DER PrivateKeyInfo, and the same as PEM. */
  readonly pkcs8: Der;
  readonly pkcs8Pem: string;
}

export type HashName = 'md5' | 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512';

/** What to sign with; what is not said follows from the key: SHA-256, or the curve's own strength. */
export interface SignatureSpec {
  readonly scheme?: 'rsa-pkcs1' | 'rsa-pss';
  readonly hash?: HashName;
  /** Octets of salt for PSS; the hash's length when not said. */
  readonly saltLength?: number;
  /** Another AlgorithmIdentifier than the true one. */
  readonly algorithm?: Der;
  /** One bit of the signature is turned. */
  readonly broken?: boolean;
}

export interface Signed {
  readonly algorithm: Der;
  readonly signature: Uint8Array;
}

/** A new pair. RSA pairs come from a pool in a file, as making them is slow: the first dozen are distinct, further ones are generated. */
export function makeKey(name: KeyName): KeyPair {
  const pooled = name.startsWith('rsa') && name !== 'rsa-pss' ? takePooled(rsaBits(name)) : undefined;
  return keyPair(pooled ?? generate(name), name);
}

/** From PEM or DER PKCS#8, or a KeyObject. */
export function givenKey(key: KeyObject | string): KeyPair {
  return keyPair(typeof key === 'string' ? createPrivateKey(key) : key, 'given');
}

function keyPair(privateKey: KeyObject, name: KeyPair['name']): KeyPair {
  return {
    name,
    privateKey,
    spki: new Uint8Array(createPublicKey(privateKey).export({ type: 'spki', format: 'der' })),
    pkcs8: new Uint8Array(privateKey.export({ type: 'pkcs8', format: 'der' })),
    pkcs8Pem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function generate(name: KeyName): KeyObject {
  if (name === 'ed25519') return generateKeyPairSync('ed25519').privateKey;
  if (name === 'ed448') return generateKeyPairSync('ed448').privateKey;
  if (name === 'rsa-pss') return generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey;
  const curve = curves[name];
  if (curve !== undefined) return generateKeyPairSync('ec', { namedCurve: curve }).privateKey;
  return generateKeyPairSync('rsa', { modulusLength: rsaBits(name) }).privateKey;
}

const curves: Readonly<Partial<Record<KeyName, string>>> = {
  p256: 'prime256v1',
  p384: 'secp384r1',
  p521: 'secp521r1',
  brainpoolP256r1: 'brainpoolP256r1',
  brainpoolP384r1: 'brainpoolP384r1',
  brainpoolP512r1: 'brainpoolP512r1',
};

function rsaBits(name: KeyName): number {
  return name === 'rsa' || name === 'rsa-pss' ? 2048 : Number(name.slice(3));
}

/** Keys not handed out yet, by bits; read when the first is wanted. */
let pool: Map<number, KeyObject[]> | undefined;

function takePooled(bits: number): KeyObject | undefined {
  if (pool === undefined) {
    pool = new Map();
    const text = readFileSync(join(import.meta.dirname, 'rsaKeys.pem'), 'utf8');
    for (const [pem] of text.matchAll(/-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/g)) {
      const key = createPrivateKey(pem);
      const length = key.asymmetricKeyDetails?.modulusLength ?? 0;
      pool.set(length, [...(pool.get(length) ?? []), key]);
    }
  }
  return pool.get(bits)?.shift();
}

/** A signature over `data` with the AlgorithmIdentifier that says how it was made (RFC 4055, 5758, 8410). */
export function signWith(key: KeyPair, data: Uint8Array, spec: SignatureSpec = {}): Signed {
  const type = key.privateKey.asymmetricKeyType;
  const hash = spec.hash ?? defaultHash(key);
  const made = (algorithm: Der, signature: Uint8Array): Signed => ({
    algorithm: spec.algorithm ?? algorithm,
    signature: spec.broken ? turnBit(signature) : new Uint8Array(signature),
  });
  if (type === 'ed25519' || type === 'ed448') {
    return made(sequence(oid(type === 'ed25519' ? '1.3.101.112' : '1.3.101.113')), nodeSign(null, data, key.privateKey));
  }
  if (type === 'ec') return made(sequence(oid(ecdsaOids[hash])), nodeSign(hash, data, key.privateKey));
  if (spec.scheme === 'rsa-pss' || type === 'rsa-pss') {
    const saltLength = spec.saltLength ?? digestLength[hash];
    const options = { key: key.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
    return made(pssAlgorithm(hash, saltLength), nodeSign(hash, data, options));
  }
  return made(sequence(oid(pkcs1Oids[hash]), nothing()), nodeSign(hash, data, key.privateKey));
}

/** RFC 4055 §3.1; every field is written, the defaults left out as DER wants it (SHA-1, 20). */
export function pssAlgorithm(hash: HashName, saltLength: number): Der {
  const hashAlgorithm = sequence(oid(hashOids[hash]), nothing());
  const fields: Der[] = [];
  if (hash !== 'sha1') {
    fields.push(explicit(0, hashAlgorithm), explicit(1, sequence(oid('1.2.840.113549.1.1.8'), hashAlgorithm)));
  }
  if (saltLength !== 20) fields.push(explicit(2, integer(saltLength)));
  return sequence(oid('1.2.840.113549.1.1.10'), sequence(...fields));
}

function defaultHash({ privateKey }: KeyPair): HashName {
  const curve = privateKey.asymmetricKeyDetails?.namedCurve ?? '';
  if (/384/.test(curve)) return 'sha384';
  return /521|512/.test(curve) ? 'sha512' : 'sha256';
}

function turnBit(signature: Uint8Array): Uint8Array {
  const last = signature.length - 1;
  return concat(signature.subarray(0, last), Uint8Array.of(signature[last] ^ 1));
}

export const hashOids: Readonly<Record<HashName, string>> = {
  md5: '1.2.840.113549.2.5',
  sha1: '1.3.14.3.2.26',
  sha224: '2.16.840.1.101.3.4.2.4',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
};

const digestLength: Readonly<Record<HashName, number>> = { md5: 16, sha1: 20, sha224: 28, sha256: 32, sha384: 48, sha512: 64 };

const pkcs1Oids: Readonly<Record<HashName, string>> = {
  md5: '1.2.840.113549.1.1.4',
  sha1: '1.2.840.113549.1.1.5',
  sha224: '1.2.840.113549.1.1.14',
  sha256: '1.2.840.113549.1.1.11',
  sha384: '1.2.840.113549.1.1.12',
  sha512: '1.2.840.113549.1.1.13',
};

const ecdsaOids: Readonly<Record<HashName, string>> = {
  md5: '1.2.840.10045.4.1',
  sha1: '1.2.840.10045.4.1',
  sha224: '1.2.840.10045.4.3.1',
  sha256: '1.2.840.10045.4.3.2',
  sha384: '1.2.840.10045.4.3.3',
  sha512: '1.2.840.10045.4.3.4',
};
