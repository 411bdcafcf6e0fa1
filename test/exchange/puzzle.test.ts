/** Puzzles (RFC 8019) as dialogues with the head office. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EXCHANGE } from '../../core/ike/wire/constants.ts';
import { parseMessage } from '../../core/ike/wire/parse.ts';
import type { Conversation } from '../gateway/conversation.ts';
import { agreed, failed, meet, room } from './office.ts';

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
