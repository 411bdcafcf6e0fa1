/**
 * The helper's own work for each user: a PKCS #12 file or a heap of certificates can cost it a second, during which nobody else is served.
 * Who has used up their share waits until some of it has come back.
 */
export interface WorkMeter {
  /** This user may ask for more. */
  mayWork(uid: number): boolean;
  /** Milliseconds. */
  charge(uid: number, spent: number): void;
}

export interface WorkLimits {
  /** Milliseconds of work at once, and how many per second come back. */
  readonly work: number;
  readonly workPerSecond: number;
}

/** `now`: milliseconds of a clock that never goes back. */
export function createWorkMeter({ work, workPerSecond }: WorkLimits, now: () => number): WorkMeter {
  /** Users who have not got all of it back. */
  const spent = new Map<number, { readonly owed: number; readonly at: number }>();

  function owed(uid: number): number {
    const last = spent.get(uid);
    if (!last) return 0;
    const left = last.owed - ((now() - last.at) / 1000) * workPerSecond;
    if (left > 0) return left;
    spent.delete(uid);
    return 0;
  }

  return {
    mayWork: (uid) => owed(uid) < work,
    charge(uid, more) {
      spent.set(uid, { owed: owed(uid) + more, at: now() });
    },
  };
}
