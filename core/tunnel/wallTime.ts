/** What lies ahead, for people: pure. */

/** What is read of two clocks one after the other, and what a time server corrects, moves no countdown. Milliseconds. */
const LEAST_SET = 1_000;

/**
 * Turns an instant of the clock that never goes back into one of `wall`, Date.now(). The same each time it is asked, until somebody sets the
 * clock: then what shows a countdown goes on with the right one.
 */
export function createWallTime(wall: () => number, monotonic: () => number): (instant: number) => number {
  let ahead = wall() - monotonic();
  return (instant) => {
    const now = wall() - monotonic();
    if (Math.abs(now - ahead) > LEAST_SET) ahead = now;
    return Math.round(instant + ahead);
  };
}
