/** Round trips of a ping through the tunnel, when nothing else is in it and while one TCP stream takes all it can get. */
import { type BenchOptions, type Figure, rounded, slug } from './figure.ts';
import { DIRECTIONS, type Direction, iperf, median, pings, quantile } from './support.ts';
import { openOurs, openPlain, openStrongswan, type Tunnel, withTunnels } from './tunnels.ts';

/** Bar of the issue, in µs: what a tunnel may add to an idle path. */
const ADDED = 150;

type Situation = 'idle' | `bulk-${Direction}`;
const SITUATIONS: readonly Situation[] = ['idle', ...DIRECTIONS.map((direction) => `bulk-${direction}` as const)];

/** Medians over the rounds of the quantiles of a round, in µs. */
interface Times {
  readonly p50: number;
  readonly p99: number;
}

export async function benchLatency({ rounds, seconds, say }: BenchOptions): Promise<readonly Figure[]> {
  return withTunnels([openPlain, () => openOurs(), openStrongswan], async (tunnels) => {
    const measured = new Map<string, Times[]>();
    for (let round = 1; round <= rounds; round++) {
      for (const situation of SITUATIONS) {
        const told: string[] = [];
        for (const tunnel of tunnels) {
          const times = await roundTrips(tunnel, situation, seconds);
          const key = `${situation} ${tunnel.name}`;
          measured.set(key, [...(measured.get(key) ?? []), times]);
          told.push(`${tunnel.name} ${Math.round(times.p50)}/${Math.round(times.p99)}`);
        }
        say(`latency ${round}/${rounds} ${situation}, p50/p99: ${told.join(', ')} µs`);
      }
    }
    return SITUATIONS.flatMap((situation) => judge(situation, tunnels, measured));
  });
}

export async function roundTrips({ laptop, target }: Tunnel, situation: Situation, seconds: number): Promise<Times> {
  const direction = DIRECTIONS.find((one) => situation === `bulk-${one}`);
  // iperf3 needs a second to get going, which does not count there either.
  const bulk = direction && iperf(laptop, target, { direction, amount: { seconds: seconds + 1 } });
  if (bulk) await new Promise((resolve) => setTimeout(resolve, 1_000));
  const [times] = await Promise.all([pings(laptop, target, seconds), bulk]);
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}

function judge(
  situation: Situation,
  tunnels: readonly Tunnel[],
  measured: ReadonlyMap<string, readonly Times[]>,
): readonly Figure[] {
  const of = (name: string, what: keyof Times): number =>
    median((measured.get(`${situation} ${name}`) ?? []).map((times) => times[what]));
  const figure = (name: string, value: number, unit: string, bar: Pick<Figure, 'atMost'> = {}): Figure => ({
    suite: 'latency',
    case: `${situation}-${name}`,
    value: rounded(value),
    unit,
    ...bar,
  });
  const told = (['p50', 'p99'] as const).flatMap((what) => [
    ...tunnels.map(({ name }) => figure(`${what}-${slug(name)}`, of(name, what), 'µs')),
    figure(
      `${what}-added`,
      of('ours', what) - of('no tunnel', what),
      'µs',
      situation === 'idle' && what === 'p50' ? { atMost: ADDED } : {},
    ),
  ]);
  const compared = situation === 'idle' ? 'p50' : 'p99';
  return [...told, figure(`${compared}-ratio`, of('ours', compared) / of('strongSwan', compared), 'ratio', { atMost: 1 })];
}
