import { addressOfPackets, type FixedAddresses, NativeBlock } from '../../system/ffi/nativeBlock.ts';
import { type OpenSsl, OSSL_PARAM_OCTET_STRING, paramBytes } from '../../system/ffi/openssl.ts';
import type { EspCipher, EspKeys, EspSuite } from '../espCipher.ts';
import { checkRoom, copyIv8, writeAad } from '../espFrame.ts';

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
  readonly #bytes: Uint8Array;
  /** Of context (0 once destroyed), nonce, additional data, where OpenSSL writes lengths, and the parameters. */
  readonly #fixed: FixedAddresses;

  constructor(openssl: OpenSsl, backend: string, cipher: number, { encr, esn }: EspSuite, keys: EspKeys) {
    this.backend = backend;
    this.icvBytes = encr.icvBytes;
    this.#openssl = openssl;
    this.#esn = esn;
    const { bytes, words, address } = this.#block;
    this.#bytes = bytes;
    // EVP_EncryptInit(3): OSSL_CIPHER_PARAM_AEAD_TAG is "tag"
    bytes.set([0x74, 0x61, 0x67, 0], nameAt);
    this.#block.setPointer(paramsAt, address + nameAt);
    words[(paramsAt + typeOffset) >>> 2] = OSSL_PARAM_OCTET_STRING;
    this.#block.setPointer(paramsAt + sizeOffset, encr.icvBytes);
    bytes.set(keys.encryption.subarray(0, encr.keyBytes), keyAt);
    bytes.set(keys.encryption.subarray(encr.keyBytes), nonceAt); // the nonce is salt | IV: RFC 4106 §4, RFC 7634 §2
    const context = openssl.EVP_CIPHER_CTX_new();
    this.#fixed = ['fixed', context, address + nonceAt, address + aadAt, address + outLengthAt, address + paramsAt];
    const ready = context !== 0 && openssl.EVP_CipherInit_ex2(context, cipher, address + keyAt, address + nonceAt, 1, 0) === 1;
    bytes.fill(0, keyAt);
    if (ready) return;
    this.destroy();
    openssl.ERR_clear_error();
    throw new Error('OpenSSL takes no key');
  }

  seal(buffer: Uint8Array, at: number, length: number, seqHigh: number): void {
    checkRoom(buffer, at, length, headBytes + this.icvBytes);
    const data = addressOfPackets(buffer) + at + headBytes;
    if (!this.#crypt(1, 0, buffer, at, data, length, seqHigh)) this.#fail();
    const fixed = this.#fixed;
    this.#block.setPointer(paramsAt + dataOffset, data + length);
    if (this.#openssl.EVP_CIPHER_CTX_get_params(fixed[1], fixed[5]) !== 1) this.#fail();
  }

  open(buffer: Uint8Array, at: number, length: number, seqHigh: number): boolean {
    checkRoom(buffer, at, length, headBytes + this.icvBytes);
    const data = addressOfPackets(buffer) + at + headBytes;
    this.#block.setPointer(paramsAt + dataOffset, data + length);
    if (this.#crypt(0, this.#fixed[5], buffer, at, data, length, seqHigh)) return true;
    // Not authentic: what was deciphered is enciphered again before anybody can look at it.
    this.#openssl.ERR_clear_error();
    if (!this.#crypt(1, 0, buffer, at, data, length, seqHigh)) this.#fail();
    return false;
  }

  destroy(): void {
    this.#openssl.EVP_CIPHER_CTX_free(this.#fixed[1]); // wipes what it held; 0 is allowed
    this.#fixed[1] = 0;
    this.#block.wipe();
  }

  /** All but the ICV of a sealed packet; that of one to open is in the parameters. */
  #crypt(encrypt: 0 | 1, params: number, buffer: Uint8Array, at: number, data: number, length: number, seqHigh: number): boolean {
    const openssl = this.#openssl;
    const fixed = this.#fixed;
    if (fixed[1] === 0) throw new Error('the cipher was destroyed');
    copyIv8(this.#bytes, nonceAt + 4, buffer, at);
    const aadLength = writeAad(this.#bytes, aadAt, buffer, at, this.#esn, seqHigh);
    return (
      openssl.EVP_CipherInit_ex2(fixed[1], 0, 0, fixed[2], encrypt, params) === 1 &&
      openssl.EVP_CipherUpdate(fixed[1], 0, fixed[4], fixed[3], aadLength) === 1 &&
      openssl.EVP_CipherUpdate(fixed[1], data, fixed[4], data, length) === 1 &&
      // AEADs have nothing left to write, so any address will do.
      openssl.EVP_CipherFinal_ex(fixed[1], fixed[3], fixed[4]) === 1
    );
  }

  #fail(): never {
    this.#openssl.ERR_clear_error();
    throw new Error('OpenSSL cannot seal');
  }
}
