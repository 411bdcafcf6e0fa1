/** The responder's side of IKE_SESSION_RESUME (RFC 5723 §4.3.2), in the place of IKE_SA_INIT. */

import { siftPayloads } from '../../core/ike/exchanges/rules.ts';
import { resumedSeed } from '../../core/ike/exchanges/sessionResume.ts';
import { firstSize } from '../../core/ike/fragment/size.ts';
import { deriveIkeKeys, wipe } from '../../core/ike/keys/ikeKeys.ts';
import { detectNat, natDetectionHash } from '../../core/ike/nat.ts';
import { EXCHANGE, NOTIFY } from '../../core/ike/wire/constants.ts';
import { encodeMessage } from '../../core/ike/wire/encode.ts';
import type { Message, Payload } from '../../core/ike/wire/message.ts';
import { findNotify, findPayload, notify } from '../../core/ike/wire/payloads.ts';
import { isRedirectable } from './redirect.ts';
import type { SaServices } from './sa.ts';
import { type Arrival, childlessSupport, localEndpoint, NONCE_OCTETS, type SaInitVerdict } from './saInit.ts';

/** Judges a request that already brought its cookie, if one was wanted. `spiR` is fresh. */
export function acceptResume(request: Message, arrival: Arrival, spiR: Uint8Array, services: SaServices): SaInitVerdict {
  const { config, random, ticketStore } = services;
  const refuse = (why: string): SaInitVerdict => ({ kind: 'refused', why, payloads: [notify(NOTIFY.TICKET_NACK)] });
  const sifted = siftPayloads(EXCHANGE.IKE_SESSION_RESUME, 'request', 'in the clear', request.payloads);
  const payloads = sifted.ok ? sifted.value.payloads : [];
  const nonce = findPayload(payloads, 'NONCE');
  const ticket = findNotify(payloads, NOTIFY.TICKET_OPAQUE);
  if (!nonce || !ticket) return refuse('no nonce or no ticket');
  let state = ticketStore.find(ticket.data, services.now());
  if (!state) return refuse('no such ticket');
  for (const { ticketState } of services.hooks) if (ticketState) state = ticketState(state);
  const { suite } = state;
  const { spiI } = request.header;
  const ni = nonce.data.slice();
  const nr = random(NONCE_OCTETS);
  const local = localEndpoint(arrival, services, request);
  const nat = detectNat(request.header, payloads, local, arrival.from);
  const theirs = findNotify(payloads, NOTIFY.IKEV2_FRAGMENTATION_SUPPORTED) !== undefined;
  const fragmentation = theirs && config.fragmentation !== 'no';
  const honest: readonly Payload[] = [
    { kind: 'NONCE', data: nr },
    notify(NOTIFY.NAT_DETECTION_SOURCE_IP, natDetectionHash({ spiI, spiR }, local)),
    notify(NOTIFY.NAT_DETECTION_DESTINATION_IP, natDetectionHash({ spiI, spiR }, arrival.from)),
    ...(fragmentation ? [notify(NOTIFY.IKEV2_FRAGMENTATION_SUPPORTED)] : []),
    ...childlessSupport(config),
  ];
  const flags = { initiator: false, version: false, response: true };
  const response = encodeMessage({ ...request.header, spiR, minorVersion: 0, flags }, honest);
  const seed = resumedSeed(state, ni, nr);
  const keys = deriveIkeKeys(suite, seed, { ni, nr }, { spiI, spiR });
  wipe(seed);
  const half = {
    ...{ spiI: spiI.slice(), spiR, suite, keys, ni, nr },
    ...{ request: arrival.bytes.slice(), response, natLocal: nat.local, natRemote: nat.remote },
    ...{ hashes: undefined, announced: false, redirectable: isRedirectable(payloads) },
    fragmentSize: fragmentation ? firstSize(config.fragmentation ?? 'yes') : undefined,
    ...{ channel: arrival.channel, local, remote: arrival.from },
    resumed: { ...state, reference: ticket.data.slice() },
  };
  return { kind: 'accepted', half };
}
