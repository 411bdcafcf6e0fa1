/** ESP protection by `node:crypto`, that is by the OpenSSL inside Node. */
import { type CipherGCMTypes, createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { equalConstantTime } from '../../bytes/bytes.ts';
import { type EspBackend, type EspCipher, type EspKeys, type EspSuite, espHeaderBytes, keysFit } from '../espCipher.ts';
import { checkRoom, copyIv8, writeAad, writeU32 } from '../espFrame.ts';
import { opensslName } from '../opensslName.ts';
import type { IntegTransform } from '../types.ts';

const name = 'node:crypto';

export const nodeEspBackend: EspBackend = {
  name,
  cipher(suite, keys) {
    if (!keysFit(suite, keys)) return undefined;
    const algorithm = opensslName(suite);
    if (algorithm === undefined) return undefined;
    const { integ } = suite;
    return integ === undefined ? new NodeAead(algorithm, suite, keys) : new NodeCbcHmac(algorithm, suite, integ, keys);
  },
};

/**
 * With a KeyObject a packet costs a third of what it costs with the octets of the key. OpenSSL wipes the one copy it holds, but only when
 * the garbage collector finds the object.
 */
class Key {
  #key: KeyObject | undefined;

  constructor(octets: Uint8Array) {
    this.#key = createSecretKey(octets);
  }

  get(): KeyObject {
    if (this.#key === undefined) throw new Error('the cipher was destroyed');
    return this.#key;
  }

  destroy(): void {
    this.#key = undefined;
  }
}

class NodeAead implements EspCipher {
  readonly backend = name;
  readonly ivBytes: number;
  readonly icvBytes: number;
  readonly alignment = 4; // RFC 4303 §2.4
  readonly unpredictableIv = false;
  readonly #algorithm: CipherGCMTypes;
  readonly #key: Key;
  /** Salt, then the explicit IV of the packet at hand (RFC 4106 §4, RFC 7634 §2). */
  readonly #nonce = new Uint8Array(12);
  readonly #saltBytes: number;
  readonly #esn: boolean;
  readonly #aad: Uint8Array;
  readonly #options: { readonly authTagLength: number };

  constructor(algorithm: string, { encr, esn }: EspSuite, keys: EspKeys) {
    // The typings know ChaCha20-Poly1305 by another overload of the same shape.
    this.#algorithm = algorithm as CipherGCMTypes;
    this.ivBytes = encr.ivBytes;
    this.icvBytes = encr.icvBytes;
    this.#saltBytes = encr.saltBytes;
    this.#key = new Key(keys.encryption.subarray(0, encr.keyBytes));
    this.#nonce.set(keys.encryption.subarray(encr.keyBytes));
    this.#esn = esn;
    this.#aad = new Uint8Array(esn ? 12 : 8);
    this.#options = { authTagLength: encr.icvBytes };
  }

  seal(buffer: Uint8Array, at: number, length: number, seqHigh: number): void {
    const from = this.#prepare(buffer, at, length, seqHigh);
    const cipher = createCipheriv(this.#algorithm, this.#key.get(), this.#nonce, this.#options);
    cipher.setAAD(this.#aad);
    const ciphertext = cipher.update(buffer.subarray(from, from + length));
    cipher.final();
    buffer.set(ciphertext, from);
    buffer.set(cipher.getAuthTag(), from + length);
  }

  open(buffer: Uint8Array, at: number, length: number, seqHigh: number): boolean {
    const from = this.#prepare(buffer, at, length, seqHigh);
    const decipher = createDecipheriv(this.#algorithm, this.#key.get(), this.#nonce, this.#options);
    decipher.setAAD(this.#aad);
    decipher.setAuthTag(buffer.subarray(from + length, from + length + this.icvBytes));
    const plaintext = decipher.update(buffer.subarray(from, from + length));
    try {
      decipher.final();
    } catch {
      return false; // the only thing `final` of an AEAD can complain about is the tag
    }
    buffer.set(plaintext, from);
    return true;
  }

  destroy(): void {
    this.#key.destroy();
    this.#nonce.fill(0);
  }

  /** Where the payload begins. */
  #prepare(buffer: Uint8Array, at: number, length: number, seqHigh: number): number {
    const headBytes = espHeaderBytes + this.ivBytes;
    checkRoom(buffer, at, length, headBytes + this.icvBytes);
    copyIv8(this.#nonce, this.#saltBytes, buffer, at);
    writeAad(this.#aad, 0, buffer, at, this.#esn, seqHigh);
    return at + headBytes;
  }
}

class NodeCbcHmac implements EspCipher {
  readonly backend = name;
  readonly ivBytes: number;
  readonly icvBytes: number;
  readonly alignment: number;
  readonly unpredictableIv = true;
  readonly #algorithm: string;
  readonly #hash: string;
  readonly #key: Key;
  readonly #integrityKey: Key;
  readonly #high: Uint8Array | undefined;

  constructor(algorithm: string, { encr, esn }: EspSuite, integ: IntegTransform, keys: EspKeys) {
    this.#algorithm = algorithm;
    this.#hash = integ.hash;
    this.ivBytes = encr.ivBytes;
    this.icvBytes = integ.icvBytes;
    this.alignment = encr.blockBytes;
    this.#key = new Key(keys.encryption);
    this.#integrityKey = new Key(keys.integrity);
    this.#high = esn ? new Uint8Array(4) : undefined;
  }

  seal(buffer: Uint8Array, at: number, length: number, seqHigh: number): void {
    const from = this.#payload(buffer, at, length);
    const iv = buffer.subarray(at + espHeaderBytes, from);
    const cipher = createCipheriv(this.#algorithm, this.#key.get(), iv).setAutoPadding(false);
    const ciphertext = cipher.update(buffer.subarray(from, from + length));
    cipher.final(); // throws where the payload is not whole blocks
    buffer.set(ciphertext, from);
    // RFC 4303 §3.3.2.1: encryption first, the ICV covers the ciphertext
    buffer.set(this.#icv(buffer, at, from + length, seqHigh), from + length);
  }

  open(buffer: Uint8Array, at: number, length: number, seqHigh: number): boolean {
    const from = this.#payload(buffer, at, length);
    const end = from + length;
    if (!equalConstantTime(this.#icv(buffer, at, end, seqHigh), buffer.subarray(end, end + this.icvBytes))) return false;
    if (length % this.alignment !== 0) return false; // authentic, but no ciphertext of CBC
    const iv = buffer.subarray(at + espHeaderBytes, from);
    const decipher = createDecipheriv(this.#algorithm, this.#key.get(), iv).setAutoPadding(false);
    buffer.set(decipher.update(buffer.subarray(from, end)), from);
    decipher.final();
    return true;
  }

  destroy(): void {
    this.#key.destroy();
    this.#integrityKey.destroy();
  }

  #payload(buffer: Uint8Array, at: number, length: number): number {
    const headBytes = espHeaderBytes + this.ivBytes;
    checkRoom(buffer, at, length, headBytes + this.icvBytes);
    return at + headBytes;
  }

  /** Over SPI, sequence number, IV and ciphertext; with ESN the high half follows as if it were sent (RFC 4303 §2.2.1). */
  #icv(buffer: Uint8Array, from: number, end: number, seqHigh: number): Uint8Array {
    const mac = createHmac(this.#hash, this.#integrityKey.get()).update(buffer.subarray(from, end));
    const high = this.#high;
    if (high !== undefined) {
      writeU32(high, 0, seqHigh);
      mac.update(high);
    }
    return mac.digest().subarray(0, this.icvBytes);
  }
}
