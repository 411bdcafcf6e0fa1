import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Status, TunnelState } from '../../../core/rpc/contract.ts';
import { reasons } from '../../../core/tunnel/reasons.ts';
import { above, parseRoute } from '../../../renderer/path.ts';
import {
  activeStep,
  beganAt,
  cancels,
  headlineOf,
  remediesFor,
  totalsOf,
  trafficOf,
  upSince,
} from '../../../renderer/views/connect/model.ts';

function status(state: TunnelState, more: Partial<Status> = {}): Status {
  return {
    state,
    since: 1,
    otherUser: false,
    virtualIps: [],
    dns: [],
    domains: [],
    routes: [],
    children: [],
    steps: [],
    ...more,
  };
}

const headline = (one: Status) => headlineOf({ status: one, intent: null });

test('every state has its headline', () => {
  const states = [
    'idle',
    'waiting',
    'resolving',
    'connecting',
    'authenticating',
    'installing',
    'connected',
    'rekeying',
    'roaming',
    'reconnecting',
    'paused',
    'blocked',
    'disconnecting',
    'failed',
  ] as const;
  const wanted = [
    'idle',
    'waiting',
    'connecting',
    'connecting',
    'connecting',
    'connecting',
    'connected',
    'rekeying',
    'roaming',
    'retrying',
    'paused',
    'blocked',
    'disconnecting',
    'failed',
  ];
  assert.deepEqual(
    states.map((state) => headline(status(state))),
    wanted,
  );
  assert.equal(headline(status('connected', { otherUser: true })), 'elsewhere');
  assert.equal(headlineOf({ status: null, intent: null }), 'idle');
  assert.deepEqual(
    ['connecting', 'waiting', 'retrying'].every((one) => cancels(one as 'waiting')),
    true,
  );
  assert.equal(cancels('connected'), false);
});

test('what goes through, in words', () => {
  const kind = (...routes: string[]) => trafficOf({ routes, domains: [] }).kind;
  assert.equal(kind(), 'nothingThrough');
  assert.equal(kind('10.0.0.0/8'), 'onlyOffice');
  assert.equal(kind('0.0.0.0/0'), 'everythingV4');
  assert.equal(kind('::/0'), 'everythingV6');
  assert.equal(kind('0.0.0.0/0', '::/0'), 'everything');
  assert.equal(kind('0.0.0.0/1', '128.0.0.0/1'), 'everythingV4');
  const blocked = (...routes: string[]) =>
    trafficOf({ routes, domains: [], warnings: [{ code: 'family-blocked', subject: '' }] }).kind;
  assert.deepEqual([blocked('0.0.0.0/0'), blocked('::/0')], ['nothingButV4', 'nothingButV6']);
  assert.equal(kind('0.0.0.0/1'), 'onlyOffice');
  assert.deepEqual(trafficOf({ routes: ['10.1.0.0/16', '10.2.0.0/16'], domains: ['a.example'] }), {
    kind: 'onlyOffice',
    networks: 2,
    domains: 1,
  });
});

test('steps: which is under way and when it all began', () => {
  const steps = [
    { name: 'resolve', state: 'done', startedAt: 100, endedAt: 110 },
    { name: 'channel', state: 'active', startedAt: 110, endedAt: null },
    { name: 'gateway', state: 'pending', startedAt: null, endedAt: null },
  ] as const;
  const one = status('connecting', { steps });
  assert.equal(activeStep({ status: one, intent: null }), 'channel');
  assert.equal(beganAt(one), 100);
  assert.equal(beganAt(status('idle')), undefined);
  // The steps of the attempt before say nothing of the one just asked for.
  const failed = status('failed', { steps });
  assert.equal(activeStep({ status: failed, intent: { kind: 'up', profile: { id: 'a', name: 'a' }, at: 9 } }), undefined);
});

test('totals are over all children', () => {
  assert.deepEqual(totalsOf(null), { bytesIn: 0, bytesOut: 0 });
});

test('remedies are for codes that exist', () => {
  for (const code of Object.keys(reasons)) assert.ok(Array.isArray(remediesFor(code)), code);
  assert.deepEqual(remediesFor('authentication-failed')[0], 'enterKey');
  assert.deepEqual(remediesFor('constructor'), []);
});

test('routes are read and written', () => {
  assert.deepEqual(parseRoute('#/profiles/a%2Fb/edit'), {
    destination: 'profiles',
    rest: ['a/b', 'edit'],
    path: '/profiles/a%2Fb/edit',
  });
  assert.equal(parseRoute('').path, '/connect');
  assert.equal(parseRoute('#/nowhere/else').path, '/connect');
  assert.equal(parseRoute('#/log/%').path, '/log/%25');
});

test('Esc goes one step up', () => {
  assert.equal(above(parseRoute('#/profiles/p1/edit')), '/profiles/p1');
  assert.equal(above(parseRoute('#/profiles/p1')), '/profiles');
  assert.equal(above(parseRoute('#/profiles')), '/connect');
});

test('how long it is there does not begin anew with fresh keys', () => {
  const step = { name: 'network', state: 'done', startedAt: 5, endedAt: 7 } as const;
  assert.equal(upSince(status('rekeying', { since: 90, steps: [step] })), 7);
  assert.equal(upSince(status('connected', { since: 7 })), 7);
});
