import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLanes } from '../../../core/helper/laneCount.ts';

test('one outbound lane, two on a machine of many cores', () => {
  assert.deepEqual([1, 2, 4, 8, 15, 16, 64].map(defaultLanes), [1, 1, 1, 1, 1, 2, 2]);
});
