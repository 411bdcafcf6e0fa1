/** The receiving half of an ESP SA (RFC 4303 §3.4). */
import { type EspCipher, espHeaderBytes } from '../crypto/espCipher.ts';
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

export class InboundSa {
  readonly spi: number;
  /** Where the inner packet is, after `open` said `ok`. TFC padding is still behind it (RFC 4303 §2.7). */
  innerOffset = 0;
  innerLength = 0;
  /** 4 or 41. */
  nextHeader = 0;
  readonly #cipher: EspCipher;
  readonly #window: ReplayWindow;
  readonly #headBytes: number;

  constructor({ spi, cipher, esn, window, start }: InboundSaOptions) {
    this.spi = spi;
    this.#cipher = cipher;
    this.#window = new ReplayWindow(window, esn, start);
    this.#headBytes = headBytes(cipher);
  }

  /**
   * Opens the ESP packet of `length` octets at `offset` in place. The order is fixed: lengths, replay check, ICV and decryption,
   * replay mark, padding, next header. Nothing before the ICV's check changes the SA or the buffer.
   */
  open(buffer: Uint8Array, offset: number, length: number): InboundVerdict {
    const cipher = this.#cipher;
    const sealed = length - this.#headBytes - cipher.icvBytes;
    // Two octets of trailer at least, and only whole blocks reach the cipher.
    if (sealed < 2 || sealed % cipher.alignment !== 0) return 'malformed';

    const low = readU32(buffer, offset + 4);
    const high = this.#window.locate(low); // RFC 4303 §3.4.3: checked first, so a replay costs no cryptography
    if (high < 0) return 'replay';

    if (!cipher.open(buffer, offset, sealed, high)) return 'integrity';
    this.#window.mark(high, low); // RFC 4303 §3.4.3: only after the ICV was verified

    const from = offset + espHeaderBytes + cipher.ivBytes;
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

  destroy(): void {
    this.#cipher.destroy();
  }
}
