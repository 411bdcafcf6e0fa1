/** The office's side of post-quantum preshared keys: table 1 of RFC 8784 §3. */
import { equalBytes } from '../../core/bytes/bytes.ts';
import { type MixedKeys, mixPpk, readPpkIdentity } from '../../core/ike/auth/ppk.ts';
import { NOTIFY } from '../../core/ike/wire/constants.ts';
import type { Payload, PayloadOf } from '../../core/ike/wire/message.ts';
import { findNotify, findPayload } from '../../core/ike/wire/payloads.ts';
import type { HeadOfficeConfig, HeadOfficeUser } from './config.ts';
import type { HalfOpen } from './saInit.ts';

export type PpkVerdict =
  | { readonly kind: 'used'; readonly keys: MixedKeys; readonly auth: PayloadOf<'AUTH'> | undefined }
  /** `auth` is what is to be looked at, by the keys as they are. */
  | { readonly kind: 'unused'; readonly auth: PayloadOf<'AUTH'> | undefined }
  | { readonly kind: 'refused'; readonly why: string };

/** `request` is the one that holds the client's first AUTH payload. */
export function judgePpk(half: HalfOpen, request: readonly Payload[], user: HeadOfficeUser): PpkVerdict {
  const auth = findPayload(request, 'AUTH');
  const { ppk } = user;
  if (!half.usePpk) return ppk?.required ? { kind: 'refused', why: 'no USE_PPK' } : { kind: 'unused', auth };
  const named = findNotify(request, NOTIFY.PPK_IDENTITY);
  if (!named) return { kind: 'refused', why: 'no PPK_IDENTITY' };
  const id = readPpkIdentity(named);
  if (ppk && id && equalBytes(id, ppk.id)) return { kind: 'used', keys: mixPpk(half.suite.prf, ppk.secret, half.keys), auth };
  const plain = findNotify(request, NOTIFY.NO_PPK_AUTH);
  if (ppk?.required || !plain || !auth) return { kind: 'refused', why: 'an unknown PPK' };
  return { kind: 'unused', auth: { ...auth, data: plain.data } };
}

/** The office has some PPK, be it for whom it may. */
export function hasPpk({ users }: HeadOfficeConfig): boolean {
  return users.some(({ ppk }) => ppk !== undefined);
}
