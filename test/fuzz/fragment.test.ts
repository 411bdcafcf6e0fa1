import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzFragment } from './fragment.ts';

test('4,000 scripts of fragments come out as RFC 7383 says', (t) => {
  for (const result of fuzzFragment()) {
    t.diagnostic(JSON.stringify(result));
    assert.ok(result.ok, JSON.stringify(result));
    // The scripts reach every end, so the comparison was about something.
    for (const end of ['nothing', 'broken', 'payloads 2']) assert.ok(Number(result.detail[end]) > 30, end);
  }
});
