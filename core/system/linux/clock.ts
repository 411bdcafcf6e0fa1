/** The clock that counts a suspend, and the news that there was one. */
import {
  CLOCK_BOOTTIME,
  CLOCK_REALTIME,
  TFD_CLOEXEC,
  TFD_NONBLOCK,
  TFD_TIMER_ABSTIME,
  TFD_TIMER_CANCEL_ON_SET,
} from '../ffi/constants.ts';
import { TIMESPEC } from '../ffi/layouts.ts';
import { clock_gettime, close, errno, errnoName, read, timerfd_create, timerfd_settime } from '../ffi/libc.ts';
import { Pinned } from '../ffi/memory.ts';
import { type Watch, watchReadable } from '../ffi/readiness.ts';

const now = new Pinned(TIMESPEC.size);

/** Milliseconds since the computer started, the time that it slept included; never goes back. */
export function boottime(): number {
  if (clock_gettime(CLOCK_BOOTTIME, now.address) !== 0) throw new Error(`clock_gettime: ${errnoName(errno())}`);
  const seconds = Number(now.view.getBigInt64(TIMESPEC.offset.seconds, true));
  return seconds * 1_000 + Number(now.view.getBigInt64(TIMESPEC.offset.nanoseconds, true)) / 1_000_000;
}

/**
 * Calls `onChange` when the computer woke up, or its wall clock was set: timerfd_create(2), a timer of CLOCK_REALTIME that nobody waits for is
 * cancelled by both. Costs nothing meanwhile. The error says what cannot be done.
 */
export function watchClock(onChange: () => void): Watch | string {
  const fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0) return `timerfd_create: ${errnoName(errno())}`;
  // Interval none; the value far away, when nobody lives.
  const far = new Pinned(2 * TIMESPEC.size);
  far.view.setBigInt64(TIMESPEC.size + TIMESPEC.offset.seconds, 0xffff_ffffn, true);
  const arm = () => timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, far.address, 0) === 0;
  if (!arm()) {
    const problem = `timerfd_settime: ${errnoName(errno())}`;
    close(fd);
    return problem;
  }
  const expirations = new Pinned(8);
  const watch = watchReadable(fd, () => {
    // ECANCELED is the news; armed again it waits for the next.
    read(fd, expirations.address, 8);
    arm();
    onChange();
  });
  return {
    close() {
      watch.close();
      close(fd);
    },
  };
}
