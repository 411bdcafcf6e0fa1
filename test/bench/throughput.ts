/** TCP through a tunnel with both ends ours: up and down, one stream and eight. And against strongSwan's, in turn. */
import type { BenchOptions, Figure } from './figure.ts';
import { rounded } from './figure.ts';
import { DIRECTIONS, type Direction, iperf, Samples } from './support.ts';
import { openOurs, openPlain, openStrongswan, type Tunnel, withTunnels } from './tunnels.ts';

const STREAMS = [1, 8];
/** Bars of the issue. */
const PEER_RATIO = 10;

export async function benchThroughput({ rounds, seconds, say }: BenchOptions): Promise<readonly Figure[]> {
  return withTunnels([openOurs], async ([ours]) => {
    const samples = new Samples();
    await warmUp([ours]);
    for (let round = 1; round <= rounds; round++) {
      for (const streams of STREAMS) {
        for (const direction of DIRECTIONS) {
          const { gbits } = await iperf(ours.laptop, ours.target, { direction, streams, seconds });
          samples.add(`${direction} ${streams}`, gbits);
          say(`throughput ${round}/${rounds}: ${direction}, ${streams} streams: ${gbits.toFixed(2)} Gbit/s`);
        }
      }
    }
    return STREAMS.flatMap((streams) =>
      DIRECTIONS.map((direction) => ({
        suite: 'throughput',
        case: `tcp-${direction}-${streams}`,
        value: rounded(samples.median(`${direction} ${streams}`)),
        unit: 'Gbit/s',
      })),
    );
  });
}

export async function benchPeer(options: BenchOptions): Promise<readonly Figure[]> {
  return withTunnels([openOurs, openStrongswan, openPlain], async (tunnels) => {
    const samples = await inTurn('peer', tunnels, options);
    return DIRECTIONS.flatMap((direction) => [
      ...tunnels.map(({ name }) => ({
        suite: 'peer',
        case: `tcp-${direction}-${name.replace(' ', '-').toLowerCase()}`,
        value: rounded(samples.median(`${direction} ${name}`)),
        unit: 'Gbit/s',
      })),
      {
        suite: 'peer',
        case: `tcp-${direction}-ratio`,
        value: rounded(samples.ratio(`${direction} ours`, `${direction} strongSwan`)),
        unit: 'ratio',
        atLeast: PEER_RATIO,
      },
    ]);
  });
}

/** One TCP stream through each tunnel, one after the other, round by round; Gbit/s by `DIRECTION NAME`. */
export async function inTurn(
  suite: string,
  tunnels: readonly Tunnel[],
  { rounds, seconds, say }: BenchOptions,
): Promise<Samples> {
  const samples = new Samples();
  await warmUp(tunnels);
  for (let round = 1; round <= rounds; round++) {
    for (const direction of DIRECTIONS) {
      const told: string[] = [];
      for (const tunnel of tunnels) {
        const { gbits } = await iperf(tunnel.laptop, tunnel.target, { direction, seconds });
        samples.add(`${direction} ${tunnel.name}`, gbits);
        told.push(`${tunnel.name} ${gbits.toFixed(2)}`);
      }
      say(`${suite} ${round}/${rounds} ${direction}: ${told.join(', ')} Gbit/s`);
    }
  }
  return samples;
}

/** Compiled code, filled caches, grown windows: for all of them alike. */
async function warmUp(tunnels: readonly Tunnel[]): Promise<void> {
  const directions: readonly Direction[] = DIRECTIONS;
  for (const { laptop, target } of tunnels)
    for (const direction of directions) await iperf(laptop, target, { direction, seconds: 1 });
}
