/**
 * The rounds of EAP inside IKE_AUTH (RFC 7296 §2.16): each response brings an EAP packet, each request takes one back, until Success
 * or Failure. Whoever calls this has believed the gateway before, or wants EAP alone (RFC 5998).
 */
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import type { Random } from '../../crypto/types.ts';
import type { EapConfig, EapFailure, EapMethodName } from '../auth/eap/contract.ts';
import { createEapPeer } from '../auth/eap/peer.ts';
import type { IkeFailure, IkeOutput } from '../sa/contract.ts';
import type { Payload } from '../wire/message.ts';
import { findPayload } from '../wire/payloads.ts';
import { type AuthSteps, askFor, exchange } from './authSteps.ts';
import { disbelieved, errorOf, inAuth, malformed, refusal, refused, type Stop } from './ikeAuthErrors.ts';

/** More rounds than any method needs; the EAP peer has its own bounds for each. */
const MAX_ROUNDS = 200;
/** RFC 3748 §4.2. */
const EAP_FAILURE = 4;

export type AuthLog = (level: Extract<IkeOutput, { kind: 'log' }>['level'], text: string) => void;

export interface EapResult {
  /** The MSK, owned by the caller; undefined for methods that make none. */
  readonly key: Uint8Array | undefined;
  /** The server proved itself too. */
  readonly mutual: boolean;
  readonly method: EapMethodName;
}

/** `opening` are the payloads of the response that starts EAP. */
export function* eapRounds(
  config: EapConfig,
  random: Random,
  opening: readonly Payload[],
  log: AuthLog,
): AuthSteps<Result<EapResult, Stop>> {
  const peer = createEapPeer(config, random);
  let response = opening;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const packet = packetOf(response, round === 0);
    if (!packet.ok) return packet;
    peer.handle(packet.value);
    let reply: Uint8Array | undefined;
    for (let output = peer.poll(); output && !reply; output = peer.poll()) {
      switch (output.kind) {
        case 'log':
          log(output.level, `EAP: ${output.text}`);
          break;
        case 'ask': {
          const answer = yield* askFor(output.ask);
          if (answer.kind === 'refused') return err(disbelieved(answer.failure));
          if (answer.kind !== 'credential' && answer.kind !== 'credential-missing' && answer.kind !== 'tls')
            throw new Error(`${output.ask.kind} was answered by ${answer.kind}`);
          peer.answer(answer);
          break;
        }
        case 'success':
          return ok({ key: output.msk, mutual: output.mutual, method: output.method });
        case 'failed':
          return err(ended(output.failure, packet.value));
        case 'send':
          reply = output.packet;
          break;
      }
    }
    if (!reply) return err(protocol('an EAP packet without an answer'));
    response = yield* exchange([{ kind: 'EAP', message: reply }]);
  }
  return err(protocol('EAP without end'));
}

/** The EAP packet of a response: copied, because methods keep parts. */
function packetOf(response: readonly Payload[], first: boolean): Result<Uint8Array, Stop> {
  const error = errorOf(response);
  // Some gateways say AUTHENTICATION_FAILED where RFC 7296 §2.16 wants an EAP Failure.
  if (error !== undefined) return err(refused(refusal(error, 'eap-refused')));
  // RFC 7296 §2.16: AUTH comes after Success, in a message of its own; before that it could only mean that we should stop asking.
  if (!first && findPayload(response, 'AUTH')) return err(protocol('AUTH before EAP was over'));
  const eap = findPayload(response, 'EAP');
  return eap ? ok(eap.message.slice()) : err(malformed('no EAP payload'));
}

/** After a Failure the gateway has no SA to tell anything about. */
function ended(failure: EapFailure, packet: Uint8Array): Stop {
  const cause: IkeFailure = { code: failure.code, evidence: failure.evidence };
  return packet[0] === EAP_FAILURE ? refused(cause) : disbelieved(cause);
}

function protocol(what: string): Stop {
  return disbelieved({ code: 'eap-protocol', evidence: inAuth(what) });
}
