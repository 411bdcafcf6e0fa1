/**
 * IKE_INTERMEDIATE as the initiator, between IKE_SA_INIT and IKE_AUTH (RFC 9242 §3.2): one for each additional key exchange that was agreed
 * (RFC 9370 §2.2.2), which makes all keys anew, and what comes after it is protected by them; and where there is none of those, one for a
 * gateway whose list of authentication methods was too long for IKE_SA_INIT (RFC 9593 §3.1).
 */
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import { startKeyExchange } from '../../crypto/ke.ts';
import type { AdditionalKe, Random } from '../../crypto/types.ts';
import { readTakenMethods, type TakenMethod } from '../auth/takenMethods.ts';
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
  /** The gateway has yet to say how it lets us prove ourselves. */
  readonly takenLater: boolean;
}

/** The keys that IKE_AUTH begins with, and what the gateway said on the way. */
export interface Intermediate {
  readonly keys: IkeKeys;
  readonly taken: readonly TakenMethod[] | undefined;
}

export function* intermediateExchanges(setup: IntermediateSetup): AuthSteps<Result<Intermediate, Stop>> {
  const { suite, nonces, random, adopt, takenLater } = setup;
  let { keys } = setup;
  let taken: Intermediate['taken'];
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
    if (takenLater) taken ??= readTakenMethods(response);
  }
  // RFC 9593 §3.1: where no other reason has us make an exchange, an empty request asks for the list.
  if (takenLater && suite.additional.length === 0) {
    const response = yield* exchange([], EXCHANGE.IKE_INTERMEDIATE);
    const failure = failureOf(response);
    if (failure) return err(failure);
    taken = readTakenMethods(response);
  }
  return ok({ keys, taken });
}

function publicValueOf(response: readonly Payload[], { ke, keyword }: AdditionalKe): Result<Uint8Array, Stop> {
  const failure = failureOf(response);
  if (failure) return err(failure);
  const payload = findPayload(response, 'KE');
  if (!payload) return err(unusable('protocol', 'no KE payload'));
  if (payload.method !== ke.id) return err(unusable('protocol', `key exchange ${payload.method} where ${keyword} was due`));
  return ok(payload.data);
}

/** RFC 9242 §3.4: the peer is not authenticated, but whoever did IKE_SA_INIT says so. */
function failureOf(response: readonly Payload[]): Stop | undefined {
  const error = errorOf(response);
  return error === undefined ? undefined : refused({ code: 'gateway-error', evidence: place(nameOf(NOTIFY, error)) });
}

function unusable(code: IkeFailure['code'], what: string): Stop {
  return { kind: 'disbelieved', failure: { code, evidence: place(what) }, complaint: notify(NOTIFY.INVALID_SYNTAX) };
}

function place(what: string): string {
  return `${what} in IKE_INTERMEDIATE response`;
}
