/** Every way an IKE SA can fail, as data: the compiler asks for an entry for every code of the contract. */
import assert from 'node:assert/strict';
import { fromUtf8 } from '../../core/bytes/bytes.ts';
import type { EapFailureCode } from '../../core/ike/auth/eap/contract.ts';
import { pskBothWays } from '../../core/ike/auth/psk.ts';
import { redirectData } from '../../core/ike/exchanges/redirect.ts';
import type { IkeFailure } from '../../core/ike/sa/contract.ts';
import { CP_ATTRIBUTE, CP_TYPE, EXCHANGE, NOTIFY, PROTOCOL } from '../../core/ike/wire/constants.ts';
import { encodeMessage } from '../../core/ike/wire/encode.ts';
import type { Payload, PayloadOf } from '../../core/ike/wire/message.ts';
import { deleteIkeSa, findPayload, notify, notifyAbout } from '../../core/ike/wire/payloads.ts';
import { clientConfig, identity, proposals, selector, type World, type WorldOptions } from './world.ts';

export interface Case {
  readonly what: string;
  readonly options?: WorldOptions;
  /** The datagrams that get through. */
  readonly filter?: World['filter'];
  /** Done once the SA is up. */
  readonly afterwards?: (world: World) => void;
  readonly evidence: RegExp;
  /** What the client says to the gateway at the end: payloads of its last INFORMATIONAL request. */
  readonly farewell?: string;
}

const word = fromUtf8('a word that nobody else knows');

function only(type: number): () => readonly Payload[] {
  return () => [notify(type)];
}

/** Inner payloads of IKE_AUTH with one replaced. */
function swap<K extends Payload['kind']>(kind: K, change: (payload: PayloadOf<K>) => Payload): WorldOptions {
  const isKind = (payload: Payload): payload is PayloadOf<K> => payload.kind === kind;
  return { gateway: { changeAuth: (payloads) => payloads.map((one) => (isKind(one) ? change(one) : one)) } };
}

/** IDr and AUTH stay, an error comes for the CHILD SA (RFC 7296 §2.21.2). */
function childError(type: number): WorldOptions {
  return {
    gateway: { changeAuth: (payloads) => [...payloads.filter(({ kind }) => kind === 'IDr' || kind === 'AUTH'), notify(type)] },
  };
}

function address(type: number, value: Uint8Array): WorldOptions {
  return swap('CP', () => ({ kind: 'CP', cfgType: CP_TYPE.REPLY, attributes: [{ type, value }] }));
}

const saInit = (change: (payloads: readonly Payload[]) => readonly Payload[]): WorldOptions => ({
  gateway: { changeSaInit: change },
});
/** The gateway says this in an INFORMATIONAL. */
function told(world: World, payloads: readonly Payload[]): void {
  world.act(({ sa }, now) => sa?.request({ exchange: EXCHANGE.INFORMATIONAL, build: () => payloads, process() {} }, now));
}

function authLifetime(seconds: number): Payload {
  return notify(NOTIFY.AUTH_LIFETIME, Uint8Array.of(0, 0, seconds >>> 8, seconds));
}

const crashToken = notifyAbout(PROTOCOL.IKE, new Uint8Array(0), NOTIFY.QUICK_CRASH_DETECTION, new Uint8Array(32).fill(0x5a));

const toNobody: World['filter'] = () => false;

/**
 * Those that an office with certificates and EAP is needed for: signatures.test.ts, eap.test.ts, liars.test.ts.
 */
type OfCertificatesAndEap =
  | Extract<
      IkeFailure['code'],
      `gateway-${'cert' | 'no-certificate' | 'untrusted' | 'wrong-name' | 'revocation' | 'signature'}${string}`
    >
  | EapFailureCode
  | 'eap-before-gateway'
  | 'own-cert-refused'
  | 'own-key-failed'
  | 'own-cert-expired';

/** Of the driver. */
type OfOurs = 'internal';

export const cases: Readonly<Record<Exclude<IkeFailure['code'], OfCertificatesAndEap | OfOurs>, readonly Case[]>> = {
  'no-answer': [{ what: 'nothing ever comes back', filter: toNobody, evidence: /IKE_SA_INIT/ }],
  'no-answer-auth': [
    { what: 'port 4500 is blocked', filter: ({ channel }) => channel === 'ike', evidence: /^no answer to IKE_AUTH$/ },
    {
      what: 'the answer to IKE_AUTH never has the right ICV',
      filter: ({ by, channel, bytes }) => {
        if (by === 'gateway' && channel === 'natt') bytes[bytes.length - 1] ^= 1;
        return true;
      },
      evidence: /IKE_AUTH/,
    },
  ],
  'ppk-refused': [
    {
      what: 'the profile demands a PPK of which the gateway has never heard',
      options: { client: { auth: { ...pskBothWays(word), ppk: { id: word, secret: word, required: true } } } },
      evidence: /no USE_PPK in IKE_SA_INIT/,
    },
  ],
  'no-proposal-chosen': [
    {
      what: 'no algorithm in common',
      options: { gateway: { ikeProposals: proposals('ike', 'aes256-sha512-modp4096') } },
      evidence: /NO_PROPOSAL_CHOSEN in IKE_SA_INIT/,
    },
  ],
  'ke-refused': [
    {
      what: 'a group that was not offered is wanted',
      options: { gateway: { insteadOfSaInit: () => [notify(NOTIFY.INVALID_KE_PAYLOAD, Uint8Array.of(0, 2))] } },
      evidence: /method 2, which was not offered/,
    },
    {
      what: 'the group that is already used is wanted, without end',
      options: { gateway: { insteadOfSaInit: () => [notify(NOTIFY.INVALID_KE_PAYLOAD, Uint8Array.of(0, 31))] } },
      evidence: /x25519 again/,
    },
    {
      what: 'the groups are wanted in turn, without end',
      options: {
        gateway: {
          insteadOfSaInit: (_, count) => [notify(NOTIFY.INVALID_KE_PAYLOAD, Uint8Array.of(0, count % 2 === 1 ? 19 : 31))],
        },
      },
      evidence: /again/,
    },
  ],
  'bad-answer-proposal': [
    {
      what: 'two proposals in the answer',
      options: saInit((payloads) =>
        payloads.map((one) =>
          one.kind === 'SA' ? { kind: 'SA', proposals: [one.proposals[0], { ...one.proposals[0], number: 2 }] } : one,
        ),
      ),
      evidence: /2 proposals/,
    },
    {
      what: 'a longer key than offered',
      options: saInit((payloads) =>
        payloads.map((one) =>
          one.kind === 'SA'
            ? {
                kind: 'SA',
                proposals: one.proposals.map((p) => ({
                  ...p,
                  transforms: p.transforms.map((t) => (t.type === 1 ? { ...t, keyLength: 256 } : t)),
                })),
              }
            : one,
        ),
      ),
      evidence: /aes256gcm16 was not offered/,
    },
    {
      what: 'the key exchange is another than the chosen one',
      options: saInit((payloads) =>
        payloads.map((one) => (one.kind === 'KE' ? { ...one, method: 19, data: new Uint8Array(64) } : one)),
      ),
      evidence: /x25519 was chosen, key exchange 19/,
    },
  ],
  'bad-public-value': [
    {
      what: 'a public value of zeros',
      options: saInit((payloads) => payloads.map((one) => (one.kind === 'KE' ? { ...one, data: new Uint8Array(32) } : one))),
      evidence: /x25519: zero/,
    },
    {
      what: 'a public value of a wrong length',
      options: saInit((payloads) =>
        payloads.map((one) => (one.kind === 'KE' ? { ...one, data: new Uint8Array(31).fill(9) } : one)),
      ),
      evidence: /length/,
    },
  ],
  'authentication-failed': [
    {
      what: 'another key',
      options: { client: { auth: pskBothWays(fromUtf8('wrong')) } },
      evidence: /AUTHENTICATION_FAILED in IKE_AUTH response to IDi [^ ]+ and IDr [^ ]+$/,
    },
    {
      // Libreswan 4.10 with `intermediate=yes` makes AUTH otherwise then, and refuses ours.
      what: 'the same where both announced IKE_INTERMEDIATE and no method of the gateway needs it',
      options: {
        client: {
          auth: pskBothWays(fromUtf8('wrong')),
          ikeProposals: proposals('ike', 'aes128gcm16-prfsha256-x25519-ke1_mlkem768', 'aes128gcm16-prfsha256-x25519'),
        },
        ...saInit((payloads) => [...payloads, notify(NOTIFY.INTERMEDIATE_EXCHANGE_SUPPORTED)]),
      },
      evidence: / and IDr [^ ]+, and without the IKE_INTERMEDIATE that both announced$/,
    },
    {
      what: 'AUTHENTICATION_FAILED right after IKE_AUTH',
      afterwards: (world) => {
        world.act(({ sa }, now) =>
          sa?.request({ exchange: EXCHANGE.INFORMATIONAL, build: only(NOTIFY.AUTHENTICATION_FAILED), process() {} }, now),
        );
      },
      evidence: /AUTHENTICATION_FAILED in INFORMATIONAL/,
    },
  ],
  'gateway-authentication-failed': [
    {
      what: 'AUTH of one bit less',
      options: swap('AUTH', (one) => ({ ...one, data: one.data.map((octet, i) => (i === 5 ? octet ^ 0x10 : octet)) })),
      evidence: /AUTH does not verify/,
      farewell: 'N(AUTHENTICATION_FAILED)',
    },
    {
      what: 'AUTH that is too short',
      options: swap('AUTH', (one) => ({ ...one, data: one.data.slice(0, 16) })),
      evidence: /AUTH does not verify/,
      farewell: 'N(AUTHENTICATION_FAILED)',
    },
  ],
  'auth-method-mismatch': [
    {
      what: 'a signature where a key was agreed',
      options: swap('AUTH', (one) => ({ ...one, method: 14 })),
      evidence: /DIGITAL_SIGNATURE/,
      farewell: 'N(AUTHENTICATION_FAILED)',
    },
  ],
  'gateway-identity': [
    {
      what: 'somebody else, with the right key',
      options: { gateway: { identity: identity('evil.office.test') } },
      evidence: /IDr is evil\.office\.test and not vpn\.office\.test/,
      farewell: 'N(AUTHENTICATION_FAILED)',
    },
    {
      what: 'the right name as a mail address',
      options: swap('IDr', (one) => ({ ...one, idType: 3 })),
      evidence: /IDr is vpn\.office\.test/,
      farewell: 'N(AUTHENTICATION_FAILED)',
    },
  ],
  'child-no-proposal-chosen': [
    {
      what: 'no ESP algorithm in common',
      options: { gateway: { espProposals: proposals('esp', 'aes256-sha512') } },
      evidence: /NO_PROPOSAL_CHOSEN in IKE_AUTH/,
      farewell: 'D',
    },
    {
      what: 'the same without AUTH',
      options: { gateway: { changeAuth: only(NOTIFY.NO_PROPOSAL_CHOSEN) } },
      evidence: /without AUTH/,
    },
  ],
  'child-bad-answer-proposal': [
    {
      what: 'another ESP cipher than offered',
      options: swap('SA', (one) => ({
        kind: 'SA',
        proposals: one.proposals.map((p) => ({
          ...p,
          transforms: p.transforms.map((t) => (t.type === 1 ? { type: 1, id: 12, keyLength: 128 } : t)),
        })),
      })),
      evidence: /aes128 was not offered/,
      farewell: 'D',
    },
    {
      what: 'ESN although only 32 bits were offered',
      options: swap('SA', (one) => ({
        kind: 'SA',
        proposals: one.proposals.map((p) => ({
          ...p,
          transforms: p.transforms.map((t) => (t.type === 5 ? { type: 5, id: 1 } : t)),
        })),
      })),
      evidence: /esn was not offered/,
      farewell: 'D',
    },
    {
      what: 'a reserved SPI',
      options: swap('SA', (one) => ({
        kind: 'SA',
        proposals: one.proposals.map((p) => ({ ...p, spi: Uint8Array.of(0, 0, 0, 255) })),
      })),
      evidence: /SPI 255/,
      farewell: 'D',
    },
  ],
  'ts-unacceptable': [
    { what: 'TS_UNACCEPTABLE', options: childError(NOTIFY.TS_UNACCEPTABLE), evidence: /TS_UNACCEPTABLE/, farewell: 'D' },
    {
      what: 'TSr with nothing of what was asked for',
      options: swap('TSr', (one) => ({ ...one, selectors: [selector('172.16.0.0/12')] })),
      evidence: /TSr 172\.16\.0\.0\/12, and nothing of what was asked for, in IKE_AUTH response/,
      farewell: 'D',
    },
  ],
  'bad-answer-selectors': [
    {
      what: 'nothing but a selector of a type that is not known',
      // One selector of type 9, eight octets long.
      options: swap('TSr', () => ({
        kind: 'unknown',
        type: 45,
        critical: false,
        body: Uint8Array.of(1, 0, 0, 0, 9, 0, 0, 8, 1, 2, 3, 4),
      })),
      evidence: /TSr has no selector/,
      farewell: 'D',
    },
    {
      what: 'TSi without the address that was given',
      options: swap('TSi', (one) => ({ ...one, selectors: [selector('10.99.0.0/16')] })),
      evidence: /none of the addresses/,
      farewell: 'D',
    },
  ],
  'no-address': [
    {
      what: 'INTERNAL_ADDRESS_FAILURE',
      options: childError(NOTIFY.INTERNAL_ADDRESS_FAILURE),
      evidence: /INTERNAL_ADDRESS_FAILURE/,
      farewell: 'D',
    },
    ...(
      [
        ['127.0.0.1', [127, 0, 0, 1]],
        ['0.0.0.0', [0, 0, 0, 0]],
        ['224.0.0.1', [224, 0, 0, 1]],
        ['255.255.255.255', [255, 255, 255, 255]],
        ['198.51.100.1', [198, 51, 100, 1]],
      ] as const
    ).map(([text, octets]) => ({
      what: `the address ${text}`,
      options: address(CP_ATTRIBUTE.INTERNAL_IP4_ADDRESS, Uint8Array.from(octets)),
      evidence: new RegExp(`address ${text} is`),
      farewell: 'D',
    })),
    {
      what: 'an address of three octets and no other',
      options: address(CP_ATTRIBUTE.INTERNAL_IP4_ADDRESS, Uint8Array.of(10, 7, 5)),
      evidence: /no address in CFG_REPLY/,
      farewell: 'D',
    },
    {
      what: 'no CFG_REPLY',
      options: { gateway: { changeAuth: (payloads) => payloads.filter(({ kind }) => kind !== 'CP') } },
      evidence: /no CFG_REPLY/,
      farewell: 'D',
    },
  ],
  'child-refused': [
    ...(['FAILED_CP_REQUIRED', 'SINGLE_PAIR_REQUIRED', 'NO_ADDITIONAL_SAS'] as const).map((name) => ({
      what: name,
      options: childError(NOTIFY[name]),
      evidence: new RegExp(name),
      farewell: 'D',
    })),
    { what: 'an error nobody knows (RFC 7296 §3.10.1)', options: childError(9_999), evidence: /9999/, farewell: 'D' },
    {
      what: 'transport mode, which was not offered',
      options: { gateway: { changeAuth: (payloads) => [...payloads, notify(NOTIFY.USE_TRANSPORT_MODE)] } },
      evidence: /USE_TRANSPORT_MODE/,
      farewell: 'D',
    },
  ],
  'gateway-version': [
    {
      what: 'INVALID_MAJOR_VERSION',
      options: { gateway: { insteadOfSaInit: () => [notify(NOTIFY.INVALID_MAJOR_VERSION)] } },
      evidence: /INVALID_MAJOR_VERSION/,
    },
    {
      what: 'an answer of IKE version 1',
      filter: ({ by, bytes }) => {
        if (by === 'gateway') bytes[17] = 0x10;
        return true;
      },
      evidence: /version 1/,
    },
  ],
  'gateway-error': [
    {
      what: 'an unprotected INVALID_SYNTAX for IKE_SA_INIT',
      options: { gateway: { insteadOfSaInit: () => [notify(NOTIFY.INVALID_SYNTAX)] } },
      evidence: /INVALID_SYNTAX in IKE_SA_INIT/,
    },
    {
      what: 'INVALID_SYNTAX for IKE_AUTH',
      options: { gateway: { changeAuth: only(NOTIFY.INVALID_SYNTAX) } },
      evidence: /INVALID_SYNTAX in IKE_AUTH/,
    },
    {
      what: 'INVALID_SYNTAX for a liveness request',
      options: { gateway: { handlers: { [EXCHANGE.INFORMATIONAL]: () => ({ payloads: [notify(NOTIFY.INVALID_SYNTAX)] }) } } },
      afterwards: (world) => world.tell({ kind: 'check-liveness' }),
      evidence: /INVALID_SYNTAX in INFORMATIONAL/,
    },
  ],
  protocol: [
    {
      what: 'COOKIE without end',
      options: { gateway: { insteadOfSaInit: (_, count) => [notify(NOTIFY.COOKIE, Uint8Array.of(count >>> 8, count))] } },
      evidence: /COOKIE without end/,
    },
    {
      what: 'the same COOKIE without end',
      options: { gateway: { insteadOfSaInit: () => [notify(NOTIFY.COOKIE, Uint8Array.of(1))] } },
      evidence: /COOKIE asked for again/,
    },
    {
      what: 'a COOKIE of 65 octets',
      options: { gateway: { insteadOfSaInit: () => [notify(NOTIFY.COOKIE, new Uint8Array(65))] } },
      evidence: /COOKIE of 65 octets/,
    },
    {
      what: 'a responder SPI of zero',
      filter: ({ by, bytes }) => {
        if (by === 'gateway') bytes.fill(0, 8, 16);
        return true;
      },
      evidence: /responder SPI is zero/,
    },
    {
      what: 'IKE_SA_INIT without a nonce',
      options: saInit((payloads) => payloads.filter(({ kind }) => kind !== 'NONCE')),
      evidence: /no NONCE payload/,
    },
    {
      what: 'IKE_AUTH without AUTH',
      options: { gateway: { changeAuth: (payloads) => payloads.filter(({ kind }) => kind !== 'AUTH') } },
      evidence: /no AUTH payload/,
      farewell: 'N(INVALID_SYNTAX)',
    },
    {
      what: 'an unknown critical payload in IKE_AUTH',
      options: {
        gateway: {
          changeAuth: (payloads) => [...payloads, { kind: 'unknown', type: 150, critical: true, body: new Uint8Array(3) }],
        },
      },
      evidence: /critical payload 150/,
      farewell: 'N(UNSUPPORTED_CRITICAL_PAYLOAD)',
    },
    {
      what: 'IKE_AUTH without selectors',
      options: { gateway: { changeAuth: (payloads) => payloads.filter(({ kind }) => kind !== 'TSr') } },
      evidence: /no SA, TSi or TSr/,
      farewell: 'D',
    },
    {
      what: 'two CP payloads in a liveness answer',
      options: {
        gateway: {
          handlers: {
            [EXCHANGE.INFORMATIONAL]: (payloads) =>
              payloads.length > 0
                ? { payloads: [] }
                : { payloads: [1, 2].map(() => ({ kind: 'CP', cfgType: 2, attributes: [] }) as const) },
          },
        },
      },
      afterwards: (world) => world.tell({ kind: 'check-liveness' }),
      evidence: /2 CP payloads/,
      farewell: 'D',
    },
  ],
  'gateway-overloaded': [
    {
      what: 'a PUZZLE that is too much, also after the cookie alone was brought (RFC 8019 §7.1.2)',
      options: {
        gateway: {
          insteadOfSaInit: (_, count) => [
            notify(NOTIFY.COOKIE, Uint8Array.of(count)),
            notify(NOTIFY.PUZZLE, Uint8Array.of(0, 5, 21)),
          ],
        },
      },
      evidence: /^PUZZLE of 21 bits in IKE_SA_INIT response$/,
    },
  ],
  'no-fragmentation': [
    {
      what: 'fragmentation is demanded, and the gateway does not offer it (RFC 7383 §2.3)',
      options: { client: { fragmentation: 'force' }, gateway: { fragmentation: 'no' } },
      evidence: /^no IKEV2_FRAGMENTATION_SUPPORTED in IKE_SA_INIT response$/,
    },
  ],
  redirected: [
    {
      what: 'REDIRECT with our nonce in IKE_SA_INIT (RFC 5685 §3)',
      options: {
        client: { redirect: {} },
        gateway: {
          insteadOfSaInit: ({ payloads }) => [
            notify(NOTIFY.REDIRECT, redirectData('vpn2.office.test', findPayload(payloads, 'NONCE')?.data)),
          ],
        },
      },
      evidence: /^REDIRECT to vpn2\.office\.test in IKE_SA_INIT response$/,
    },
    {
      what: 'REDIRECT in the answer to IKE_AUTH, which leaves no IKE SA (RFC 5685 §6)',
      options: {
        client: { redirect: {} },
        gateway: { changeAuth: (payloads) => [...payloads, notify(NOTIFY.REDIRECT, redirectData('2001:db8::7'))] },
      },
      evidence: /^REDIRECT to 2001:db8::7 in IKE_AUTH response$/,
      farewell: 'D',
    },
    {
      what: 'REDIRECT once it is up (RFC 5685 §5)',
      options: { client: { redirect: {} } },
      afterwards: (world) => told(world, [notify(NOTIFY.REDIRECT, redirectData('198.51.100.2'))]),
      evidence: /^REDIRECT to 198\.51\.100\.2 in INFORMATIONAL$/,
      farewell: 'D',
    },
  ],
  'authentication-expired': [
    {
      what: 'AUTH_LIFETIME is over, and nobody authenticated again (RFC 4478)',
      options: { gateway: { changeAuth: (payloads) => [...payloads, authLifetime(100)] } },
      afterwards: () => {},
      evidence: /is over/,
      farewell: 'D',
    },
    {
      what: 'the gateway deletes at the end of AUTH_LIFETIME, before we do',
      options: { gateway: { changeAuth: (payloads) => [...payloads, authLifetime(100)] } },
      afterwards: (world) => {
        world.run(101_000);
        world.act(({ sa }, now) => sa?.terminate(now));
      },
      evidence: /^DELETE of the IKE SA after AUTH_LIFETIME$/,
    },
    {
      what: 'our own limit',
      options: { client: { reauthenticateEvery: 50_000 } },
      afterwards: () => {},
      evidence: /is over/,
      farewell: 'D',
    },
  ],
  'address-changed': [
    {
      what: 'another address, and no MOBIKE',
      afterwards: (world) => {
        const { local, remote } = clientConfig;
        world.tell({ kind: 'paths', paths: [{ local: { ...local, address: '203.0.113.7' }, remote }] });
      },
      evidence: /does not do MOBIKE/,
    },
  ],
  'gateway-restarted': [
    {
      what: 'INVALID_IKE_SPI with the token that was given (RFC 6290)',
      options: { gateway: { changeAuth: (payloads) => [...payloads, crashToken] } },
      afterwards: (world) => {
        const { spis } = world.gateway.sa ?? {};
        assert.ok(spis);
        const flags = { initiator: false, version: false, response: true };
        const header = { ...spis, majorVersion: 2, minorVersion: 0, exchange: EXCHANGE.INFORMATIONAL, messageId: 7, flags };
        world.inject(encodeMessage(header, [notify(NOTIFY.INVALID_IKE_SPI), crashToken]), 'natt', {
          address: '203.0.113.9',
          port: 9,
        });
      },
      evidence: /QUICK_CRASH_DETECTION/,
    },
  ],
  expired: [],
  'closed-by-gateway': [
    {
      what: 'DELETE of the IKE SA',
      afterwards: (world) => world.act(({ sa }, now) => sa?.terminate(now)),
      evidence: /DELETE of the IKE SA/,
    },
    {
      what: 'DELETE of the IKE SA among other things',
      afterwards: (world) => told(world, [notify(40_000), deleteIkeSa()]),
      evidence: /DELETE/,
    },
  ],
  'gateway-lost': [
    {
      what: 'no answer to liveness',
      afterwards: (world) => {
        world.filter = toNobody;
      },
      evidence: /no answer to INFORMATIONAL/,
    },
  ],
};
