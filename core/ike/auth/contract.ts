/**
 * How the two sides prove who they are, as the IKE machine is told it, and what it asks of the world on the way. The machine never
 * waits: it emits `ask`, and goes on when the `answer` with that id comes. One ask is open at a time. Order, always:
 * gateway's chain and name → gateway's AUTH → revocation → only then anything of EAP (SECURITY.md 3).
 */
import type { SignatureAlgorithm } from '../../crypto/signatureTypes.ts';
import type { Identity, IkeFailure } from '../sa/contract.ts';
import type { EapAsk, EapAskAnswer, EapConfig } from './eap/contract.ts';
import type { Ppk } from './ppk.ts';

/** In their order; more than one needs MULTIPLE_AUTH_SUPPORTED of the gateway (RFC 4739). One or two. */
export interface IkeAuthentication {
  readonly local: readonly LocalAuth[];
  readonly gateway: GatewayAuth;
  /** RFC 8784. Beside everything else: it replaces nothing of the above. */
  readonly ppk?: Ppk;
}

export type LocalAuth =
  | { readonly method: 'psk'; readonly secret: Uint8Array }
  | {
      readonly method: 'certificate';
      /** DER, the end entity first, then what leads to a CA the gateway may know; the anchor itself is not sent. */
      readonly certificates: readonly Uint8Array[];
      /** What the key can do, the preferred first. Those the gateway's SIGNATURE_HASH_ALGORITHMS allow are used (RFC 7427 §4). */
      readonly algorithms: readonly SignatureAlgorithm[];
    }
  | { readonly method: 'eap'; readonly eap: EapConfig };

export type GatewayAuth =
  | { readonly method: 'psk'; readonly secret: Uint8Array }
  | {
      readonly method: 'certificate';
      /** SHA-1 of the SubjectPublicKeyInfo of each trust anchor (RFC 7296 §3.7), for CERTREQ. Empty: none is sent. */
      readonly authorities: readonly Uint8Array[];
      /** Ask for OCSP answers in CERT payloads (RFC 4806). */
      readonly ocsp?: boolean;
    }
  /** RFC 5998: EAP alone, with a mutual method that makes a key. A certificate is taken as well when the gateway sends one. */
  | { readonly method: 'eap-only'; readonly authorities: readonly Uint8Array[]; readonly ocsp?: boolean };

export type IkeAsk =
  /**
   * The gateway's certificates (encoding 4, in their order) and OCSP answers in CERT payloads (RFC 4806), with the identity in IDr. To be
   * built into a path and held against the name; nothing is fetched from a network for it.
   */
  | {
      readonly kind: 'gateway-certificate';
      readonly certificates: readonly Uint8Array[];
      readonly ocsp: readonly Uint8Array[];
      readonly identity: Identity;
    }
  /** Its AUTH verified: may the path be used still? Now networks may be asked. */
  | { readonly kind: 'gateway-revocation' }
  | {
      readonly kind: 'sign';
      readonly round: number;
      readonly algorithm: SignatureAlgorithm;
      readonly octets: Uint8Array;
      /** SHA-1 of the keys of the authorities that the gateway says it knows (CERTREQ, RFC 7296 §3.7); anybody on the path could have said it. */
      readonly authorities?: readonly Uint8Array[];
    }
  | EapAsk;

export type IkeAnswer =
  /** DER SubjectPublicKeyInfo of the end entity. */
  | { readonly kind: 'gateway-certificate'; readonly publicKey: Uint8Array }
  | { readonly kind: 'gateway-revocation' }
  /** `certificates` are sent instead of those configured: the same end entity with what leads to one of the gateway's authorities. */
  | { readonly kind: 'sign'; readonly signature: Uint8Array; readonly certificates?: readonly Uint8Array[] }
  /** Of any ask: what was asked for is not to be had, and the SA ends with this failure. */
  | { readonly kind: 'refused'; readonly failure: IkeFailure }
  | EapAskAnswer;
