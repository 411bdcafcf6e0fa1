/** Lies in the answer to IKE_SA_INIT. Each takes the honest payloads and returns the ones to send. */
import { getDiffieHellman } from 'node:crypto';
import { NOTIFY, PAYLOAD, TRANSFORM } from '../../core/ike/wire/constants.ts';
import type { Payload, PayloadOf, Transform } from '../../core/ike/wire/message.ts';
import type { MisbehaviourContext } from './misbehaviours.ts';

/** IANA ids that are registered and that this client never offers: ENCR_CAMELLIA_CBC with 256 bits, 1024-bit MODP with 160-bit subgroup. */
const UNOFFERED_CIPHER: Transform = { type: TRANSFORM.ENCR, id: 23, keyLength: 256 };
const UNOFFERED_GROUP = 22;
const UNOFFERED_GROUP_OCTETS = 128;

function notify(type: number, data: Uint8Array): PayloadOf<'N'> {
  return { kind: 'N', protocol: 0, spi: new Uint8Array(0), type, data };
}

/** The payload list without those of one kind. */
export function without(kind: Payload['kind']): (honest: readonly Payload[]) => readonly Payload[] {
  return (honest) => honest.filter((payload) => payload.kind !== kind);
}

/** Every transform of every chosen proposal through `change`. */
export function changeTransforms(payloads: readonly Payload[], change: (transform: Transform) => Transform): readonly Payload[] {
  return payloads.map((payload) => {
    if (payload.kind !== 'SA') return payload;
    return { kind: 'SA', proposals: payload.proposals.map((one) => ({ ...one, transforms: one.transforms.map(change) })) };
  });
}

export function unofferedCipher(honest: readonly Payload[]): readonly Payload[] {
  return changeTransforms(honest, (transform) => (transform.type === TRANSFORM.ENCR ? UNOFFERED_CIPHER : transform));
}

export function shorterKey(honest: readonly Payload[]): readonly Payload[] {
  return changeTransforms(honest, (transform) =>
    transform.keyLength === undefined ? transform : { ...transform, keyLength: transform.keyLength - 64 },
  );
}

export function unofferedGroup(honest: readonly Payload[], context: MisbehaviourContext): readonly Payload[] {
  const lied = changeTransforms(honest, (transform) =>
    transform.type === TRANSFORM.KE ? { type: TRANSFORM.KE, id: UNOFFERED_GROUP } : transform,
  );
  return lied.map((payload) =>
    payload.kind === 'KE' ? { kind: 'KE', method: UNOFFERED_GROUP, data: context.random(UNOFFERED_GROUP_OCTETS) } : payload,
  );
}

/** COOKIE with fresh octets each time, so that none is ever the right one. */
export function cookieOf(length: number): (context: MisbehaviourContext) => readonly Payload[] {
  return (context) => [notify(NOTIFY.COOKIE, context.random(length))];
}

function wantGroup(id: number): readonly Payload[] {
  return [notify(NOTIFY.INVALID_KE_PAYLOAD, Uint8Array.of(id >>> 8, id))];
}

/** The next offered group after the one that came, round and round. With one group offered: that very group. */
export function invalidKe(context: MisbehaviourContext): readonly Payload[] {
  const offered: number[] = [];
  let sent = 0;
  for (const payload of context.request) {
    if (payload.kind === 'KE') sent = payload.method;
    if (payload.kind !== 'SA') continue;
    for (const proposal of payload.proposals) {
      for (const transform of proposal.transforms) if (transform.type === TRANSFORM.KE) offered.push(transform.id);
    }
  }
  const groups = [...new Set(offered)];
  return wantGroup(groups[(groups.indexOf(sent) + 1) % groups.length] ?? sent);
}

export function invalidKeUnoffered(): readonly Payload[] {
  return wantGroup(UNOFFERED_GROUP);
}

export function publicValue(lie: (honest: Uint8Array) => Uint8Array): (honest: readonly Payload[]) => readonly Payload[] {
  return (honest) => honest.map((payload) => (payload.kind === 'KE' ? { ...payload, data: lie(payload.data) } : payload));
}

/** The honest point with another y: with all but certainty no point of the curve (x has two, y and p − y). */
export function offCurve(honest: Uint8Array): Uint8Array {
  const point = honest.slice();
  point[point.length - 1] = (point[point.length - 1] as number) ^ 0x01;
  return point;
}

const MODP_NAMES: Readonly<Record<number, string>> = { 14: 'modp14', 15: 'modp15', 16: 'modp16', 17: 'modp17', 18: 'modp18' };

/** Only for MODP groups; others stay honest, which makes a test that chose the wrong group fail. */
export function pMinusOne(honest: readonly Payload[]): readonly Payload[] {
  return honest.map((payload) => {
    const name = payload.kind === 'KE' ? MODP_NAMES[payload.method] : undefined;
    if (payload.kind !== 'KE' || name === undefined) return payload;
    const value = new Uint8Array(getDiffieHellman(name).getPrime());
    value[value.length - 1] = (value[value.length - 1] as number) - 1; // every MODP prime of RFC 3526 ends in FF
    return { ...payload, data: value };
  });
}

/** As an `unknown` payload of the nonce's type, because our encoder refuses to build what RFC 7296 §3.9 forbids. */
export function nonceOf(length: number): (honest: readonly Payload[]) => readonly Payload[] {
  return (honest) =>
    honest.map((payload) =>
      payload.kind === 'NONCE'
        ? { kind: 'unknown', type: PAYLOAD.NONCE, critical: false, body: payload.data.slice(0, length) }
        : payload,
    );
}
