/**
 * IKE_INTERMEDIATE as the initiator, for additional key exchanges (RFC 9242 §3.2, RFC 9370 §2.2.2): one for each that was agreed, between
 * IKE_SA_INIT and IKE_AUTH. Each makes all keys anew, and what comes after it is protected by them.
 */
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import { startKeyExchange } from '../../crypto/ke.ts';
import type { AdditionalKe, Random } from '../../crypto/types.ts';
import { type IkeKeys, type Nonces, nextIkeKeys, wipe } from '../keys/ikeKeys.ts';
import type { IkeSuite } from '../negotiation.ts';
import type { IkeFailure } from '../sa/contract.ts';
import { EXCHANGE, NOTIFY, nameOf } from '../wire/constants.ts';
import type { Payload } from '../wire/message.ts';
import { findPayload, notify } from '../wire/payloads.ts';
import { type AuthSteps, exchange } from './authSteps.ts';
import { errorOf, refused, type Stop } from './ikeAuthErrors.ts';

export interface IntermediateSetup {
  readonly suite: IkeSuite;
  readonly nonces: Nonces;
  readonly spiI: Uint8Array;
  readonly spiR: Uint8Array;
  /** Of IKE_SA_INIT. */
  readonly keys: IkeKeys;
  readonly random: Random;
  /** From now on the IKE SA has these. */
  readonly adopt: (keys: IkeKeys) => void;
}

/** The keys that IKE_AUTH begins with. */
export function* additionalKeyExchanges(setup: IntermediateSetup): AuthSteps<Result<IkeKeys, Stop>> {
  const { suite, nonces, random, adopt } = setup;
  let { keys } = setup;
  for (const additional of suite.additional) {
    const own = startKeyExchange(additional.ke, random);
    const response = yield* exchange(
      [{ kind: 'KE', method: additional.ke.id, data: own.publicValue }],
      EXCHANGE.IKE_INTERMEDIATE,
    );
    const value = publicValueOf(response, additional);
    if (!value.ok) return value;
    const shared = own.derive(value.value);
    if (!(shared instanceof Uint8Array)) return err(unusable('bad-public-value', `${additional.keyword}: ${shared.fault}`));
    keys = nextIkeKeys(suite, keys, shared, nonces, setup);
    wipe(shared);
    adopt(keys);
  }
  return ok(keys);
}

function publicValueOf(response: readonly Payload[], { ke, keyword }: AdditionalKe): Result<Uint8Array, Stop> {
  const error = errorOf(response);
  // RFC 9242 §3.4: the peer is not authenticated, but whoever did IKE_SA_INIT says so.
  if (error !== undefined) return err(refused({ code: 'gateway-error', evidence: place(nameOf(NOTIFY, error)) }));
  const payload = findPayload(response, 'KE');
  if (!payload) return err(unusable('protocol', 'no KE payload'));
  if (payload.method !== ke.id) return err(unusable('protocol', `key exchange ${payload.method} where ${keyword} was due`));
  return ok(payload.data);
}

function unusable(code: IkeFailure['code'], what: string): Stop {
  return { kind: 'disbelieved', failure: { code, evidence: place(what) }, complaint: notify(NOTIFY.INVALID_SYNTAX) };
}

function place(what: string): string {
  return `${what} in IKE_INTERMEDIATE response`;
}
