import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FULL_INPUTS, fuzzInputs } from './inputs.ts';

test('RPC frames, profile files, ESP and inner packets stand hostile inputs with the fixed seed', (t) => {
  for (const result of fuzzInputs(FULL_INPUTS)) {
    t.diagnostic(JSON.stringify(result));
    assert.ok(result.ok, JSON.stringify(result));
    assert.ok(Object.keys(result.detail).length >= 4, `every input had the same outcome: ${JSON.stringify(result)}`);
  }
});
