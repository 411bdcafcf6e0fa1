/** Connected, and nobody sends anything: how often the helper wakes up, and how much memory each of its processes has. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type BenchOptions, type Figure, rounded } from './figure.ts';
import { contextSwitches, memoryOf } from './support.ts';
import { openOurs, withTunnels } from './tunnels.ts';

const IDLE_SECONDS = 30;
/** What follows a connection (garbage collection, timers that run out) is not idle. */
const SETTLE_SECONDS = 5;
/** Bars of the issue. */
const MOST_WAKE_UPS = 2;
const MOST_MEGABYTES = 160;

export async function benchIdle({ say }: BenchOptions): Promise<readonly Figure[]> {
  return withTunnels([() => openOurs()], async ([{ client }]) => {
    const processes = Object.entries(client);
    await sleep(SETTLE_SECONDS * 1000);
    const before = processes.map(([, pid]) => contextSwitches(pid));
    say(`idle: ${IDLE_SECONDS} s`);
    await sleep(IDLE_SECONDS * 1000);
    const figures: Figure[] = [];
    let wakeUps = 0;
    for (const [index, [role, pid]] of processes.entries()) {
      const detail: Record<string, number> = {};
      let sum = 0;
      for (const [thread, { name, switches }] of contextSwitches(pid)) {
        const more = switches - (before[index]?.get(thread)?.switches ?? 0);
        if (more > 0) detail[`${name}/${thread}`] = more;
        sum += more;
      }
      wakeUps += sum;
      figures.push(figure(`wakeups-${role}`, sum / IDLE_SECONDS, 'per second', { detail }));
    }
    figures.push(figure('wakeups', wakeUps / IDLE_SECONDS, 'per second', { atMost: MOST_WAKE_UPS }));
    let together = 0;
    for (const [role, pid] of processes) {
      const { rss, pss } = memoryOf(pid);
      if (role === 'engine' || role === 'monitor') together += rss;
      figures.push(figure(`rss-${role}`, rss, 'MB', { detail: { pss: rounded(pss) } }));
    }
    figures.push(figure('rss-engine-and-monitor', together, 'MB', { atMost: MOST_MEGABYTES }));
    return figures;
  });
}

function figure(name: string, value: number, unit: string, more: Pick<Figure, 'atMost' | 'detail'>): Figure {
  return { suite: 'idle', case: name, value: rounded(value), unit, ...more };
}
