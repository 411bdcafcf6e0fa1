/** What a connection with strongSwan bears: many rekeys under load and under loss, several CHILD SAs, silence, a gateway that dies, one that is flooded. */
import assert from 'node:assert/strict';
import type { Status } from '../../../core/rpc/contract.ts';
import { CHILD } from '../../lab/strongswan.ts';
import { openHalf } from '../halfOpen.ts';
import { ask, isNew, ourLines, settled, type What } from '../keys.ts';
import { bulk, type Rate, Traffic } from '../traffic.ts';
import type { Case, World } from '../world.ts';

/** Alternating sides, as fast as they complete; each `ikeEvery`th is of the IKE SA. */
async function manyRekeys(world: World, rounds: number, rate: Rate, ikeEvery: number, eachWithin: number): Promise<string> {
  let before = (await world.connect()).status;
  const traffic = await Traffic.start(world, rate);
  const started = Date.now();
  for (let round = 1; round <= rounds; round++) {
    const what: What = round % ikeEvery === 0 ? 'ike' : 'child';
    await ask(world, what, round % 2 === 0 ? 'us' : 'gateway');
    before = await world.eventually(
      `rekey ${round}`,
      async () => {
        const now = await world.client.call('tunnel.status', {});
        return isNew(what, before, now) ? now : undefined;
      },
      eachWithin,
    );
  }
  const seconds = (Date.now() - started) / 1000;
  const text = await traffic.endWhole();
  const last = before;
  await settled(world, ({ children }) => children[0]?.spiIn === last.children[0]?.spiIn, 30_000);
  return `${rounds} rekeys in ${seconds.toFixed(1)} s; ${text}`;
}

export const endurance: readonly Case[] = [
  {
    name: 'life/200-rekeys-under-bulk-traffic',
    run: async (world) => {
      await world.configure({ espProposals: 'aes256gcm16-x25519' });
      const text = await manyRekeys(world, 200, bulk, 20, 15_000);
      await world.disconnect();
      return text;
    },
  },
  {
    name: 'life/50-rekeys-under-loss',
    run: async (world) => {
      // Neither gives up too early: a request and its answer both arrive in 49 of 100 sendings.
      await world.gateway.restart({ retransmit_timeout: 0.5, retransmit_base: 1.3, retransmit_tries: 20, retransmit_limit: 3 });
      try {
        await world.configure({ espProposals: 'aes256gcm16-x25519' }, { liveness: 0, whenLost: 'end' });
        let before = (await world.connect()).status;
        const first = before.ike?.spiI;
        await world.impair({ lossPercent: 30, seed: 50 });
        const traffic = await Traffic.start(world);
        const started = Date.now();
        for (let round = 1; round <= 50; round++) {
          const what: What = round % 10 === 0 ? 'ike' : 'child';
          await ask(world, what, round % 2 === 0 ? 'us' : 'gateway');
          before = await world.eventually(
            `rekey ${round}`,
            async () => {
              const now = await world.client.call('tunnel.status', {});
              assert.equal(now.failure, undefined, JSON.stringify(now.failure));
              return isNew(what, before, now) ? now : undefined;
            },
            60_000,
          );
        }
        const seconds = (Date.now() - started) / 1000;
        const { text, up, down } = await traffic.end();
        await world.impair({});
        const last = before;
        await settled(world, ({ children }) => children[0]?.spiIn === last.children[0]?.spiIn, 40_000);
        // The network took 30 of 100 each way, and no more is missing than that explains.
        for (const { sent, received } of [up, down]) assert.ok(received / sent > 0.65, text);
        assert.notEqual(before.ike?.spiI, first);
        await world.ping();
        await world.disconnect();
        return `50 rekeys in ${seconds.toFixed(0)} s; ${text}`;
      } finally {
        await world.impair({});
        await world.gateway.restart();
      }
    },
  },
  {
    name: 'life/several-child-sas',
    run: async (world) => {
      const { intranet } = world.lab.addresses;
      await world.configure({
        children: {
          // Its kernel-libipsec takes selectors only that hold an address of its own.
          names: { esp_proposals: 'aes256gcm16', local_ts: '10.10.0.0/26', rekey_time: 0, life_time: 0 },
          web: { esp_proposals: 'aes256gcm16', local_ts: 'fd10:10::/96', rekey_time: 0, life_time: 0 },
        },
      });
      const one = (await world.connect()).status;
      for (const [index, name] of ['names', 'web'].entries()) {
        const asked = await world.gateway.initiate(name);
        assert.equal(asked.code, 0, `${asked.stdout}${asked.stderr}`);
        await settled(world, ({ children }) => children.length === index + 2);
      }
      const before = (await world.agreed()).status;
      assert.equal(before.children[0]?.spiIn, one.children[0]?.spiIn);
      const traffic = await Traffic.start(world);
      for (const address of [intranet.web4, intranet.web6, intranet.dns4]) await world.ping(address);
      // All three at a time from here; from there each for itself.
      await ask(world, 'child', 'us');
      const ours = (await settled(world, (now) => now.children.length === 3 && isNew('child', before, now))).status;
      for (const name of [CHILD, 'names', 'web']) await world.gateway.swanctl(['--rekey', '--child', name]);
      const theirs = (await settled(world, (now) => now.children.length === 3 && isNew('child', ours, now))).status;
      await ask(world, 'ike', 'gateway');
      await settled(world, (now) => now.children.length === 3 && isNew('ike', theirs, now));
      for (const address of [intranet.web4, intranet.web6, intranet.dns4]) await world.ping(address);
      for (const [index, name] of ['web', 'names'].entries()) {
        await world.gateway.terminate({ child: name });
        await settled(world, ({ children }) => children.length === 2 - index);
      }
      const whole = await traffic.endWhole();
      await world.disconnect();
      return `three, rekeyed by both sides, then one again; ${whole}`;
    },
  },
  {
    name: 'life/further-child-sas-of-the-profile',
    run: async (world) => {
      const { dns4, web6 } = world.lab.addresses.intranet;
      // Each holds an address of the gateway's own (see above).
      const [first, further] = ['10.10.0.0/26', 'fd10:10::/96'];
      await world.configure({}, { remoteNetworks: [first], additionalChildren: [{ remoteNetworks: [further] }] });
      const up = await world.client.up();
      assert.equal(up.code, 0, up.stderr);
      const { children, routes } = (await settled(world, (now) => now.children.length === 2)).status;
      assert.deepEqual(routes, [first, further]);
      for (const [address, network] of [
        [dns4, first],
        [web6, further],
      ] as const) {
        const one = children.find(({ remoteSelectors }) => remoteSelectors.join() === network);
        assert.ok(one, JSON.stringify(children));
        await world.ping(address);
        const now = (await world.agreed()).status.children.find(({ spiIn }) => spiIn === one.spiIn);
        assert.ok(now && now.packetsIn > 0 && now.packetsOut > 0, `${address} goes through its own`);
      }
      await world.disconnect();
      return 'each network through its own';
    },
  },
  {
    name: 'life/a-further-child-sa-is-refused',
    run: async (world) => {
      const [first, refused] = ['10.10.0.0/26', '10.99.0.0/24'];
      await world.configure({}, { remoteNetworks: [first], additionalChildren: [{ remoteNetworks: [refused] }] });
      const up = await world.client.up();
      assert.equal(up.code, 0, up.stderr);
      const { children, routes, warnings } = (await settled(world, (now) => now.warnings !== undefined)).status;
      assert.deepEqual(warnings, [{ code: 'network-refused', subject: `${refused} (TS_UNACCEPTABLE)` }]);
      assert.equal(children.length, 1);
      // What is for it stays on this computer.
      assert.deepEqual(routes, [first, refused]);
      await world.ping(world.lab.addresses.intranet.dns4);
      await world.disconnect();
      return `${warnings?.[0]?.subject}; the others go on`;
    },
  },
  {
    name: 'life/gateway-deletes-one-child-sa-of-two',
    run: async (world) => {
      const { dns4, web6 } = world.lab.addresses.intranet;
      const [first, further] = ['10.10.0.0/26', 'fd10:10::/96'];
      const children = { names: { esp_proposals: 'aes256gcm16', local_ts: first, rekey_time: 0, life_time: 0 } };
      await world.configure(
        { localTs: [further], children },
        { remoteNetworks: [first], additionalChildren: [{ remoteNetworks: [further] }] },
      );
      const up = await world.client.up();
      assert.equal(up.code, 0, up.stderr);
      const before = (await settled(world, (now) => now.children.length === 2)).status;
      const spiOf = ({ children }: Status, network: string) =>
        children.find(({ remoteSelectors }) => remoteSelectors.join() === network)?.spiIn;
      const deletedAt = Date.now();
      await world.gateway.terminate({ child: 'names' });
      const after = (
        await settled(world, (now) => now.children.length === 2 && spiOf(now, first) !== spiOf(before, first) && !now.warnings)
      ).status;
      const took = Date.now() - deletedAt;
      assert.equal(spiOf(after, further), spiOf(before, further), 'the other one stays');
      assert.equal(after.ike?.spiI, before.ike?.spiI);
      assert.equal((await ourLines(world, /^the peer deleted a CHILD SA of several/)).length, 1);
      for (const address of [dns4, web6]) await world.ping(address);
      await world.disconnect();
      return `made again after ${took} ms`;
    },
  },
  {
    name: 'life/gateway-makes-another-and-deletes-the-first',
    run: async (world) => {
      // It makes none for the very same selectors.
      await world.configure({
        children: { again: { esp_proposals: 'aes256gcm16', local_ts: '10.10.0.0/25,fd10:10::/96', rekey_time: 0, life_time: 0 } },
      });
      const before = (await world.connect()).status;
      const asked = await world.gateway.initiate('again');
      assert.equal(asked.code, 0, `${asked.stdout}${asked.stderr}`);
      const terminated = await world.gateway.terminate({ child: CHILD });
      assert.equal(terminated.code, 0, `${terminated.stdout}${terminated.stderr}`);
      await settled(world, (now) => isNew('child', before, now), 20_000);
      // With the first CHILD SA its kernel-libipsec takes away the route that both need: nothing comes back, but what we send arrives.
      await world.lab.laptop.exec(['ping', '-n', '-c', '5', '-i', '0.1', '-W', '1', world.lab.addresses.intranet.web4]);
      // The first is asked for again a moment later, and may be there already.
      const children = (await world.gateway.listSas())[0]?.children ?? [];
      const packetsIn = children.reduce((sum, one) => sum + one.packetsIn, 0);
      assert.ok(packetsIn >= 5, `${packetsIn} packets`);
      await world.disconnect();
      return `${packetsIn} packets on the other one`;
    },
  },
  {
    name: 'life/silent-gateway-is-noticed',
    run: async (world) => {
      await world.configure({}, { liveness: 5, whenLost: 'end' });
      await world.connect();
      await world.impair({ lossPercent: 100 });
      const since = Date.now();
      const evidence = await world.ended('gateway-lost', 60_000);
      const took = Date.now() - since;
      await world.impair({});
      assert.ok(took < 50_000, `${took} ms`);
      return `after ${took} ms: ${evidence}`;
    },
  },
  {
    name: 'life/silent-for-a-while-and-back',
    run: async (world) => {
      // It asks the IKE SA before for its end, which nobody answers: not for the 37 s that it would take.
      await world.gateway.restart({ retransmit_timeout: 0.5, retransmit_tries: 2 });
      try {
        await world.configure({}, { liveness: 5 });
        const before = (await world.connect()).status;
        await world.impair({ lossPercent: 100 });
        await world.eventually(
          'it is noticed',
          async () => ((await world.client.call('tunnel.status', {})).state !== 'connected' ? true : undefined),
          60_000,
        );
        await world.impair({});
        const took = await backAfter(world, before);
        // The gateway finds out later that the IKE SA before is of no use.
        await settled(world, (now) => now.state === 'connected', 90_000);
        await world.ping();
        await world.disconnect();
        return `back ${took} ms after the road was`;
      } finally {
        await world.gateway.restart();
      }
    },
  },
  {
    name: 'life/gateway-is-killed-and-starts-again',
    run: async (world) => {
      await world.configure({}, { liveness: 5 });
      const before = (await world.connect()).status;
      await world.gateway.restart();
      await world.configure({}, { liveness: 5 });
      const took = await backAfter(world, before);
      await settled(world, (now) => now.state === 'connected');
      await world.ping();
      await world.disconnect();
      return `connected anew after ${took} ms`;
    },
  },
  {
    name: 'life/cookie-under-load',
    run: async (world) => {
      await world.gateway.restart({ cookie_threshold: 3, block_threshold: 0, half_open_timeout: 60 });
      try {
        await world.configure();
        const { lab } = world;
        for (let peer = 0; peer < 5; peer++) await openHalf(lab.intranet, lab.addresses.office.lan4);
        const from = world.gateway.logSize();
        const before = (await world.connect()).status;
        assert.match(world.gateway.log(from), /generating IKE_SA_INIT response 0 \[ N\(COOKIE\) \]/);
        assert.ok((await ourLines(world, /COOKIE|cookie/)).length > 0, 'we know of it');
        // Who is inside is not asked for cookies.
        const traffic = await Traffic.start(world);
        await ask(world, 'ike', 'us');
        await settledBesideHalfOpen(world, (now) => isNew('ike', before, now));
        await ask(world, 'child', 'gateway');
        await settledBesideHalfOpen(world, (now) => isNew('child', before, now));
        const whole = await traffic.endWhole();
        await world.client.down();
        return whole;
      } finally {
        await world.gateway.restart();
      }
    },
  },
];

/** Milliseconds until there is another connection. */
async function backAfter(world: World, before: Status): Promise<number> {
  const since = Date.now();
  await world.eventually(
    'another connection',
    async () => {
      const now = await world.client.call('tunnel.status', {});
      return now.state === 'connected' && isNew('ike', before, now) ? true : undefined;
    },
    120_000,
  );
  return Date.now() - since;
}

async function settledBesideHalfOpen(world: World, holds: Parameters<typeof settled>[1]): Promise<void> {
  await world.eventually(
    'new keys',
    async () => (holds(await world.client.call('tunnel.status', {})) ? true : undefined),
    15_000,
  );
  await world.eventually(
    'both agree',
    () =>
      world.agreed().then(
        () => true as const,
        () => undefined,
      ),
    15_000,
  );
}
