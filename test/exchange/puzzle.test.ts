/** Puzzles (RFC 8019) as dialogues with the head office. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { concat } from '../../core/bytes/bytes.ts';
import { EXCHANGE, NOTIFY } from '../../core/ike/wire/constants.ts';
import { parseMessage } from '../../core/ike/wire/parse.ts';
import { findNotify, findPayload } from '../../core/ike/wire/payloads.ts';
import { selectorFromCidr } from '../../core/ike/wire/selectorText.ts';
import type { Conversation } from '../gateway/conversation.ts';
import { answering, authorities, byEap, eapServer, officeCertificate, PASSWORD, USER } from '../gateway/credentials.ts';
import { identity, proposals } from '../gateway/fixtures.ts';
import { agreed, authOf, failed, meet, room } from './office.ts';
import { Street } from './street.ts';

/** Payloads of each IKE_SA_INIT request. */
function requests(conversation: Conversation): readonly string[] {
  return conversation.outputs('transmit').flatMap(({ bytes }) => {
    const parsed = parseMessage(bytes);
    if (!parsed.ok || parsed.value.header.exchange !== EXCHANGE.IKE_SA_INIT) return [];
    return [parsed.value.payloads.map((one) => (one.kind === 'N' ? `N${one.type}` : one.kind)).join(' ')];
  });
}

const words = (conversation: Conversation) => conversation.outputs('log').map(({ text }) => text);

for (const difficulty of [0, 8, 13])
  test(`the gateway wants ${difficulty} bits: solved, and served`, () => {
    const conversation = meet({ office: { cookie: 'always', puzzle: { difficulty } } });
    agreed(conversation);
    // SA KE Ni  →  N(COOKIE) N(PUZZLE);  N(COOKIE) PS SA KE Ni  →  SA KE Nr
    const [first, second, ...more] = requests(conversation);
    assert.match(first, /^SA KE NONCE/);
    assert.match(second, /^N16390 PS SA KE NONCE/);
    assert.deepEqual(more, []);
    assert.equal(words(conversation).filter((text) => text === 'puzzle solved').length, 1);
  });

test('while it works other inputs are served: cancelled at once', () => {
  const conversation = room({ office: { cookie: 'always', puzzle: { difficulty: 20 } } });
  conversation.tell({ kind: 'start' });
  conversation.run(100);
  assert.ok(words(conversation).some((text) => /wants a PUZZLE of 20 bits/.test(text)));
  conversation.tell({ kind: 'terminate' });
  assert.deepEqual(conversation.outputs('closed'), [{ kind: 'closed' }]);
});

test('nothing is repeated while it works, and repetitions of the puzzle start no second search', () => {
  const conversation = meet({ office: { cookie: 'always', puzzle: { difficulty: 15 } }, network: () => [5, 20, 40] });
  agreed(conversation);
  const asked = requests(conversation).filter((request) => request.startsWith('SA'));
  assert.equal(asked.length, 1);
  assert.equal(words(conversation).filter((text) => /wants a PUZZLE/.test(text)).length, 1);
  assert.ok(words(conversation).some((text) => /a puzzle is being solved/.test(text)));
});

test('too much work is not done: the cookie alone is brought, and some gateways serve that', () => {
  const conversation = meet({ office: { cookie: 'always', puzzle: { difficulty: 40, legacy: true } } });
  agreed(conversation);
  assert.match(requests(conversation)[1], /^N16390 SA KE/);
});

test('too much work is not done, and a gateway that serves nobody without it is named', () => {
  const conversation = meet({ office: { cookie: 'always', puzzle: { difficulty: 21 } } });
  failed(conversation, 'gateway-overloaded', /PUZZLE of 21 bits/);
  assert.ok(requests(conversation).every((request) => !request.includes('PS')));
});

// --- before IKE_AUTH (§7.2) ----------------------------------------------------------------------------------------------------------

const twice = { cookie: 'always', puzzle: { difficulty: 8, auth: 12 } } as const;

/** IKE_AUTH requests as they were sent, the payloads that are not encrypted in front. */
function authRequests(conversation: Conversation) {
  return conversation.outputs('transmit').flatMap(({ bytes }) => {
    const parsed = parseMessage(bytes);
    if (!parsed.ok || parsed.value.header.exchange !== EXCHANGE.IKE_AUTH) return [];
    return [{ bytes, message: parsed.value, kinds: parsed.value.payloads.map(({ kind }) => kind).join(' ') }];
  });
}

/** Zero bits at the end of each HMAC of Nr | SPIr, by node:crypto and text. */
function bitsOf(solution: Uint8Array, text: Uint8Array): readonly number[] {
  return Array.from({ length: 4 }, (_, index) => {
    const key = solution.subarray((index * solution.length) / 4, ((index + 1) * solution.length) / 4);
    const digits = BigInt(`0x${createHmac('sha256', key).update(text).digest('hex')}`).toString(2);
    return digits.length - digits.lastIndexOf('1') - 1;
  });
}

test('a puzzle in the IKE_SA_INIT answer is solved, and the solution goes in front of the first IKE_AUTH request', () => {
  // SA KE Ni  →  N(COOKIE) N(PUZZLE);  N(COOKIE) PS SA KE Ni  →  SA KE Nr N(PUZZLE);  PS SK{IDi AUTH SA TSi TSr}  →  SK{…}
  const conversation = meet({ office: twice });
  agreed(conversation);
  assert.equal(words(conversation).filter((text) => text === 'puzzle solved').length, 2);
  assert.ok(words(conversation).includes('the gateway is under load and wants a PUZZLE of 12 bits before IKE_AUTH'));
  const [only, ...more] = authRequests(conversation);
  assert.deepEqual([only?.kinds, more], ['PS SK', []]);
  const answer = conversation.officeHeard.flatMap((output) => {
    const parsed = output.kind === 'transmit' ? parseMessage(output.bytes) : undefined;
    return parsed?.ok && findPayload(parsed.value.payloads, 'SA') ? [parsed.value] : [];
  });
  assert.equal(answer.length, 1);
  const puzzle = findNotify(answer[0]?.payloads ?? [], NOTIFY.PUZZLE);
  assert.deepEqual(puzzle?.data, Uint8Array.of(0, 5, 12));
  const nr = findPayload(answer[0]?.payloads ?? [], 'NONCE')?.data ?? new Uint8Array(0);
  const solution = findPayload(only?.message.payloads ?? [], 'PS')?.data ?? new Uint8Array(0);
  const bits = bitsOf(solution, concat(nr, answer[0]?.header.spiR ?? new Uint8Array(0)));
  assert.ok(
    bits.every((zeros) => zeros >= 12),
    bits.join(),
  );
});

const manyNetworks = Array.from({ length: 60 }, (_, index) => selectorFromCidr(`10.10.${index}.0/24`)).filter(
  (one) => one !== undefined,
);

for (const order of ['in order', 'the first last'] as const)
  test(`of fragments the first has the solution, and none is longer for it (RFC 7383 §2.5.3); they arrive ${order}`, () => {
    let sent = 0;
    const conversation = meet({
      client: { fragmentation: 'force', remoteSelectors: manyNetworks },
      office: twice,
      // Two requests and two answers of IKE_SA_INIT; the fragments come after them.
      network: () => [order === 'the first last' && sent++ === 4 ? 20 : 1],
    });
    agreed(conversation);
    const fragments = authRequests(conversation);
    assert.ok(fragments.length > 2);
    const total = fragments[0]?.message.payloads.at(-1);
    assert.ok(total?.kind === 'SKF');
    for (const [at, { bytes, kinds }] of fragments.entries()) {
      assert.equal(kinds, at % total.total === 0 ? 'PS SKF' : 'SKF');
      assert.ok(bytes.length <= 544, `${bytes.length} octets`);
    }
    assert.equal(fragments.length, order === 'in order' ? total.total : 2 * total.total);
  });

test('a request that was lost is repeated with the same solution, and nothing is solved again', () => {
  let sent = 0;
  const conversation = meet({ office: twice, network: () => (sent++ === 4 ? [] : [1]) });
  agreed(conversation);
  const [first, second] = authRequests(conversation);
  assert.deepEqual([first?.kinds, second?.bytes], ['PS SK', first?.bytes]);
  assert.equal(words(conversation).filter((text) => text === 'puzzle solved').length, 2);
});

test('only the first IKE_AUTH request has it, EAP rounds do not; nor does IKE_INTERMEDIATE', () => {
  const hybrid = proposals(['aes256gcm16-prfsha256-x25519-ke1_mlkem768'], 'ike');
  const users = [{ identity: identity(USER), proofs: ['eap'] as const }];
  const conversation = meet({
    client: { ikeProposals: hybrid, auth: { local: [byEap()], gateway: { method: 'certificate', authorities } } },
    office: { ...twice, ikeProposals: hybrid, certificate: officeCertificate(), users, eap: eapServer() },
    answer: answering({ credentials: { password: [PASSWORD] } }),
  });
  agreed(conversation);
  assert.ok(authOf(conversation, 'IKE_INTERMEDIATE request').includes('KE'));
  assert.ok(!authOf(conversation, 'IKE_INTERMEDIATE request').includes('PS'));
  const kinds = authRequests(conversation).map((one) => one.kinds.replace('SKF', 'SK'));
  assert.equal(kinds[0], 'PS SK');
  assert.ok(kinds.length > 3);
  assert.ok(kinds.slice(1).every((one) => one === 'SK'));
});

test('while it works on that nothing else is taken, and the user ends it at once', () => {
  const conversation = room({ office: { ...twice, puzzle: { difficulty: 8, auth: 20 } } });
  const wanted = () => words(conversation).some((text) => /PUZZLE of 20 bits before IKE_AUTH/.test(text));
  conversation.tell({ kind: 'start' });
  assert.ok(conversation.run(10_000, wanted));
  const answer = conversation.officeHeard.findLast((output) => output.kind === 'transmit');
  assert.ok(answer?.kind === 'transmit');
  const { bytes, channel } = answer;
  const said = conversation.outputs('transmit').length;
  conversation.tell({ kind: 'datagram', bytes, channel, from: { address: '198.51.100.10', port: 500 } });
  conversation.tell({ kind: 'datagram', bytes: bytes.subarray(0, 40), channel, from: { address: '198.51.100.10', port: 500 } });
  conversation.run(100);
  assert.equal(words(conversation).filter((text) => /before IKE_AUTH/.test(text)).length, 1);
  assert.equal(conversation.outputs('transmit').length, said);
  conversation.tell({ kind: 'terminate' });
  assert.deepEqual(conversation.outputs('closed'), [{ kind: 'closed' }]);
});

test('what is left of the time does for both: a second puzzle that takes longer is given up, and the gateway is named', () => {
  const conversation = room({ office: { ...twice, puzzle: { difficulty: 8, auth: 20 } } });
  const wanted = () => words(conversation).some((text) => /before IKE_AUTH/.test(text));
  conversation.tell({ kind: 'start' });
  assert.ok(conversation.run(10_000, wanted));
  conversation.now += 31_000;
  conversation.tell({ kind: 'tick' });
  failed(conversation, 'gateway-overloaded', /^PUZZLE of 20 bits in IKE_SA_INIT response$/);
});

test('who comes with a ticket is asked for a cookie and no puzzle (§4.5)', () => {
  const street = new Street({ tickets: { lifetime: 3600 }, ...twice }, { resumption: {} });
  const first = street.visit();
  agreed(first);
  const ticket = first.outputs('ticket').at(-1)?.ticket;
  assert.ok(ticket);
  const second = street.visit({ resumption: { ticket } });
  assert.equal(second.outputs('established')[0]?.sa.resumed, true);
  assert.ok(authOf(second, 'IKE_SESSION_RESUME request').includes('N(COOKIE)'));
  assert.ok(!words(second).some((text) => /PUZZLE/.test(text)));
});
