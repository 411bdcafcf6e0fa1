/** The office sends clients to another gateway (RFC 5685): which, when, and by which payload. */
import { redirectData } from '../../core/ike/exchanges/redirect.ts';
import { NOTIFY } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { findNotify, findPayload, notify } from '../../core/ike/wire/payloads.ts';

export interface RedirectPolicy {
  /** An address or a name. */
  readonly to: string;
  /**
   * In the answer to IKE_SA_INIT (§3), in the first answer in IKE_AUTH by the name that the client claims, or in the last one, when it
   * is known (§6).
   */
  readonly at: 'init' | 'auth-first' | 'auth-last';
}

/** RFC 5685 §3: who came by a redirect knows redirects too. */
export function isRedirectable(saInitRequest: readonly Payload[]): boolean {
  const { REDIRECT_SUPPORTED, REDIRECTED_FROM } = NOTIFY;
  return [REDIRECT_SUPPORTED, REDIRECTED_FROM].some((type) => findNotify(saInitRequest, type));
}

/** What to answer an IKE_SA_INIT with, in the place of all else. */
export function redirectSaInit(policy: RedirectPolicy | undefined, request: readonly Payload[]): readonly Payload[] | undefined {
  const nonce = findPayload(request, 'NONCE');
  if (policy?.at !== 'init' || !nonce || !isRedirectable(request)) return undefined;
  return [notify(NOTIFY.REDIRECT, redirectData(policy.to, nonce.data))];
}

export function redirectPayload(to: string): Payload {
  return notify(NOTIFY.REDIRECT, redirectData(to));
}
