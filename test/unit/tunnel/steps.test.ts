import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure } from '../../../core/tunnel/explain.ts';
import { statusFor, type TunnelFacts } from '../../../core/tunnel/status.ts';
import { stepsOf } from '../../../core/tunnel/steps.ts';

const started: TunnelFacts = {
  owner: 1000,
  profile: { id: 'id', name: 'Office' },
  startedAt: 10,
  gateway: { name: 'vpn.office.test' },
  children: [],
};
const prompt = { id: 'x', kind: 'psk', text: '', identity: 'alice', rememberAllowed: true, attempt: 1, askedAt: 12 } as const;

const states = (facts: Partial<TunnelFacts>) =>
  stepsOf({ ...started, ...facts })
    .map(({ state }) => state)
    .join(' ');

const resolved = { attemptAt: 10, initSentAt: 20 };
const secured = { ...resolved, authSentAt: 30 };
const proven = { ...secured, establishedAt: 40 };

const cases: readonly (readonly [Partial<TunnelFacts>, string])[] = [
  [{ prompt }, 'pending pending pending pending pending'],
  [{ attemptAt: 10 }, 'active pending pending pending pending'],
  [resolved, 'done active pending pending pending'],
  [secured, 'done done active active pending'],
  [{ ...secured, gatewayProvenAt: 35 }, 'done done done active pending'],
  [proven, 'done done done done active'],
  [{ ...proven, readyAt: 50 }, 'done done done done done'],
  [{ attemptAt: 10, endingAt: 15, failure: failure('name-not-resolved', '') }, 'failed pending pending pending pending'],
  [{ ...resolved, endingAt: 25, failure: failure('no-answer', '') }, 'done failed pending pending pending'],
  [{ ...secured, endingAt: 35, failure: failure('authentication-failed', '') }, 'done done pending failed pending'],
  [{ ...secured, endingAt: 35, failure: failure('gateway-authentication-failed', '') }, 'done done failed pending pending'],
  [{ ...secured, endingAt: 35, failure: failure('no-answer-auth', '') }, 'done done failed pending pending'],
  [{ ...proven, endingAt: 45, failure: failure('host-failed', '') }, 'done done done done failed'],
  [{ ...proven, readyAt: 50, endingAt: 60, failure: failure('gateway-lost', '') }, 'done done done done done'],
  [{ ...resolved, endingAt: 25 }, 'done pending pending pending pending'],
];
for (const [facts, expected] of cases) {
  test(`steps with ${JSON.stringify(facts)}`, () => assert.equal(states(facts), expected));
}

test('each has its instants', () => {
  const { failure: _, ...ok } = { ...proven, readyAt: 55, failure: undefined };
  assert.deepEqual(
    stepsOf({ ...started, ...ok }).map(({ name, startedAt, endedAt }) => [name, startedAt, endedAt]),
    [
      ['resolve', 10, 20],
      ['channel', 20, 30],
      ['gateway', 30, 40],
      ['user', 30, 40],
      ['network', 40, 55],
    ],
  );
});

test('waiting: the owner sees the question, nobody else does, root neither', () => {
  const facts = { ...started, prompt };
  const owner = statusFor(facts, 1000, 0);
  assert.deepEqual([owner.state, owner.since, owner.prompt?.id], ['waiting', 12, 'x']);
  assert.equal(Object.hasOwn(owner.prompt ?? {}, 'askedAt'), false);
  const root = statusFor(facts, 0, 0);
  assert.deepEqual([root.state, root.prompt], ['waiting', undefined]);
  const other = statusFor(facts, 1001, 0);
  assert.deepEqual([other.otherUser, other.prompt, other.steps], [true, undefined, []]);
  assert.equal(statusFor({ ...facts, endingAt: 20 }, 1000, 0).prompt, undefined);
  assert.equal(statusFor({ ...facts, endingAt: 20, endedAt: 21 }, 1000, 0).prompt, undefined);
});

test('after a failure the steps stay; after the user’s end nothing does', () => {
  const failed = { ...started, ...resolved, endingAt: 25, endedAt: 26, failure: failure('no-answer', '') };
  assert.equal(statusFor(failed, 1000, 0).steps[1]?.state, 'failed');
  assert.deepEqual(statusFor({ ...started, ...resolved, endingAt: 25, endedAt: 26 }, 1000, 0).steps, []);
});
