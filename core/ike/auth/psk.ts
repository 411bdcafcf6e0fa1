/**
 * Authentication by a pre-shared key, both directions (RFC 7296 §2.15):
 *
 *   AUTH = prf( prf(Shared Secret, "Key Pad for IKEv2"), <SignedOctets>)
 *   SignedOctets = RealMessage | NonceOfThePeer | prf(SK_p of the signer, body of the signer's ID payload) [| IntAuth]
 *
 * The initiator signs with its IKE_SA_INIT request, Nr, SK_pi and IDi; the responder with its answer, Ni, SK_pr and IDr.
 */
import { concat, equalConstantTime, fromUtf8 } from '../../bytes/bytes.ts';
import { prf } from '../../crypto/prf.ts';
import type { PrfTransform } from '../../crypto/types.ts';
import type { IkeAuthentication } from './contract.ts';

export interface SignedParts {
  readonly prf: PrfTransform;
  /** The signer's IKE_SA_INIT message as it went over the wire, header included, non-ESP marker not. */
  readonly message: Uint8Array;
  /** Nonce of the other side, without payload header. */
  readonly peerNonce: Uint8Array;
  /** SK_pi when the initiator signs, SK_pr when the responder does. */
  readonly skP: Uint8Array;
  readonly identity: { readonly type: number; readonly data: Uint8Array; readonly reserved?: number };
  /** Of the IKE_INTERMEDIATE exchanges, if there were any (RFC 9242 §3.3.2); the same for both sides. */
  readonly intAuth?: Uint8Array | undefined;
}

/** Both sides prove that they know the one secret. */
export function pskBothWays(secret: Uint8Array): IkeAuthentication {
  return { local: [{ method: 'psk', secret }], gateway: { method: 'psk', secret } };
}

const keyPad = fromUtf8('Key Pad for IKEv2');

/** RFC 7296 §2.15: the octets that the signer's AUTH covers, whatever the method. */
export function signedOctets(parts: SignedParts): Uint8Array {
  const { identity } = parts;
  // RestOfIDPayload: ID type, three reserved octets as they were sent, data; without the generic header.
  const { type, reserved = 0, data } = identity;
  const head = Uint8Array.of(type, reserved >>> 16, reserved >>> 8, reserved);
  const maced = prf(parts.prf, parts.skP, head, data);
  return concat(parts.message, parts.peerNonce, maced, parts.intAuth ?? new Uint8Array(0));
}

export function pskAuth(secret: Uint8Array, parts: SignedParts): Uint8Array {
  const padded = prf(parts.prf, secret, keyPad);
  const auth = prf(parts.prf, padded, signedOctets(parts));
  padded.fill(0);
  return auth;
}

/** True when `auth` is what the peer, which knows `secret`, would send; compared in constant time. */
export function verifyPskAuth(secret: Uint8Array, parts: SignedParts, auth: Uint8Array): boolean {
  return equalConstantTime(pskAuth(secret, parts), auth);
}
