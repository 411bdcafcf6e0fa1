/** SUPPORTED_AUTH_METHODS (RFC 9593) as dialogues: each side chooses its signature by what the other announced, and a refusal is explained. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSignatureAlgorithm } from '../../core/crypto/algorithmIdentifier.ts';
import type { SignatureAlgorithm } from '../../core/crypto/signatureTypes.ts';
import type { IkeAsk } from '../../core/ike/auth/contract.ts';
import { NOTIFY } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { findPayload, notify } from '../../core/ike/wire/payloads.ts';
import type { HeadOfficeConfig } from '../gateway/config.ts';
import type { Conversation } from '../gateway/conversation.ts';
import {
  anchor,
  answering,
  authorities,
  byCertificate,
  byEap,
  eapServer,
  officeCertificate,
  PASSWORD,
  USER,
  userCertificate,
} from '../gateway/credentials.ts';
import { identity, proposals, SECRET } from '../gateway/fixtures.ts';
import { agreed, authOf, failed, meet, type Scene } from './office.ts';
import { World } from './world.ts';

const rsa: readonly SignatureAlgorithm[] = [
  { kind: 'rsa-pss', hash: 'sha512', saltLength: 64 },
  { kind: 'rsa-pkcs1', hash: 'sha384' },
];
const gateway = { method: 'certificate', authorities } as const;
const alice = identity(USER);

function byUserCertificate(takes: HeadOfficeConfig['takes'], key: 'rsa' | 'p256' = 'rsa', { client, office }: Scene = {}) {
  const user = userCertificate(key);
  const asked: IkeAsk[] = [];
  const conversation = meet({
    client: { auth: { local: [byCertificate(user)], gateway }, ...client },
    office: {
      ...office,
      certificate: officeCertificate('rsa'),
      users: [{ identity: alice, proofs: ['certificate'] }],
      userAuthorities: [anchor],
      ...(takes && { takes }),
    },
    answer: answering({ user, asked }),
  });
  const sign = asked.find((ask) => ask.kind === 'sign');
  return { conversation, algorithm: sign?.kind === 'sign' ? sign.algorithm : undefined };
}

for (const algorithm of rsa)
  test(`a gateway that takes ${algorithm.kind} alone is given that`, () => {
    const { conversation, algorithm: used } = byUserCertificate({ sharedKey: false, signatures: [algorithm] });
    agreed(conversation);
    assert.deepEqual(used, algorithm);
  });

test('a gateway that announces is told what it may use, and one that does not is told nothing', () => {
  const open = (announces: boolean) =>
    authOf(byUserCertificate(announces ? { sharedKey: false, signatures: rsa } : undefined).conversation, 'IKE_AUTH request');
  assert.ok(open(true).includes('N(SUPPORTED_AUTH_METHODS)'));
  assert.ok(!open(false).includes('N(SUPPORTED_AUTH_METHODS)'));
});

test('a gateway that takes none of our signatures is tried all the same, and its refusal is explained', () => {
  const { conversation } = byUserCertificate({ sharedKey: true, signatures: rsa }, 'p256');
  failed(
    conversation,
    'auth-method-mismatch',
    /^AUTHENTICATION_FAILED in IKE_AUTH response: it takes SHARED_KEY, rsa-pss with sha512, rsa-pkcs1 with sha384, and we have ecdsa with sha256$/,
  );
});

test('a gateway that takes signatures alone refuses a key, and that is explained', () => {
  const conversation = meet({
    office: {
      takes: { sharedKey: false, signatures: rsa },
      users: [{ identity: alice, secret: SECRET, proofs: ['certificate'] }],
    },
  });
  failed(conversation, 'auth-method-mismatch', /it takes rsa-pss with sha512, rsa-pkcs1 with sha384, and we have SHARED_KEY$/);
});

test('a wrong key is a wrong key where keys are taken', () => {
  const conversation = meet({
    office: { takes: { sharedKey: true, signatures: rsa }, users: [{ identity: alice, secret: Uint8Array.of(1) }] },
    // The office proves itself by its certificate, so that it is our key that is wrong.
    client: { auth: { local: [{ method: 'psk', secret: SECRET }], gateway } },
    answer: answering(),
  });
  assert.notEqual(conversation.outputs('closed')[0]?.failure?.code, 'auth-method-mismatch');
});

test('EAP has no number to announce, and is not touched by it', () => {
  const conversation = meet({
    client: { auth: { local: [byEap()], gateway } },
    office: {
      certificate: officeCertificate('rsa'),
      users: [{ identity: alice, proofs: ['eap'] }],
      eap: eapServer(),
      takes: { sharedKey: false, signatures: rsa },
    },
    answer: answering({ credentials: { password: [PASSWORD] } }),
  });
  agreed(conversation);
});

test('the office chooses its own signature by what the client announces', () => {
  const pkcs1 = { kind: 'rsa-pkcs1', hash: 'sha1' } as const;
  const pss = { kind: 'rsa-pss', hash: 'sha256', saltLength: 20 } as const;
  const usual = { kind: 'rsa-pss', hash: 'sha256', saltLength: 32 } as const;
  const certificate = { ...officeCertificate('rsa'), algorithms: [pkcs1, pss, usual] };
  let sent: readonly Payload[] = [];
  const conversation = meet({
    client: { auth: { local: [{ method: 'psk', secret: SECRET }], gateway } },
    office: {
      certificate,
      users: [{ identity: alice, secret: SECRET }],
      takes: { sharedKey: true, signatures: [] },
      changeAuth: (payloads) => {
        sent = payloads;
        return payloads;
      },
    },
    answer: answering(),
  });
  agreed(conversation);
  const data = findPayload(sent, 'AUTH')?.data ?? new Uint8Array(0);
  assert.deepEqual(readSignatureAlgorithm(data.subarray(1, 1 + data[0])), usual);
});

test('rubbish in the announcement changes nothing', () => {
  for (const rubbish of [[], [0], [1, 2], [255, 14, 0], [2, 2, 0], [5, 14, 0, 0x30, 0x80], new Array(3000).fill(2)]) {
    const said = notify(NOTIFY.SUPPORTED_AUTH_METHODS, Uint8Array.from(rubbish));
    const world = new World({ gateway: { changeSaInit: (payloads) => [...payloads, said] } });
    world.connect();
    assert.equal(world.said('install-child').length, 1, String(rubbish.slice(0, 6)));
  }
});

// --- a list that is too long for IKE_SA_INIT (§3.1) ----------------------------------------------------------------------------------

const [, pkcs1] = rsa;
const BASE = 'aes256gcm16-prfsha256-x25519';
const HYBRID = `${BASE}-ke1_mlkem768-ke2_ecp256`;

/** The office keeps its list for IKE_INTERMEDIATE. */
function later(ours: string, theirs: string, office: Scene['office'] = {}) {
  const offering = (...texts: readonly string[]) => ({ ikeProposals: proposals(texts, 'ike') });
  const takes = { sharedKey: false, signatures: pkcs1 ? [pkcs1] : [], when: 'intermediate' } as const;
  return byUserCertificate(takes, 'rsa', { client: offering(ours), office: { ...offering(theirs), ...office } });
}

const sent = (conversation: Conversation, name: string) =>
  conversation.outputs('log').filter(({ text }) => text === `sent ${name}`).length;

test('it comes in the IKE_INTERMEDIATE that there is anyway', () => {
  // SA KE Nr N(INTERMEDIATE_EXCHANGE_SUPPORTED) N(SUPPORTED_AUTH_METHODS)();  SK{KE}  →  SK{KE N(SUPPORTED_AUTH_METHODS)(…)}
  const { conversation, algorithm } = later(HYBRID, HYBRID);
  agreed(conversation);
  assert.deepEqual(algorithm, pkcs1);
  assert.equal(sent(conversation, 'IKE_INTERMEDIATE request'), 2);
  assert.ok(authOf(conversation, 'IKE_AUTH request').includes('N(SUPPORTED_AUTH_METHODS)'));
});

test('where there is none, an empty IKE_INTERMEDIATE asks for it, and AUTH covers that', () => {
  // SK{}  →  SK{N(SUPPORTED_AUTH_METHODS)(…)}
  const { conversation, algorithm } = later('default', BASE);
  agreed(conversation);
  assert.deepEqual(algorithm, pkcs1);
  assert.equal(sent(conversation, 'IKE_INTERMEDIATE request'), 1);
  assert.deepEqual(authOf(conversation, 'IKE_INTERMEDIATE request'), []);
  assert.deepEqual(authOf(conversation, 'IKE_INTERMEDIATE response'), ['N(SUPPORTED_AUTH_METHODS)']);
});

test('a client that does not know IKE_INTERMEDIATE has it in IKE_SA_INIT', () => {
  const { conversation, algorithm } = later(BASE, BASE);
  agreed(conversation);
  assert.deepEqual(algorithm, pkcs1);
  assert.equal(sent(conversation, 'IKE_INTERMEDIATE request'), 0);
});

test('a list that never comes is no reason to end: what is usual is tried', () => {
  for (const theirs of [HYBRID, BASE]) {
    const withoutList = (honest: readonly Payload[]) => honest.filter(({ kind }) => kind !== 'N');
    const { conversation, algorithm } = later(`${HYBRID}-ke1_none-ke2_none`, theirs, { changeIntermediate: withoutList });
    assert.equal(algorithm?.kind, 'rsa-pss', theirs);
    failed(conversation, 'own-cert-refused', /^AUTHENTICATION_FAILED in IKE_AUTH response to IDi [^ ]+ and IDr [^ ]+$/);
  }
});

test('an office that refuses what it asked for is named', () => {
  const refused = () => [notify(NOTIFY.INVALID_SYNTAX)];
  const { conversation } = later('default', BASE, { changeIntermediate: refused });
  failed(conversation, 'gateway-error', /^INVALID_SYNTAX in IKE_INTERMEDIATE response$/);
});
