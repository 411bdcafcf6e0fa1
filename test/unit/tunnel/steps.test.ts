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
const eap = { ...secured, gatewayFirst: true };

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
  // EAP: the user begins when the gateway is proven.
  [{ ...eap, prompt: undefined }, 'done done active pending pending'],
  [{ ...eap, gatewayProvenAt: 35, prompt: { ...prompt, kind: 'password' } }, 'done done done active pending'],
  [{ ...eap, endingAt: 36, failure: failure('gateway-untrusted', '') }, 'done done failed pending pending'],
  [{ ...eap, endingAt: 36, failure: failure('authentication-failed', '') }, 'done done failed pending pending'],
  [{ ...eap, gatewayProvenAt: 35, endingAt: 36, failure: failure('password-wrong', '') }, 'done done done failed pending'],
  [{ ...eap, gatewayProvenAt: 35, endingAt: 36, failure: failure('prompt-expired', '') }, 'done done done failed pending'],
  // Certificates on both sides: in one exchange.
  [{ ...secured, endingAt: 36, failure: failure('gateway-cert-revoked', '') }, 'done done failed pending pending'],
  [{ ...secured, endingAt: 36, failure: failure('own-cert-expired', '') }, 'done done pending failed pending'],
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
  const beside = statusFor({ ...facts, readyAt: 13, rekeyingAt: 12 }, 1000, 0);
  assert.deepEqual([beside.state, beside.prompt?.id], ['rekeying', 'x'], 'a new login beside what carries the traffic');
  const other = statusFor(facts, 1001, 0);
  assert.deepEqual([other.otherUser, other.prompt, other.steps], [true, undefined, []]);
  assert.equal(statusFor({ ...facts, endingAt: 20 }, 1000, 0).prompt, undefined);
  assert.equal(statusFor({ ...facts, endingAt: 20, endedAt: 21 }, 1000, 0).prompt, undefined);
});

test('what the gateway showed and what there is to warn of are told, also after a failure, and to the owner alone', () => {
  const gatewayCertificate = { subject: 'CN=vpn', issuer: 'CN=Office', notAfter: 99, revocation: [] };
  const warnings = [{ code: 'client-certificate-expires', subject: 'CN=alice', days: 6, notAfter: 90 }] as const;
  const facts: TunnelFacts = { ...started, ...eap, gatewayCertificate, warnings };
  for (const more of [{}, { endingAt: 36, endedAt: 37, failure: failure('gateway-untrusted', '') }]) {
    const own = statusFor({ ...facts, ...more }, 1000, 0);
    assert.deepEqual([own.gatewayCertificate, own.warnings], [gatewayCertificate, warnings]);
    const other = statusFor({ ...facts, ...more }, 1001, 0);
    assert.deepEqual([other.gatewayCertificate, other.warnings], [undefined, undefined]);
  }
  assert.equal(Object.hasOwn(statusFor({ ...facts, warnings: [] }, 1000, 0), 'warnings'), false);
});

test('after a failure the steps stay; after the user’s end nothing does', () => {
  const failed = { ...started, ...resolved, endingAt: 25, endedAt: 26, failure: failure('no-answer', '') };
  assert.equal(statusFor(failed, 1000, 0).steps[1]?.state, 'failed');
  assert.deepEqual(statusFor({ ...started, ...resolved, endingAt: 25, endedAt: 26 }, 1000, 0).steps, []);
});
