import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSleepGauge } from '../../../core/tunnel/wake.ts';

const HOUR = 3_600_000;

test('an hour of suspend is seen once; time that passes awake is none', () => {
  const gauge = createSleepGauge({ boottime: 1_000, monotonic: 500, wall: 9_000_000 });
  assert.equal(gauge.look({ boottime: 61_000, monotonic: 60_500, wall: 9_060_000 }), 0);
  assert.equal(gauge.look({ boottime: 62_000 + HOUR, monotonic: 61_500, wall: 9_061_000 + HOUR }), HOUR);
  assert.equal(gauge.look({ boottime: 63_000 + HOUR, monotonic: 62_500, wall: 9_062_000 + HOUR }), 0);
});

test('a clock that is set: forward it may have been a pause, a little or back it is nothing', () => {
  const gauge = createSleepGauge({ boottime: 0, monotonic: 0, wall: HOUR });
  assert.equal(gauge.look({ boottime: 10, monotonic: 10, wall: 2 * HOUR }), HOUR - 10);
  assert.equal(gauge.look({ boottime: 20, monotonic: 20, wall: 2 * HOUR + 2_000 }), 0);
  assert.equal(gauge.look({ boottime: 30, monotonic: 30, wall: HOUR }), 0);
  assert.equal(gauge.look({ boottime: 40, monotonic: 40, wall: HOUR + 10 }), 0, 'and it was looked at from there');
});
