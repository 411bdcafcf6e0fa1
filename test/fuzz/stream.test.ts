import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzStream } from './stream.ts';

test('the framing in TCP stands 15,000 hostile streams with the fixed seed', (t) => {
  for (const result of fuzzStream()) {
    t.diagnostic(JSON.stringify(result));
    assert.ok(result.ok, JSON.stringify(result));
    // A target that ends in one way only tests nothing.
    if (result.case.startsWith('mutated'))
      for (const outcome of ['frames', 'no-prefix', 'bad-length']) assert.ok(Number(result.detail[outcome]) > 100, outcome);
  }
});
