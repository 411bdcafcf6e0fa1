/** ESP protection by `node:crypto`, that is by the OpenSSL inside Node. */
import { type CipherGCMTypes, createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { equalConstantTime } from '../../bytes/bytes.ts';
import { type EspBackend, type EspCipher, type EspKeys, type EspSuite, espHeaderBytes, keysFit } from '../espCipher.ts';

const name = 'node:crypto';

export const nodeEspBackend: EspBackend = {
  name,
  cipher(suite, keys) {
    if (!keysFit(suite, keys)) return undefined;
    const algorithm = algorithmOf(suite);
    if (algorithm === undefined) return undefined;
    return suite.integ === undefined ? new NodeAead(algorithm, suite, keys) : new NodeCbcHmac(algorithm, suite, keys);
  },
};

/** OpenSSL's name for the encryption transform (IANA transform type 1), undefined for one that is not for ESP. */
function algorithmOf({ encr }: EspSuite): string | undefined {
  switch (encr.id) {
    case 12: // ENCR_AES_CBC, RFC 3602
      return `aes-${8 * encr.keyBytes}-cbc`;
    case 18: // AES-GCM with ICVs of 8, 12 and 16 octets, RFC 4106
    case 19:
    case 20:
      return `aes-${8 * encr.keyBytes}-gcm`;
    case 28: // ENCR_CHACHA20_POLY1305, RFC 7634
      return 'chacha20-poly1305';
    default:
      return undefined;
  }
}

class NodeAead implements EspCipher {
  readonly backend = name;
  readonly ivBytes: number;
  readonly icvBytes: number;
  readonly alignment = 4; // RFC 4303 §2.4
  readonly unpredictableIv = false;
  readonly #algorithm: CipherGCMTypes;
  readonly #key: Uint8Array;
  /** Salt, then the explicit IV of the packet at hand (RFC 4106 §4, RFC 7634 §2). */
  readonly #nonce: Uint8Array;
  readonly #saltBytes: number;
  readonly #aad: Uint8Array;
  readonly #options: { readonly authTagLength: number };

  constructor(algorithm: string, { encr, esn }: EspSuite, keys: EspKeys) {
    // The typings know ChaCha20-Poly1305 by another overload of the same shape.
    this.#algorithm = algorithm as CipherGCMTypes;
    this.ivBytes = encr.ivBytes;
    this.icvBytes = encr.icvBytes;
    this.#saltBytes = encr.saltBytes;
    this.#key = keys.encryption.slice(0, encr.keyBytes);
    this.#nonce = new Uint8Array(encr.saltBytes + encr.ivBytes);
    this.#nonce.set(keys.encryption.subarray(encr.keyBytes));
    this.#aad = new Uint8Array(esn ? 12 : 8);
    this.#options = { authTagLength: encr.icvBytes };
  }

  seal(buffer: Uint8Array, at: number, length: number, seqHigh: number): void {
    this.#prepare(buffer, at, seqHigh);
    const from = at + espHeaderBytes + this.ivBytes;
    const cipher = createCipheriv(this.#algorithm, this.#key, this.#nonce, this.#options);
    cipher.setAAD(this.#aad);
    const ciphertext = cipher.update(buffer.subarray(from, from + length));
    cipher.final();
    buffer.set(ciphertext, from);
    buffer.set(cipher.getAuthTag(), from + length);
  }

  open(buffer: Uint8Array, at: number, length: number, seqHigh: number): boolean {
    this.#prepare(buffer, at, seqHigh);
    const from = at + espHeaderBytes + this.ivBytes;
    const decipher = createDecipheriv(this.#algorithm, this.#key, this.#nonce, this.#options);
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
    this.#key.fill(0);
    this.#nonce.fill(0);
  }

  #prepare(buffer: Uint8Array, at: number, seqHigh: number): void {
    const nonce = this.#nonce;
    const iv = at + espHeaderBytes;
    for (let i = 0; i < this.ivBytes; i++) nonce[this.#saltBytes + i] = buffer[iv + i];
    const aad = this.#aad;
    for (let i = 0; i < 4; i++) aad[i] = buffer[at + i];
    let next = 4;
    // RFC 4106 §5, RFC 7634 §2.1: SPI | sequence number, or SPI | high half | low half with ESN
    if (aad.length === 12) {
      aad[4] = seqHigh >>> 24;
      aad[5] = seqHigh >>> 16;
      aad[6] = seqHigh >>> 8;
      aad[7] = seqHigh;
      next = 8;
    }
    for (let i = 0; i < 4; i++) aad[next + i] = buffer[at + 4 + i];
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
  readonly #key: Uint8Array;
  readonly #integrityKey: Uint8Array;
  readonly #high: Uint8Array | undefined;

  constructor(algorithm: string, { encr, integ, esn }: EspSuite, keys: EspKeys) {
    this.#algorithm = algorithm;
    this.#hash = integ?.hash ?? '';
    this.ivBytes = encr.ivBytes;
    this.icvBytes = integ?.icvBytes ?? 0;
    this.alignment = encr.blockBytes;
    this.#key = keys.encryption.slice();
    this.#integrityKey = keys.integrity.slice();
    this.#high = esn ? new Uint8Array(4) : undefined;
  }

  seal(buffer: Uint8Array, at: number, length: number, seqHigh: number): void {
    const iv = at + espHeaderBytes;
    const from = iv + this.ivBytes;
    const cipher = createCipheriv(this.#algorithm, this.#key, buffer.subarray(iv, from)).setAutoPadding(false);
    buffer.set(cipher.update(buffer.subarray(from, from + length)), from);
    cipher.final();
    // RFC 4303 §3.3.2.1: encryption first, the ICV covers the ciphertext
    buffer.set(this.#icv(buffer, at, from + length, seqHigh), from + length);
  }

  open(buffer: Uint8Array, at: number, length: number, seqHigh: number): boolean {
    const iv = at + espHeaderBytes;
    const from = iv + this.ivBytes;
    const end = from + length;
    if (!equalConstantTime(this.#icv(buffer, at, end, seqHigh), buffer.subarray(end, end + this.icvBytes))) return false;
    const decipher = createDecipheriv(this.#algorithm, this.#key, buffer.subarray(iv, from)).setAutoPadding(false);
    buffer.set(decipher.update(buffer.subarray(from, end)), from);
    decipher.final();
    return true;
  }

  destroy(): void {
    this.#key.fill(0);
    this.#integrityKey.fill(0);
  }

  /** Over SPI, sequence number, IV and ciphertext; with ESN the high half follows as if it were sent (RFC 4303 §2.2.1). */
  #icv(buffer: Uint8Array, from: number, end: number, seqHigh: number): Uint8Array {
    const mac = createHmac(this.#hash, this.#integrityKey).update(buffer.subarray(from, end));
    const high = this.#high;
    if (high !== undefined) {
      high[0] = seqHigh >>> 24;
      high[1] = seqHigh >>> 16;
      high[2] = seqHigh >>> 8;
      high[3] = seqHigh;
      mac.update(high);
    }
    return mac.digest().subarray(0, this.icvBytes);
  }
}
