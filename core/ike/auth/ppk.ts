/**
 * Post-quantum preshared keys (RFC 8784): both sides know one more secret, which goes into SK_d, SK_pi and SK_pr. What is derived of SK_d is
 * then safe from who records it today and breaks the key exchange later; AUTH shows that both have it.
 */
import { concat } from '../../bytes/bytes.ts';
import { prfPlus } from '../../crypto/prf.ts';
import type { PrfTransform } from '../../crypto/types.ts';
import { type IkeKeys, wipe } from '../keys/ikeKeys.ts';
import { NOTIFY } from '../wire/constants.ts';
import type { Payload, PayloadOf } from '../wire/message.ts';
import { findNotify, notify } from '../wire/payloads.ts';

export interface Ppk {
  /** What it is called, without the octet of its type. */
  readonly id: Uint8Array;
  readonly secret: Uint8Array;
  /** Without it there is no IKE SA. */
  readonly required: boolean;
}

/** The keys that a PPK goes into. */
export type MixedKeys = Pick<IkeKeys, 'd' | 'pi' | 'pr'>;

/** RFC 8784 §5.1: an identifier both sides were given. */
const PPK_ID_FIXED = 2;

/** RFC 8784 §3: SK_d = prf+ (PPK, SK_d'), and the same of SK_pi and SK_pr. */
export function mixPpk(transform: PrfTransform, secret: Uint8Array, { d, pi, pr }: MixedKeys): MixedKeys {
  const mix = (key: Uint8Array) => prfPlus(transform, secret, key, key.length);
  return { d: mix(d), pi: mix(pi), pr: mix(pr) };
}

/** Contents of PPK_IDENTITY. */
export function ppkIdentity(id: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(PPK_ID_FIXED), id);
}

/** Which keys are in force in IKE_AUTH as the initiator. A PPK is named with the first AUTH payload of ours, and the answer to that decides. */
export class PpkOffer {
  readonly plain: MixedKeys;
  readonly #ppk: Ppk | undefined;
  readonly #mixed: MixedKeys;
  #state: 'to-be-named' | 'named' | 'used' | 'unused';

  /** `ppk` when the profile has one and both sides sent USE_PPK. */
  constructor(transform: PrfTransform, keys: MixedKeys, ppk: Ppk | undefined) {
    this.plain = keys;
    this.#ppk = ppk;
    this.#mixed = ppk ? mixPpk(transform, ppk.secret, keys) : keys;
    this.#state = ppk ? 'to-be-named' : 'unused';
  }

  /** For AUTH of ours. */
  get ours(): MixedKeys {
    return this.#state === 'unused' ? this.plain : this.#mixed;
  }

  /** For AUTH of the gateway, which knows no PPK before it was named (RFC 8784 §3: its first AUTH where we do EAP). */
  get theirs(): MixedKeys {
    return this.#state === 'used' ? this.#mixed : this.plain;
  }

  /** AUTH by the plain keys has to go with the one by mixed keys: the PPK is named now, and may be done without. */
  get wantsPlainAuth(): boolean {
    return this.#state === 'to-be-named' && this.#ppk?.required === false;
  }

  get isUsed(): boolean {
    return this.#state === 'used';
  }

  /** What goes beside an AUTH payload of ours; `plainAuth` is the data of the one by the plain keys, where it is wanted. */
  name(plainAuth: Uint8Array | undefined): readonly Payload[] {
    if (this.#state !== 'to-be-named' || !this.#ppk) return [];
    this.#state = 'named';
    const named = notify(NOTIFY.PPK_IDENTITY, ppkIdentity(this.#ppk.id));
    return plainAuth ? [named, notify(NOTIFY.NO_PPK_AUTH, plainAuth)] : [named];
  }

  /** The answer to the message that named it. False: it is needed and not used. */
  settle(answer: readonly Payload[]): boolean {
    if (this.#state !== 'named') return true;
    // RFC 8784 §3: what is in the notify must be ignored.
    this.#state = findNotify(answer, NOTIFY.PPK_IDENTITY) ? 'used' : 'unused';
    return this.#state === 'used' || this.#ppk?.required !== true;
  }

  /** Over: SK_d when it is another one from now on. Its owner wipes it; all the others are wiped here. */
  finish(): Uint8Array | undefined {
    if (this.#mixed === this.plain) return undefined;
    wipe(this.#mixed.pi, this.#mixed.pr);
    if (this.isUsed) return this.#mixed.d;
    wipe(this.#mixed.d);
    return undefined;
  }
}

/** The identifier in a PPK_IDENTITY of a type that is known here; undefined: there is none. */
export function readPpkIdentity({ data }: PayloadOf<'N'>): Uint8Array | undefined {
  return data[0] === PPK_ID_FIXED ? data.subarray(1) : undefined;
}
