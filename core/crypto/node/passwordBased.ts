/** What files of keys are protected with, by `node:crypto`. Callers bound the iterations: these calls block. */
import { createDecipheriv, createHmac, hash as hashOnce, pbkdf2Sync } from 'node:crypto';
import { concat } from '../../bytes/bytes.ts';
import type { SignatureHash } from '../signatureTypes.ts';

/** PBKDF2 (RFC 8018 §5.2) with HMAC of `hash`. */
export function pbkdf2(
  hash: SignatureHash,
  password: Uint8Array,
  salt: Uint8Array,
  iterations: number,
  length: number,
): Uint8Array {
  return new Uint8Array(pbkdf2Sync(password, salt, iterations, length, hash));
}

/** AES-CBC with the padding of RFC 8018 §6.1.1; undefined when the padding is wrong, which most often means another key. */
export function aesCbcOpen(key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined {
  try {
    const decipher = createDecipheriv(`aes-${8 * key.length}-cbc`, key, iv);
    const first = decipher.update(ciphertext);
    const last = decipher.final();
    const plaintext = concat(first, last);
    first.fill(0);
    last.fill(0);
    return plaintext;
  } catch {
    return undefined;
  }
}

export function hmac(hash: SignatureHash, key: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac(hash, key).update(message).digest());
}

/** Block of the hash in octets, `v` of RFC 7292 §B.2. */
const blockBytes: Readonly<Record<SignatureHash, number>> = { sha1: 64, sha256: 64, sha384: 128, sha512: 128 };

/**
 * The key derivation of PKCS #12 (RFC 7292 §B.2) for `length` octets, which are at most the hash's: all that is still made with
 * it is MAC keys (`id` 3). `password` is a BMPString with its two zero octets at the end.
 */
export function pkcs12Key(
  hash: SignatureHash,
  id: 1 | 2 | 3,
  password: Uint8Array,
  salt: Uint8Array,
  iterations: number,
  length: number,
): Uint8Array {
  const block = blockBytes[hash];
  let digest = digestOf(hash, concat(new Uint8Array(block).fill(id), repeated(salt, block), repeated(password, block)));
  for (let i = 1; i < iterations; i++) digest = digestOf(hash, digest);
  if (length > digest.length) throw new RangeError('more than one block of PKCS #12 key material');
  return digest.slice(0, length);
}

function digestOf(hash: SignatureHash, octets: Uint8Array): Uint8Array {
  return hashOnce(hash, octets, 'buffer');
}

/** Copies one after the other until whole blocks are full (steps 2 and 3). */
function repeated(octets: Uint8Array, block: number): Uint8Array {
  const out = new Uint8Array(block * Math.ceil(octets.length / block));
  for (let i = 0; i < out.length; i++) out[i] = octets[i % octets.length];
  return out;
}
