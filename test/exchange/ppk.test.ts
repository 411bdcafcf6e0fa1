/** Post-quantum preshared keys (RFC 8784), as dialogues of the client and the head office. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { fromUtf8 } from '../../core/bytes/bytes.ts';
import type { IkeAuthentication } from '../../core/ike/auth/contract.ts';
import { mixPpk, type Ppk, PpkOffer, ppkIdentity, readPpkIdentity } from '../../core/ike/auth/ppk.ts';
import type { IkeConfig } from '../../core/ike/sa/contract.ts';
import { notify } from '../../core/ike/wire/payloads.ts';
import type { HeadOfficeUser } from '../gateway/config.ts';
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
import { prfRow } from '../unit/crypto/support.ts';
import { agreed, authOf, failed, meet, type Scene } from './office.ts';

const ID = fromUtf8('office-ppk-1');
const KEY = fromUtf8('thirty-two octets that both know.');

const user = userCertificate();
const gateway = { method: 'certificate', authorities } as const;

type Way = Pick<Scene, 'office'> & { readonly auth: IkeAuthentication; readonly proofs: HeadOfficeUser['proofs'] };

const ways: Readonly<Record<string, Way>> = {
  'a key': { auth: { local: [{ method: 'psk', secret: SECRET }], gateway: { method: 'psk', secret: SECRET } }, proofs: ['psk'] },
  'a certificate': {
    auth: { local: [byCertificate(user)], gateway },
    proofs: ['certificate'],
    office: { certificate: officeCertificate(), userAuthorities: [anchor] },
  },
  EAP: { auth: { local: [byEap()], gateway }, proofs: ['eap'], office: { certificate: officeCertificate(), eap: eapServer() } },
  'a certificate, then EAP': {
    auth: { local: [byCertificate(user), byEap()], gateway },
    proofs: ['certificate', 'eap'],
    office: { certificate: officeCertificate(), userAuthorities: [anchor], eap: eapServer() },
  },
};

interface Sides {
  readonly way?: string;
  readonly client?: Partial<Ppk>;
  readonly office?: HeadOfficeUser['ppk'];
  readonly more?: Scene;
}

/** The client has a PPK, if it is named; so has the office. */
function scene({ way = 'a key', client, office, more }: Sides): Scene {
  const { auth, proofs = ['psk'], office: needed } = ways[way] as Way;
  const ppk = client && { ppk: { id: ID, secret: KEY, required: false, ...client } };
  const config: Partial<IkeConfig> = { auth: { ...auth, ...ppk }, ...more?.client };
  const users = [{ identity: identity(USER), secret: SECRET, proofs, ...(office && { ppk: office }) }];
  return {
    client: config,
    office: { ...needed, users, ...more?.office },
    answer: answering({ user, credentials: { password: [PASSWORD] } }),
  };
}

function isUsed(conversation: Conversation): boolean {
  agreed(conversation);
  const ours = conversation.outputs('established')[0]?.sa.ppk === true;
  const theirs = conversation.officeHeard.find((output) => output.kind === 'established');
  assert.equal(theirs?.kind === 'established' && theirs.sa.ppk === true, ours, 'both tell the same');
  return ours;
}

const both = { id: ID, secret: KEY };

for (const way of Object.keys(ways)) {
  for (const required of [true, false]) {
    const how = required ? 'required' : 'optional';
    test(`${way}: both sides have it (${how} for the client): it is used`, () => {
      const conversation = meet(scene({ way, client: { required }, office: both }));
      assert.equal(isUsed(conversation), true);
      // The IKE SA lives on under it.
      conversation.tell({ kind: 'check-liveness' });
      conversation.tell({ kind: 'terminate' });
      conversation.run(10_000);
      assert.deepEqual(conversation.outputs('closed'), [{ kind: 'closed' }]);
    });
  }

  test(`${way}: optional on both sides, and the office knows another one: done without`, () => {
    assert.equal(isUsed(meet(scene({ way, client: {}, office: { id: fromUtf8('another'), secret: KEY } }))), false);
  });

  test(`${way}: the client insists, and the office knows another one`, () => {
    const scenery = scene({ way, client: { required: true }, office: { id: fromUtf8('another'), secret: KEY } });
    failed(meet(scenery), way.startsWith('a certificate') ? 'own-cert-refused' : 'authentication-failed');
  });

  test(`${way}: the office insists, and the client has another one`, () => {
    const scenery = scene({ way, client: { id: fromUtf8('another') }, office: { ...both, required: true } });
    failed(meet(scenery), way.startsWith('a certificate') ? 'own-cert-refused' : 'authentication-failed');
  });

  test(`${way}: another secret under the same name is refused by the office`, () => {
    const scenery = scene({ way, client: {}, office: { id: ID, secret: fromUtf8('something else entirely') } });
    failed(meet(scenery), way.startsWith('a certificate') ? 'own-cert-refused' : 'authentication-failed');
  });

  test(`${way}: an office that uses it and does not say so is not believed`, () => {
    const misbehave = { office: { misbehave: ['ppk-not-named'] as const } };
    failed(meet(scene({ way, client: { required: true }, office: both, more: misbehave })), 'ppk-refused', /no PPK_IDENTITY/);
    failed(meet(scene({ way, client: {}, office: both, more: misbehave })), 'gateway-authentication-failed');
  });

  test(`${way}: an office that says so and does not have it is not believed`, () => {
    const misbehave = { office: { misbehave: ['ppk-named-and-not-used'] as const } };
    const office = { id: fromUtf8('another'), secret: KEY };
    failed(meet(scene({ way, client: {}, office, more: misbehave })), 'gateway-authentication-failed');
  });
}

test('the office has none: optional is done without, required is given up before IKE_AUTH', () => {
  assert.equal(isUsed(meet(scene({ client: {} }))), false);
  failed(meet(scene({ client: { required: true } })), 'ppk-refused', /no USE_PPK in IKE_SA_INIT/);
});

test('the client has none: an office that insists refuses it, another does without', () => {
  assert.equal(isUsed(meet(scene({ office: both }))), false);
  failed(meet(scene({ office: { ...both, required: true } })), 'authentication-failed');
});

test('what is said: USE_PPK both ways, PPK_IDENTITY beside AUTH, NO_PPK_AUTH only where it may be done without', () => {
  const required = meet(scene({ client: { required: true }, office: both }));
  assert.ok(authOf(required, 'IKE_SA_INIT request').includes('N(USE_PPK)'));
  assert.ok(authOf(required, 'IKE_SA_INIT response').includes('N(USE_PPK)'));
  assert.ok(authOf(required, 'IKE_AUTH request').includes('N(PPK_IDENTITY)'));
  assert.ok(!authOf(required, 'IKE_AUTH request').includes('N(NO_PPK_AUTH)'));
  assert.ok(authOf(required, 'IKE_AUTH response').includes('N(PPK_IDENTITY)'));
  const optional = meet(scene({ client: {}, office: both }));
  assert.ok(authOf(optional, 'IKE_AUTH request').includes('N(NO_PPK_AUTH)'));
  const cookie = meet(scene({ client: {}, office: both, more: { office: { cookie: 'always' } } }));
  assert.ok(authOf(cookie, 'IKE_SA_INIT request').includes('N(USE_PPK)'), 'with a COOKIE as before (RFC 8784 §3)');
  assert.equal(isUsed(cookie), true);
  const none = meet(scene({}));
  assert.ok(!authOf(none, 'IKE_SA_INIT request').includes('N(USE_PPK)'));
});

test('with EAP it is named with the AUTH that ends it, and the first AUTH of the office is without it', () => {
  const conversation = meet(scene({ way: 'EAP', client: { required: true }, office: both }));
  assert.equal(isUsed(conversation), true);
  assert.deepEqual(authOf(conversation, 'IKE_AUTH request'), ['AUTH', 'N(PPK_IDENTITY)']);
});

test('together with ML-KEM: IntAuth by the keys before, AUTH by the keys after', () => {
  const ikeProposals = proposals(['aes256gcm16-prfsha256-x25519-ke1_mlkem768'], 'ike');
  for (const way of Object.keys(ways)) {
    const conversation = meet(
      scene({ way, client: { required: true }, office: both, more: { client: { ikeProposals }, office: { ikeProposals } } }),
    );
    assert.equal(isUsed(conversation), true);
    assert.equal(conversation.outputs('established')[0]?.sa.additional.length, 1);
  }
});

test('the CHILD SA that comes after IKE_AUTH, rekeying, and a ticket are of the mixed SK_d', () => {
  const more = { client: { childless: true }, office: { childless: 'allow' } } as const;
  const conversation = meet(scene({ client: { required: true }, office: both, more }));
  conversation.run(5_000, () => conversation.outputs('install-child').length > 0);
  assert.equal(isUsed(conversation), true);
  conversation.tell({ kind: 'rekey-ike' });
  conversation.run(30_000);
  conversation.tellOffice({ kind: 'rekey-child' });
  conversation.run(30_000);
  assert.equal(conversation.outputs('ike-rekeyed').length, 1);
  const [first, second] = conversation.outputs('install-child');
  assert.ok(first && second);
  const theirs = conversation.officeHeard.flatMap((output) => (output.kind === 'install-child' ? [output.child] : []));
  for (const { child } of [first, second]) {
    const other = theirs.find(({ spiIn }) => spiIn === child.spiOut);
    assert.deepEqual([other?.keysIn, other?.keysOut], [child.keysOut, child.keysIn]);
  }
});

test('SK_d, SK_pi and SK_pr: prf (PPK, SK_x | 0x01), by node:crypto', () => {
  const key = (value: number) => new Uint8Array(32).fill(value);
  const plain = { d: key(1), pi: key(2), pr: key(3) };
  const mixed = mixPpk(prfRow('prfsha256'), KEY, plain);
  for (const name of ['d', 'pi', 'pr'] as const) {
    const expected = createHmac('sha256', KEY).update(plain[name]).update(Uint8Array.of(1)).digest();
    assert.deepEqual(Buffer.from(mixed[name]), expected, name);
  }
  assert.deepEqual(plain, { d: key(1), pi: key(2), pr: key(3) }, 'what went in is left as it was');
});

test('the identifier: PPK_ID_FIXED, and nothing of another type (RFC 8784 §5.1)', () => {
  assert.deepEqual(ppkIdentity(ID), Uint8Array.of(2, ...ID));
  const read = (...data: readonly number[]) => readPpkIdentity(notify(16_436, Uint8Array.from(data)));
  assert.deepEqual(read(2, 65, 66), Uint8Array.of(65, 66));
  assert.deepEqual(read(2), new Uint8Array(0));
  for (const other of [[], [1, 65], [0], [3, 65]]) assert.equal(read(...other), undefined);
});

test('keys that are not wanted any more are wiped', () => {
  const plain = { d: new Uint8Array(32).fill(1), pi: new Uint8Array(32).fill(2), pr: new Uint8Array(32).fill(3) };
  const offer = new PpkOffer(prfRow('prfsha256'), plain, { id: ID, secret: KEY, required: false });
  const mixed = offer.ours;
  offer.name(undefined);
  assert.equal(offer.settle([]), true);
  assert.equal(offer.ours, plain);
  assert.equal(offer.finish(), undefined);
  for (const octets of [mixed.d, mixed.pi, mixed.pr]) assert.ok(octets.every((octet) => octet === 0));
  assert.equal(plain.d[0], 1);
});
