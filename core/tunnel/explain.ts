/** From the codes of the layers below to the reasons a user meets. Total: a new code below does not compile without its reason. */
import type { IkeFailure } from '../ike/sa/contract.ts';
import type { Failure } from '../rpc/contract.ts';
import type { HostError } from '../system/ports.ts';
import { type ReasonCode, reasons } from './reasons.ts';

const ikeReasons: { readonly [C in IkeFailure['code']]: ReasonCode } = {
  internal: 'internal',
  'no-answer': 'no-answer',
  'no-answer-auth': 'no-answer-auth',
  'no-proposal-chosen': 'no-proposal-chosen',
  'ke-refused': 'ke-refused',
  'bad-answer-proposal': 'gateway-misbehaved',
  'bad-public-value': 'gateway-misbehaved',
  'authentication-failed': 'authentication-failed',
  'gateway-authentication-failed': 'gateway-authentication-failed',
  'gateway-identity': 'gateway-identity',
  'child-no-proposal-chosen': 'child-no-proposal-chosen',
  'child-bad-answer-proposal': 'gateway-misbehaved',
  'ts-unacceptable': 'ts-unacceptable',
  'bad-answer-selectors': 'gateway-misbehaved',
  'no-address': 'no-address',
  'child-refused': 'gateway-refused',
  'gateway-version': 'gateway-version',
  'gateway-error': 'gateway-refused',
  'gateway-overloaded': 'gateway-overloaded',
  'no-fragmentation': 'no-fragmentation',
  protocol: 'gateway-misbehaved',
  redirected: 'redirected',
  'authentication-expired': 'authentication-expired',
  'gateway-restarted': 'gateway-restarted',
  'address-changed': 'address-changed',
  'closed-by-gateway': 'closed-by-gateway',
  'gateway-lost': 'gateway-lost',
  expired: 'keys-expired',
  'gateway-no-certificate': 'gateway-no-certificate',
  'gateway-untrusted': 'gateway-untrusted',
  'gateway-cert-expired': 'gateway-cert-expired',
  'gateway-cert-not-yet-valid': 'gateway-cert-not-yet-valid',
  'gateway-cert-revoked': 'gateway-cert-revoked',
  'gateway-revocation-unknown': 'gateway-revocation-unknown',
  'gateway-wrong-name': 'gateway-wrong-name',
  'gateway-cert-invalid': 'gateway-cert-invalid',
  'gateway-signature-refused': 'gateway-signature-refused',
  'auth-method-mismatch': 'auth-method-mismatch',
  'eap-before-gateway': 'eap-before-gateway',
  'own-key-failed': 'own-key-failed',
  'own-cert-expired': 'own-cert-expired',
  'own-cert-refused': 'own-cert-refused',
  'ppk-refused': 'ppk-refused',
  'eap-refused': 'eap-refused',
  'password-wrong': 'password-wrong',
  'password-expired': 'password-expired',
  'account-disabled': 'account-disabled',
  'account-restricted': 'account-restricted',
  'eap-no-common-method': 'eap-no-common-method',
  'eap-not-allowed': 'eap-not-allowed',
  'eap-server-unproven': 'eap-server-unproven',
  'eap-server-certificate': 'eap-server-certificate',
  'eap-tls-failed': 'eap-tls-failed',
  'eap-protocol': 'eap-protocol',
  'credential-cancelled': 'cancelled',
  'credential-expired': 'prompt-expired',
};

const hostReasons: { readonly [C in HostError['code']]: ReasonCode } = {
  'no-tun-device': 'no-tun-device',
  'device-gone': 'device-gone',
  'still-held': 'host-failed',
  refused: 'host-failed',
  permission: 'helper-lacks-permission',
  'port-in-use': 'port-in-use',
  'no-route': 'no-route',
  invalid: 'host-failed',
  busy: 'host-failed',
  failed: 'host-failed',
};

/** What the user is told of a failure: the list's words, and the evidence in one printable line. */
export function failure(code: ReasonCode, evidence: string): Failure {
  const { what, advice } = reasons[code];
  return { code, what, advice, evidence: printable(evidence) };
}

export function ikeFailure(cause: IkeFailure): Failure {
  const evidence = ikeReasons[cause.code] === cause.code ? cause.evidence : `${cause.code}: ${cause.evidence}`;
  return failure(ikeReasons[cause.code], evidence);
}

export function hostFailure(cause: HostError): Failure {
  return failure(hostReasons[cause.code], cause.detail);
}

/** The reason of a code that came over the RPC; a helper newer than this program may know more. */
export function reasonOf(code: string): ReasonCode {
  return isReason(code) ? code : 'internal';
}

function isReason(code: string): code is ReasonCode {
  return Object.hasOwn(reasons, code);
}

const LONGEST_LINE = 400;

/** One line, no control or direction characters: evidence may quote a gateway or a file. */
export function printable(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '?');
  return line.length <= LONGEST_LINE ? line : `${line.slice(0, LONGEST_LINE - 1)}…`;
}
