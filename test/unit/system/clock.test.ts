import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { boottime, watchClock } from '../../../core/system/linux/clock.ts';

const timers = () =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes('timerfd');
    } catch {
      return false;
    }
  });

test('the clock is that of /proc/uptime, finer, and goes forward', () => {
  const first = boottime();
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1_000;
  const second = boottime();
  assert.ok(second > first);
  // proc(5): in hundredths of a second, those that are full.
  assert.ok(uptime > first - 11 && uptime <= second, `${first} ${uptime} ${second}`);
});

test('the clock is watched by a timer that is cancelled when it is set, and closed with the watch', async () => {
  let changes = 0;
  const watch = watchClock(() => {
    changes += 1;
  });
  assert.ok(typeof watch !== 'string', String(watch));
  const [fd, ...others] = timers();
  assert.deepEqual(others, []);
  // proc(5): the clock (CLOCK_REALTIME), TFD_TIMER_ABSTIME and TFD_TIMER_CANCEL_ON_SET.
  const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
  assert.match(info, /^clockid: 0$/m);
  assert.match(info, /^settime flags: 03$/m);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(changes, 0);
  watch.close();
  assert.deepEqual(timers(), []);
});
