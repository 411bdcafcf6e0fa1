import { useEffect, useState } from 'react';
import { useSession } from '../../store/session.ts';
import { totalsOf } from './model.ts';

export interface Rate {
  readonly down: number;
  readonly up: number;
}

/** Bytes per second over the last second or so; zero when nothing flows, because then no status comes either. */
export function useRate(): Rate {
  const [rate, setRate] = useState<Rate>({ down: 0, up: 0 });
  useEffect(() => {
    let before = { ...totalsOf(useSession.getState().status), at: performance.now() };
    const timer = setInterval(() => {
      const now = { ...totalsOf(useSession.getState().status), at: performance.now() };
      const seconds = (now.at - before.at) / 1000;
      // A new SA begins to count at nothing.
      const perSecond = (from: number, to: number) => (to < from ? 0 : (to - from) / seconds);
      const next = { down: perSecond(before.bytesIn, now.bytesIn), up: perSecond(before.bytesOut, now.bytesOut) };
      before = now;
      setRate((old) => (old.down === next.down && old.up === next.up ? old : next));
    }, 1000);
    return () => clearInterval(timer);
  }, []);
  return rate;
}
