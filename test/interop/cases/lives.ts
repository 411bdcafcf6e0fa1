/** What happens to a connection after it is up, started by either side. */
import assert from 'node:assert/strict';
import { addresses } from '../../lab/addresses.ts';
import { CHILD, CONNECTION } from '../../lab/strongswan.ts';
import type { Case, World } from '../world.ts';

/** Waits until the gateway's log has the pattern since the byte `from`. */
function logs(world: World, from: number, pattern: RegExp, withinMs: number): Promise<string> {
  return world.eventually(
    `${pattern} in the gateway's log`,
    () => Promise.resolve(pattern.exec(world.gateway.log(from))?.[0]),
    withinMs,
  );
}

export const lives: readonly Case[] = [
  {
    name: 'life/down-deletes',
    run: async (world) => {
      await world.configure();
      await world.connect();
      const from = world.gateway.logSize();
      await world.disconnect();
      return logs(world, from, /received DELETE for IKE_SA [^\n]*/, 10_000);
    },
  },
  {
    name: 'life/gateway-terminates-ike',
    run: async (world) => {
      await world.configure({}, { whenLost: 'end' });
      await world.connect();
      const terminated = await world.gateway.terminate({ ike: CONNECTION });
      assert.equal(terminated.code, 0, `we answered the DELETE: ${terminated.stdout}${terminated.stderr}`);
      const evidence = await world.ended('closed-by-gateway', 20_000);
      assert.deepEqual(await world.gateway.listSas(), []);
      return evidence;
    },
  },
  {
    name: 'life/gateway-terminates-child',
    run: async (world) => {
      await world.configure({}, { whenLost: 'end' });
      await world.connect();
      const from = world.gateway.logSize();
      const terminated = await world.gateway.terminate({ child: CHILD });
      assert.equal(terminated.code, 0, `${terminated.stdout}${terminated.stderr}`);
      const evidence = await world.ended('closed-by-gateway', 20_000);
      // RFC 7296 §1.4.1: our half of the pair is in the answer.
      const line = await logs(world, from, /received DELETE for ESP CHILD_SA[^\n]*|CHILD_SA closed[^\n]*/, 10_000);
      await world.eventually(
        'no IKE SA stays at the gateway',
        async () => ((await world.gateway.listSas()).length === 0 ? true : undefined),
        20_000,
      );
      return `${evidence}; gateway: ${line}`;
    },
  },
  {
    name: 'life/gateway-restarts',
    run: async (world) => {
      await world.configure({}, { liveness: 5, whenLost: 'end' });
      await world.connect();
      // Killed, it says nothing; the new one knows nothing of us.
      await world.gateway.restart();
      const evidence = await world.ended('gateway-lost', 120_000);
      return evidence;
    },
  },
  {
    name: 'life/connects-again-after-restart',
    run: async (world) => {
      await world.configure();
      await world.connect();
      await world.gateway.restart();
      await world.configure();
      await world.client.down();
      await world.connect();
      await world.ping();
      await world.disconnect();
      return 'a new connection to the new gateway';
    },
  },
  {
    name: 'life/gateway-asks-liveness',
    run: async (world) => {
      await world.configure({ dpdDelay: 1 }, { liveness: 0 });
      await world.connect();
      const from = world.gateway.logSize();
      const line = await logs(world, from, /sending DPD request[\s\S]*parsed INFORMATIONAL response \d+ \[[^\n]*/, 15_000);
      await world.agreed();
      await world.disconnect();
      return line.split('\n').at(-1) ?? '';
    },
  },
  {
    name: 'life/we-ask-liveness',
    run: async (world) => {
      await world.configure({}, { liveness: 5 });
      await world.connect();
      const from = world.gateway.logSize();
      const line = await logs(world, from, /parsed INFORMATIONAL request \d+ \[ *\]/, 20_000);
      await world.agreed();
      await world.disconnect();
      return line;
    },
  },
  {
    name: 'life/again-and-again',
    run: async (world) => {
      await world.configure();
      const spis = new Set<string>();
      for (let round = 0; round < 4; round++) {
        const { status } = await world.connect();
        await world.ping();
        spis.add(status.ike?.spiI ?? '').add(status.children[0]?.spiIn ?? '');
        await world.disconnect();
      }
      assert.equal(spis.size, 8, 'every SPI is new');
      return `${spis.size} different SPIs in 4 connections`;
    },
  },
  {
    name: 'life/counters-agree',
    run: async (world) => {
      await world.configure({}, { liveness: 0 });
      await world.connect();
      await world.ping();
      // Few at a time: what the buffer of strongSwan's socket cannot hold, its counters do not see.
      await world.carry(0.02, addresses.intranet.web4);
      let last = '';
      // The last acknowledgements may be under way: until both have counted them.
      const told = await world
        .eventually(
          'the counters of both sides are equal',
          async () => {
            const { status, sa } = await world.agreed();
            const [ours, theirs] = [status.children[0], sa.children[0]];
            if (ours === undefined || theirs === undefined) return undefined;
            const here = [ours.packetsOut, ours.packetsIn, ours.bytesOut, ours.bytesIn];
            const there = [theirs.packetsIn, theirs.packetsOut, theirs.bytesIn, theirs.bytesOut];
            last = `ours ${here.join(' ')}, gateway's ${there.join(' ')}`;
            return here.every((count, index) => count === there[index]) ? last : undefined;
          },
          5_000,
        )
        .catch((error: unknown) => {
          throw new Error(`${error instanceof Error ? error.message : error}: ${last}`);
        });
      await world.disconnect();
      return `packets out and in, octets out and in: ${told}`;
    },
  },
];
