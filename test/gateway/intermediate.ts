/**
 * The office's side of IKE_INTERMEDIATE (RFC 9242): the additional key exchanges that were agreed, in their order (RFC 9370 §2.2.2), and how
 * the client may prove itself (RFC 9593 §3.1), in the first of them or alone.
 */
import { answerKeyExchange } from '../../core/crypto/ke.ts';
import { type IkeKeys, nextIkeKeys, wipe } from '../../core/ike/keys/ikeKeys.ts';
import { NOTIFY } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { findPayload, notify } from '../../core/ike/wire/payloads.ts';
import type { SaServices } from './sa.ts';
import { additionalOf, announcement, type HalfOpen } from './saInit.ts';

export type IntermediateVerdict =
  /** `keys` are in force when the answer is on its way; those before stay where there are none. */
  | { readonly kind: 'answered'; readonly payloads: readonly Payload[]; readonly keys?: IkeKeys }
  /** The IKE SA ends with this answer. */
  | { readonly kind: 'refused'; readonly why: string; readonly payloads: readonly Payload[] };

/** `done` is how many were done before; `request` was sifted by the rule table. */
export function answerIntermediate(
  half: HalfOpen,
  request: readonly Payload[],
  done: number,
  services: SaServices,
): IntermediateVerdict {
  const due = additionalOf(half)[done];
  const ke = findPayload(request, 'KE');
  const { random, config } = services;
  const changed = (honest: readonly Payload[]): readonly Payload[] => {
    let payloads = honest;
    for (const { intermediateAnswer } of services.hooks)
      if (intermediateAnswer) payloads = intermediateAnswer(payloads, { random, config, request, round: done });
    return config.changeIntermediate?.(payloads) ?? payloads;
  };
  const list = done === 0 ? announcement(config, 'IKE_INTERMEDIATE') : [];
  if (due === undefined && ke === undefined && list.length > 0) return { kind: 'answered', payloads: changed(list) };
  if (due === undefined || ke === undefined) return refuse('an IKE_INTERMEDIATE that nobody agreed on');
  if (ke.method !== due.ke.id) return refuse(`key exchange ${ke.method} where ${due.keyword} was due`);
  const answered = answerKeyExchange(due.ke, ke.data, random);
  if ('fault' in answered) return refuse(`${due.keyword}: ${answered.fault}`);
  const { publicValue, shared } = answered;
  const keys = nextIkeKeys(half.suite, half.keys, shared, half, half);
  wipe(shared);
  return { kind: 'answered', payloads: changed([{ kind: 'KE', method: due.ke.id, data: publicValue }, ...list]), keys };
}

function refuse(why: string): IntermediateVerdict {
  return { kind: 'refused', why, payloads: [notify(NOTIFY.INVALID_SYNTAX)] };
}
