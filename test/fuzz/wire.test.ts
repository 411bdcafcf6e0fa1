import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FULL, fuzzWire } from './wire.ts';

test('the IKEv2 codec stands 240,000 hostile inputs with the fixed seed', (t) => {
  assert.ok(FULL.messages + FULL.inner + FULL.random >= 200_000);
  for (const result of fuzzWire(FULL)) {
    t.diagnostic(JSON.stringify(result));
    assert.ok(result.ok, JSON.stringify(result));
    if (result.case.startsWith('mutated')) {
      // A mutator whose output is all refused at the first check, or not at all, tests nothing.
      for (const outcome of ['accepted', 'syntax'])
        assert.ok(Number(result.detail[outcome]) > Number(result.detail.runs) / 20, `${result.case}: ${outcome}`);
    }
  }
});
