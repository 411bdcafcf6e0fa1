/**
 * IKE_AUTH after IKE_SESSION_RESUME (RFC 5723 §4.3.3): both prove that they have the keys, and with them that they are who they were.
 * No certificate, no EAP, nobody is asked; CHILD SA and configuration are as in any other.
 */
import { equalConstantTime } from '../../bytes/bytes.ts';
import { prf } from '../../crypto/prf.ts';
import type { Random } from '../../crypto/types.ts';
import { type SignedParts, signedOctets } from '../auth/psk.ts';
import { makeIdentity, sameIdentity } from '../identity.ts';
import type { IkeTicket } from '../sa/contract.ts';
import { AUTH_METHOD, NOTIFY } from '../wire/constants.ts';
import type { Payload } from '../wire/message.ts';
import { allPayloads, findPayload, notify } from '../wire/payloads.ts';
import { type AuthSteps, exchange } from './authSteps.ts';
import { FirstChildRequest } from './firstChild.ts';
import type { IkeAuthSetup } from './ikeAuth.ts';
import { disbelieved, errorOf, type IkeAuthVerdict, inAuth, isRefusal, malformed, refusal, refused } from './ikeAuthErrors.ts';
import { redirectIn } from './redirect.ts';

export function* resumedAuth(setup: IkeAuthSetup, ticket: IkeTicket, random: Random): AuthSteps<IkeAuthVerdict> {
  const { config, suite, keys, nonces, saInitRequest, saInitResponse, log } = setup;
  const { localIdentity, remoteIdentity } = ticket;
  const child = new FirstChildRequest(setup, random);
  const ours = { prf: suite.prf, message: saInitRequest, peerNonce: nonces.nr, skP: keys.pi, identity: localIdentity };
  const response = yield* exchange([
    { kind: 'IDi', idType: localIdentity.type, data: localIdentity.data },
    { kind: 'IDr', idType: remoteIdentity.type, data: remoteIdentity.data },
    resumedAuthPayload(ours),
    ...(config.resumption ? [notify(NOTIFY.TICKET_REQUEST)] : []),
    ...child.payloads(),
    // RFC 5723 §5.1: what concerns addresses, and what is asked of the gateway now, is of this exchange and not of the ticket.
    ...(config.mobike ? [notify(NOTIFY.MOBIKE_SUPPORTED)] : []),
    ...(config.initialContact ? [notify(NOTIFY.INITIAL_CONTACT)] : []),
  ]);
  const idr = findPayload(response, 'IDr');
  const auth = findPayload(response, 'AUTH');
  const error = errorOf(response);
  if (error !== undefined && (!auth || !idr || isRefusal(error))) return refused(refusal(error, 'authentication-failed'));
  if (!idr || !auth) return malformed(idr ? 'no AUTH payload' : 'no IDr payload');
  const identity = makeIdentity(idr.idType, idr.data, idr.reserved);
  // RFC 5723 §4.3.3: it cannot be another one than before.
  if (!sameIdentity(identity, remoteIdentity))
    return disbelieved({ code: 'gateway-identity', evidence: inAuth(`IDr is ${identity.text} and not ${remoteIdentity.text}`) });
  // The octets of this IDr: that it is the same identity does not make them the same.
  const theirs = { prf: suite.prf, message: saInitResponse, peerNonce: nonces.ni, skP: keys.pr, identity };
  if (auth.method !== AUTH_METHOD.SHARED_KEY || !equalConstantTime(resumedAuthValue(theirs), auth.data))
    return disbelieved({
      code: 'gateway-authentication-failed',
      evidence: inAuth('AUTH by the key of the ticket does not verify'),
    });
  const moved = redirectIn(response, config, log);
  if (moved) return { kind: 'redirected', failure: moved, standing: true };
  return {
    kind: 'authenticated',
    identity,
    child: child.outcome(response, error),
    notifies: allPayloads(response, 'N'),
  };
}

/** RFC 5723 §4.3.3: AUTH = prf(SK_px, <message octets>), the octets those of RFC 7296 §2.15. */
export function resumedAuthPayload(parts: SignedParts): Payload {
  return { kind: 'AUTH', method: AUTH_METHOD.SHARED_KEY, data: resumedAuthValue(parts) };
}

export function resumedAuthValue(parts: SignedParts): Uint8Array {
  return prf(parts.prf, parts.skP, signedOctets(parts));
}
