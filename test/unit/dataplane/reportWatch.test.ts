import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReportWatch } from '../../../core/dataplane/reportWatch.ts';

test('reports are heard while they are few, however long they come', () => {
  const watch = new ReportWatch();
  for (let now = 0; now < 10_000; now += 10) assert.equal(watch.took(25, now), false);
  assert.equal(watch.left(10_000), Number.POSITIVE_INFINITY);
  assert.equal(watch.takeOver(10_000), false);
});

test('too many in a moment are not heard for half a second, and then again', () => {
  const watch = new ReportWatch();
  for (let i = 0; i < 2; i++) {
    const now = 1_000 * i;
    for (let taken = 0; taken < 192; taken += 64) assert.equal(watch.took(64, now + 5), false);
    assert.equal(watch.took(64, now + 6), true);
    assert.equal(watch.took(64, now + 7), false, 'what was on its way');
    assert.equal(watch.left(now + 106), 400);
    assert.equal(watch.takeOver(now + 505), false);
    assert.equal(watch.left(now + 800), 0);
    assert.equal(watch.takeOver(now + 506), true);
    assert.equal(watch.takeOver(now + 507), false, 'once');
    assert.equal(watch.left(now + 507), Number.POSITIVE_INFINITY);
  }
});
