/** ESP protection by libipsec-mb: AES-GCM in one call per packet. */
import { type GcmFunctions, gcmContextBytes, gcmKeyDataBytes, type IpsecMb, loadIpsecMb } from '../../system/ffi/ipsecMb.ts';
import { addressOfPackets, type FixedAddresses, NativeBlock } from '../../system/ffi/nativeBlock.ts';
import { type EspBackend, type EspCipher, type EspKeys, type EspSuite, keysFit } from '../espCipher.ts';
import { checkRoom, copyIv8, sameOctets, writeAad } from '../espFrame.ts';
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
  /** Of key data, context, nonce, additional data and tag. */
  readonly #fixed: FixedAddresses;
  #alive = true;

  constructor(backend: string, functions: GcmFunctions, { encr, esn }: EspSuite, keys: EspKeys) {
    this.backend = backend;
    this.icvBytes = encr.icvBytes;
    this.#functions = functions;
    this.#esn = esn;
    const { address, bytes } = this.#block;
    this.#bytes = bytes;
    this.#fixed = ['fixed', address, address + contextAt, address + nonceAt, address + aadAt, address + tagAt];
    // The key lies where the context will be, for as long as it is expanded.
    bytes.set(keys.encryption.subarray(0, encr.keyBytes), contextAt);
    functions.precompute(address + contextAt, address);
    bytes.fill(0, contextAt, contextAt + encr.keyBytes);
    bytes.set(keys.encryption.subarray(encr.keyBytes), nonceAt); // RFC 4106 §4: the nonce is salt | IV
  }

  seal(buffer: Uint8Array, at: number, length: number, seqHigh: number): void {
    checkRoom(buffer, at, length, headBytes + this.icvBytes);
    const data = addressOfPackets(buffer) + at + headBytes;
    this.#crypt(this.#functions.encrypt, buffer, at, data, length, seqHigh, data + length);
  }

  open(buffer: Uint8Array, at: number, length: number, seqHigh: number): boolean {
    checkRoom(buffer, at, length, headBytes + this.icvBytes);
    const data = addressOfPackets(buffer) + at + headBytes;
    const tag = this.#fixed[5];
    this.#crypt(this.#functions.decrypt, buffer, at, data, length, seqHigh, tag);
    if (sameOctets(this.#bytes, tagAt, buffer, at + headBytes + length, this.icvBytes)) return true;
    // Not authentic: what was deciphered is enciphered again before anybody can look at it.
    this.#crypt(this.#functions.encrypt, buffer, at, data, length, seqHigh, tag);
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
    data: number,
    length: number,
    seqHigh: number,
    tag: number,
  ): void {
    if (!this.#alive) throw new Error('the cipher was destroyed');
    const fixed = this.#fixed;
    copyIv8(this.#bytes, nonceAt + 4, buffer, at);
    const aadLength = writeAad(this.#bytes, aadAt, buffer, at, this.#esn, seqHigh);
    call(fixed[1], fixed[2], data, data, length, fixed[3], fixed[4], aadLength, tag, this.icvBytes);
  }
}
