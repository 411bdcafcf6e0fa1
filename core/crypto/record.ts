import { concat, equalConstantTime } from '../bytes/bytes.ts';
import { type Aead, aesGcm, chachaPoly } from './noble/aead.ts';
import { cbcDecrypt, cbcEncrypt } from './noble/cbc.ts';
import { hmacWithKey } from './noble/hmac.ts';
import type { EncrTransform, IntegTransform, RecordCipher } from './types.ts';

/**
 * The cipher of one direction, keys set (and copied: the caller may wipe its own).
 * `encryptionKey` is `encr.keyBytes` of key followed by `encr.saltBytes` of salt, as KEYMAT gives them.
 * `integ` is undefined and `integrityKey` empty for the combined modes (RFC 5282 §8).
 * Throws for a wrong size, an impossible pair of transforms, and later for an iv or plaintext of a wrong size: mistakes of the program, not of a peer.
 */
export function recordCipher(
  encr: EncrTransform,
  integ: IntegTransform | undefined,
  encryptionKey: Uint8Array,
  integrityKey: Uint8Array,
): RecordCipher {
  expectSize('encryption key', encryptionKey, encr.keyBytes + encr.saltBytes);
  if (encr.aead !== (integ === undefined)) throw new RangeError(`${encr.name} with ${integ?.name ?? 'no integrity transform'}`);
  expectSize('integrity key', integrityKey, integ?.keyBytes ?? 0);
  const key = encryptionKey.slice(0, encr.keyBytes);
  const salt = encryptionKey.slice(encr.keyBytes);
  return integ === undefined ? combined(encr, makeAead(encr, key), salt) : encryptThenMac(encr, integ, key, integrityKey);
}

function makeAead(encr: EncrTransform, key: Uint8Array): Aead {
  switch (encr.id) {
    case 18:
    case 19:
    case 20:
      return aesGcm(key, encr.icvBytes);
    case 28:
      return chachaPoly(key);
    default:
      throw new RangeError(`no implementation of encryption transform ${encr.id}`);
  }
}

function combined(encr: EncrTransform, aead: Aead, salt: Uint8Array): RecordCipher {
  const { ivBytes, icvBytes, blockBytes } = encr;
  // RFC 5282 §4, RFC 7634 §2: nonce = salt | explicit iv.
  const nonceOf = (iv: Uint8Array): Uint8Array => {
    expectSize('iv', iv, ivBytes);
    return concat(salt, iv);
  };
  return {
    ivBytes,
    icvBytes,
    blockBytes,
    seal: (iv, aad, plaintext) => aead.seal(nonceOf(iv), aad, plaintext),
    open: (iv, aad, sealed) => aead.open(nonceOf(iv), aad, sealed),
  };
}

function encryptThenMac(encr: EncrTransform, integ: IntegTransform, key: Uint8Array, integrityKey: Uint8Array): RecordCipher {
  if (encr.id !== 12) throw new RangeError(`no implementation of encryption transform ${encr.id}`);
  const { ivBytes, blockBytes } = encr;
  const { icvBytes } = integ;
  const mac = hmacWithKey(integ.hash, integrityKey);
  return {
    ivBytes,
    icvBytes,
    blockBytes,
    seal(iv, aad, plaintext) {
      expectSize('iv', iv, ivBytes);
      if (!isWholeBlocks(plaintext.length, blockBytes))
        throw new RangeError(`plaintext of ${plaintext.length} octets is not padded`);
      const ciphertext = cbcEncrypt(key, iv, plaintext);
      // RFC 7296 §3.14: the checksum covers everything before it: header and payload header, iv, ciphertext.
      return concat(ciphertext, mac(aad, iv, ciphertext).subarray(0, icvBytes));
    },
    open(iv, aad, sealed) {
      expectSize('iv', iv, ivBytes);
      const textBytes = sealed.length - icvBytes;
      if (textBytes < 0) return undefined;
      const ciphertext = sealed.subarray(0, textBytes);
      const expected = mac(aad, iv, ciphertext).subarray(0, icvBytes);
      if (!equalConstantTime(expected, sealed.subarray(textBytes))) return undefined;
      // Authentic and still not whole blocks: the peer's mistake, and nothing that could be decrypted.
      return isWholeBlocks(textBytes, blockBytes) ? cbcDecrypt(key, iv, ciphertext) : undefined;
    },
  };
}

function isWholeBlocks(length: number, blockBytes: number): boolean {
  return length > 0 && length % blockBytes === 0;
}

function expectSize(what: string, octets: Uint8Array, size: number): void {
  if (octets.length !== size) throw new RangeError(`${what} of ${octets.length} octets where ${size} are needed`);
}
