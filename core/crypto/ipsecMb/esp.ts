/** ESP protection by libipsec-mb: AES-GCM and ChaCha20-Poly1305, a batch of packets in one call. */
import {
  gcmKeyDataBytes,
  IMB_AUTH_AES_GMAC,
  IMB_AUTH_CHACHA20_POLY1305,
  IMB_CIPHER_CHACHA20_POLY1305,
  IMB_CIPHER_GCM,
  loadIpsecMb,
  type Manager,
} from '../../system/ffi/ipsecMb.ts';
import { NativeBlock } from '../../system/ffi/nativeBlock.ts';
import {
  type CipherBatch,
  cipherBatch,
  type EspBackend,
  type EspCipher,
  type EspKeys,
  type EspSuite,
  keysFit,
} from '../espCipher.ts';
import { checkRoom } from '../espFrame.ts';
import { Burst, type BurstKey, maxBufferBytes, newKeyId } from './burst.ts';
import { type GcmVariant, gcmVariants, has, processorFlags } from './variants.ts';

export const ipsecMbName = 'ipsec-mb';

/** The backend with the best instruction set this processor has, or why there is none. */
export function ipsecMbBackend(): EspBackend | string {
  const flags = processorFlags();
  const variant = gcmVariants.find((one) => has(flags, one));
  return variant === undefined ? 'the processor has no AES instructions of x86' : ipsecMbVariant(variant);
}

/** The backend with one instruction set, which the processor must have, or why there is none. Throws when the library lacks a function. */
export function ipsecMbVariant(variant: GcmVariant): EspBackend | string {
  const library = loadIpsecMb();
  if (typeof library === 'string') return library;
  const manager = library.manager(variant);
  return typeof manager === 'string' ? manager : backendOf(`${ipsecMbName} ${variant.suffix}`, manager);
}

/** All ciphers of a backend share its manager. */
export function backendOf(name: string, manager: Manager): EspBackend {
  const burst = new Burst(manager);
  return {
    name,
    cipher(suite, keys) {
      if (!keysFit(suite, keys)) return undefined;
      const { id, keyBytes } = suite.encr;
      switch (id) {
        // AES-GCM with ICVs of 8, 12 and 16 octets, RFC 4106.
        case 18:
        case 19:
        case 20:
          return keyBytes === 16 || keyBytes === 24 || keyBytes === 32
            ? gcm(name, manager, burst, suite, keys, keyBytes)
            : undefined;
        // ChaCha20-Poly1305, RFC 7634
        case 28:
          return new MbAead(name, burst, suite, keys, chachaKey(suite, keys));
        // AES-CBC with HMAC: the library's jobs of it are not done when the call returns.
        default:
          return undefined;
      }
    },
  };
}

function gcm(name: string, manager: Manager, burst: Burst, suite: EspSuite, keys: EspKeys, keyBytes: 16 | 24 | 32): EspCipher {
  const block = new NativeBlock(gcmKeyDataBytes + keyBytes);
  const { bytes, address } = block;
  bytes.set(keys.encryption.subarray(0, keyBytes), gcmKeyDataBytes);
  manager.expandGcmKey(keyBytes, address + gcmKeyDataBytes, address);
  bytes.fill(0, gcmKeyDataBytes);
  return new MbAead(name, burst, suite, keys, { block, cipherMode: IMB_CIPHER_GCM, hash: IMB_AUTH_AES_GMAC });
}

function chachaKey({ encr }: EspSuite, keys: EspKeys): AeadKey {
  const block = new NativeBlock(encr.keyBytes);
  block.bytes.set(keys.encryption.subarray(0, encr.keyBytes));
  return { block, cipherMode: IMB_CIPHER_CHACHA20_POLY1305, hash: IMB_AUTH_CHACHA20_POLY1305 };
}

interface AeadKey {
  /** Begins with the key as the library wants it. */
  readonly block: NativeBlock;
  readonly cipherMode: number;
  readonly hash: number;
}

/** SPI, sequence number and IV. */
const headBytes = 16;

/** `seal` and `open` of one packet. */
const single = cipherBatch(1);
single.count = 1;

class MbAead implements EspCipher {
  readonly backend: string;
  readonly ivBytes = 8;
  readonly icvBytes: number;
  readonly alignment = 4; // RFC 4303 §2.4
  readonly unpredictableIv = false;
  readonly #burst: Burst;
  readonly #block: NativeBlock;
  readonly #key: BurstKey;
  #alive = true;

  constructor(backend: string, burst: Burst, { encr, esn }: EspSuite, keys: EspKeys, { block, cipherMode, hash }: AeadKey) {
    this.backend = backend;
    this.icvBytes = encr.icvBytes;
    this.#burst = burst;
    this.#block = block;
    this.#key = {
      id: newKeyId(),
      encryptKeys: block.address,
      decryptKeys: block.address,
      keyBytes: encr.keyBytes,
      cipherMode,
      hash,
      icvBytes: encr.icvBytes,
      salt: keys.encryption.slice(encr.keyBytes),
      esn,
    };
  }

  seal(buffer: Uint8Array, at: number, length: number, seqHigh: number): void {
    this.#checkOne(buffer, at, length);
    this.#one(at, length, seqHigh);
    this.#burst.seal(this.#key, buffer, single);
  }

  open(buffer: Uint8Array, at: number, length: number, seqHigh: number): boolean {
    this.#checkOne(buffer, at, length);
    this.#one(at, length, seqHigh);
    this.#burst.open(this.#key, buffer, single);
    return single.intact[0] === 1;
  }

  sealAll(buffer: Uint8Array, batch: CipherBatch): void {
    this.#checkAll(buffer, batch);
    this.#burst.seal(this.#key, buffer, batch);
  }

  openAll(buffer: Uint8Array, batch: CipherBatch): void {
    this.#checkAll(buffer, batch);
    this.#burst.open(this.#key, buffer, batch);
  }

  destroy(): void {
    this.#alive = false;
    this.#burst.forget(this.#key);
    this.#key.salt.fill(0);
    this.#block.wipe();
  }

  #one(at: number, length: number, seqHigh: number): void {
    single.at[0] = at;
    single.length[0] = length;
    single.seqHigh[0] = seqHigh;
  }

  #checkOne(buffer: Uint8Array, at: number, length: number): void {
    this.#check(buffer);
    checkRoom(buffer, at, length, headBytes + this.icvBytes);
  }

  /** Before the first is touched. */
  #checkAll(buffer: Uint8Array, batch: CipherBatch): void {
    this.#check(buffer);
    const { at, length, count } = batch;
    const overhead = headBytes + this.icvBytes;
    for (let i = 0; i < count; i++) checkRoom(buffer, at[i], length[i], overhead);
  }

  #check(buffer: Uint8Array): void {
    if (!this.#alive) throw new Error('the cipher was destroyed');
    if (buffer.length > maxBufferBytes) throw new RangeError(`a buffer of ${buffer.length} octets`);
  }
}
