import { useEffect, useState } from 'react';
import type { Status } from '../../../core/rpc/contract.ts';
import { useSession } from '../../store/session.ts';
import { onTick } from './ticker.ts';

export interface Sampled {
  readonly status: Status | undefined;
  readonly now: number;
}

/** Figures are read, not watched: a table that changes more often than this cannot be read, and costs. */
const EVERY = 2;

/** The status now and then, and at once when the state changes. */
export function useSampled(): Sampled {
  const [sampled, setSampled] = useState(sample);
  useEffect(() => {
    const take = () => setSampled(sample());
    const stopTicks = onTick(EVERY, take);
    const stop = useSession.subscribe((now, before) => {
      if (now.status?.state !== before.status?.state) take();
    });
    return () => {
      stopTicks();
      stop();
    };
  }, []);
  return sampled;
}

function sample(): Sampled {
  return { status: useSession.getState().status ?? undefined, now: Date.now() };
}
