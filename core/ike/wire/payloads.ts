/** Finding payloads in a parsed chain, and building the small ones. */
import { PROTOCOL } from './constants.ts';
import type { Payload, PayloadOf } from './message.ts';

/** The first payload of a kind. */
export function findPayload<K extends Payload['kind']>(payloads: readonly Payload[], kind: K): PayloadOf<K> | undefined {
  for (const payload of payloads) if (isKind(payload, kind)) return payload;
  return undefined;
}

/** All payloads of a kind, in order. */
export function allPayloads<K extends Payload['kind']>(payloads: readonly Payload[], kind: K): PayloadOf<K>[] {
  const found: PayloadOf<K>[] = [];
  for (const payload of payloads) if (isKind(payload, kind)) found.push(payload);
  return found;
}

/** The first notify of a type (`NOTIFY`). */
export function findNotify(payloads: readonly Payload[], type: number): PayloadOf<'N'> | undefined {
  for (const payload of payloads) if (payload.kind === 'N' && payload.type === type) return payload;
  return undefined;
}

/** All notifies of a type, in order. */
export function allNotifies(payloads: readonly Payload[], type: number): PayloadOf<'N'>[] {
  return allPayloads(payloads, 'N').filter((payload) => payload.type === type);
}

/** A notify that concerns no particular SA (RFC 7296 §3.10: protocol and SPI size are zero). */
export function notify(type: number, data: Uint8Array = new Uint8Array(0)): PayloadOf<'N'> {
  return { kind: 'N', protocol: PROTOCOL.NONE, spi: new Uint8Array(0), type, data };
}

/** A notify about a CHILD SA: REKEY_SA, CHILD_SA_NOT_FOUND, INVALID_SELECTORS. `spi` is 4 octets. */
export function notifyAbout(
  protocol: number,
  spi: Uint8Array,
  type: number,
  data: Uint8Array = new Uint8Array(0),
): PayloadOf<'N'> {
  return { kind: 'N', protocol, spi, type, data };
}

/** RFC 7296 §3.11: the IKE SA is deleted without naming an SPI. */
export function deleteIkeSa(): PayloadOf<'D'> {
  return { kind: 'D', protocol: PROTOCOL.IKE, spis: [] };
}

/** RFC 7296 §1.4.1: the SPIs are those the sender expects in the packets it receives. */
export function deleteChildSas(protocol: number, spis: readonly Uint8Array[]): PayloadOf<'D'> {
  return { kind: 'D', protocol, spis };
}

function isKind<K extends Payload['kind']>(payload: Payload, kind: K): payload is PayloadOf<K> {
  return payload.kind === kind;
}
