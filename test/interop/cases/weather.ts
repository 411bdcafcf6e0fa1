/** Bad networks: what the relay of the lab does to packets, in both directions. */
import assert from 'node:assert/strict';
import { addresses } from '../../lab/addresses.ts';
import type { Case } from '../world.ts';

export const weather: readonly Case[] = [
  {
    name: 'weather/loss-20-percent',
    run: async (world) => {
      await world.configure({}, { liveness: 0 });
      await world.impair({ lossPercent: 20, seed: 2026 });
      await world.connect(120_000);
      const pinged = await world.lab.laptop.exec(['ping', '-n', '-c', '60', '-i', '0.02', '-W', '2', addresses.intranet.web4]);
      const received = Number(/(\d+) received/.exec(pinged.stdout)?.[1]);
      // 64 % are expected; the network did lose, and the tunnel carried what it did not.
      assert.ok(received >= 20 && received < 60, `${received} of 60 pings`);
      await world.impair({});
      await world.agreed();
      const rates = await world.carry(1);
      await world.disconnect();
      return `connected and ${received} of 60 pings answered under loss both ways; afterwards ${rates}`;
    },
  },
  {
    name: 'weather/loss-while-connecting',
    run: async (world) => {
      await world.configure({}, { liveness: 0 });
      const rounds = 3;
      for (let seed = 1; seed <= rounds; seed++) {
        await world.impair({ lossPercent: 20, seed });
        await world.connect(120_000);
        await world.impair({});
        await world.ping();
        await world.disconnect();
      }
      return `${rounds} connections under 20 % loss both ways`;
    },
  },
  {
    name: 'weather/duplicates-and-reordering',
    run: async (world) => {
      await world.configure();
      await world.impair({ duplicatePercent: 30, reorderPercent: 20, seed: 5 });
      await world.connect();
      await world.ping();
      const rates = await world.carry(1);
      const { status } = await world.agreed();
      const drops = status.children[0]?.dropsReplay ?? 0;
      assert.ok(drops > 0, 'the second copy of a packet is not let in');
      assert.equal(status.children[0]?.dropsIntegrity, 0);
      await world.disconnect();
      return `${rates}; ${drops} second copies refused`;
    },
  },
  {
    name: 'weather/every-packet-twice',
    nat: false,
    run: async (world) => {
      await world.configure({ ikeProposals: 'aes128-sha256-prfsha256-modp2048', espProposals: 'aes128-sha256' });
      await world.impair({ duplicatePercent: 100, seed: 3 });
      await world.connect();
      await world.ping();
      await world.disconnect();
      return 'each message answered once, repeats from the cache (RFC 7296 §2.1)';
    },
  },
  {
    name: 'weather/slow-and-uneven',
    run: async (world) => {
      await world.configure();
      await world.impair({ delayMs: 80, jitterMs: 60, seed: 8 });
      await world.connect();
      await world.ping();
      const rates = await world.carry(1);
      await world.disconnect();
      return `140–280 ms there and back; ${rates}`;
    },
  },
];
