/** Feeds the chart for as long as the window lives, whatever view is open. */
import { useSession } from '../../store/session.ts';
import { Throughput } from './throughput.ts';

export const throughput = new Throughput();

/** The helper is silent while nothing changes; so often its silence is taken as "nothing went through". */
const SILENCE_MS = 1000;

/** Once, before the first render. */
export function startRecorder(): void {
  throughput.take(useSession.getState().status ?? undefined, Date.now());
  useSession.subscribe((now, before) => {
    if (now.status !== before.status) throughput.take(now.status ?? undefined, Date.now());
  });
  setInterval(() => throughput.take(useSession.getState().status ?? undefined, Date.now()), SILENCE_MS);
}
