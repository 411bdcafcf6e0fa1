/** What the protocol asks of cryptography. Implementations: `noble/`, `node/`, later `evp/`. All calls are synchronous and pure. */

/** Source of randomness handed to protocol code at construction; `length` octets. */
export type Random = (length: number) => Uint8Array;

/** One row of the table of encryption transforms (IANA transform type 1). */
export interface EncrTransform {
  readonly type: 1;
  readonly id: number;
  /** Value of the Key Length attribute in bits; undefined where the transform has a fixed key (ChaCha20-Poly1305). */
  readonly keyLength: number | undefined;
  /** IANA-style name as swanctl prints it, e.g. `AES_GCM_16`, `AES_CBC`, `CHACHA20_POLY1305`. */
  readonly name: string;
  /** strongSwan's proposal keyword, e.g. `aes256gcm16`. */
  readonly keyword: string;
  readonly aead: boolean;
  /** Octets of key without salt. */
  readonly keyBytes: number;
  /** Octets of salt taken from KEYMAT after the key (RFC 4106 §8.1, RFC 7634 §2): 4 for AEAD, 0 else. */
  readonly saltBytes: number;
  /** Octets of explicit IV on the wire: 8 for AEAD, 16 for CBC. */
  readonly ivBytes: number;
  /** Cipher block in octets for padding: 16 for CBC, 1 for the AEADs (ESP then pads to 4). */
  readonly blockBytes: number;
  /** Octets of ICV for AEAD, 0 else. */
  readonly icvBytes: number;
}

export interface PrfTransform {
  readonly type: 2;
  readonly id: number;
  readonly name: string; // PRF_HMAC_SHA2_256
  readonly keyword: string; // prfsha256
  /** Preferred key size and output size in octets (equal for HMAC PRFs). */
  readonly keyBytes: number;
  readonly outBytes: number;
  readonly hash: 'sha1' | 'sha256' | 'sha384' | 'sha512';
}

export interface IntegTransform {
  readonly type: 3;
  readonly id: number;
  readonly name: string; // HMAC_SHA2_256_128
  readonly keyword: string; // sha256
  readonly keyBytes: number;
  readonly icvBytes: number;
  readonly hash: 'sha1' | 'sha256' | 'sha384' | 'sha512';
}

export interface KeTransform {
  readonly type: 4;
  readonly id: number;
  readonly name: string; // CURVE_25519, ECP_256, MODP_2048 …
  readonly keyword: string; // x25519 (alias curve25519), ecp256, modp2048 …
  /** Exact octets of a public value on the wire (RFC 5903 §7, RFC 8031 §3.1, RFC 3526). */
  readonly publicBytes: number;
  readonly sharedBytes: number;
}

/** IANA transform type 5: 0 is 32-bit sequence numbers, 1 is ESN. */
export interface EsnTransform {
  readonly type: 5;
  readonly id: 0 | 1;
  readonly name: 'NO_EXT_SEQ' | 'EXT_SEQ';
  readonly keyword: 'noesn' | 'esn';
}

export type TransformRow = EncrTransform | PrfTransform | IntegTransform | KeTransform | EsnTransform;

/** An ephemeral key exchange, one use. */
export interface KeyExchange {
  readonly method: KeTransform;
  readonly publicValue: Uint8Array;
  /** The shared secret, or why the peer's public value is refused (RFC 6989, RFC 8031 §5). */
  derive(peer: Uint8Array): Uint8Array | KeyExchangeFault;
}

export type KeyExchangeFault = { readonly fault: 'length' | 'range' | 'off-curve' | 'zero' };

/** Protection of SK payloads and of ESP by combined or encrypt-then-MAC transforms, with the key schedule's keys set. */
export interface RecordCipher {
  readonly ivBytes: number;
  readonly icvBytes: number;
  readonly blockBytes: number;
  /**
   * `plaintext` is already padded. Returns ciphertext followed by ICV.
   * For encrypt-then-MAC suites the ICV covers aad, iv and ciphertext, in that order.
   */
  seal(iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** The plaintext (padding still on), or undefined when the ICV does not match; compared in constant time before anything is used. */
  open(iv: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}
