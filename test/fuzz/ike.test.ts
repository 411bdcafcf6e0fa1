import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzIke } from './ike.ts';

test('a live IKE SA is not moved by 50,000 hostile datagrams', (t) => {
  for (const result of fuzzIke()) {
    t.diagnostic(JSON.stringify(result));
    assert.ok(result.ok, JSON.stringify(result));
  }
});
