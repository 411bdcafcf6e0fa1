/** PBES2 (RFC 8018 §6.2, §A.4): PBKDF2 with HMAC-SHA-1, -256, -384 or -512, then AES-CBC. Nothing older is opened. */
import { DerFields, type DerNode, derTag, integerOf, octetsOf, oidOf } from '../bytes/der.ts';
import { err, ok, type Result } from '../bytes/result.ts';
import { aesCbcOpen, pbkdf2 } from '../crypto/node/passwordBased.ts';
import type { SignatureHash } from '../crypto/signatureTypes.ts';
import { type CredentialFault, credentialFault } from './credentialFault.ts';

/** About 0.4 s of SHA-512, during which nothing else of the process happens. OpenSSL writes 2048, others up to 600,000. */
export const maxIterations = 1_000_000;
const maxSalt = 1024;

export interface Pbes2 {
  readonly hash: SignatureHash;
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly keyBytes: number;
  readonly iv: Uint8Array;
}

/** `unsupported` for all that is well-formed and not PBES2 as above; how to convert the file is the caller's to say. */
export function readPbes2(algorithm: DerNode | undefined): Result<Pbes2, CredentialFault> {
  const fields = new DerFields(algorithm);
  const oid = oidOf(fields.take(derTag.oid));
  if (oid === undefined) return credentialFault('malformed', 'the protection of the key is malformed');
  if (oid !== pbes2Oid)
    return credentialFault('unsupported', `protected with ${schemes.get(oid) ?? `an unknown scheme (${oid})`}`);
  const parameters = new DerFields(fields.take());
  const derivation = readDerivation(parameters.take());
  const scheme = new DerFields(parameters.take());
  const cipher = oidOf(scheme.take(derTag.oid));
  const parameter = scheme.rest();
  if (!fields.done || !parameters.done || cipher === undefined) return malformed();
  if (!derivation.ok) return derivation;
  const keyBytes = aesByOid.get(cipher);
  if (keyBytes === undefined)
    return credentialFault('unsupported', `protected with ${ciphers.get(cipher) ?? `an unknown cipher (${cipher})`}`);
  const iv = octetsOf(parameter[0]);
  if (parameter.length !== 1 || iv?.length !== 16) return malformed();
  if (derivation.value.keyLength !== undefined && derivation.value.keyLength !== keyBytes) return malformed();
  const { hash, salt, iterations } = derivation.value;
  return ok({ hash, salt, iterations, keyBytes, iv });
}

/** What one file may cost altogether, in iterations: it may have many parts. */
export interface Work {
  left: number;
}

export function fileWork(): Work {
  return { left: 2 * maxIterations };
}

export function spend(work: Work, iterations: number): CredentialFault | undefined {
  work.left -= iterations;
  return work.left >= 0 ? undefined : { code: 'too-much-work', evidence: 'protected with too many iterations altogether' };
}

/** Undefined: the padding is wrong, most likely because the password is. */
export function openPbes2(scheme: Pbes2, password: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined {
  if (ciphertext.length === 0 || ciphertext.length % 16 !== 0) return undefined;
  const key = pbkdf2(scheme.hash, password, scheme.salt, scheme.iterations, scheme.keyBytes);
  const plaintext = aesCbcOpen(key, scheme.iv, ciphertext);
  key.fill(0);
  return plaintext;
}

export interface Derivation {
  readonly hash: SignatureHash;
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly keyLength: number | undefined;
}

/** PBKDF2-params with their AlgorithmIdentifier (RFC 8018 §A.2). */
export function readDerivation(algorithm: DerNode | undefined): Result<Derivation, CredentialFault> {
  const fields = new DerFields(algorithm);
  const oid = oidOf(fields.take(derTag.oid));
  const parameters = fields.take();
  if (!fields.done || oid === undefined) return malformed();
  if (oid !== pbkdf2Oid)
    return credentialFault('unsupported', `protected with ${derivations.get(oid) ?? `an unknown derivation (${oid})`}`);
  const inner = new DerFields(parameters);
  const salt = octetsOf(inner.take());
  const iterations = integerOf(inner.take());
  const length = inner.optional(derTag.integer);
  const prf = inner.optional(derTag.sequence);
  const keyLength = length && integerOf(length);
  if (!inner.done || salt === undefined || salt.length > maxSalt || iterations === undefined || iterations < 1)
    return malformed();
  if (length !== undefined && (keyLength === undefined || keyLength < 1 || keyLength > 64)) return malformed();
  if (iterations > maxIterations) return credentialFault('too-much-work', `protected with ${iterations} iterations`);
  const hash = prf === undefined ? 'sha1' : prfHash(prf); // RFC 8018 §A.2: DEFAULT algid-hmacWithSHA1
  if (hash === undefined) return credentialFault('unsupported', 'protected with an unknown pseudorandom function');
  return ok({ hash, salt, iterations, keyLength });
}

/** HMAC by its AlgorithmIdentifier (RFC 8018 §B.1). */
export function prfHash(algorithm: DerNode): SignatureHash | undefined {
  const fields = new DerFields(algorithm);
  const oid = oidOf(fields.take(derTag.oid));
  const parameter = fields.optional(derTag.null);
  return fields.done && (parameter === undefined || parameter.content.length === 0) ? prfByOid.get(oid ?? '') : undefined;
}

const pbes2Oid = '1.2.840.113549.1.5.13';
const pbkdf2Oid = '1.2.840.113549.1.5.12';

const prfByOid: ReadonlyMap<string, SignatureHash> = new Map([
  ['1.2.840.113549.2.7', 'sha1'],
  ['1.2.840.113549.2.9', 'sha256'],
  ['1.2.840.113549.2.10', 'sha384'],
  ['1.2.840.113549.2.11', 'sha512'],
]);

/** RFC 8018 §B.2.5. */
const aesByOid: ReadonlyMap<string, number> = new Map([
  ['2.16.840.1.101.3.4.1.2', 16],
  ['2.16.840.1.101.3.4.1.22', 24],
  ['2.16.840.1.101.3.4.1.42', 32],
]);

/** Names for people, of what is not opened. RFC 8018 §A.3, RFC 7292 §C. */
const schemes: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.5.1', 'MD2 and DES'],
  ['1.2.840.113549.1.5.3', 'MD5 and DES'],
  ['1.2.840.113549.1.5.4', 'MD2 and RC2'],
  ['1.2.840.113549.1.5.6', 'MD5 and RC2'],
  ['1.2.840.113549.1.5.10', 'SHA-1 and DES'],
  ['1.2.840.113549.1.5.11', 'SHA-1 and RC2'],
  ['1.2.840.113549.1.12.1.1', 'SHA-1 and RC4'],
  ['1.2.840.113549.1.12.1.2', 'SHA-1 and RC4 of 40 bits'],
  ['1.2.840.113549.1.12.1.3', 'SHA-1 and 3DES'],
  ['1.2.840.113549.1.12.1.4', 'SHA-1 and 3DES of two keys'],
  ['1.2.840.113549.1.12.1.5', 'SHA-1 and RC2'],
  ['1.2.840.113549.1.12.1.6', 'SHA-1 and RC2 of 40 bits'],
]);

const ciphers: ReadonlyMap<string, string> = new Map([
  ['1.3.14.3.2.7', 'DES'],
  ['1.2.840.113549.3.2', 'RC2'],
  ['1.2.840.113549.3.7', '3DES'],
]);

const derivations: ReadonlyMap<string, string> = new Map([['1.3.6.1.4.1.11591.4.11', 'scrypt']]);

function malformed(): { readonly ok: false; readonly error: CredentialFault } {
  return err({ code: 'malformed', evidence: 'the protection of the key is malformed' });
}
