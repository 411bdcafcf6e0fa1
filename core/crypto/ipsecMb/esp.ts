/** ESP protection by libipsec-mb: AES-GCM in one call per packet. */
import { type GcmFunctions, gcmContextBytes, gcmKeyDataBytes, type IpsecMb, loadIpsecMb } from '../../system/ffi/ipsecMb.ts';
import { addressOfPackets, NativeBlock } from '../../system/ffi/nativeBlock.ts';
import { type EspBackend, type EspCipher, type EspKeys, type EspSuite, keysFit } from '../espCipher.ts';
import { checkRoom, copyIv8, sameOctets, writeEsnAad } from '../espFrame.ts';
import { type GcmVariant, gcmVariants, has, processorFlags } from './variants.ts';

export const ipsecMbName = 'ipsec-mb';

/** The backend with the best instruction set this processor has, or why there is none. */
export function ipsecMbBackend(): EspBackend | string {
  const flags = processorFlags();
  const variant = gcmVariants.find((one) => has(flags, one));
  return variant === undefined ? 'the processor has no AES instructions of x86' : ipsecMbVariant(variant);
}

/** The backend with one instruction set, which the processor must have, or why there is none. */
export function ipsecMbVariant(variant: GcmVariant): EspBackend | string {
  const library = loadIpsecMb();
  return typeof library === 'string' ? library : backendOf(library, variant);
}

/** Throws when the library lacks a function. */
function backendOf(library: IpsecMb, { suffix }: GcmVariant): EspBackend {
  const name = `${ipsecMbName} ${suffix}`;
  const gcm128 = library.gcm(16, suffix);
  const gcm192 = library.gcm(24, suffix);
  const gcm256 = library.gcm(32, suffix);
  return {
    name,
    cipher(suite, keys) {
      // 18, 19, 20: AES-GCM with ICVs of 8, 12 and 16 octets, RFC 4106. AES-CBC with HMAC gains nothing here: the library is fast at many
      // packets at a time.
      if (!keysFit(suite, keys) || suite.encr.id < 18 || suite.encr.id > 20) return undefined;
      switch (suite.encr.keyBytes) {
        case 16:
          return new MbGcm(name, gcm128, suite, keys);
        case 24:
          return new MbGcm(name, gcm192, suite, keys);
        case 32:
          return new MbGcm(name, gcm256, suite, keys);
        default:
          return undefined;
      }
    },
  };
}

/** Offsets in the block of a cipher: what the library wants aligned comes first. */
const contextAt = 1024;
const nonceAt = 1152;
const aadAt = 1168;
const tagAt = 1184;
const blockBytes = 1200;
if (gcmKeyDataBytes > contextAt || contextAt + gcmContextBytes > nonceAt) throw new Error('parts of a block overlap');

/** SPI, sequence number and IV. */
const headBytes = 16;

class MbGcm implements EspCipher {
  readonly backend: string;
  readonly ivBytes = 8;
  readonly icvBytes: number;
  readonly alignment = 4; // RFC 4303 §2.4
  readonly unpredictableIv = false;
  readonly #functions: GcmFunctions;
  readonly #esn: boolean;
  readonly #block = new NativeBlock(blockBytes);
  readonly #bytes: Uint8Array;
  readonly #address: number;
  #alive = true;

  constructor(backend: string, functions: GcmFunctions, { encr, esn }: EspSuite, keys: EspKeys) {
    this.backend = backend;
    this.icvBytes = encr.icvBytes;
    this.#functions = functions;
    this.#esn = esn;
    this.#bytes = this.#block.bytes;
    this.#address = this.#block.address;
    // The key lies where the context will be, for as long as it is expanded.
    this.#bytes.set(keys.encryption.subarray(0, encr.keyBytes), contextAt);
    functions.precompute(this.#address + contextAt, this.#address);
    this.#bytes.fill(0, contextAt, contextAt + encr.keyBytes);
    this.#bytes.set(keys.encryption.subarray(encr.keyBytes), nonceAt); // RFC 4106 §4: the nonce is salt | IV
  }

  seal(buffer: Uint8Array, at: number, length: number, seqHigh: number): void {
    checkRoom(buffer, at, length, headBytes + this.icvBytes);
    const packet = addressOfPackets(buffer) + at;
    this.#crypt(this.#functions.encrypt, buffer, at, packet, length, seqHigh, packet + headBytes + length);
  }

  open(buffer: Uint8Array, at: number, length: number, seqHigh: number): boolean {
    checkRoom(buffer, at, length, headBytes + this.icvBytes);
    const packet = addressOfPackets(buffer) + at;
    const tag = this.#address + tagAt;
    this.#crypt(this.#functions.decrypt, buffer, at, packet, length, seqHigh, tag);
    if (sameOctets(this.#bytes, tagAt, buffer, at + headBytes + length, this.icvBytes)) return true;
    // Not authentic: what was deciphered is enciphered again before anybody can look at it.
    this.#crypt(this.#functions.encrypt, buffer, at, packet, length, seqHigh, tag);
    return false;
  }

  destroy(): void {
    this.#alive = false;
    this.#block.wipe();
  }

  #crypt(
    call: GcmFunctions['encrypt'],
    buffer: Uint8Array,
    at: number,
    packet: number,
    length: number,
    seqHigh: number,
    tag: number,
  ): void {
    if (!this.#alive) throw new Error('the cipher was destroyed');
    const address = this.#address;
    const data = packet + headBytes;
    copyIv8(this.#bytes, nonceAt + 4, buffer, at);
    if (this.#esn) {
      writeEsnAad(this.#bytes, aadAt, buffer, at, seqHigh);
      call(address, address + contextAt, data, data, length, address + nonceAt, address + aadAt, 12, tag, this.icvBytes);
    } else {
      // RFC 4106 §5: SPI | sequence number, as they lie in the packet
      call(address, address + contextAt, data, data, length, address + nonceAt, packet, 8, tag, this.icvBytes);
    }
  }
}
