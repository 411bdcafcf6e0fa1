/** The same protection by pure TypeScript, an implementation that shares no line with the one under test. */
import { cbc, gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha1 } from '@noble/hashes/legacy.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { concat, equalBytes } from '../../../core/bytes/bytes.ts';
import type { EspBackend, EspCipher, EspKeys, EspSuite } from '../../../core/crypto/espCipher.ts';

const hashes = { sha1, sha256, sha384, sha512 };

export const nobleBackend: EspBackend = {
  name: 'noble',
  cipher: (suite, keys) => (suite.integ === undefined ? aead(suite, keys) : cbcHmac(suite, suite.integ, keys)),
};

function aead({ encr, esn }: EspSuite, keys: EspKeys): EspCipher {
  const key = keys.encryption.slice(0, encr.keyBytes);
  const salt = keys.encryption.slice(encr.keyBytes);
  const full = (buffer: Uint8Array, at: number, plain: Uint8Array, seqHigh: number): Uint8Array => {
    const nonce = concat(salt, buffer.slice(at + 8, at + 16));
    const aad = concat(buffer.slice(at, at + 4), esn ? u32(seqHigh) : new Uint8Array(0), buffer.slice(at + 4, at + 8));
    return (encr.id === 28 ? chacha20poly1305(key, nonce, aad) : gcm(key, nonce, aad)).encrypt(plain);
  };
  return {
    ivBytes: 8,
    icvBytes: encr.icvBytes,
    alignment: 4,
    unpredictableIv: false,
    seal(buffer, at, length, seqHigh) {
      // The short ICVs are the first octets of the full one (RFC 4106 §6).
      const sealed = full(buffer, at, buffer.slice(at + 16, at + 16 + length), seqHigh);
      buffer.set(sealed.subarray(0, length + encr.icvBytes), at + 16);
    },
    open(buffer, at, length, seqHigh) {
      // Both ciphers are a key stream: encrypting the ciphertext gives the plaintext, encrypting that the ICV to compare.
      const plain = full(buffer, at, buffer.slice(at + 16, at + 16 + length), seqHigh).slice(0, length);
      const icv = full(buffer, at, plain, seqHigh).subarray(length, length + encr.icvBytes);
      if (!equalBytes(icv, buffer.subarray(at + 16 + length, at + 16 + length + encr.icvBytes))) return false;
      buffer.set(plain, at + 16);
      return true;
    },
    destroy() {},
  };
}

function cbcHmac({ esn }: EspSuite, integ: NonNullable<EspSuite['integ']>, keys: EspKeys): EspCipher {
  const icv = (buffer: Uint8Array, at: number, length: number, seqHigh: number): Uint8Array =>
    hmac(
      hashes[integ.hash],
      keys.integrity,
      concat(buffer.slice(at, at + 24 + length), esn ? u32(seqHigh) : new Uint8Array(0)),
    ).slice(0, integ.icvBytes);
  const cipher = (buffer: Uint8Array, at: number) =>
    cbc(keys.encryption, buffer.slice(at + 8, at + 24), { disablePadding: true });
  return {
    ivBytes: 16,
    icvBytes: integ.icvBytes,
    alignment: 16,
    unpredictableIv: true,
    seal(buffer, at, length, seqHigh) {
      buffer.set(cipher(buffer, at).encrypt(buffer.slice(at + 24, at + 24 + length)), at + 24);
      buffer.set(icv(buffer, at, length, seqHigh), at + 24 + length);
    },
    open(buffer, at, length, seqHigh) {
      const end = at + 24 + length;
      if (!equalBytes(icv(buffer, at, length, seqHigh), buffer.subarray(end, end + integ.icvBytes))) return false;
      buffer.set(cipher(buffer, at).decrypt(buffer.slice(at + 24, end)), at + 24);
      return true;
    },
    destroy() {},
  };
}

function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}
