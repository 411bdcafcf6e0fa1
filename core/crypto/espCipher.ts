/**
 * What ESP asks of cryptography: one direction of one SA, in place on a packet that already lies in its buffer. Implementations, fastest
 * first: `ipsecMb/` and `evp/` through FFI, `node/esp.ts`, `noble/esp.ts`. They differ in speed only; tests hold them byte-identical.
 */
import type { EncrTransform, IntegTransform } from './types.ts';

/** Octets of SPI and sequence number, which stay in clear (RFC 4303 §2). */
export const espHeaderBytes = 8;

/**
 * The packet lies at `at` as
 *
 *     SPI (4) | sequence, low half (4) | IV (ivBytes) | `length` octets of payload with trailer | ICV (icvBytes)
 *
 * The caller writes SPI, sequence number and IV; `seal` replaces the payload by ciphertext and writes the ICV behind it.
 */
export interface EspCipher {
  /** Name of the backend that made it, as `status` shows it. */
  readonly backend: string;
  /** Octets of explicit IV on the wire. */
  readonly ivBytes: number;
  readonly icvBytes: number;
  /** Payload with trailer is a multiple of this many octets: 4 at least (RFC 4303 §2.4), the cipher's block for CBC. */
  readonly alignment: number;
  /** True where the IV must not be predictable (CBC, RFC 3602 §3); false where it must only never repeat under a key (AEAD). */
  readonly unpredictableIv: boolean;
  /** `seqHigh` is the untransmitted half of an extended sequence number; it counts only for SAs with ESN. */
  seal(buffer: Uint8Array, at: number, length: number, seqHigh: number): void;
  /** False when the ICV does not match; the buffer is then as it was. */
  open(buffer: Uint8Array, at: number, length: number, seqHigh: number): boolean;
  /** Where a whole batch costs less than its packets one by one. */
  sealAll?(buffer: Uint8Array, batch: CipherBatch): void;
  openAll?(buffer: Uint8Array, batch: CipherBatch): void;
  /** Overwrites the keys; the cipher must not be used afterwards. */
  destroy(): void;
}

/** Packets of one buffer that are dealt with in one go: one call into a library costs as much as sealing half a packet. */
export interface CipherBatch {
  /** Arguments of `seal` and `open`, one each per packet. */
  readonly at: Uint32Array;
  readonly length: Uint32Array;
  readonly seqHigh: Uint32Array;
  /** After `openAll`: 1 where `open` would have said true, else 0. */
  readonly intact: Uint8Array;
  count: number;
}

export function cipherBatch(capacity: number): CipherBatch {
  return {
    at: new Uint32Array(capacity),
    length: new Uint32Array(capacity),
    seqHigh: new Uint32Array(capacity),
    intact: new Uint8Array(capacity),
    count: 0,
  };
}

/** `seal` for each packet of the batch, in order. */
export function sealAll(cipher: EspCipher, buffer: Uint8Array, batch: CipherBatch): void {
  if (cipher.sealAll !== undefined) {
    cipher.sealAll(buffer, batch);
    return;
  }
  const { at, length, seqHigh, count } = batch;
  for (let i = 0; i < count; i++) cipher.seal(buffer, at[i], length[i], seqHigh[i]);
}

/** `open` for each packet of the batch, in order. */
export function openAll(cipher: EspCipher, buffer: Uint8Array, batch: CipherBatch): void {
  if (cipher.openAll !== undefined) {
    cipher.openAll(buffer, batch);
    return;
  }
  const { at, length, seqHigh, intact, count } = batch;
  for (let i = 0; i < count; i++) intact[i] = cipher.open(buffer, at[i], length[i], seqHigh[i]) ? 1 : 0;
}

/** A pair of transforms that protects ESP. `integ` is undefined exactly for the AEADs. */
export interface EspSuite {
  readonly encr: EncrTransform;
  readonly integ: IntegTransform | undefined;
  readonly esn: boolean;
}

/** `encryption` is the key followed by the salt where the suite has one (RFC 4106 §8.1, RFC 7634 §2); empty `integrity` for AEADs. */
export interface EspKeys {
  readonly encryption: Uint8Array;
  readonly integrity: Uint8Array;
}

export interface EspBackend {
  /** As `status` shows it. */
  readonly name: string;
  /** A cipher with its own copy of the keys; undefined for a suite this backend does not have or keys of the wrong length. */
  cipher(suite: EspSuite, keys: EspKeys): EspCipher | undefined;
}

/** Whether the keys have the lengths the suite says, so that no backend ever sees others. */
export function keysFit(suite: EspSuite, keys: EspKeys): boolean {
  const { encr, integ } = suite;
  if (encr.aead !== (integ === undefined)) return false;
  return keys.encryption.length === encr.keyBytes + encr.saltBytes && keys.integrity.length === (integ?.keyBytes ?? 0);
}
