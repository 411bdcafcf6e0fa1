/** What an EAP method of the test head office is to `server.ts`; the mirror of `core/ike/auth/eap/method.ts`, written apart from it. */
import type { EapAsk, EapAskAnswer } from '../../../core/ike/auth/eap/contract.ts';

export interface ServerMethod {
  readonly type: number;
  /** Of the first request. */
  start(): ServerStep;
  /** The data of a response of this type; `identifier` is that of the request it answers. */
  respond(data: Uint8Array, identifier: number): ServerStep;
  /** Of the `tls` ask that was the last step. */
  answer?(answer: TlsAnswer): ServerStep;
}

export type TlsAsk = Extract<EapAsk, { readonly kind: 'tls' }>;
export type TlsAnswer = Extract<EapAskAnswer, { readonly kind: 'tls' }>;

export type ServerStep =
  | { readonly kind: 'request'; readonly data: Uint8Array }
  | { readonly kind: 'ask'; readonly ask: TlsAsk }
  | { readonly kind: 'accept'; readonly msk: Uint8Array | undefined }
  | { readonly kind: 'reject'; readonly why: string };

export const request = (data: Uint8Array): ServerStep => ({ kind: 'request', data });
export const accept = (msk?: Uint8Array): ServerStep => ({ kind: 'accept', msk });
export const reject = (why: string): ServerStep => ({ kind: 'reject', why });

export interface EapUser {
  readonly password: string;
  /** What GTC and OTP want instead, one after the other; each may be asked more than once by its own words. */
  readonly codes?: readonly { readonly text: string; readonly answer: string }[];
  /** MSCHAPv2 refuses with this number although the password is right: 646, 647, 648, 649. */
  readonly error?: number;
}

/** What a method does wrong, by name. */
export type EapMisbehaviour =
  | 'success-at-once' // EAP-Success is the first thing
  | 'success-after-identity'
  | 'success-before-proof' // MSCHAPv2: Success instead of S=
  | 'success-without-proof' // MSCHAPv2: success request, no S=
  | 'success-wrong-proof'
  | 'success-wrong-identifier'
  | 'success-unfinished-tls' // EAP-TLS: Success without the 0x00 of TLS 1.3; TTLS, PEAP: after the handshake
  | 'result-before-inner' // PEAP: the result TLV says success at once
  | 'wrong-binding' // PEAP: a cryptobinding with a wrong MAC
  | 'second-method' // another method after the first was finished
  | 'identity-in-method'
  | 'endless-rounds' // notifications without end
  | 'endless-questions' // GTC, OTP: it is never enough
  | 'downgrade-md5' // MD5 is offered whatever the peer wants
  | 'response-code' // an EAP response instead of a request
  | 'wrong-length' // EAP length beyond the payload
  | 'expanded-type'
  | 'tls-length' // a TLS message length of 4 GiB
  | 'fragments-without-end'
  | 'wrong-msk'; // all is well, but the gateway has another key
