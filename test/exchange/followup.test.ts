/** Additional key exchanges in rekeying: IKE_FOLLOWUP_KE (RFC 9370 §2.2.4), as dialogues of the client and the head office, both sides starting. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { concat } from '../../core/bytes/bytes.ts';
import { findAdditionalKe } from '../../core/crypto/transforms.ts';
import type { AdditionalKe } from '../../core/crypto/types.ts';
import { FollowupAnswers, FollowupRequests, followupWithin } from '../../core/ike/exchanges/followupKe.ts';
import { deriveChildKeys, rekeySkeyseed } from '../../core/ike/keys/ikeKeys.ts';
import { NOTIFY } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { findNotify, notify } from '../../core/ike/wire/payloads.ts';
import type { Conversation } from '../gateway/conversation.ts';
import { proposals, seededRandom } from '../gateway/fixtures.ts';
import { encr, prfRow } from '../unit/crypto/support.ts';
import { agreed, meet, type Scene } from './office.ts';
import { dice } from './world.ts';

const BASE = 'aes256gcm16-prfsha256-x25519';
const HYBRID = `${BASE}-ke1_mlkem768`;
const PFS = 'aes256gcm16-x25519-ke1_mlkem512';

type Who = 'client' | 'office';

function both(ike: string, esp = 'aes256gcm16', more: Partial<Scene> = {}): Scene {
  const offer = { ikeProposals: proposals([ike], 'ike'), espProposals: proposals([esp], 'esp') };
  return { ...more, client: { ...offer, ...more.client }, office: { ...offer, ...more.office } };
}

function connected(scene: Scene): Conversation {
  const conversation = meet(scene);
  agreed(conversation);
  return conversation;
}

function rekeyIke(conversation: Conversation, who: Who): void {
  if (who === 'client') conversation.tell({ kind: 'rekey-ike' });
  else conversation.tellOffice({ kind: 'rekey-ike' });
}

function rekeyChild(conversation: Conversation, who: Who): void {
  const spiIn = conversation.outputs('install-child').at(-1)?.child.spiIn ?? 0;
  if (who === 'client') conversation.tell({ kind: 'rekey-child', spiIn });
  else conversation.tellOffice({ kind: 'rekey-child' });
}

/** Names of the requests that either side sent. */
function exchanges(conversation: Conversation, from = 0): readonly string[] {
  const lines = [...conversation.heard.slice(from)].flatMap((output) => (output.kind === 'log' ? [output.text] : []));
  return lines.flatMap((text) => /^(?:sent|received) ([A-Z_]+) request$/.exec(text)?.slice(1) ?? []);
}

/** The newest CHILD SA of the client is one of the office's, with the same keys. */
function sameKeys(conversation: Conversation): void {
  const child = conversation.outputs('install-child').at(-1)?.child;
  assert.ok(child);
  const theirs = conversation.officeHeard.flatMap((output) => (output.kind === 'install-child' ? [output.child] : []));
  const other = theirs.find(({ spiIn }) => spiIn === child.spiOut);
  assert.ok(other, 'the office has it too');
  assert.deepEqual([other.keysIn, other.keysOut], [child.keysOut, child.keysIn]);
}

/** Both speak under the keys there are, and end it properly. */
function goesOn(conversation: Conversation): void {
  assert.deepEqual(conversation.outputs('closed'), []);
  conversation.tell({ kind: 'check-liveness' });
  conversation.run(2_000);
  conversation.tellOffice({ kind: 'check-liveness' });
  conversation.run(2_000);
  assert.deepEqual(conversation.outputs('closed'), []);
  conversation.tell({ kind: 'terminate' });
  conversation.run(20_000, () => conversation.outputs('closed').length > 0);
  assert.deepEqual(conversation.outputs('closed'), [{ kind: 'closed' }]);
}

for (const who of ['client', 'office'] as const) {
  test(`the ${who} rekeys the IKE SA with ML-KEM beside x25519`, () => {
    const conversation = connected(both(HYBRID));
    const from = conversation.heard.length;
    rekeyIke(conversation, who);
    assert.ok(conversation.run(10_000, () => conversation.outputs('ike-rekeyed').length > 0));
    // CREATE_CHILD_SA{SA, Ni, KEi} → ← {SA, Nr, KEr, N(ADDITIONAL_KEY_EXCHANGE)};  IKE_FOLLOWUP_KE{KEi(1), N} → ← {KEr(1)}
    assert.deepEqual(exchanges(conversation, from).slice(0, 2), ['CREATE_CHILD_SA', 'IKE_FOLLOWUP_KE']);
    const [{ sa, by }] = conversation.outputs('ike-rekeyed');
    assert.equal(by, who === 'client' ? 'us' : 'peer');
    assert.deepEqual(
      sa.additional.map(({ keyword }) => keyword),
      ['ke1_mlkem768'],
    );
    conversation.run(30_000);
    goesOn(conversation);
  });

  test(`the ${who} rekeys a CHILD SA with a key exchange of its own and ML-KEM beside it`, () => {
    const conversation = connected(both(HYBRID, PFS));
    const from = conversation.heard.length;
    rekeyChild(conversation, who);
    assert.ok(conversation.run(10_000, () => conversation.outputs('install-child').length > 1));
    assert.deepEqual(exchanges(conversation, from).slice(0, 2), ['CREATE_CHILD_SA', 'IKE_FOLLOWUP_KE']);
    const installed = conversation.outputs('install-child').at(-1);
    assert.deepEqual(
      installed?.child.additional?.map(({ keyword }) => keyword),
      ['ke1_mlkem512'],
    );
    assert.equal(installed?.replaces, conversation.outputs('install-child')[0]?.child.spiIn);
    conversation.run(30_000);
    sameKeys(conversation);
    goesOn(conversation);
  });

  test(`the ${who} rekeys again and again: the IKE SA, then the CHILD SA, with several additional exchanges`, () => {
    const conversation = connected(both(`${BASE}-ke1_mlkem768-ke2_ecp256-ke3_mlkem512`, `${PFS}-ke2_ecp384`));
    for (let round = 1; round <= 3; round++) {
      rekeyIke(conversation, who);
      conversation.run(10_000, () => conversation.outputs('ike-rekeyed').length >= round);
      conversation.run(25_000);
      rekeyChild(conversation, who);
      conversation.run(10_000, () => conversation.outputs('install-child').length > round);
      conversation.run(25_000);
      sameKeys(conversation);
    }
    assert.equal(conversation.outputs('ike-rekeyed').length, 3);
    assert.equal(conversation.outputs('install-child').length, 4);
    goesOn(conversation);
  });

  test(`without ML-KEM in the IKE SA the ${who} offers none in rekeying`, () => {
    const offer = proposals([HYBRID, BASE], 'ike');
    const scene = both(BASE, PFS, { client: { ikeProposals: offer }, office: { ikeProposals: proposals([BASE], 'ike') } });
    const conversation = connected(scene);
    const from = conversation.heard.length;
    rekeyIke(conversation, who);
    conversation.run(30_000);
    rekeyChild(conversation, who);
    conversation.run(30_000);
    assert.equal(conversation.outputs('ike-rekeyed').length, 1);
    assert.equal(conversation.outputs('install-child').length, 2);
    assert.ok(!exchanges(conversation, from).includes('IKE_FOLLOWUP_KE'));
    sameKeys(conversation);
    goesOn(conversation);
  });
}

test('both rekey the IKE SA at once, or the CHILD SA: each gives way, one comes through, and keys are the same', () => {
  for (const [what, start] of [
    ['IKE', rekeyIke],
    ['CHILD', rekeyChild],
  ] as const) {
    const conversation = connected(both(HYBRID, PFS));
    start(conversation, 'client');
    start(conversation, 'office');
    conversation.run(200_000);
    const made = what === 'IKE' ? conversation.outputs('ike-rekeyed') : conversation.outputs('child-rekeyed');
    assert.ok(made.length >= 1, what);
    const told = [...conversation.heard, ...conversation.officeHeard].filter(({ kind }) => kind === 'rekey-failed');
    assert.ok(told.length >= 1, 'somebody was told TEMPORARY_FAILURE');
    sameKeys(conversation);
    goesOn(conversation);
  }
});

test('a rekeying that crosses the rekeying of something else', () => {
  for (const [one, other] of [
    [rekeyIke, rekeyChild],
    [rekeyChild, rekeyIke],
  ] as const) {
    const conversation = connected(both(HYBRID, PFS));
    one(conversation, 'client');
    other(conversation, 'office');
    conversation.run(200_000);
    assert.ok(conversation.outputs('ike-rekeyed').length >= 1);
    assert.ok(conversation.outputs('child-rekeyed').length >= 1);
    sameKeys(conversation);
    goesOn(conversation);
  }
});

const SEEDS = 25;

test(`${SEEDS} bad networks: loss, doubles, overtaking, both sides rekeying`, () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const roll = dice(`followup ${seed}`);
    let bad = false;
    const network = () => {
      if (!bad) return [5];
      const copies = 1 + (roll() < 0.3 ? 1 : 0);
      return Array.from({ length: copies }, () => roll()).flatMap((luck) => (luck < 0.2 ? [] : [10 + Math.floor(roll() * 300)]));
    };
    const timing = {
      retransmitFirst: 500,
      retransmitFactor: 1.5,
      retransmitMax: 4_000,
      retransmitTries: 40,
      livenessAfter: 0,
      establishWithin: 190_000,
    };
    const conversation = connected(both(HYBRID, PFS, { client: { timing }, office: { timing }, network }));
    bad = true;
    for (const start of [rekeyIke, rekeyChild]) {
      start(conversation, roll() < 0.5 ? 'client' : 'office');
      conversation.run(Math.floor(roll() * 3_000));
      start(conversation, roll() < 0.5 ? 'client' : 'office');
      conversation.run(300_000);
    }
    bad = false;
    conversation.run(60_000);
    assert.deepEqual(conversation.outputs('closed'), [], `seed ${seed}`);
    assert.ok(conversation.outputs('ike-rekeyed').length >= 1, `seed ${seed}`);
    assert.ok(conversation.outputs('child-rekeyed').length >= 1, `seed ${seed}`);
    sameKeys(conversation);
    goesOn(conversation);
  }
});

// The pieces.

function additional(...found: readonly (readonly [number, number])[]): readonly AdditionalKe[] {
  return found.map(([type, id]) => {
    const row = findAdditionalKe(type, id);
    if (!row?.ke) throw new Error(`ADDKE ${type} ${id}`);
    return { ...row, ke: row.ke };
  });
}

const two = additional([6, 36], [7, 19]);

/** Both sides at the beginning, with what came of it on the responder's. */
function sides(list = two) {
  const made: (readonly Uint8Array[])[] = [];
  let dropped = 0;
  const answers = new FollowupAnswers(seededRandom('answers'));
  const link = answers.begin(
    list,
    0,
    (secrets) => {
      made.push(secrets);
      return undefined;
    },
    () => {
      dropped++;
    },
  );
  const requests = new FollowupRequests(list, [link], seededRandom('requests'));
  return { answers, requests, made, dropped: () => dropped };
}

function built(requests: FollowupRequests): readonly Payload[] {
  const payloads = requests.build();
  assert.ok(payloads);
  return payloads;
}

test('each answer but the last has a link of its own, which is asked with', () => {
  const { answers, requests, made } = sides();
  const first = built(requests);
  const one = answers.answer(first, 1);
  const [given, next] = [first, one.payloads].map((each) => findNotify(each, NOTIFY.ADDITIONAL_KEY_EXCHANGE)?.data);
  assert.ok(given && next);
  assert.notDeepEqual(given, next);
  assert.deepEqual(requests.read(one.payloads), { kind: 'more' });
  const second = built(requests);
  assert.deepEqual(findNotify(second, NOTIFY.ADDITIONAL_KEY_EXCHANGE)?.data, next);
  const last = answers.answer(second, 2);
  assert.deepEqual(
    last.payloads.map(({ kind }) => kind),
    ['KE'],
  );
  const done = requests.read(last.payloads);
  assert.ok(done.kind === 'done');
  assert.deepEqual(made, [done.secrets]);
  assert.equal(done.secrets.length, 2);
  assert.equal(answers.busy, false);
  assert.deepEqual(answers.answer(second, 3).payloads, [notify(NOTIFY.STATE_NOT_FOUND)], 'it is over');
});

test('STATE_NOT_FOUND: another link, none, and one that came too late', () => {
  const { answers, requests, made, dropped } = sides();
  const [ke, link] = built(requests);
  assert.ok(ke && link);
  const unknown = [notify(NOTIFY.STATE_NOT_FOUND)];
  assert.deepEqual(answers.answer([ke], 1).payloads, unknown);
  assert.deepEqual(answers.answer([ke, notify(NOTIFY.ADDITIONAL_KEY_EXCHANGE, new Uint8Array(16))], 1).payloads, unknown);
  assert.deepEqual(answers.answer([ke, notify(NOTIFY.ADDITIONAL_KEY_EXCHANGE)], 1).payloads, unknown);
  assert.equal(answers.busy, true, 'what is wrong costs nothing');
  assert.deepEqual(answers.answer([ke, link], followupWithin).payloads, unknown);
  assert.equal(dropped(), 1);
  assert.deepEqual(made, []);
  const refused = requests.read(unknown);
  assert.ok(refused.kind === 'refused');
  assert.equal(refused.type, NOTIFY.STATE_NOT_FOUND);
});

test('another method, a value that is none, nothing at all: INVALID_SYNTAX, and nothing is made', () => {
  const wrong: readonly ((ke: Extract<Payload, { kind: 'KE' }>) => readonly Payload[])[] = [
    (ke) => [{ ...ke, method: 37 }],
    (ke) => [{ ...ke, data: ke.data.slice(1) }],
    (ke) => [{ ...ke, data: new Uint8Array(1184).fill(0xff) }],
    () => [],
  ];
  for (const change of wrong) {
    const { answers, requests, made, dropped } = sides();
    const [ke, link] = built(requests);
    assert.ok(ke?.kind === 'KE' && link);
    assert.deepEqual(answers.answer([...change(ke), link], 1).payloads, [notify(NOTIFY.INVALID_SYNTAX)]);
    assert.deepEqual([answers.busy, dropped(), made.length], [false, 1, 0]);
  }
});

test('answers that cannot be used', () => {
  const read = (change: (payloads: readonly Payload[]) => readonly Payload[]) => {
    const { answers, requests } = sides();
    return requests.read(change(answers.answer(built(requests), 1).payloads));
  };
  assert.equal(read((honest) => honest).kind, 'more');
  assert.equal(read(() => []).kind, 'wrong');
  assert.equal(read((honest) => honest.filter(({ kind }) => kind === 'KE')).kind, 'wrong', 'no link, and one exchange to come');
  assert.equal(read((honest) => honest.map((one) => (one.kind === 'KE' ? { ...one, method: 35 } : one))).kind, 'wrong');
  assert.equal(
    read((honest) => honest.map((one) => (one.kind === 'KE' ? { ...one, data: one.data.slice(1) } : one))).kind,
    'wrong',
  );
  assert.equal(read(() => [notify(NOTIFY.TEMPORARY_FAILURE)]).kind, 'refused');
  assert.equal(new FollowupRequests(two, [], seededRandom('x')).build(), undefined, 'no link in the answer to CREATE_CHILD_SA');
});

test('keys: SK(1) and on come after the nonces, by node:crypto', () => {
  const fill = (value: number) => new Uint8Array(32).fill(value);
  const [d, shared, ni, nr, one, more] = [fill(1), fill(2), fill(3), fill(4), fill(5), fill(6)];
  const nonces = { ni, nr };
  const prf = (...data: readonly Uint8Array[]) =>
    createHmac('sha256', d)
      .update(concat(...data))
      .digest();
  assert.deepEqual(
    Buffer.from(rekeySkeyseed(prfRow('prfsha256'), d, shared, nonces, [one, more])),
    prf(shared, ni, nr, one, more),
  );
  const child = { encr: encr('aes256gcm16'), integ: undefined };
  const keys = deriveChildKeys(prfRow('prfsha256'), d, child, nonces, shared, [one, more]);
  const seed = concat(shared, ni, nr, one, more);
  const first = prf(seed, Uint8Array.of(1));
  const second = prf(first, seed, Uint8Array.of(2));
  const third = prf(second, seed, Uint8Array.of(3));
  const keymat = Buffer.concat([first, second, third]);
  assert.deepEqual(Buffer.from(keys.initiatorToResponder.encryption), keymat.subarray(0, 36));
  assert.deepEqual(Buffer.from(keys.responderToInitiator.encryption), keymat.subarray(36, 72));
});

test('whatever comes: nothing throws, and nothing is made of what is wrong', () => {
  const roll = dice('hostile followups');
  for (let run = 0; run < 300; run++) {
    const { answers, requests, made } = sides();
    const honest = built(requests);
    const link = findNotify(honest, NOTIFY.ADDITIONAL_KEY_EXCHANGE) ?? notify(0);
    const any = (): Payload => {
      const octets = new Uint8Array(Math.floor(roll() * 1300)).map(() => Math.floor(roll() * 256));
      switch (Math.floor(roll() * 5)) {
        case 0:
          return { kind: 'KE', method: roll() < 0.7 ? 36 : Math.floor(roll() * 40), data: octets };
        case 1:
          return notify(NOTIFY.ADDITIONAL_KEY_EXCHANGE, octets);
        case 2:
          return notify(Math.floor(roll() * 0x1_0000), octets);
        case 3:
          return link;
        default:
          return { kind: 'unknown', type: 200, critical: false, body: octets };
      }
    };
    const hostile = Array.from({ length: Math.floor(roll() * 5) }, any);
    assert.ok(answers.answer(hostile, run).payloads.length >= 1);
    assert.ok(['more', 'refused', 'wrong'].includes(requests.read(hostile).kind));
    assert.deepEqual(made, []);
  }
});
