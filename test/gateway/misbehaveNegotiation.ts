/** More of what a gateway can do wrong in negotiating (SECURITY.md 8–11): what it chooses, and its public value. */
import { getDiffieHellman } from 'node:crypto';
import { EXCHANGE, NOTIFY, PAYLOAD, TRANSFORM } from '../../core/ike/wire/constants.ts';
import type { Payload, Transform } from '../../core/ike/wire/message.ts';
import { notify } from '../../core/ike/wire/payloads.ts';
import { changeTransforms, publicValue } from './misbehaveInit.ts';
import { onSaInitAnswer } from './misbehaveTransport.ts';
import type { Misbehaviour } from './misbehaviours.ts';

type Change = (honest: readonly Payload[]) => readonly Payload[];

/** IANA ids that are registered and never offered here: PRF_HMAC_MD5, ENCR_NULL; and as one that most clients of these tests do not offer: ADDKE1 with ML-KEM-768 (RFC 9370). */
const PRF_HMAC_MD5: Transform = { type: TRANSFORM.PRF, id: 1 };
const ENCR_NULL: Transform = { type: TRANSFORM.ENCR, id: 11 };
const ML_KEM_768: Transform = { type: 6, id: 36 };
const INTERMEDIATE = NOTIFY.INTERMEDIATE_EXCHANGE_SUPPORTED;
const NO_INTEGRITY: Transform = { type: TRANSFORM.INTEG, id: 0 };

export const negotiationMisbehaviours = [
  {
    name: 'answers-in-ikev1',
    what: 'answers IKE_SA_INIT with a message of IKE version 1',
    clause: 'RFC 7296 §2.5, S8',
    hooks: { datagrams: onSaInitAnswer((bytes) => [bytes.map((octet, at) => (at === MAJOR_VERSION_AT ? 0x10 : octet))]) },
  },
  {
    name: 'takes-no-proposal',
    what: 'takes no proposal, so that a weaker one might be tried',
    clause: 'RFC 7296 §2.7, S8',
    hooks: { insteadOfSaInit: () => [notify(NOTIFY.NO_PROPOSAL_CHOSEN)] },
  },
  {
    name: 'prf-not-offered',
    what: 'chooses a PRF nobody offered',
    clause: 'RFC 7296 §3.3, S9',
    hooks: { saInitAnswer: swapped(PRF_HMAC_MD5) },
  },
  {
    name: 'no-integrity',
    what: 'leaves the integrity algorithm out of a proposal that has one',
    clause: 'RFC 7296 §3.3.3, S9',
    hooks: { saInitAnswer: withTransforms((all) => all.filter(({ type }) => type !== TRANSFORM.INTEG)) },
  },
  {
    name: 'integrity-none',
    what: 'chooses NONE as the integrity algorithm of a cipher that has none of its own',
    clause: 'RFC 7296 §3.3.3, S9',
    hooks: { saInitAnswer: swapped(NO_INTEGRITY) },
  },
  {
    name: 'two-proposals',
    what: 'chooses two proposals',
    clause: 'RFC 7296 §2.7, S9',
    hooks: {
      saInitAnswer: (honest) =>
        honest.map((one) =>
          one.kind === 'SA'
            ? { kind: 'SA', proposals: one.proposals.flatMap((chosen) => [chosen, { ...chosen, number: 2 }]) }
            : one,
        ),
    },
  },
  {
    name: 'additional-key-exchange',
    what: 'chooses an additional key exchange, ML-KEM, that nobody offered',
    clause: 'RFC 9370 §2.2.1, S9, S11',
    hooks: { saInitAnswer: withTransforms((all) => [...all, ML_KEM_768]) },
  },
  {
    name: 'additional-key-exchange-unannounced',
    what: 'chooses an additional key exchange and does not say that it knows IKE_INTERMEDIATE',
    clause: 'RFC 9370 §2.2.1, S9',
    hooks: { saInitAnswer: (honest) => honest.filter((one) => one.kind !== 'N' || one.type !== INTERMEDIATE) },
  },
  {
    name: 'additional-key-exchange-left-out',
    what: 'takes a proposal with an additional key exchange and leaves that out',
    clause: 'RFC 9370 §2.2.1, S9',
    hooks: { saInitAnswer: withTransforms((all) => all.filter(({ type }) => type < TRANSFORM.ADDKE1)) },
  },
  {
    name: 'additional-key-exchange-twice',
    what: 'chooses the same additional key exchange twice',
    clause: 'RFC 9370 §2.2.1, S9',
    hooks: {
      saInitAnswer: withTransforms((all) => [
        ...all.filter(({ type }) => type < TRANSFORM.ADDKE1),
        ML_KEM_768,
        { ...ML_KEM_768, type: 7 },
      ]),
    },
  },
  {
    name: 'kem-ciphertext-short',
    what: 'sends an ML-KEM ciphertext of one octet less',
    clause: 'FIPS 203 §7.3, S11',
    hooks: { intermediateAnswer: publicValue((honest) => honest.slice(1)) },
  },
  {
    name: 'kem-ciphertext-long',
    what: 'sends an ML-KEM ciphertext of one octet more',
    clause: 'FIPS 203 §7.3, S11',
    hooks: { intermediateAnswer: publicValue((honest) => Uint8Array.of(...honest, 0)) },
  },
  {
    name: 'kem-ciphertext-changed',
    what: 'one bit of the ML-KEM ciphertext is wrong',
    clause: 'FIPS 203 §6.3',
    hooks: { intermediateAnswer: publicValue((honest) => honest.map((octet, at) => (at === 77 ? octet ^ 4 : octet))) },
  },
  {
    name: 'kem-other-method',
    what: 'answers the additional key exchange with another method',
    clause: 'RFC 9370 §2.2.2, S11',
    hooks: { intermediateAnswer: (honest) => honest.map((one) => (one.kind === 'KE' ? { ...one, method: 37 } : one)) },
  },
  {
    name: 'intermediate-empty',
    what: 'answers IKE_INTERMEDIATE with nothing',
    clause: 'RFC 9370 §2.2.2',
    hooks: { intermediateAnswer: () => [] },
  },
  {
    name: 'intermediate-refused',
    what: 'answers IKE_INTERMEDIATE with INVALID_SYNTAX',
    clause: 'RFC 9242 §3.4',
    hooks: { intermediateAnswer: () => [notify(NOTIFY.INVALID_SYNTAX)] },
  },
  {
    name: 'ppk-not-named',
    what: 'uses the post-quantum preshared key and does not say so',
    clause: 'RFC 8784 §3',
    hooks: { authAnswer: (honest) => honest.filter((one) => one.kind !== 'N' || one.type !== NOTIFY.PPK_IDENTITY) },
  },
  {
    name: 'ppk-named-and-not-used',
    what: 'says that it uses a post-quantum preshared key and does not have it',
    clause: 'RFC 8784 §3',
    hooks: { authAnswer: (honest) => [...honest, notify(NOTIFY.PPK_IDENTITY)] },
  },
  {
    name: 'silent-after-intermediate',
    what: 'never answers IKE_INTERMEDIATE',
    clause: 'RFC 7296 §2.4',
    hooks: { datagrams: (bytes, exchange) => (exchange === EXCHANGE.IKE_INTERMEDIATE ? [] : [bytes]) },
  },
  {
    name: 'intermediate-from-office',
    what: 'starts an IKE_INTERMEDIATE of its own before IKE_AUTH',
    clause: 'RFC 9242 §3.2, S14',
    hooks: { afterSaInit: 'intermediate' },
  },
  {
    name: 'child-null-cipher',
    what: 'chooses an ESP cipher that encrypts nothing',
    clause: 'RFC 7296 §3.3, S9',
    hooks: { authAnswer: swapped(ENCR_NULL) },
  },
  {
    name: 'child-no-integrity',
    what: 'leaves integrity out of the ESP proposal',
    clause: 'RFC 7296 §3.3.3, S9',
    hooks: { authAnswer: withTransforms((all) => all.filter(({ type }) => type !== TRANSFORM.INTEG)) },
  },
  {
    name: 'child-shorter-key',
    what: 'chooses the offered ESP cipher with a key of 64 bits less',
    clause: 'RFC 7296 §3.3.6, S9',
    hooks: {
      authAnswer: withTransforms((all) =>
        all.map((one) => (one.keyLength === undefined ? one : { ...one, keyLength: one.keyLength - 64 })),
      ),
    },
  },
  {
    name: 'same-cookie',
    what: 'asks for the same cookie again and again',
    clause: 'RFC 7296 §2.6, S10',
    hooks: { insteadOfSaInit: () => [notify(NOTIFY.COOKIE, new Uint8Array(64).fill(7))] },
  },
  {
    name: 'cookie-then-group',
    what: 'asks for a cookie and for another group by turns, without end',
    clause: 'RFC 7296 §2.6.1, S10',
    hooks: {
      insteadOfSaInit: ({ request, random }) => {
        const cookie = request.some((one) => one.kind === 'N' && one.type === NOTIFY.COOKIE);
        return [cookie ? notify(NOTIFY.INVALID_KE_PAYLOAD, Uint8Array.of(0, 14)) : notify(NOTIFY.COOKIE, random(16))];
      },
    },
  },
  {
    name: 'public-value-one',
    what: 'sends 1 as its public value',
    clause: 'RFC 6989 §2.1, S11',
    hooks: { saInitAnswer: publicValue(one) },
  },
  {
    name: 'public-value-one-little-endian',
    what: 'sends u = 1, a point of small order',
    clause: 'RFC 8031 §5, RFC 7748 §6, S11',
    hooks: { saInitAnswer: publicValue((honest) => one(honest).reverse()) },
  },
  {
    name: 'public-value-small-order',
    what: 'sends a point of order 8 of Curve25519',
    clause: 'RFC 8031 §5, RFC 7748 §6.1, S11',
    hooks: { saInitAnswer: publicValue(() => new Uint8Array(Buffer.from(ORDER_8, 'hex'))) },
  },
  {
    name: 'public-value-p',
    what: 'sends the prime of the 2048-bit MODP group',
    clause: 'RFC 6989 §2.1, S11',
    hooks: { saInitAnswer: publicValue(() => new Uint8Array(getDiffieHellman('modp14').getPrime())) },
  },
  {
    name: 'public-value-beyond-field',
    what: 'sends a point whose coordinates are larger than the field',
    clause: 'RFC 6989 §2.3, S11',
    hooks: { saInitAnswer: publicValue((honest) => new Uint8Array(honest.length).fill(0xff)) },
  },
  {
    name: 'public-value-long',
    what: 'sends a public value of one octet more',
    clause: 'RFC 7296 §3.4, S11',
    hooks: { saInitAnswer: publicValue((honest) => Uint8Array.of(...honest, 0)) },
  },
  {
    name: 'public-value-compressed',
    what: 'sends a point in its compressed form',
    clause: 'RFC 5903 §7, S11',
    hooks: { saInitAnswer: publicValue((honest) => Uint8Array.of(2, ...honest.subarray(0, honest.length / 2))) },
  },
  {
    name: 'public-value-empty',
    what: 'sends no public value in its KE payload',
    clause: 'RFC 7296 §3.4, S11',
    hooks: { saInitAnswer: withoutValue },
  },
] as const satisfies readonly Misbehaviour[];

/** In the IKE header (RFC 7296 §3.1). */
const MAJOR_VERSION_AT = 17;

/** Of Curve25519, little-endian: one of the twelve of https://cr.yp.to/ecdh.html#validate. */
const ORDER_8 = 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800';

/** As an `unknown` payload of its type, because our encoder refuses to build it. */
function withoutValue(honest: readonly Payload[]): readonly Payload[] {
  return honest.map((payload) => {
    if (payload.kind !== 'KE') return payload;
    const body = Uint8Array.of(payload.method >>> 8, payload.method, 0, 0);
    return { kind: 'unknown', type: PAYLOAD.KE, critical: false, body };
  });
}

function one(honest: Uint8Array): Uint8Array {
  const value = new Uint8Array(honest.length);
  value[value.length - 1] = 1;
  return value;
}

/** The transforms of every chosen proposal as a list. */
function withTransforms(change: (all: readonly Transform[]) => readonly Transform[]): Change {
  return (honest) =>
    honest.map((payload) => {
      if (payload.kind !== 'SA') return payload;
      return { kind: 'SA', proposals: payload.proposals.map((chosen) => ({ ...chosen, transforms: change(chosen.transforms) })) };
    });
}

/** This one in the place of what was chosen of its type. */
function swapped(instead: Transform): Change {
  return (honest) => changeTransforms(honest, (transform) => (transform.type === instead.type ? instead : transform));
}
