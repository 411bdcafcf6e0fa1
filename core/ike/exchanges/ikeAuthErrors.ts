/** Error notifies of IKE_AUTH responses (RFC 7296 §2.21.2), and how IKE_AUTH may end. */
import type { Result } from '../../bytes/result.ts';
import type { Identity, IkeFailure } from '../sa/contract.ts';
import { NOTIFY, nameOf } from '../wire/constants.ts';
import type { Payload, PayloadOf } from '../wire/message.ts';
import { allPayloads, notify } from '../wire/payloads.ts';
import type { FirstChild } from './firstChild.ts';
import { isErrorNotify } from './rules.ts';

/** IKE_AUTH ends without an IKE SA. */
export type Stop =
  /** The gateway refused; it has no IKE SA, so there is nobody to tell anything. */
  | { readonly kind: 'refused'; readonly failure: IkeFailure }
  /** We end it: the gateway is told with `complaint` (RFC 7296 §2.21.2). */
  | { readonly kind: 'disbelieved'; readonly failure: IkeFailure; readonly complaint: Payload };

export type IkeAuthVerdict =
  | Stop
  /** The gateway, proven, sends us to another one (RFC 5685 §6). `standing`: both sides have an IKE SA, which is to be deleted. */
  | { readonly kind: 'redirected'; readonly failure: IkeFailure; readonly standing: boolean }
  /** The IKE SA stands. Without a CHILD SA it is to be deleted. */
  | {
      readonly kind: 'authenticated';
      readonly identity: Identity;
      readonly child: Result<FirstChild, IkeFailure>;
      /** A PPK went into the keys, and this is SK_d since (RFC 8784 §3). */
      readonly skD?: Uint8Array | undefined;
      /** Of the last response. */
      readonly notifies: readonly PayloadOf<'N'>[];
    };

export function refused(failure: IkeFailure): Stop {
  return { kind: 'refused', failure };
}

/** We do not believe the gateway, or will not go on with it. */
export function disbelieved(failure: IkeFailure): Stop {
  return { kind: 'disbelieved', failure, complaint: notify(NOTIFY.AUTHENTICATION_FAILED) };
}

/** The response lacks what belongs there, or has what does not. */
export function malformed(what: string): Stop {
  return { kind: 'disbelieved', failure: { code: 'protocol', evidence: inAuth(what) }, complaint: notify(NOTIFY.INVALID_SYNTAX) };
}

export function inAuth(what: string): string {
  return `${what} in IKE_AUTH response`;
}

/** The type of the first error notify of a response. */
export function errorOf(payloads: readonly Payload[]): number | undefined {
  return allPayloads(payloads, 'N').find(({ type }) => isErrorNotify(type))?.type;
}

/** RFC 7296 §2.21.2: these say that there is no IKE SA, whatever else is in the message. */
export function isRefusal(type: number): boolean {
  return isAuthenticationFailure(type) || type === NOTIFY.INVALID_SYNTAX || type === NOTIFY.UNSUPPORTED_CRITICAL_PAYLOAD;
}

/**
 * An error where proof was due; `code` says what an authentication failure means at this place. Some gateways say so that the CHILD SA
 * was the trouble, so that is what people are told.
 */
export function refusal(type: number, code: IkeFailure['code']): IkeFailure {
  if (isAuthenticationFailure(type)) return { code, evidence: inAuth(nameOf(NOTIFY, type)) };
  const known = childCodes.get(type);
  if (known) return { code: known, evidence: `${inAuth(nameOf(NOTIFY, type))}, without AUTH` };
  return { code: 'gateway-error', evidence: inAuth(nameOf(NOTIFY, type)) };
}

/** RFC 7296 §3.10.1: an unknown error means that the request failed. */
export function childFailure(type: number): IkeFailure {
  return { code: childCode(type), evidence: inAuth(nameOf(NOTIFY, type)) };
}

/** The same in any exchange. */
export function childCode(type: number): IkeFailure['code'] {
  return childCodes.get(type) ?? 'child-refused';
}

function isAuthenticationFailure(type: number): boolean {
  return type === NOTIFY.AUTHENTICATION_FAILED || type === NOTIFY.AUTHORIZATION_FAILED;
}

const childCodes: ReadonlyMap<number, IkeFailure['code']> = new Map([
  [NOTIFY.NO_PROPOSAL_CHOSEN, 'child-no-proposal-chosen'],
  [NOTIFY.TS_UNACCEPTABLE, 'ts-unacceptable'],
  [NOTIFY.INTERNAL_ADDRESS_FAILURE, 'no-address'],
  [NOTIFY.FAILED_CP_REQUIRED, 'child-refused'],
  [NOTIFY.SINGLE_PAIR_REQUIRED, 'child-refused'],
  [NOTIFY.NO_ADDITIONAL_SAS, 'child-refused'],
]);
