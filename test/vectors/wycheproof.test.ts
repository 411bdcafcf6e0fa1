import assert from 'node:assert/strict';
import { test } from 'node:test';
import { suites, unusedFiles } from './suites.ts';
import { findVectors } from './wycheproof.ts';

const folder = findVectors();

for (const suite of suites) {
  test(`wycheproof: ${suite.name}`, (t) => {
    if (folder === undefined) {
      t.diagnostic('NOT RUN: no wycheproof folder in VECTORS_DIR or ../shared/vectors');
      return;
    }
    const results = [...suite.run(folder)];
    const failures = results.filter((result) => result.outcome === 'failed');
    const passed = results.filter((result) => result.outcome === 'passed').length;
    t.diagnostic(`${passed} passed, ${results.length - passed - failures.length} skipped`);
    assert.deepEqual(failures, []);
    if (suite.missing) assert.equal(passed, 0, 'it is there after all');
    else assert.ok(passed > 0, 'no case of the file was expressible');
  });
}

test('wycheproof: every file of the folder belongs to a suite', (t) => {
  if (folder === undefined) {
    t.diagnostic('NOT RUN: no wycheproof folder in VECTORS_DIR or ../shared/vectors');
    return;
  }
  assert.deepEqual(unusedFiles(folder), []);
});
