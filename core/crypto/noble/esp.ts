/** ESP protection by pure TypeScript: slow, but always there, and sharing no line with the others. */
import { concat, equalConstantTime } from '../../bytes/bytes.ts';
import { type EspBackend, type EspCipher, type EspKeys, type EspSuite, espHeaderBytes, keysFit } from '../espCipher.ts';
import { checkRoom, writeAad, writeU32 } from '../espFrame.ts';
import type { IntegTransform } from '../types.ts';
import { type Aead, aesGcm, chachaPoly } from './aead.ts';
import { cbcDecrypt, cbcEncrypt } from './cbc.ts';
import { hmacOnce } from './hmac.ts';

const name = 'noble';

export const nobleEspBackend: EspBackend = {
  name,
  cipher(suite, keys) {
    if (!keysFit(suite, keys)) return undefined;
    const { encr, integ } = suite;
    switch (encr.id) {
      case 12: // ENCR_AES_CBC, RFC 3602
        return integ === undefined ? undefined : new NobleCbcHmac(suite, integ, keys);
      case 18: // AES-GCM with ICVs of 8, 12 and 16 octets, RFC 4106
      case 19:
      case 20:
        return new NobleAead(suite, keys, (key) => aesGcm(key, encr.icvBytes));
      case 28: // ENCR_CHACHA20_POLY1305, RFC 7634
        return new NobleAead(suite, keys, chachaPoly);
      default:
        return undefined;
    }
  },
};

class NobleAead implements EspCipher {
  readonly backend = name;
  readonly ivBytes: number;
  readonly icvBytes: number;
  readonly alignment = 4; // RFC 4303 §2.4
  readonly unpredictableIv = false;
  readonly #key: Uint8Array;
  readonly #salt: Uint8Array;
  readonly #aead: Aead;
  readonly #esn: boolean;
  #alive = true;

  constructor({ encr, esn }: EspSuite, keys: EspKeys, aead: (key: Uint8Array) => Aead) {
    this.ivBytes = encr.ivBytes;
    this.icvBytes = encr.icvBytes;
    this.#key = keys.encryption.slice(0, encr.keyBytes);
    this.#salt = keys.encryption.slice(encr.keyBytes);
    this.#aead = aead(this.#key);
    this.#esn = esn;
  }

  seal(buffer: Uint8Array, at: number, length: number, seqHigh: number): void {
    const from = this.#payload(buffer, at, length);
    const plaintext = buffer.slice(from, from + length);
    buffer.set(this.#aead.seal(this.#nonce(buffer, at), this.#aad(buffer, at, seqHigh), plaintext), from);
  }

  open(buffer: Uint8Array, at: number, length: number, seqHigh: number): boolean {
    const from = this.#payload(buffer, at, length);
    const sealed = buffer.slice(from, from + length + this.icvBytes);
    const plaintext = this.#aead.open(this.#nonce(buffer, at), this.#aad(buffer, at, seqHigh), sealed);
    if (plaintext === undefined) return false;
    buffer.set(plaintext, from);
    return true;
  }

  destroy(): void {
    this.#alive = false;
    this.#key.fill(0);
    this.#salt.fill(0);
  }

  #payload(buffer: Uint8Array, at: number, length: number): number {
    if (!this.#alive) throw new Error('the cipher was destroyed');
    checkRoom(buffer, at, length, espHeaderBytes + this.ivBytes + this.icvBytes);
    return at + espHeaderBytes + this.ivBytes;
  }

  /** RFC 4106 §4, RFC 7634 §2 */
  #nonce(buffer: Uint8Array, at: number): Uint8Array {
    return concat(this.#salt, buffer.subarray(at + espHeaderBytes, at + espHeaderBytes + this.ivBytes));
  }

  #aad(buffer: Uint8Array, at: number, seqHigh: number): Uint8Array {
    const aad = new Uint8Array(this.#esn ? 12 : 8);
    writeAad(aad, 0, buffer, at, this.#esn, seqHigh);
    return aad;
  }
}

class NobleCbcHmac implements EspCipher {
  readonly backend = name;
  readonly ivBytes: number;
  readonly icvBytes: number;
  readonly alignment: number;
  readonly unpredictableIv = true;
  readonly #key: Uint8Array;
  readonly #integrityKey: Uint8Array;
  readonly #integ: IntegTransform;
  readonly #esn: boolean;
  #alive = true;

  constructor({ encr, esn }: EspSuite, integ: IntegTransform, keys: EspKeys) {
    this.ivBytes = encr.ivBytes;
    this.icvBytes = integ.icvBytes;
    this.alignment = encr.blockBytes;
    this.#key = keys.encryption.slice();
    this.#integrityKey = keys.integrity.slice();
    this.#integ = integ;
    this.#esn = esn;
  }

  seal(buffer: Uint8Array, at: number, length: number, seqHigh: number): void {
    const from = this.#payload(buffer, at, length);
    const iv = buffer.slice(at + espHeaderBytes, from);
    buffer.set(cbcEncrypt(this.#key, iv, buffer.slice(from, from + length)), from);
    // RFC 4303 §3.3.2.1: encryption first, the ICV covers the ciphertext
    buffer.set(this.#icv(buffer, at, from + length, seqHigh), from + length);
  }

  open(buffer: Uint8Array, at: number, length: number, seqHigh: number): boolean {
    const from = this.#payload(buffer, at, length);
    const end = from + length;
    if (!equalConstantTime(this.#icv(buffer, at, end, seqHigh), buffer.subarray(end, end + this.icvBytes))) return false;
    if (length % this.alignment !== 0) return false; // authentic, but no ciphertext of CBC
    buffer.set(cbcDecrypt(this.#key, buffer.slice(at + espHeaderBytes, from), buffer.slice(from, end)), from);
    return true;
  }

  destroy(): void {
    this.#alive = false;
    this.#key.fill(0);
    this.#integrityKey.fill(0);
  }

  #payload(buffer: Uint8Array, at: number, length: number): number {
    if (!this.#alive) throw new Error('the cipher was destroyed');
    checkRoom(buffer, at, length, espHeaderBytes + this.ivBytes + this.icvBytes);
    return at + espHeaderBytes + this.ivBytes;
  }

  /** Over SPI, sequence number, IV and ciphertext; with ESN the high half follows as if it were sent (RFC 4303 §2.2.1). */
  #icv(buffer: Uint8Array, at: number, end: number, seqHigh: number): Uint8Array {
    const parts = [buffer.subarray(at, end)];
    if (this.#esn) {
      const high = new Uint8Array(4);
      writeU32(high, 0, seqHigh);
      parts.push(high);
    }
    return hmacOnce(this.#integ.hash, this.#integrityKey, parts).subarray(0, this.icvBytes);
  }
}
