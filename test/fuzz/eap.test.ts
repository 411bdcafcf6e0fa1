import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FULL_EAP, fuzzEap } from './eap.ts';

test('EAP and each of its methods stand hostile conversations with the fixed seed', (t) => {
  for (const result of fuzzEap(FULL_EAP)) {
    t.diagnostic(JSON.stringify(result));
    assert.ok(result.ok, JSON.stringify(result));
    // One whose conversations are all refused at the same place tests nothing.
    const { seed: _seed, runs, ...endings } = result.detail;
    assert.ok(Object.values(endings).filter((count) => Number(count) > Number(runs) / 50).length >= 2, JSON.stringify(result));
  }
});
