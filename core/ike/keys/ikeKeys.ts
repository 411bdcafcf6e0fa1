/**
 * Key schedule of the IKE SA and of its CHILD SAs (RFC 7296 §2.13, §2.14, §2.17).
 *
 * `wipe` overwrites the arrays it is given. It is best effort: the engine may have copied an array while moving it, the
 * hash and cipher libraries keep round keys and intermediate states of their own, and none of that can be reached from
 * JavaScript. Long-lived copies are not made here.
 */
import { concat } from '../../bytes/bytes.ts';
import { prf, prfPlus } from '../../crypto/prf.ts';
import type { EncrTransform, IntegTransform, PrfTransform } from '../../crypto/types.ts';
import type { IkeSuite } from '../negotiation.ts';

/** SK_d, SK_ai, SK_ar, SK_ei, SK_er, SK_pi, SK_pr. With AEAD `ei` and `er` are key then salt, `ai` and `ar` are empty (RFC 5282 §7). */
export interface IkeKeys {
  readonly d: Uint8Array;
  readonly ai: Uint8Array;
  readonly ar: Uint8Array;
  readonly ei: Uint8Array;
  readonly er: Uint8Array;
  readonly pi: Uint8Array;
  readonly pr: Uint8Array;
}

/** Keys of one direction of a CHILD SA: encryption key followed by salt, then the integrity key (empty with AEAD). */
export interface DirectionKeys {
  readonly encryption: Uint8Array;
  readonly integrity: Uint8Array;
}

export interface Nonces {
  readonly ni: Uint8Array;
  readonly nr: Uint8Array;
}

/** RFC 7296 §2.14: SKEYSEED = prf(Ni | Nr, g^ir). */
export function skeyseed(transform: PrfTransform, nonces: Nonces, shared: Uint8Array): Uint8Array {
  return prf(transform, concat(nonces.ni, nonces.nr), shared);
}

/**
 * RFC 7296 §2.18: SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr), with the PRF of the IKE SA that is replaced. `more` are SK(1), SK(2), … of additional
 * key exchanges, after the nonces (RFC 9370 §2.2.4).
 */
export function rekeySkeyseed(
  old: PrfTransform,
  skD: Uint8Array,
  shared: Uint8Array,
  nonces: Nonces,
  more: readonly Uint8Array[] = [],
): Uint8Array {
  const seed = concat(shared, nonces.ni, nonces.nr, ...more);
  const made = prf(old, skD, seed);
  seed.fill(0);
  return made;
}

/** RFC 7296 §2.14: {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr). */
export function deriveIkeKeys(
  suite: IkeSuite,
  seed: Uint8Array,
  nonces: Nonces,
  spis: { readonly spiI: Uint8Array; readonly spiR: Uint8Array },
): IkeKeys {
  const { encr, prf: transform, integ } = suite;
  const encryption = encr.keyBytes + encr.saltBytes; // RFC 5282 §7.1: the salt is part of the key material
  const integrity = integ?.keyBytes ?? 0;
  const total = 3 * transform.keyBytes + 2 * integrity + 2 * encryption;
  const material = prfPlus(transform, seed, concat(nonces.ni, nonces.nr, spis.spiI, spis.spiR), total);
  const take = cutter(material);
  const d = take(transform.keyBytes);
  const ai = take(integrity);
  const ar = take(integrity);
  const ei = take(encryption);
  const er = take(encryption);
  const pi = take(transform.keyBytes);
  const pr = take(transform.keyBytes);
  material.fill(0);
  return { d, ai, ar, ei, er, pi, pr };
}

/**
 * RFC 9370 §2.2.2: after the nth additional key exchange, SKEYSEED(n) = prf(SK_d(n-1), SK(n) | Ni | Nr), and all seven from it as ever. The old
 * keys are whoever's they are.
 */
export function nextIkeKeys(
  suite: IkeSuite,
  keys: Pick<IkeKeys, 'd'>,
  shared: Uint8Array,
  nonces: Nonces,
  spis: { readonly spiI: Uint8Array; readonly spiR: Uint8Array },
): IkeKeys {
  const seed = prf(suite.prf, keys.d, shared, nonces.ni, nonces.nr);
  const next = deriveIkeKeys(suite, seed, nonces, spis);
  seed.fill(0);
  return next;
}

/**
 * RFC 7296 §2.17: KEYMAT = prf+(SK_d, [g^ir (new) |] Ni | Nr). Keys of the direction initiator → responder come before the
 * other, and encryption keys before integrity keys. "Initiator" is who started this exchange.
 */
export function deriveChildKeys(
  transform: PrfTransform,
  skD: Uint8Array,
  child: { readonly encr: EncrTransform; readonly integ: IntegTransform | undefined },
  nonces: Nonces,
  shared: Uint8Array = new Uint8Array(0),
  more: readonly Uint8Array[] = [],
): { readonly initiatorToResponder: DirectionKeys; readonly responderToInitiator: DirectionKeys } {
  const encryption = child.encr.keyBytes + child.encr.saltBytes; // RFC 4106 §8.1, RFC 7634 §4: key, then salt
  const integrity = child.integ?.keyBytes ?? 0;
  // RFC 9370 §2.2.4: SK(1), SK(2), … of additional key exchanges come after the nonces.
  const seed = concat(shared, nonces.ni, nonces.nr, ...more);
  const material = prfPlus(transform, skD, seed, 2 * (encryption + integrity));
  seed.fill(0);
  const take = cutter(material);
  const initiatorToResponder = { encryption: take(encryption), integrity: take(integrity) };
  const responderToInitiator = { encryption: take(encryption), integrity: take(integrity) };
  material.fill(0);
  return { initiatorToResponder, responderToInitiator };
}

/** Overwrites secrets that are not needed any more. See the head of the file for what that is worth. */
export function wipe(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}

export function wipeIkeKeys(keys: IkeKeys): void {
  wipe(keys.d, keys.ai, keys.ar, keys.ei, keys.er, keys.pi, keys.pr);
}

/** Copies, not views: each key is wiped by its own owner. */
function cutter(material: Uint8Array): (length: number) => Uint8Array {
  let at = 0;
  return (length) => {
    at += length;
    return material.slice(at - length, at);
  };
}
