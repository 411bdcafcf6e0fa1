import { addressOfPackets, NativeBlock } from '../../system/ffi/nativeBlock.ts';
import { type OpenSsl, OSSL_PARAM_OCTET_STRING, paramBytes } from '../../system/ffi/openssl.ts';
import type { EspCipher, EspKeys, EspSuite } from '../espCipher.ts';
import { checkRoom, copyIv8, writeEsnAad } from '../espFrame.ts';

/** Offsets in the block of a cipher. */
const paramsAt = 0; // the tag, and the end of the array
const nonceAt = 2 * paramBytes;
const aadAt = nonceAt + 16;
const outLengthAt = aadAt + 16;
const nameAt = outLengthAt + 8;
const keyAt = 128;
const blockBytes = 192;

/** In an OSSL_PARAM. */
const typeOffset = 8;
const dataOffset = 16;
const sizeOffset = 24;

/** SPI, sequence number and IV. */
const headBytes = 16;

/** AES-GCM and ChaCha20-Poly1305: five calls to seal, four to open. */
export class EvpAead implements EspCipher {
  readonly backend: string;
  readonly ivBytes = 8;
  readonly icvBytes: number;
  readonly alignment = 4; // RFC 4303 §2.4
  readonly unpredictableIv = false;
  readonly #openssl: OpenSsl;
  readonly #esn: boolean;
  readonly #block = new NativeBlock(blockBytes);
  readonly #address: number;
  /** 0 once destroyed. */
  #context: number;

  constructor(openssl: OpenSsl, backend: string, cipher: number, { encr, esn }: EspSuite, keys: EspKeys) {
    this.backend = backend;
    this.icvBytes = encr.icvBytes;
    this.#openssl = openssl;
    this.#esn = esn;
    const { bytes, words, address } = this.#block;
    this.#address = address;
    // EVP_EncryptInit(3): OSSL_CIPHER_PARAM_AEAD_TAG is "tag"
    bytes.set([0x74, 0x61, 0x67, 0], nameAt);
    this.#block.setPointer(paramsAt, address + nameAt);
    words[(paramsAt + typeOffset) >>> 2] = OSSL_PARAM_OCTET_STRING;
    this.#block.setPointer(paramsAt + sizeOffset, encr.icvBytes);
    bytes.set(keys.encryption.subarray(0, encr.keyBytes), keyAt);
    bytes.set(keys.encryption.subarray(encr.keyBytes), nonceAt); // the nonce is salt | IV: RFC 4106 §4, RFC 7634 §2
    this.#context = openssl.EVP_CIPHER_CTX_new();
    const ready =
      this.#context !== 0 && openssl.EVP_CipherInit_ex2(this.#context, cipher, address + keyAt, address + nonceAt, 1, 0) === 1;
    bytes.fill(0, keyAt);
    if (!ready) throw new Error('OpenSSL takes no key');
  }

  seal(buffer: Uint8Array, at: number, length: number, seqHigh: number): void {
    checkRoom(buffer, at, length, headBytes + this.icvBytes);
    const packet = addressOfPackets(buffer) + at;
    const params = this.#tagAt(packet + headBytes + length);
    const done =
      this.#crypt(1, 0, buffer, at, packet, length, seqHigh) &&
      this.#openssl.EVP_CIPHER_CTX_get_params(this.#context, params) === 1;
    if (!done) this.#fail();
  }

  open(buffer: Uint8Array, at: number, length: number, seqHigh: number): boolean {
    checkRoom(buffer, at, length, headBytes + this.icvBytes);
    const packet = addressOfPackets(buffer) + at;
    if (this.#crypt(0, this.#tagAt(packet + headBytes + length), buffer, at, packet, length, seqHigh)) return true;
    // Not authentic: what was deciphered is enciphered again before anybody can look at it.
    this.#openssl.ERR_clear_error();
    if (!this.#crypt(1, 0, buffer, at, packet, length, seqHigh)) this.#fail();
    return false;
  }

  destroy(): void {
    if (this.#context !== 0) this.#openssl.EVP_CIPHER_CTX_free(this.#context); // wipes what it held
    this.#context = 0;
    this.#block.wipe();
  }

  /** Lets the parameter be the ICV where it lies. */
  #tagAt(address: number): number {
    this.#block.setPointer(paramsAt + dataOffset, address);
    return this.#address + paramsAt;
  }

  #crypt(
    encrypt: 0 | 1,
    params: number,
    buffer: Uint8Array,
    at: number,
    packet: number,
    length: number,
    seqHigh: number,
  ): boolean {
    const context = this.#context;
    if (context === 0) throw new Error('the cipher was destroyed');
    const openssl = this.#openssl;
    const { bytes } = this.#block;
    const address = this.#address;
    const outLength = address + outLengthAt;
    const data = packet + headBytes;
    copyIv8(bytes, nonceAt + 4, buffer, at);
    if (openssl.EVP_CipherInit_ex2(context, 0, 0, address + nonceAt, encrypt, params) !== 1) return false;
    if (this.#esn) {
      writeEsnAad(bytes, aadAt, buffer, at, seqHigh);
      if (openssl.EVP_CipherUpdate(context, 0, outLength, address + aadAt, 12) !== 1) return false;
      // RFC 4106 §5: SPI | sequence number, as they lie in the packet
    } else if (openssl.EVP_CipherUpdate(context, 0, outLength, packet, 8) !== 1) return false;
    return (
      openssl.EVP_CipherUpdate(context, data, outLength, data, length) === 1 &&
      openssl.EVP_CipherFinal_ex(context, data + length, outLength) === 1
    );
  }

  #fail(): never {
    this.#openssl.ERR_clear_error();
    throw new Error('OpenSSL cannot seal');
  }
}
