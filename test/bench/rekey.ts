/**
 * What rekeying loses: 100 rekeys, as fast as they complete, every tenth of the IKE SA, while numbered datagrams go both ways through a tunnel
 * whose ends are both ours, and through one to strongSwan. What full queues of kernels dropped, which busy machines do, is told beside it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isNew } from '../interop/keys.ts';
import { addedDrops, kernelDrops } from '../lab/drops.ts';
import { startStream, startStreamServer } from '../lab/stream.ts';
import type { BenchOptions, Figure } from './figure.ts';
import { openOurs, openOursToStrongswan, type Tunnel, withTunnels } from './tunnels.ts';

const REKEYS = 100;
const IKE_EVERY = 10;
/** 50 Mbit/s each way. */
const RATE = { perSecond: 5_200, octets: 1_200 };
const PATIENCE_MS = 20_000;
/** The smaller of the replay windows, strongSwan's. */
const WINDOW = 32;

export async function benchRekey({ say }: BenchOptions): Promise<readonly Figure[]> {
  return withTunnels([openOurs, openOursToStrongswan], async (tunnels) => {
    const figures: Figure[] = [];
    for (const [index, tunnel] of tunnels.entries())
      figures.push(...(await measure(tunnel, index === 0 ? 'ours' : 'strongswan', say)));
    return figures;
  });
}

async function measure(tunnel: Tunnel, peer: string, say: BenchOptions['say']): Promise<readonly Figure[]> {
  const { laptop, office } = tunnel;
  await startStreamServer(office, tunnel.target);
  const before = await kernelDrops({ laptop, office });
  const stream = await startStream(laptop, tunnel.target, RATE);
  const took = await rekeyOften(tunnel);
  const { up, down } = await stream.end();
  const drops = addedDrops(before, await kernelDrops({ laptop, office }));
  const dropped = drops.reduce((sum, [, count]) => sum + count, 0);
  const missing = up.sent - up.received + (down.sent - down.received);
  const farthest = Math.max(up.farthest, down.farthest);
  say(
    `rekey (${peer}): ${REKEYS} in ${took} ms, ${missing} of ${up.sent + down.sent} missing, ${dropped} dropped by full queues`,
  );
  const suite = 'rekey';
  return [
    {
      ...{ suite, case: `lost-${peer}`, value: Math.max(0, missing - dropped), unit: 'packets', atMost: 0 },
      detail: {
        ...{ rekeys: REKEYS, sent: up.sent + down.sent, droppedByFullQueues: dropped },
        ...{ missingUp: up.sent - up.received, missingDown: down.sent - down.received },
      },
    },
    {
      ...{ suite, case: `out-of-order-${peer}`, value: farthest, unit: 'packets', atMost: WINDOW },
      detail: { late: up.late + down.late },
    },
    { suite, case: `each-${peer}`, value: Math.round(took / REKEYS), unit: 'ms' },
  ];
}

/** Milliseconds in all. */
async function rekeyOften({ product }: Tunnel): Promise<number> {
  if (product === undefined) throw new Error('the client is not ours');
  const started = performance.now();
  let before = await product.call('tunnel.status', {});
  for (let round = 1; round <= REKEYS; round++) {
    const what = round % IKE_EVERY === 0 ? 'ike' : 'child';
    await product.call('tunnel.rekey', { what });
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      const now = await product.call('tunnel.status', {});
      if (isNew(what, before, now)) {
        before = now;
        break;
      }
      if (performance.now() > until) throw new Error(`rekey ${round} was not done within ${PATIENCE_MS} ms`);
      await sleep(5);
    }
  }
  return Math.round(performance.now() - started);
}
