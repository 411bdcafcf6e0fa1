/** The receiving half of an ESP SA (RFC 4303 §3.4). */
import { cipherBatch, type EspCipher, openAll } from '../crypto/espCipher.ts';
import { headBytes, nextHeaderDummy, nextHeaderIpv4, nextHeaderIpv6, payloadLength, readU32 } from './packet.ts';
import { ReplayWindow } from './replay.ts';

export interface InboundSaOptions {
  /** Host-order SPI that we chose. */
  readonly spi: number;
  readonly cipher: EspCipher;
  readonly esn: boolean;
  /** Packets, 64 to 4096. */
  readonly window: number;
  /** The highest number taken as received already; for tests of the far end. */
  readonly start?: { readonly high: number; readonly low: number };
}

/** `dummy` is an authenticated packet without content (RFC 4303 §2.6); all but it and `ok` are reasons to drop and count. */
export type InboundVerdict = 'ok' | 'dummy' | 'malformed' | 'replay' | 'integrity';

/** Packets that are opened in one go. */
const batchPackets = 128;

/** Numbers from the left edge of the window that a peer's next packet has unless it lost millions in a row. */
export const nearNumbers = 2 ** 24;

export class InboundSa {
  readonly spi: number;
  /** Where the inner packet is, after `take` said `ok`. TFC padding is still behind it (RFC 4303 §2.7). */
  innerOffset = 0;
  innerLength = 0;
  /** 4 or 41. */
  nextHeader = 0;
  readonly #cipher: EspCipher;
  readonly #window: ReplayWindow;
  readonly #headBytes: number;
  readonly #batch = cipherBatch(batchPackets);

  constructor({ spi, cipher, esn, window, start }: InboundSaOptions) {
    this.spi = spi;
    this.#cipher = cipher;
    this.#window = new ReplayWindow(window, esn, start);
    this.#headBytes = headBytes(cipher);
  }

  /** Packets admitted and not taken yet; at `batchPackets` no more may be admitted. */
  get admitted(): number {
    return this.#batch.count;
  }

  get full(): boolean {
    return this.#batch.count === batchPackets;
  }

  /**
   * The ESP packet of `length` octets at `offset`, which is to be opened: lengths and replay check. Undefined when it is admitted, else why
   * it is dropped. Then come `open`, for all that were admitted, and `take` for each in order: ICV and decryption, replay mark, padding,
   * next header. Nothing before the ICV's check changes the window or the buffer.
   */
  admit(buffer: Uint8Array, offset: number, length: number): 'malformed' | 'replay' | undefined {
    const cipher = this.#cipher;
    const sealed = length - this.#headBytes - cipher.icvBytes;
    // Two octets of trailer at least, and only whole blocks reach the cipher.
    if (sealed < 2 || sealed % cipher.alignment !== 0) return 'malformed';
    const high = this.#window.locate(readU32(buffer, offset + 4)); // RFC 4303 §3.4.3: checked first, so a replay costs no cryptography
    if (high < 0) return 'replay';
    const batch = this.#batch;
    batch.at[batch.count] = offset;
    batch.length[batch.count] = sealed;
    batch.seqHigh[batch.count] = high;
    batch.count++;
    return undefined;
  }

  /** The low half of the least number that is in the window. */
  get firstNumber(): number {
    return (this.#window.topLow - this.#window.size + 1) >>> 0;
  }

  /** Whether a number on the wire is in the window, or right of it and not far: all that is not is either a replay or not to be expected. */
  isNear(number: number): boolean {
    return (number - this.firstNumber) >>> 0 < nearNumbers;
  }

  isReplay(number: number): boolean {
    return this.#window.locate(number) < 0;
  }

  /** Verifies and decrypts in place all that were admitted. */
  open(buffer: Uint8Array): void {
    openAll(this.#cipher, buffer, this.#batch);
  }

  /** What became of the packet that was admitted as number `i`, counted from 0; once each, in order. */
  take(buffer: Uint8Array, i: number): InboundVerdict {
    const { at, length, seqHigh, intact } = this.#batch;
    if (intact[i] === 0) return 'integrity';
    const low = readU32(buffer, at[i] + 4);
    // Again, since others of the batch moved the window meanwhile: a packet twice in one batch was admitted twice.
    const high = this.#window.locate(low);
    if (high !== seqHigh[i]) return 'replay';
    this.#window.mark(high, low); // RFC 4303 §3.4.3: only after the ICV was verified

    const sealed = length[i];
    const from = at[i] + this.#headBytes;
    const payload = payloadLength(buffer, from, sealed);
    if (payload < 0) return 'malformed';
    const nextHeader = buffer[from + sealed - 1];
    if (nextHeader === nextHeaderDummy) return 'dummy';
    if (nextHeader !== nextHeaderIpv4 && nextHeader !== nextHeaderIpv6) return 'malformed';
    this.innerOffset = from;
    this.innerLength = payload;
    this.nextHeader = nextHeader;
    return 'ok';
  }

  /** All were taken. */
  clear(): void {
    this.#batch.count = 0;
  }

  destroy(): void {
    this.#cipher.destroy();
  }
}
