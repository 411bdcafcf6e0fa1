/** TCP through a tunnel with both ends ours: up and down, one stream and eight. And against strongSwan's, in turn. */
import { type BenchOptions, type Figure, rounded, slug } from './figure.ts';

import { DIRECTIONS, iperf, Samples } from './support.ts';
import { openOurs, openPlain, openStrongswan, type Tunnel, withTunnels } from './tunnels.ts';

export const STREAMS = [1, 8];
/** Bars of the issue: with the best backend there is, and with OpenSSL's EVP, which is everywhere. */
const PEER_RATIO = 10;
const PEER_RATIO_EVP = 7;
const EVP = 'evp';

export async function benchThroughput({ rounds, seconds, say }: BenchOptions): Promise<readonly Figure[]> {
  return withTunnels([() => openOurs()], async ([ours]) => {
    const samples = new Samples();
    await warmUp([ours]);
    for (let round = 1; round <= rounds; round++) {
      for (const streams of STREAMS) {
        for (const direction of DIRECTIONS) {
          const gbits = await iperf(ours.laptop, ours.target, { direction, streams, amount: { seconds } });
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
  return withTunnels([() => openOurs(), () => openOurs(EVP), openStrongswan, openPlain], async (tunnels) => {
    const [ours, evp, theirs] = tunnels;
    const samples = await inTurn('peer', tunnels, options);
    const figure = (name: string, value: number, unit: string): Figure => ({
      suite: 'peer',
      case: name,
      value: rounded(value),
      unit,
    });
    return DIRECTIONS.flatMap((direction) => {
      const ratio = (tunnel: Tunnel): number => samples.ratio(`${direction} ${tunnel.name}`, `${direction} ${theirs.name}`);
      return [
        ...tunnels.map(({ name }) => figure(`tcp-${direction}-${slug(name)}`, samples.median(`${direction} ${name}`), 'Gbit/s')),
        { ...figure(`tcp-${direction}-ratio`, ratio(ours), 'ratio'), atLeast: PEER_RATIO },
        { ...figure(`tcp-${direction}-ratio-evp`, ratio(evp), 'ratio'), atLeast: PEER_RATIO_EVP },
      ];
    });
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
        const gbits = await iperf(tunnel.laptop, tunnel.target, { direction, amount: { seconds } });
        samples.add(`${direction} ${tunnel.name}`, gbits);
        told.push(`${tunnel.name} ${gbits.toFixed(2)}`);
      }
      say(`${suite} ${round}/${rounds} ${direction}: ${told.join(', ')} Gbit/s`);
    }
  }
  return samples;
}

/** Compiled code, filled caches, grown windows: for all of them alike. */
export async function warmUp(tunnels: readonly Tunnel[]): Promise<void> {
  for (const { laptop, target } of tunnels) {
    for (const direction of DIRECTIONS) await iperf(laptop, target, { direction, amount: { seconds: 1 } });
  }
}
