import { addressOfPackets, type FixedAddresses, NativeBlock } from '../../system/ffi/nativeBlock.ts';
import { type OpenSsl, OSSL_PARAM_UTF8_STRING, paramBytes } from '../../system/ffi/openssl.ts';
import { type EspCipher, type EspKeys, espHeaderBytes } from '../espCipher.ts';
import { checkRoom, sameOctets, writeU32 } from '../espFrame.ts';
import type { IntegTransform } from '../types.ts';

/** Offsets in the block of a cipher. */
const highAt = 0;
const outLengthAt = 8;
const macAt = 16;
const keyAt = 80; // while it is made: a key, then the parameters
const paramsAt = 144;
const textAt = paramsAt + 2 * paramBytes;
const blockBytes = textAt + 32;

/** SPI, sequence number and IV. */
const headBytes = espHeaderBytes + 16;

/** OpenSSL's names of the hashes. */
const digests = { sha1: 'SHA1', sha256: 'SHA256', sha384: 'SHA384', sha512: 'SHA512' } as const;

/** AES-CBC with HMAC: five calls, one more with ESN. */
export class EvpCbcHmac implements EspCipher {
  readonly backend: string;
  readonly ivBytes = 16;
  readonly icvBytes: number;
  readonly alignment = 16;
  readonly unpredictableIv = true;
  readonly #openssl: OpenSsl;
  readonly #esn: boolean;
  readonly #macBytes: number;
  readonly #block = new NativeBlock(blockBytes);
  /** Of the contexts to encrypt, to decrypt and for HMAC (0 once destroyed), of the high half, where lengths are written, and the ICV. */
  readonly #fixed: FixedAddresses;

  constructor(
    openssl: OpenSsl,
    backend: string,
    algorithms: { readonly cipher: number; readonly hmac: number },
    integ: IntegTransform,
    esn: boolean,
    keys: EspKeys,
  ) {
    this.backend = backend;
    this.icvBytes = integ.icvBytes;
    this.#macBytes = integ.keyBytes; // RFC 4868 §2.1.1, RFC 2404: the key is as long as the hash
    this.#openssl = openssl;
    this.#esn = esn;
    const { address } = this.#block;
    // Two to encrypt and decrypt, because CBC expands the key differently for either.
    this.#fixed = [
      'fixed',
      openssl.EVP_CIPHER_CTX_new(),
      openssl.EVP_CIPHER_CTX_new(),
      openssl.EVP_MAC_CTX_new(algorithms.hmac),
      address + highAt,
      address + outLengthAt,
      address + macAt,
    ];
    const ready = this.#start(algorithms.cipher, integ, keys);
    this.#block.wipe();
    if (ready) return;
    this.destroy();
    openssl.ERR_clear_error();
    throw new Error('OpenSSL takes no key');
  }

  seal(buffer: Uint8Array, at: number, length: number, seqHigh: number): void {
    checkRoom(buffer, at, length, headBytes + this.icvBytes);
    const packet = addressOfPackets(buffer) + at;
    // RFC 4303 §3.3.2.1: encryption first, the ICV covers the ciphertext
    if (!this.#crypt(this.#fixed[1], 1, packet, length) || !this.#authenticate(packet, headBytes + length, seqHigh)) this.#fail();
    const { bytes } = this.#block;
    const icv = at + headBytes + length;
    for (let i = 0; i < this.icvBytes; i++) buffer[icv + i] = bytes[macAt + i];
  }

  open(buffer: Uint8Array, at: number, length: number, seqHigh: number): boolean {
    checkRoom(buffer, at, length, headBytes + this.icvBytes);
    const packet = addressOfPackets(buffer) + at;
    if (!this.#authenticate(packet, headBytes + length, seqHigh)) this.#fail();
    if (!sameOctets(this.#block.bytes, macAt, buffer, at + headBytes + length, this.icvBytes)) return false;
    if (length % 16 !== 0) return false; // authentic, but no ciphertext of CBC
    if (!this.#crypt(this.#fixed[2], 0, packet, length)) this.#fail();
    return true;
  }

  destroy(): void {
    const fixed = this.#fixed;
    // They wipe what they held; 0 is allowed.
    this.#openssl.EVP_CIPHER_CTX_free(fixed[1]);
    this.#openssl.EVP_CIPHER_CTX_free(fixed[2]);
    this.#openssl.EVP_MAC_CTX_free(fixed[3]);
    fixed[1] = 0;
    fixed[2] = 0;
    fixed[3] = 0;
    this.#block.wipe();
  }

  #start(cipher: number, integ: IntegTransform, keys: EspKeys): boolean {
    const openssl = this.#openssl;
    const { bytes, words, address } = this.#block;
    const [, encrypt, decrypt, mac] = this.#fixed;
    if (encrypt === 0 || decrypt === 0 || mac === 0) return false;
    bytes.set(keys.encryption, keyAt);
    for (const [context, direction] of [
      [encrypt, 1],
      [decrypt, 0],
    ]) {
      if (openssl.EVP_CipherInit_ex2(context, cipher, address + keyAt, 0, direction, 0) !== 1) return false;
      // RFC 4303 §2.4: the padding is ESP's own
      if (openssl.EVP_CIPHER_CTX_set_padding(context, 0) !== 1) return false;
    }
    bytes.set(keys.integrity, keyAt);
    // EVP_MAC-HMAC(7): OSSL_MAC_PARAM_DIGEST is "digest"
    const digest = digests[integ.hash];
    bytes.set(new TextEncoder().encode(`digest\0${digest}\0`), textAt);
    this.#block.setPointer(paramsAt, address + textAt);
    words[(paramsAt + 8) >>> 2] = OSSL_PARAM_UTF8_STRING;
    this.#block.setPointer(paramsAt + 16, address + textAt + 7);
    this.#block.setPointer(paramsAt + 24, digest.length);
    return openssl.EVP_MAC_init(mac, address + keyAt, keys.integrity.length, address + paramsAt) === 1;
  }

  /** In place; the IV is the packet's own. */
  #crypt(context: number, encrypt: 0 | 1, packet: number, length: number): boolean {
    if (context === 0) throw new Error('the cipher was destroyed');
    // With whole blocks and no padding nothing is left for EVP_CipherFinal_ex to give.
    if (length % 16 !== 0) return false;
    const data = packet + headBytes;
    return (
      this.#openssl.EVP_CipherInit_ex2(context, 0, 0, packet + espHeaderBytes, encrypt, 0) === 1 &&
      this.#openssl.EVP_CipherUpdate(context, data, this.#fixed[5], data, length) === 1
    );
  }

  /** Over SPI, sequence number, IV and ciphertext; with ESN the high half follows as if it were sent (RFC 4303 §2.2.1). */
  #authenticate(packet: number, length: number, seqHigh: number): boolean {
    const openssl = this.#openssl;
    const fixed = this.#fixed;
    const mac = fixed[3];
    if (mac === 0) throw new Error('the cipher was destroyed');
    // EVP_MAC_init(3): without a key it begins again under the one it has
    if (openssl.EVP_MAC_init(mac, 0, 0, 0) !== 1 || openssl.EVP_MAC_update(mac, packet, length) !== 1) return false;
    if (this.#esn) {
      writeU32(this.#block.bytes, highAt, seqHigh);
      if (openssl.EVP_MAC_update(mac, fixed[4], 4) !== 1) return false;
    }
    return openssl.EVP_MAC_final(mac, fixed[6], fixed[5], this.#macBytes) === 1;
  }

  #fail(): never {
    this.#openssl.ERR_clear_error();
    throw new Error('OpenSSL cannot work on a packet');
  }
}
