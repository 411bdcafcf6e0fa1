/** What a client costs: processor seconds per gigabyte (10^9 octets of TCP payload), ours and charon, against the same kind of gateway. */
import { type BenchOptions, type Figure, rounded } from './figure.ts';
import { cpuSeconds, DIRECTIONS, type Direction, iperf, Samples } from './support.ts';
import { openOursToStrongswan, openStrongswan, type Tunnel, withTunnels } from './tunnels.ts';

/** Bar of the issue. */
const MOST = 1 / 7;
/** The same amount for both, each as fast as it can. */
const OCTETS = 256_000_000;
const BOTH = 'both ways';

export async function benchCpu({ rounds, say }: BenchOptions): Promise<readonly Figure[]> {
  return withTunnels([openOursToStrongswan, openStrongswan], async ([ours, theirs]) => {
    const samples = new Samples();
    for (let round = 0; round <= rounds; round++) {
      const told: string[] = [];
      for (const tunnel of [ours, theirs]) {
        let both = 0;
        for (const direction of DIRECTIONS) {
          const cost = await costOf(tunnel, direction);
          both += cost / DIRECTIONS.length;
          // The first round is to warm up.
          if (round > 0) samples.add(`${direction} ${tunnel.name}`, cost);
          told.push(`${tunnel.name} ${direction} ${cost.toFixed(2)}`);
        }
        if (round > 0) samples.add(`${BOTH} ${tunnel.name}`, both);
      }
      if (round > 0) say(`cpu ${round}/${rounds}: ${told.join(', ')} s/GB`);
    }
    const figure = (name: string, value: number, unit: string): Figure => ({
      suite: 'cpu',
      case: name,
      value: rounded(value),
      unit,
    });
    return [
      ...DIRECTIONS.flatMap((direction) => [
        figure(`client-cpu-${direction}-ours`, samples.median(`${direction} ${ours.name}`), 's/GB'),
        figure(`client-cpu-${direction}-charon`, samples.median(`${direction} ${theirs.name}`), 's/GB'),
        figure(
          `client-cpu-${direction}-ratio`,
          samples.ratio(`${direction} ${ours.name}`, `${direction} ${theirs.name}`),
          'ratio',
        ),
      ]),
      {
        ...figure('client-cpu-ratio', samples.ratio(`${BOTH} ${ours.name}`, `${BOTH} ${theirs.name}`), 'ours/charon'),
        atMost: rounded(MOST),
      },
    ];
  });
}

/** Seconds per gigabyte of all processes of the client. */
async function costOf({ laptop, target, client }: Tunnel, direction: Direction): Promise<number> {
  const pids = Object.values(client);
  const before = cpuSeconds(pids);
  await iperf(laptop, target, { direction, amount: { octets: OCTETS } });
  return ((cpuSeconds(pids) - before) * 1e9) / OCTETS;
}
