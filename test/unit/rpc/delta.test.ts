import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Status } from '../../../core/rpc/contract.ts';
import { applyDelta, statusDelta } from '../../../core/rpc/delta.ts';

const base: Status = {
  state: 'idle',
  since: 1,
  otherUser: false,
  virtualIps: [],
  dns: [],
  domains: [],
  routes: [],
  children: [],
  steps: [],
};

test('nothing changed is no delta', () => {
  assert.equal(statusDelta(base, { ...base, virtualIps: [] }), undefined);
});

test('only what changed is told, and what is gone is null', () => {
  const up: Status = { ...base, state: 'connected', profile: { id: 'a', name: 'b' } };
  assert.deepEqual(statusDelta(base, up), { state: 'connected', profile: { id: 'a', name: 'b' } });
  assert.deepEqual(statusDelta(up, base), { state: 'idle', profile: null });
});

test('any status follows from any other by its delta, over JSON', () => {
  const status = fc.record(
    {
      state: fc.constantFrom('idle', 'connected', 'failed'),
      since: fc.nat(),
      otherUser: fc.boolean(),
      virtualIps: fc.array(fc.string()),
      dns: fc.array(fc.string()),
      domains: fc.array(fc.string()),
      routes: fc.array(fc.string()),
      children: fc.constant([]),
      steps: fc.constant([]),
      profile: fc.record({ id: fc.string(), name: fc.string() }),
      backend: fc.string(),
    },
    { requiredKeys: ['state', 'since', 'otherUser', 'virtualIps', 'dns', 'domains', 'routes', 'children', 'steps'] },
  );
  fc.assert(
    fc.property(status, status, (from, to) => {
      const delta = statusDelta(from, to);
      const after = delta ? applyDelta(from, JSON.parse(JSON.stringify(delta))) : from;
      assert.deepEqual(JSON.parse(JSON.stringify(after)), JSON.parse(JSON.stringify(to)));
    }),
    { numRuns: 500, seed: 3 },
  );
});
