/** Whether the computer slept, from its clocks: pure. */

/** Milliseconds each. */
export interface Clocks {
  /** Counts a suspend. */
  readonly boottime: number;
  /** Stands still in one. */
  readonly monotonic: number;
  /** Date.now(): also set by people and by time servers. */
  readonly wall: number;
}

/** Below this a difference is of reading one clock after the other. */
const LEAST_SLEEP = 1_000;
/** A virtual machine that was paused knows nothing of it until somebody sets its clock. */
const LEAST_JUMP = 10_000;

export interface SleepGauge {
  /** Milliseconds that passed unseen since the last look; 0 when none did. A wall clock that was set back says nothing. */
  look(clocks: Clocks): number;
}

export function createSleepGauge(start: Clocks): SleepGauge {
  let before = start;
  return {
    look(clocks) {
      const awake = clocks.monotonic - before.monotonic;
      const slept = clocks.boottime - before.boottime - awake;
      const jumped = clocks.wall - before.wall - awake;
      before = clocks;
      if (slept >= LEAST_SLEEP) return Math.round(slept);
      return jumped >= LEAST_JUMP ? Math.round(jumped) : 0;
    },
  };
}
