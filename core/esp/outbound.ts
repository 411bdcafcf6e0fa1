/** The sending half of an ESP SA: sequence numbers, IVs and the packet around an inner one (RFC 4303 §3.3). */
import { cipherBatch, type EspCipher, espHeaderBytes, sealAll } from '../crypto/espCipher.ts';
import type { Random } from '../crypto/types.ts';
import { headBytes, maxTailBytes, padLength, writeTrailer, writeU32 } from './packet.ts';
import { SharedSequence } from './sharedSequence.ts';

export interface OutboundSaOptions {
  /** Host-order SPI the peer chose. */
  readonly spi: number;
  readonly cipher: EspCipher;
  readonly esn: boolean;
  readonly random: Random;
  /** The last number taken as used already; for tests of the far end. */
  readonly start?: { readonly high: number; readonly low: number };
  /** `SharedSequence.memory`, where several threads send on the SA; `start` is then its own. */
  readonly shared?: SharedArrayBuffer;
}

/** Packets that are sealed in one go. */
const batchPackets = 128;
/** Milliseconds in which another thread must send what it sealed: long, for a computer so busy that a thread rests for a second. */
const patience = 2000;

export class OutboundSa {
  readonly spi: number;
  /** Octets that must be free before, and that may be written behind, a packet handed to `seal`. */
  readonly headBytes: number;
  readonly tailBytes: number;
  readonly #cipher: EspCipher;
  readonly #esn: boolean;
  readonly #random: Random;
  readonly #batch = cipherBatch(batchPackets);
  /** Numbers are then given when packets are sealed: a thread's are without a gap, and it waits for its turn once. */
  readonly #shared: SharedSequence | undefined;
  #high: number;
  #low: number;
  #pool: Uint8Array = new Uint8Array(0);
  #poolAt = 0;

  constructor({ spi, cipher, esn, random, start, shared }: OutboundSaOptions) {
    this.spi = spi;
    this.headBytes = headBytes(cipher);
    this.tailBytes = maxTailBytes(cipher);
    this.#cipher = cipher;
    this.#esn = esn;
    this.#random = random;
    this.#high = start?.high ?? 0;
    this.#low = start?.low ?? 0;
    this.#shared = shared === undefined ? undefined : new SharedSequence(shared, esn);
  }

  /** Whether all must be sealed and sent before the next packet is framed. */
  get full(): boolean {
    return this.#shared !== undefined && this.#batch.count === batchPackets;
  }

  /**
   * Puts the inner packet of `length` octets at `offset` into an ESP packet in place. It then starts at `offset - headBytes`;
   * returned is its length, or 0 when the sequence numbers are used up: then nothing was changed and nothing may be sent. The packet
   * is in clear until `seal`, which must come before another buffer does, and before anything is sent. Not while `full`.
   */
  frame(buffer: Uint8Array, offset: number, length: number, nextHeader: number): number {
    if (this.#shared === undefined && !this.#advance()) return 0;
    const at = offset - this.headBytes;
    const padding = padLength(length, this.#cipher.alignment);
    writeTrailer(buffer, offset + length, padding, nextHeader);
    writeU32(buffer, at, this.spi);
    const sealed = length + padding + 2;
    const batch = this.#batch;
    batch.at[batch.count] = at;
    batch.length[batch.count] = sealed;
    if (this.#shared === undefined) this.#number(buffer, batch.count);
    if (++batch.count === batchPackets && this.#shared === undefined) this.seal(buffer);
    return this.headBytes + sealed + this.#cipher.icvBytes;
  }

  /**
   * Encrypts and authenticates all packets framed since the last time. False when there are no numbers for them any more, which only
   * an SA of several threads finds out so late: they are in clear then and must not be sent.
   */
  seal(buffer: Uint8Array): boolean {
    const batch = this.#batch;
    if (batch.count === 0) return true;
    const numbered = this.#shared === undefined || this.#numberAll(buffer, this.#shared);
    if (numbered) sealAll(this.#cipher, buffer, batch);
    batch.count = 0;
    return numbered;
  }

  /** Before what was sealed is sent, and after it was: an SA of several threads sends in the order of its numbers. */
  awaitTurn(): void {
    this.#shared?.awaitTurn(patience);
  }

  passTurn(): void {
    this.#shared?.passTurn();
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

  #numberAll(buffer: Uint8Array, shared: SharedSequence): boolean {
    const { count } = this.#batch;
    if (!shared.take(count)) return false;
    this.#high = shared.high;
    this.#low = shared.low;
    for (let i = 0; i < count; i++) {
      if (i > 0) this.#advance(); // there is one: the whole range is ours
      this.#number(buffer, i);
    }
    return true;
  }

  /** Writes the number at hand, and an IV, into packet `i` of the batch. */
  #number(buffer: Uint8Array, i: number): void {
    const at = this.#batch.at[i];
    writeU32(buffer, at + 4, this.#low);
    this.#writeIv(buffer, at + espHeaderBytes);
    this.#batch.seqHigh[i] = this.#high;
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
