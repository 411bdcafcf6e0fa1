/**
 * More outbound lanes than there are cores for: what they cost where they cannot gain anything. And what several queues of the TUN device,
 * served in turn, do for a ping beside a bulk transfer (which share a queue in one tunnel of four).
 */
import { type BenchOptions, type Figure, rounded, slug } from './figure.ts';
import { roundTrips } from './latency.ts';
import { openBare } from './null.ts';
import { DIRECTIONS, iperf, median, Samples } from './support.ts';
import { STREAMS, warmUp } from './throughput.ts';
import { withTunnels } from './tunnels.ts';

/** Bar of issue 5 on two cores: "does no harm". */
const NO_HARM = 0.9;

const one = 'one queue';
const several = 'one lane';
const two = 'two lanes';

export async function benchLanes({ rounds, seconds, say }: BenchOptions): Promise<readonly Figure[]> {
  const makers = [
    () => openBare(one, { lanes: 1, queues: 1 }),
    () => openBare(several, { lanes: 1, queues: 4 }),
    () => openBare(two, { lanes: 2, queues: 4 }),
  ];
  return withTunnels(makers, async (tunnels) => {
    const samples = new Samples();
    await warmUp(tunnels);
    for (let round = 1; round <= rounds; round++) {
      for (const streams of STREAMS) {
        for (const direction of DIRECTIONS) {
          const told: string[] = [];
          for (const tunnel of tunnels) {
            const gbits = await iperf(tunnel.laptop, tunnel.target, { direction, streams, amount: { seconds } });
            samples.add(`tcp-${direction}-${streams} ${tunnel.name}`, gbits);
            told.push(`${tunnel.name} ${gbits.toFixed(2)}`);
          }
          say(`lanes ${round}/${rounds} ${direction}, ${streams} streams: ${told.join(', ')} Gbit/s`);
        }
      }
      for (const direction of DIRECTIONS) {
        const told: string[] = [];
        for (const tunnel of tunnels) {
          const { p50, p99 } = await roundTrips(tunnel, `bulk-${direction}`, seconds);
          samples.add(`bulk-${direction}-p50 ${tunnel.name}`, p50);
          samples.add(`bulk-${direction}-p99 ${tunnel.name}`, p99);
          told.push(`${tunnel.name} ${Math.round(p50)}/${Math.round(p99)}`);
        }
        say(`lanes ${round}/${rounds} ping beside bulk ${direction}, p50/p99: ${told.join(', ')} µs`);
      }
    }
    return [...throughput(samples), ...latency(samples)];
  });
}

function throughput(samples: Samples): readonly Figure[] {
  return STREAMS.flatMap((streams) =>
    DIRECTIONS.flatMap((direction) => {
      const name = `tcp-${direction}-${streams}`;
      const ratio = (above: string, below: string): Figure => ({
        suite: 'lanes',
        case: `${name}-${slug(above)}-ratio`,
        value: rounded(samples.ratio(`${name} ${above}`, `${name} ${below}`)),
        unit: 'ratio',
        atLeast: NO_HARM,
      });
      return [
        ...[one, several, two].map((tunnel) => figure(`${name}-${slug(tunnel)}`, samples.median(`${name} ${tunnel}`), 'Gbit/s')),
        ratio(several, one),
        ratio(two, several),
      ];
    }),
  );
}

function latency(samples: Samples): readonly Figure[] {
  return DIRECTIONS.flatMap((direction) =>
    ['p50', 'p99'].flatMap((what) =>
      [one, several, two].map((tunnel) =>
        figure(`bulk-${direction}-${what}-${slug(tunnel)}`, median(samples.of(`bulk-${direction}-${what} ${tunnel}`)), 'µs'),
      ),
    ),
  );
}

function figure(name: string, value: number, unit: string): Figure {
  return { suite: 'lanes', case: name, value: rounded(value), unit };
}
