/**
 * UDP packets of 64 octets per second that reach the program at the other end. A tunnel that is offered more than it can carry wastes time
 * on what it then drops, each in its own way, and one likes packets in runs and the other one by one; so every tunnel is first asked what
 * it likes best, and measured at that.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type BenchOptions, type Figure, rounded, slug } from './figure.ts';
import { packetsPerSecond } from './packets.ts';
import { Samples } from './support.ts';
import { openOurs, openStrongswan, type Tunnel, withTunnels } from './tunnels.ts';

/** Bar of the issue. */
const RATIO = 3;
const OCTETS = 64;
const FIRST_RATE = 35_000;
const LAST_RATE = 1_500_000;
const STEP = 1.4;
/** Around the rate a tunnel likes best, because one measurement may have erred. */
const AROUND = [0.92, 1.1];
/** Packets that the sender gives the kernel as one: none together, or 60, which is less than 4 KiB. */
const RUNS = [1, 60];

interface Load {
  readonly perSecond: number;
  readonly run: number;
}

export async function benchSmallPackets({ rounds, seconds, say }: BenchOptions): Promise<readonly Figure[]> {
  return withTunnels([() => openOurs(), openStrongswan], async (tunnels) => {
    const loads = new Map<Tunnel, Load>();
    const figures: Figure[] = [];
    for (const tunnel of tunnels) {
      let best = { load: { perSecond: 0, run: 1 }, arrived: 0 };
      for (const run of RUNS) {
        const found = await bestLoad(tunnel, run);
        if (found.arrived > best.arrived) best = found;
        figures.push(figure(`pps-${slug(tunnel.name)}-runs-of-${run}`, Math.round(found.arrived), 'packets/s'));
        say(`smallpackets: ${tunnel.name} in runs of ${run}: ${kilo(found.arrived)} of ${kilo(found.load.perSecond)} packets/s`);
      }
      loads.set(tunnel, best.load);
    }
    const samples = new Samples();
    for (let round = 1; round <= rounds; round++) {
      const told: string[] = [];
      for (const [tunnel, { perSecond, run }] of loads) {
        let best = 0;
        for (const factor of AROUND) {
          const load = { perSecond: Math.round(perSecond * factor), run };
          best = Math.max(best, await offer(tunnel, load, Math.max(1, seconds / AROUND.length)));
        }
        samples.add(tunnel.name, best);
        told.push(`${tunnel.name} ${kilo(best)}`);
      }
      say(`smallpackets ${round}/${rounds}: ${told.join(', ')} packets/s`);
    }
    return [
      ...figures,
      ...tunnels.map((tunnel) => figure(`pps-${slug(tunnel.name)}`, Math.round(samples.median(tunnel.name)), 'packets/s')),
      { ...figure('pps-ratio', rounded(samples.ratio('ours', 'strongSwan')), 'ratio'), atLeast: RATIO },
    ];
  });
}

/** More and more, until clearly less arrives than was offered. */
async function bestLoad(tunnel: Tunnel, run: number): Promise<{ readonly load: Load; readonly arrived: number }> {
  let best = { load: { perSecond: 0, run }, arrived: 0 };
  for (let rate = FIRST_RATE; rate < LAST_RATE; rate *= STEP) {
    const load = { perSecond: Math.round(rate), run };
    const arrived = await offer(tunnel, load, 1);
    if (arrived > best.arrived) best = { load, arrived };
    if (arrived < rate * 0.75) break;
  }
  return best;
}

async function offer(tunnel: Tunnel, load: Load, seconds: number): Promise<number> {
  const { laptop, office, target } = tunnel;
  const { arrived } = await packetsPerSecond(laptop, office, target, { octets: OCTETS, seconds, ...load });
  await drained(tunnel);
  return arrived;
}

function figure(name: string, value: number, unit: string): Figure {
  return { suite: 'smallpackets', case: name, value, unit };
}

function kilo(perSecond: number): string {
  return `${Math.round(perSecond / 1000)}k`;
}

/** strongSwan keeps what it could not carry yet in a queue without end; it must not count in the next measurement. */
async function drained({ name, laptop, target }: Tunnel): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const pinged = await laptop.exec(['ping', '-n', '-c', '1', '-W', '1', target]);
    const took = /time=([\d.]+) ms/.exec(pinged.stdout);
    if (pinged.code === 0 && Number(took?.[1]) < 20) return;
    await sleep(100);
  }
  throw new Error(`${name} does not come to rest`);
}
