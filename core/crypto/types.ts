/** What the protocol asks of cryptography. Implementations: `noble/`, `node/`, later `evp/`. All calls are synchronous and pure. */

/** Source of randomness handed to protocol code at construction; `length` octets. */
export type Random = (length: number) => Uint8Array;

/** How strongly the RFCs ask for a transform: RFC 8247 §2 for IKE, RFC 8221 §5–6 for ESP. Not listed there, or does not apply: `undefined`. */
export type RequirementLevel = 'MUST' | 'MUST-' | 'SHOULD+' | 'SHOULD' | 'MAY';

export interface RequirementLevels {
  readonly ike: RequirementLevel | undefined;
  readonly esp: RequirementLevel | undefined;
}

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
  readonly level: RequirementLevels;
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
  readonly level: RequirementLevels;
}

export interface IntegTransform {
  readonly type: 3;
  readonly id: number;
  readonly name: string; // HMAC_SHA2_256_128
  readonly keyword: string; // sha256
  readonly keyBytes: number;
  readonly icvBytes: number;
  readonly hash: 'sha1' | 'sha256' | 'sha384' | 'sha512';
  readonly level: RequirementLevels;
}

export interface KeTransform {
  readonly type: 4;
  readonly id: number;
  readonly name: string; // CURVE_25519, ECP_256, MODP_2048 …
  readonly keyword: string; // x25519 (alias curve25519), ecp256, modp2048, mlkem768 …
  /** Exact octets of the initiator's public value on the wire (RFC 5903 §7, RFC 6954 §2, RFC 8031 §3.1, RFC 7296 §3.4). */
  readonly publicBytes: number;
  /** The same of the responder's: another number where it encapsulates. */
  readonly answerBytes: number;
  readonly sharedBytes: number;
  readonly level: RequirementLevels;
}

/** IANA transform type 5: 0 is 32-bit sequence numbers, 1 is ESN. */
export interface EsnTransform {
  readonly type: 5;
  readonly id: 0 | 1;
  readonly name: 'NO_EXT_SEQ' | 'EXT_SEQ';
  readonly keyword: 'noesn' | 'esn';
}

/** RFC 9370 §2.2.1: Additional Key Exchange 1 to 7 are the transform types 6 to 12; `ke` undefined is NONE. */
export interface AdditionalKeTransform {
  readonly type: 6 | 7 | 8 | 9 | 10 | 11 | 12;
  readonly id: number;
  readonly name: string; // ML_KEM_768
  readonly keyword: string; // ke1_mlkem768, ke1_none
  readonly ke: KeTransform | undefined;
}

/** An additional key exchange that is to take place. */
export type AdditionalKe = AdditionalKeTransform & { readonly ke: KeTransform };

export type TransformRow = EncrTransform | PrfTransform | IntegTransform | KeTransform | EsnTransform | AdditionalKeTransform;

/** An ephemeral key exchange. The private value is made for one peer and dropped when `derive` succeeds. */
export interface KeyExchange {
  readonly method: KeTransform;
  /** The initiator's; a responder's comes of `answerKeyExchange`. */
  readonly publicValue: Uint8Array;
  /**
   * The shared secret (`sharedBytes` octets), or why the peer's public value is refused. After a fault it may be called
   * again, because a forged answer must not end the exchange (RFC 6989 §2.5); after a success it throws.
   */
  derive(peer: Uint8Array): Uint8Array | KeyExchangeFault;
}

/** The responder's part of a key exchange, all at once. */
export interface AnsweredKeyExchange {
  readonly publicValue: Uint8Array;
  /** `sharedBytes` octets. */
  readonly shared: Uint8Array;
}

/**
 * `length`: not exactly `publicBytes` or `answerBytes`. `range`: outside 1 < y < p-1 (RFC 6989 §2.1), a coordinate that is not below p, a
 * coefficient that is not below q (FIPS 203 §7.2).
 * `off-curve`: the curve equation does not hold (RFC 6989 §2.3). `zero`: the all-zero secret of a small-order point (RFC 7748 §6.1).
 */
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
