/** Lies inside the IKE_AUTH answer. Each takes the honest inner payloads and returns the ones to seal. */

import { fromUtf8 } from '../../core/bytes/bytes.ts';
import { Writer } from '../../core/bytes/writer.ts';
import type { Identity } from '../../core/ike/sa/contract.ts';
import { CP_ATTRIBUTE, NOTIFY, PAYLOAD } from '../../core/ike/wire/constants.ts';
import type { ConfigAttribute, Payload, TrafficSelector } from '../../core/ike/wire/message.ts';
import { addressOctets } from './addresses.ts';
import { unofferedCipher, without } from './misbehaveInit.ts';
import type { MisbehaviourContext } from './misbehaviours.ts';

export { without };

/** A payload type of the range reserved for private use (RFC 7296 §3.2): no client will ever know it. */
const PRIVATE_PAYLOAD = 200;

export function breakAuth(honest: readonly Payload[]): readonly Payload[] {
  return honest.map((payload) => {
    if (payload.kind !== 'AUTH') return payload;
    const data = payload.data.slice();
    data[0] = (data[0] as number) ^ 0x01;
    return { ...payload, data };
  });
}

/** Another name of the same type; AUTH is computed over it, so only the comparison of names can tell. */
export function impostor(honest: Identity): Identity {
  const text = 'evil.office.test';
  return { type: honest.type, data: fromUtf8(text), text };
}

/** First in the message, where a parser meets it before anything else. */
export function unknownPayload(critical: boolean): (honest: readonly Payload[]) => readonly Payload[] {
  return (honest) => [{ kind: 'unknown', type: PRIVATE_PAYLOAD, critical, body: Uint8Array.of(1, 2, 3, 4) }, ...honest];
}

export const unofferedEspCipher = unofferedCipher;

export function widerSelectors(honest: readonly Payload[]): readonly Payload[] {
  const everything: TrafficSelector = {
    type: 'ipv4',
    protocol: 0,
    startPort: 0,
    endPort: 65535,
    start: new Uint8Array(4),
    end: new Uint8Array(4).fill(255),
  };
  return honest.map((payload) =>
    payload.kind === 'TSi' || payload.kind === 'TSr' ? { kind: payload.kind, selectors: [everything], unknownTypes: 0 } : payload,
  );
}

function changeAttributes(
  payloads: readonly Payload[],
  change: (attributes: readonly ConfigAttribute[]) => readonly ConfigAttribute[],
): readonly Payload[] {
  return payloads.map((payload) => (payload.kind === 'CP' ? { ...payload, attributes: change(payload.attributes) } : payload));
}

/** INTERNAL_IP4_ADDRESS of the liar's choice, and TSi of that address, so that only the address itself is wrong. */
export function address(
  choose: (context: MisbehaviourContext) => Uint8Array,
): (honest: readonly Payload[], context: MisbehaviourContext) => readonly Payload[] {
  return (honest, context) => {
    const value = choose(context);
    const selector: TrafficSelector = { type: 'ipv4', protocol: 0, startPort: 0, endPort: 65535, start: value, end: value };
    const lied = changeAttributes(honest, (attributes) =>
      attributes.map((one) => (one.type === CP_ATTRIBUTE.INTERNAL_IP4_ADDRESS ? { type: one.type, value } : one)),
    );
    return lied.map((payload) => (payload.kind === 'TSi' ? { kind: 'TSi', selectors: [selector], unknownTypes: 0 } : payload));
  };
}

export function ownAddress(context: MisbehaviourContext): Uint8Array {
  for (const text of context.config.addresses) {
    const octets = addressOctets(text);
    if (octets.length === 4) return octets;
  }
  throw new Error('address-is-gateway needs a head office with an IPv4 address');
}

/** The CP payload with a thousand servers more, as raw octets: our encoder refuses so many attributes. */
export function thousandDnsServers(honest: readonly Payload[]): readonly Payload[] {
  return honest.map((payload) => {
    if (payload.kind !== 'CP') return payload;
    const writer = new Writer().u8(payload.cfgType).zeros(3);
    for (const { type, value } of payload.attributes) writer.u16(type).u16(value.length).bytes(value);
    for (let index = 0; index < 1000; index++) {
      writer
        .u16(CP_ATTRIBUTE.INTERNAL_IP4_DNS)
        .u16(4)
        .bytes(Uint8Array.of(10, 99, index >>> 8, index));
    }
    return { kind: 'unknown', type: PAYLOAD.CP, critical: false, body: writer.finish() };
  });
}

/** Keeps IDr and AUTH, drops everything of the CHILD SA and says why (RFC 7296 §2.21.2: the IKE SA stands). */
export function refuseChild(reason: keyof typeof NOTIFY): (honest: readonly Payload[]) => readonly Payload[] {
  return (honest) => [
    ...honest.filter((payload) => payload.kind === 'IDr' || payload.kind === 'AUTH'),
    { kind: 'N', protocol: 0, spi: new Uint8Array(0), type: NOTIFY[reason], data: new Uint8Array(0) },
  ];
}
