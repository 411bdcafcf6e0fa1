/** The sending half of an ESP SA: sequence numbers, IVs and the packet around an inner one (RFC 4303 §3.3). */
import { cipherBatch, type EspCipher, espHeaderBytes, sealAll } from '../crypto/espCipher.ts';
import type { Random } from '../crypto/types.ts';
import { headBytes, maxTailBytes, padLength, writeTrailer, writeU32 } from './packet.ts';

export interface OutboundSaOptions {
  /** Host-order SPI the peer chose. */
  readonly spi: number;
  readonly cipher: EspCipher;
  readonly esn: boolean;
  readonly random: Random;
  /** The last number taken as used already; for tests of the far end. */
  readonly start?: { readonly high: number; readonly low: number };
}

/** Packets that are sealed in one go. */
const batchPackets = 128;

export class OutboundSa {
  readonly spi: number;
  /** Octets that must be free before, and that may be written behind, a packet handed to `seal`. */
  readonly headBytes: number;
  readonly tailBytes: number;
  readonly #cipher: EspCipher;
  readonly #esn: boolean;
  readonly #random: Random;
  readonly #batch = cipherBatch(batchPackets);
  #high: number;
  #low: number;
  #pool: Uint8Array = new Uint8Array(0);
  #poolAt = 0;

  constructor({ spi, cipher, esn, random, start }: OutboundSaOptions) {
    this.spi = spi;
    this.headBytes = headBytes(cipher);
    this.tailBytes = maxTailBytes(cipher);
    this.#cipher = cipher;
    this.#esn = esn;
    this.#random = random;
    this.#high = start?.high ?? 0;
    this.#low = start?.low ?? 0;
  }

  /**
   * Puts the inner packet of `length` octets at `offset` into an ESP packet in place. It then starts at `offset - headBytes`;
   * returned is its length, or 0 when the sequence numbers are used up: then nothing was changed and nothing may be sent. The packet
   * is in clear until `seal`, which must come before another buffer does, and before anything is sent.
   */
  frame(buffer: Uint8Array, offset: number, length: number, nextHeader: number): number {
    if (!this.#advance()) return 0;
    const at = offset - this.headBytes;
    const padding = padLength(length, this.#cipher.alignment);
    writeTrailer(buffer, offset + length, padding, nextHeader);
    writeU32(buffer, at, this.spi);
    writeU32(buffer, at + 4, this.#low);
    this.#writeIv(buffer, at + espHeaderBytes);
    const sealed = length + padding + 2;
    const batch = this.#batch;
    batch.at[batch.count] = at;
    batch.length[batch.count] = sealed;
    batch.seqHigh[batch.count] = this.#high;
    if (++batch.count === batchPackets) this.seal(buffer);
    return this.headBytes + sealed + this.#cipher.icvBytes;
  }

  /** Encrypts and authenticates all packets framed since the last time. */
  seal(buffer: Uint8Array): void {
    if (this.#batch.count === 0) return;
    sealAll(this.#cipher, buffer, this.#batch);
    this.#batch.count = 0;
  }

  destroy(): void {
    this.#cipher.destroy();
    this.#pool.fill(0);
  }

  /** RFC 4303 §3.3.3: the number never cycles; the SA is replaced instead. */
  #advance(): boolean {
    if (this.#low < 0xffffffff) {
      this.#low++;
      return true;
    }
    if (!this.#esn || this.#high === 0xffffffff) return false;
    this.#high++;
    this.#low = 0;
    return true;
  }

  #writeIv(buffer: Uint8Array, at: number): void {
    if (!this.#cipher.unpredictableIv) {
      // RFC 4106 §3.1, RFC 7634 §2: unique per key, a counter is recommended; the sequence number is one that never repeats.
      writeU32(buffer, at, this.#high);
      writeU32(buffer, at + 4, this.#low);
      return;
    }
    // RFC 3602 §3: chosen at random and unpredictable. Drawn for many packets at once, each octet used once.
    const { ivBytes } = this.#cipher;
    if (this.#poolAt + ivBytes > this.#pool.length) {
      this.#pool = this.#random(ivBytes * ivsPerDraw);
      this.#poolAt = 0;
    }
    for (let i = 0; i < ivBytes; i++) buffer[at + i] = this.#pool[this.#poolAt + i];
    this.#poolAt += ivBytes;
  }
}

const ivsPerDraw = 256;
