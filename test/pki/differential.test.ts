import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runDifferential } from './differential.ts';

test('validatePath agrees with openssl verify on 300 random chains, or a rule says why not', (t) => {
  const report = runDifferential(20_261_121, 300);
  t.diagnostic(`both accept ${report.accepted}, both refuse ${report.refused}, explained ${JSON.stringify(report.explained)}`);
  assert.deepEqual(report.unexplained, []);
  // A generator whose chains all fail, or rules that swallow everything, would show nothing.
  assert.ok(report.accepted >= 40 && report.refused >= 100, 'the chains are too much alike');
  assert.ok(report.accepted + report.refused >= 270, 'too much had to be explained');
});
