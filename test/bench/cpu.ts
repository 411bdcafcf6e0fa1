/**
 * What a client costs: processor seconds per gigabyte (10^9 octets of TCP payload), ours and charon, against the same kind of gateway, twice:
 *
 *  - against the test head office, which is fast enough to let either client do what it can, and which sends and takes datagrams in
 *    runs, as a gateway behind network cards with offloads looks to a laptop. The bar is about this one.
 *  - against strongSwan in user space, which is the bottleneck and sends datagrams one by one. On veth nothing puts them together.
 *    Most of what is counted here is the kernel carrying each datagram through all four namespaces in the sender's time.
 */
import { type BenchOptions, type Figure, rounded } from './figure.ts';
import { cpuSeconds, DIRECTIONS, type Direction, iperf, Samples } from './support.ts';
import { openOurs, openOursToStrongswan, openStrongswan, openStrongswanToOffice, type Tunnel, withTunnels } from './tunnels.ts';

/** Bar of the issue. */
const MOST = 1 / 7;
/** The same amount for both, each as fast as it can. */
const OCTETS = 256_000_000;
const BOTH = 'both ways';

export async function benchCpu(options: BenchOptions): Promise<readonly Figure[]> {
  const office = await withTunnels([openOurs, openStrongswanToOffice], (tunnels) => compare('client-cpu', tunnels, options));
  const other = await withTunnels([openOursToStrongswan, openStrongswan], (tunnels) =>
    compare('client-cpu-to-strongswan', tunnels, options),
  );
  return [
    ...office.map((figure) => (figure.case === 'client-cpu-ratio' ? { ...figure, atMost: rounded(MOST) } : figure)),
    ...other,
  ];
}

async function compare(
  name: string,
  [ours, theirs]: readonly Tunnel[],
  { rounds, say }: BenchOptions,
): Promise<readonly Figure[]> {
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
  const figure = (suffix: string, value: number, unit: string): Figure => ({
    suite: 'cpu',
    case: `${name}-${suffix}`,
    value: rounded(value),
    unit,
  });
  const ratio = (what: string): number => samples.ratio(`${what} ${ours.name}`, `${what} ${theirs.name}`);
  return [
    ...DIRECTIONS.flatMap((direction) => [
      figure(`${direction}-ours`, samples.median(`${direction} ${ours.name}`), 's/GB'),
      figure(`${direction}-charon`, samples.median(`${direction} ${theirs.name}`), 's/GB'),
      figure(`${direction}-ratio`, ratio(direction), 'ratio'),
    ]),
    figure('ratio', ratio(BOTH), 'ours/charon'),
  ];
}

/** Seconds per gigabyte of all processes of the client. */
async function costOf({ laptop, target, client }: Tunnel, direction: Direction): Promise<number> {
  const pids = Object.values(client);
  const before = cpuSeconds(pids);
  await iperf(laptop, target, { direction, amount: { octets: OCTETS } });
  return ((cpuSeconds(pids) - before) * 1e9) / OCTETS;
}
