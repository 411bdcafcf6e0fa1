import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLanes } from '../../../core/helper/laneCount.ts';

test('one outbound lane on up to three cores, half of them above, four at most', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 64].map(defaultLanes), [1, 1, 1, 2, 2, 3, 3, 4, 4, 4]);
});
