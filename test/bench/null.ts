/** The dataplane with its best backend against the same loop without encryption: how much of what is possible is left. */
import { Peer } from '../host/peer.ts';
import { addresses } from '../lab/addresses.ts';
import { type BenchOptions, type Figure, rounded } from './figure.ts';
import { DIRECTIONS } from './support.ts';
import { inTurn } from './throughput.ts';
import { MTU, open, type Tunnel, withTunnels } from './tunnels.ts';

/** Bar of the issue. */
const SHARE = 0.75;
const NULL_WORKER = new URL('./nullWorker.ts', import.meta.url).href;
const CLIENT = '10.10.99.1';

export async function benchNull(options: BenchOptions): Promise<readonly Figure[]> {
  return withTunnels([() => openBare('encrypted'), () => openBare('null', { worker: NULL_WORKER })], async (tunnels) => {
    const samples = await inTurn('null', tunnels, options);
    return DIRECTIONS.flatMap((direction) => [
      ...tunnels.map(({ name }) => ({
        suite: 'null',
        case: `tcp-${direction}-${name}`,
        value: rounded(samples.median(`${direction} ${name}`)),
        unit: 'Gbit/s',
      })),
      {
        suite: 'null',
        case: `tcp-${direction}-share`,
        value: rounded(samples.ratio(`${direction} encrypted`, `${direction} null`)),
        unit: 'ratio',
        atLeast: SHARE,
      },
    ]);
  });
}

interface Bare {
  readonly worker?: string;
  /** Outbound threads, and queues of the TUN device, at both ends. */
  readonly lanes?: number;
  readonly queues?: number;
}

/** Both ends our dataplane and nothing else: keys are given, no IKE. */
export function openBare(name: string, { queues = 1, ...options }: Bare = {}): Promise<Tunnel> {
  return open(name, async (lab, undo) => {
    const ends = [new Peer(lab.laptop), new Peer(lab.office)] as const;
    const [laptop, office] = ends;
    undo.push(async () => {
      for (const end of ends) await end.end();
    });
    for (const end of ends) {
      await end.call('start', options);
      await end.call('sockets');
    }
    await laptop.call('tun', MTU, [`${CLIENT}/32`], [addresses.networks.office4], queues);
    await office.call('tun', MTU, [], [`${CLIENT}/32`], queues);
    const shared = { suite: 'aes256gcm16' };
    const [inside, outside] = [[addresses.networks.office4], [`${CLIENT}/32`]];
    const up = { ...shared, spiIn: 0x1000, spiOut: 0x2000, keyIn: 'down', keyOut: 'up', to: addresses.office.wan4 };
    await laptop.call('install', { ...up, local: outside, remote: inside });
    // Where the NAT puts the laptop's port 4500, which nobody else there uses.
    const down = { ...shared, spiIn: 0x2000, spiOut: 0x1000, keyIn: 'up', keyOut: 'down', to: addresses.router.wan4 };
    await office.call('install', { ...down, local: inside, remote: outside });
    return { target: addresses.office.lan4, client: { engine: laptop.process.pid ?? 0 } };
  });
}
