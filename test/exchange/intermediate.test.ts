/** IKE_INTERMEDIATE with additional key exchanges (RFC 9242, RFC 9370 §2.2.2), as dialogues of the client and the head office. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IkeConfig } from '../../core/ike/sa/contract.ts';
import { EXCHANGE, NOTIFY } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { notify } from '../../core/ike/wire/payloads.ts';
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
import { identity, proposals } from '../gateway/fixtures.ts';
import { agreed, failed, LONG, meet, room, type Scene } from './office.ts';
import { dice } from './world.ts';

const BASE = 'aes256gcm16-prfsha256-x25519';
const HYBRID = `${BASE}-ke1_mlkem768`;

/** Both sides with these proposals. */
function both(...texts: readonly string[]): Scene {
  return { client: offering(...texts), office: offering(...texts) };
}

function offering(...texts: readonly string[]): Pick<IkeConfig & HeadOfficeConfig, 'ikeProposals'> {
  return { ikeProposals: proposals(texts, 'ike') };
}

/** `IKE_INTERMEDIATE request 1` of each message that the client sent, once each. */
function requests(conversation: Conversation): readonly string[] {
  const names = conversation
    .outputs('log')
    .filter(({ text }) => /^sent (IKE|INFO|CREATE)\S+ request/.test(text))
    .map(({ text, fields }) => `${text.slice(5)} ${fields?.messageId}`);
  return [...new Set(names)];
}

function methods(conversation: Conversation): readonly string[] {
  return conversation.outputs('established').flatMap(({ sa }) => sa.additional.map(({ keyword }) => keyword));
}

for (const kem of ['mlkem512', 'mlkem768', 'mlkem1024']) {
  test(`x25519 with ${kem}: both sides have the same keys, and tell of it`, () => {
    const conversation = meet(both(`${BASE}-ke1_${kem}`));
    agreed(conversation);
    // IKE_SA_INIT request → ← response;  IKE_INTERMEDIATE{KE} → ← {KE};  IKE_AUTH → ←
    assert.deepEqual(requests(conversation), ['IKE_SA_INIT request 0', 'IKE_INTERMEDIATE request 1', 'IKE_AUTH request 2']);
    assert.deepEqual(methods(conversation), [`ke1_${kem}`]);
    const office = conversation.officeHeard.find((output) => output.kind === 'established');
    assert.deepEqual(office?.kind === 'established' && office.sa.additional.map(({ keyword }) => keyword), [`ke1_${kem}`]);
  });
}

test('the IKE SA goes on under the new keys, in both directions, to its end', () => {
  const conversation = meet(both(HYBRID));
  conversation.tell({ kind: 'check-liveness' });
  conversation.run(1_000);
  conversation.tellOffice({ kind: 'check-liveness' });
  conversation.run(60_000);
  assert.deepEqual(conversation.outputs('closed'), []);
  conversation.tell({ kind: 'terminate' });
  conversation.run(5_000);
  assert.deepEqual(conversation.outputs('closed'), [{ kind: 'closed' }]);
  const closed = conversation.officeHeard.filter((output) => output.kind === 'closed');
  assert.equal(closed[0]?.kind === 'closed' && closed[0].failure?.evidence, 'DELETE of the IKE SA');
});

test('several additional key exchanges, one after the other in the order of their numbers', () => {
  const conversation = meet(both(`${BASE}-ke1_mlkem768-ke2_ecp384-ke4_mlkem1024-ke7_x448`));
  agreed(conversation);
  assert.deepEqual(methods(conversation), ['ke1_mlkem768', 'ke2_ecp384', 'ke4_mlkem1024', 'ke7_x448']);
  assert.deepEqual(requests(conversation).slice(1), [
    'IKE_INTERMEDIATE request 1',
    'IKE_INTERMEDIATE request 2',
    'IKE_INTERMEDIATE request 3',
    'IKE_INTERMEDIATE request 4',
    'IKE_AUTH request 5',
  ]);
});

test('with a cipher that needs an integrity algorithm', () => {
  const conversation = meet(both('aes256-sha384-prfsha384-ecp384-ke1_mlkem1024'));
  agreed(conversation);
  assert.deepEqual(methods(conversation), ['ke1_mlkem1024']);
});

test('ML-KEM alone, as the key exchange of IKE_SA_INIT, and beside a classical one after it', () => {
  agreed(meet(both('aes256gcm16-prfsha256-mlkem768')));
  agreed(meet(both('aes256gcm16-prfsha256-mlkem512-ke1_x25519')));
});

test('the defaults: hybrid with who can, and without with who cannot', () => {
  const hybrid = meet(both('default'));
  agreed(hybrid);
  assert.deepEqual(methods(hybrid), ['ke1_mlkem768']);
  const classical = meet({ client: offering('default'), office: offering(BASE) });
  agreed(classical);
  assert.deepEqual(methods(classical), []);
  assert.deepEqual(requests(classical), ['IKE_SA_INIT request 0', 'IKE_AUTH request 1']);
});

test('another group is wanted first: the additional exchanges come all the same', () => {
  const conversation = meet({ client: offering('default'), office: offering('aes256gcm16-prfsha256-ecp384-ke1_mlkem1024') });
  agreed(conversation);
  assert.deepEqual(methods(conversation), ['ke1_mlkem1024']);
});

test('a profile that insists: an office without ML-KEM is refused', () => {
  failed(meet({ client: offering(HYBRID), office: offering(BASE) }), 'no-proposal-chosen');
});

test('NONE: an exchange that both may do without', () => {
  const optional = `${HYBRID}-ke1_none`;
  assert.deepEqual(methods(meet(both(optional))), ['ke1_mlkem768']);
  const without = meet({ client: offering(optional), office: offering(BASE) });
  agreed(without);
  assert.deepEqual(requests(without), ['IKE_SA_INIT request 0', 'IKE_AUTH request 1']);
  agreed(meet({ client: offering(optional), office: offering(`${BASE}-ke1_none`) }));
});

const gateway = { method: 'certificate', authorities } as const;
const user = userCertificate();
const proofs: Readonly<Record<string, Scene>> = {
  'certificates on both sides': {
    client: { auth: { local: [byCertificate(user)], gateway } },
    office: { users: [{ identity: identity(USER), proofs: ['certificate'] }] },
  },
  'EAP-MSCHAPv2': {
    client: { auth: { local: [byEap()], gateway } },
    office: { users: [{ identity: identity(USER), proofs: ['eap'] }], eap: eapServer() },
  },
  'a certificate, then EAP': {
    client: { auth: { local: [byCertificate(user), byEap()], gateway } },
    office: { users: [{ identity: identity(USER), proofs: ['certificate', 'eap'] }], eap: eapServer() },
  },
};

for (const [name, { client, office }] of Object.entries(proofs)) {
  test(`AUTH covers the intermediate exchanges: ${name}`, () => {
    const conversation = meet({
      client: { ...client, ...offering(`${HYBRID}-ke2_ecp256`) },
      office: { ...office, ...offering(`${HYBRID}-ke2_ecp256`), certificate: officeCertificate(), userAuthorities: [anchor] },
      answer: answering({ user, credentials: { password: [PASSWORD] } }),
    });
    agreed(conversation);
    assert.deepEqual(methods(conversation), ['ke1_mlkem768', 'ke2_ecp256']);
  });
}

for (const fragmentation of ['force', 'yes', 'no'] as const) {
  test(`fragmentation ${fragmentation}: AUTH does not depend on how the messages were split (RFC 9242 §3.3.2)`, () => {
    const texts = `${BASE}-ke1_mlkem1024-ke2_mlkem768`;
    for (const theirs of fragmentation === 'force' ? (['force', 'yes'] as const) : (['yes', 'no'] as const)) {
      const conversation = meet({
        client: { ...offering(texts), fragmentation },
        office: { ...offering(texts), fragmentation: theirs },
      });
      agreed(conversation);
      assert.deepEqual(methods(conversation), ['ke1_mlkem1024', 'ke2_mlkem768']);
    }
  });
}

const SEEDS = 40;

test(`${SEEDS} bad networks: loss, doubles, overtaking`, () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const roll = dice(`intermediate ${seed}`);
    const network = () => {
      const copies = 1 + (roll() < 0.3 ? 1 : 0);
      return Array.from({ length: copies }, () => roll()).flatMap((luck) => (luck < 0.25 ? [] : [10 + Math.floor(roll() * 400)]));
    };
    const timing = {
      retransmitFirst: 500,
      retransmitFactor: 1.5,
      retransmitMax: 4_000,
      retransmitTries: 40,
      livenessAfter: 0,
      establishWithin: 190_000,
    };
    const texts = `${HYBRID}-ke2_mlkem1024`;
    const conversation = meet({
      client: { ...offering(texts), timing },
      office: { ...offering(texts), timing },
      network,
    });
    agreed(conversation);
    assert.deepEqual(methods(conversation), ['ke1_mlkem768', 'ke2_mlkem1024'], `seed ${seed}`);
  }
});

test('terminate while IKE_INTERMEDIATE is under way: the end, and no word to an office that has no SA', () => {
  const conversation = room({ ...both(HYBRID), network: () => [100] });
  conversation.tell({ kind: 'start' });
  conversation.run(250);
  assert.equal(requests(conversation).at(-1), 'IKE_INTERMEDIATE request 1');
  conversation.tell({ kind: 'terminate' });
  conversation.run(LONG, () => conversation.outputs('closed').length > 0);
  assert.deepEqual(conversation.outputs('closed'), [{ kind: 'closed' }]);
  assert.deepEqual(requests(conversation).at(-1), 'IKE_INTERMEDIATE request 1');
});

test('an office that starts IKE_INTERMEDIATE itself is not answered', () => {
  const conversation = meet({
    client: offering(HYBRID),
    office: { ...offering(HYBRID), misbehave: ['intermediate-from-office'] },
  });
  agreed(conversation);
  const answers = conversation
    .outputs('transmit')
    .filter(({ bytes }) => bytes[18] === EXCHANGE.IKE_INTERMEDIATE && ((bytes[19] ?? 0) & 0x20) !== 0);
  assert.deepEqual(answers, []);
});

const RUNS = 150;

test(`${RUNS} offices that answer IKE_INTERMEDIATE with anything`, () => {
  const ends = new Map<string, number>();
  for (let run = 0; run < RUNS; run++) {
    const roll = dice(`mutated intermediate ${run}`);
    const texts = `${HYBRID}-ke2_mlkem512`;
    const changeIntermediate = (honest: readonly Payload[]) => (roll() < 0.3 ? honest : mutated(honest, roll));
    const conversation = meet({ client: offering(texts), office: { ...offering(texts), changeIntermediate } });
    const [closed] = conversation.outputs('closed');
    const [installed] = conversation.outputs('install-child');
    const end = closed?.failure?.code ?? (installed ? 'installed' : 'nothing');
    ends.set(end, (ends.get(end) ?? 0) + 1);
    assert.notEqual(end, 'nothing', `run ${run} does not end`);
    if (end === 'installed') agreed(conversation);
    else assert.deepEqual(conversation.outputs('established'), [], `run ${run}`);
  }
  for (const end of ['installed', 'bad-public-value', 'protocol', 'gateway-error', 'no-answer-auth'])
    assert.ok(ends.has(end), JSON.stringify([...ends]));
});

function mutated(honest: readonly Payload[], roll: () => number): readonly Payload[] {
  const [ke] = honest;
  if (ke?.kind !== 'KE') return honest;
  const change = Math.floor(roll() * 9);
  switch (change) {
    case 0:
      return [];
    case 1:
      return [ke, ke];
    case 2:
      return [{ ...ke, method: Math.floor(roll() * 0x1_0000) }];
    case 3:
      return [{ ...ke, data: ke.data.slice(0, 1 + Math.floor(roll() * ke.data.length)) }];
    case 4:
      return [{ ...ke, data: ke.data.map((octet, at) => (at === Math.floor(roll() * 768) ? octet ^ 0x40 : octet)) }];
    case 5:
      return [notify(Math.floor(roll() * 48) + 1)];
    case 6:
      return [notify(NOTIFY.COOKIE, new Uint8Array(8)), ke];
    case 7:
      return [ke, { kind: 'unknown', type: 200, critical: roll() < 0.5, body: new Uint8Array(9) }];
    default:
      return [ke, { kind: 'NONCE', data: new Uint8Array(32) }, notify(40_000, new Uint8Array(400))];
  }
}
