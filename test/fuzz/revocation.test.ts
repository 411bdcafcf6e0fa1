import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FULL_REVOCATION, fuzzRevocation } from './revocation.ts';

test('lists and answers about revocation stand hostile inputs with the fixed seed', (t) => {
  for (const result of fuzzRevocation(FULL_REVOCATION)) {
    t.diagnostic(JSON.stringify(result));
    assert.ok(result.ok, JSON.stringify(result));
    assert.ok(Object.keys(result.detail).length >= 4, `every input had the same outcome: ${JSON.stringify(result)}`);
  }
});
