/**
 * When a tunnel that was up is tried again, in one table: for each reason whether another try is worth it, and how long is waited. A
 * tunnel that never came up is not tried again by itself: its user is there and is told.
 */
import type { ReasonCode } from './reasons.ts';

/**
 * - `now`: the gateway is there, and only the way to it, or the device, is another.
 * - `soon`: the network or the gateway was away, and trying costs nobody anything.
 * - `later`: the gateway is there and does not want us now, or this computer is not ready; each try is work for somebody.
 * - `never`: it would end in the same way, would look like guessing a password (accounts lock themselves after a few), or somebody may be
 *   pretending to be the gateway. The user must know. (Of somebody who had not proven to be the gateway it is no end: session.ts.)
 */
export type Again = 'now' | 'soon' | 'later' | 'never';

const table: { readonly [C in ReasonCode]: Again | 'disbelieved' } = {
  'address-changed': 'now',
  'device-gone': 'now',
  // Gone, and perhaps back.
  'gateway-lost': 'soon',
  'closed-by-gateway': 'soon',
  'gateway-restarted': 'soon',
  'keys-expired': 'soon',
  'authentication-expired': 'soon',
  'engine-restarted': 'soon',
  'no-route': 'soon',
  'name-not-resolved': 'soon',
  'no-answer': 'soon',
  'no-answer-auth': 'soon',
  // There, and not ready. What IKE_SA_INIT ends with is proven by nobody: it may be another network's gateway, or any one forged packet.
  'no-proposal-chosen': 'later',
  'ke-refused': 'later',
  'gateway-overloaded': 'later',
  'gateway-version': 'later',
  'gateway-misbehaved': 'later',
  'no-fragmentation': 'later',
  'ppk-refused': 'later',
  'gateway-refused': 'later',
  'no-address': 'later',
  'gateway-revocation-unknown': 'later',
  'gateway-cert-not-yet-valid': 'later',
  'eap-tls-failed': 'later',
  'port-in-use': 'later',
  'host-failed': 'later',
  // The redirect itself is followed (session.ts); here it is one too many.
  redirected: 'later',
  // What the user or the administrator must change.
  'child-no-proposal-chosen': 'never',
  'ts-unacceptable': 'never',
  'auth-method-mismatch': 'never',
  'own-key-failed': 'never',
  'own-cert-expired': 'never',
  'own-cert-refused': 'never',
  // Guesses that an account counts. What may be asked again was asked before it comes here (core/helper/credentials.ts).
  'authentication-failed': 'never',
  'eap-refused': 'never',
  'password-wrong': 'never',
  'password-expired': 'never',
  'account-disabled': 'never',
  'account-restricted': 'never',
  'eap-no-common-method': 'never',
  'eap-not-allowed': 'never',
  'prompt-expired': 'never',
  // Perhaps somebody else, whom we did not believe.
  'gateway-authentication-failed': 'disbelieved',
  'gateway-identity': 'disbelieved',
  'gateway-no-certificate': 'disbelieved',
  'gateway-untrusted': 'disbelieved',
  'gateway-cert-expired': 'disbelieved',
  'gateway-cert-revoked': 'disbelieved',
  'gateway-wrong-name': 'disbelieved',
  'gateway-cert-invalid': 'disbelieved',
  'gateway-signature-refused': 'disbelieved',
  'eap-before-gateway': 'disbelieved',
  // Perhaps somebody else, to whom something was said.
  'eap-server-unproven': 'never',
  'eap-server-certificate': 'never',
  'eap-protocol': 'never',
  // Of this computer and its programs.
  'no-tun-device': 'never',
  'helper-lacks-permission': 'never',
  'dataplane-failed': 'never',
  internal: 'never',
  cancelled: 'never',
  // No connection ends with these.
  'not-waited-for': 'never',
  usage: 'never',
  'output-failed': 'never',
  'helper-not-running': 'never',
  'helper-refused': 'never',
  'helper-untrusted': 'never',
  'helper-version': 'never',
  'helper-gone': 'never',
  'helper-busy': 'never',
  'helper-silent': 'never',
  'not-permitted': 'never',
  'bad-request': 'never',
  'profile-unreadable': 'never',
  'profile-malformed': 'never',
  'profile-unknown': 'never',
  'profile-ambiguous': 'never',
  'profile-secret-missing': 'never',
  'profile-in-use': 'never',
  'profile-store': 'never',
  'profile-invalid': 'never',
  'undo-unknown': 'never',
  'import-password-needed': 'never',
  'import-password-wrong': 'never',
  'import-gateway-needed': 'never',
  'import-unsupported': 'never',
  'certificate-unreadable': 'never',
  'certificate-refused': 'never',
  'already-up': 'never',
  'used-by-another': 'never',
  'not-up': 'never',
  'timed-out': 'never',
  'prompt-unknown': 'never',
};

/** A code of a newer part of the program is not tried again. */
export function againAfter(code: string): Again {
  const again = isReason(code) ? table[code] : 'never';
  return again === 'disbelieved' ? 'never' : again;
}

/**
 * We did not believe it: whoever it was may be gone, and another try tells nobody more than this one did. Unlike a refusal by somebody
 * unproven, which may be the gateway's after all.
 */
export function isDisbelief(code: string): boolean {
  return isReason(code) && table[code] === 'disbelieved';
}

function isReason(code: string): code is ReasonCode {
  return Object.hasOwn(table, code);
}

/** Milliseconds: the first wait is up to `first`, each further one up to twice as much, none above `most`. */
const SCHEDULE: { readonly [A in Exclude<Again, 'never'>]: { readonly first: number; readonly most: number } } = {
  now: { first: 250, most: 60_000 },
  soon: { first: 1_000, most: 60_000 },
  later: { first: 30_000, most: 600_000 },
};

/**
 * Milliseconds until the try after `failed` tries that did not work. Full jitter: any time up to the bound, so that the thousand clients of
 * a gateway that restarts do not come back in step. `random` is in [0, 1).
 */
export function waitBefore(again: Exclude<Again, 'never'>, failed: number, random: number): number {
  const { first, most } = SCHEDULE[again];
  return Math.floor(random * Math.min(most, first * 2 ** Math.min(failed, 30)));
}
