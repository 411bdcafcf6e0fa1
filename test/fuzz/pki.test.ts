import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FULL_PKI, fuzzPki } from './pki.ts';

test('DER, certificates and paths stand hostile inputs with the fixed seed', (t) => {
  for (const result of fuzzPki(FULL_PKI)) {
    t.diagnostic(JSON.stringify(result));
    assert.ok(result.ok, JSON.stringify(result));
    assert.ok(Object.keys(result.detail).length >= 4, `every input had the same outcome: ${JSON.stringify(result)}`);
  }
});
