/** What the gateway refuses, and what it asks for before it goes on. Each refusal has its own reason, and leaves nothing at either end. */
import assert from 'node:assert/strict';
import { addresses } from '../../lab/addresses.ts';
import { CHILD, clientConfig, StrongSwan } from '../../lab/strongswan.ts';
import { openHalf } from '../halfOpen.ts';
import type { Case, World } from '../world.ts';

/** The gateway must have forgotten us: no IKE SA without CHILD SA stays. */
async function forgotten(world: World): Promise<void> {
  assert.deepEqual(await world.gateway.listSas(), [], 'the gateway keeps an IKE SA');
}

function logged(world: World, from: number, pattern: RegExp): string {
  const log = world.gateway.log(from);
  const line = log.split('\n').find((each) => pattern.test(each));
  assert.ok(line !== undefined, `gateway's log has no ${pattern}`);
  return line.replace(/^\S+ \S+ ?/, '');
}

export const refusals: readonly Case[] = [
  {
    name: 'refuse/wrong-psk',
    run: async (world) => {
      await world.configure({}, { secret: 'not the right one at all' });
      const from = world.gateway.logSize();
      const evidence = await world.refused('authentication-failed');
      await forgotten(world);
      return `${evidence}; gateway: ${logged(world, from, /MAC mismatched/)}`;
    },
  },
  {
    name: 'refuse/unknown-identity',
    run: async (world) => {
      await world.configure({}, { localId: 'mallory@office.test' });
      const from = world.gateway.logSize();
      const evidence = await world.refused('authentication-failed');
      await forgotten(world);
      return `${evidence}; gateway: ${logged(world, from, /no shared key found/)}`;
    },
  },
  {
    name: 'refuse/wrong-gateway-identity',
    run: async (world) => {
      await world.configure({}, { remoteId: 'somebody-else.office.test' });
      const from = world.gateway.logSize();
      const evidence = await world.refused('authentication-failed');
      await forgotten(world);
      return `${evidence}; gateway: ${logged(world, from, /no matching peer config found/)}`;
    },
  },
  {
    name: 'refuse/ike-proposal',
    run: async (world) => {
      await world.configure({ ikeProposals: 'aes128-sha1-modp2048' }, { ikeProposals: ['aes256gcm16-prfsha384-x25519'] });
      const evidence = await world.refused('no-proposal-chosen');
      await forgotten(world);
      return evidence;
    },
  },
  {
    name: 'refuse/esp-proposal',
    run: async (world) => {
      await world.configure({ espProposals: 'aes128-sha1' }, { espProposals: ['aes256gcm16', 'chacha20poly1305'] });
      const evidence = await world.refused('child-no-proposal-chosen');
      await forgotten(world);
      return evidence;
    },
  },
  {
    name: 'refuse/ts-unacceptable',
    run: async (world) => {
      await world.configure({}, { remoteNetworks: ['172.31.0.0/16'] });
      const evidence = await world.refused('ts-unacceptable');
      await forgotten(world);
      return evidence;
    },
  },
  {
    name: 'refuse/pool-exhausted',
    run: async (world) => {
      // On the router, at ports that are not wanted for NAT.
      const bob = await StrongSwan.start(world.lab.router, { port: 0, port_nat_t: 0 });
      const secret = 'the key of bob, who was first';
      try {
        await world.configure(
          {
            pools: { v4: '10.10.99.1-10.10.99.1' },
            secrets: { 'alice@office.test': 'correct horse battery staple 17', 'bob@office.test': secret },
          },
          { ipv6: false },
        );
        await bob.load(
          clientConfig({
            remote: addresses.office.wan4,
            ikeProposals: 'aes256gcm16-prfsha384-x25519',
            espProposals: 'aes256gcm16',
            localId: 'bob@office.test',
            gatewayId: addresses.names.gateway,
            secret,
            remoteTs: [addresses.networks.office4],
            virtualIps: ['0.0.0.0'],
          }),
        );
        const first = await bob.initiate(CHILD);
        assert.equal(first.code, 0, first.stdout);
        const evidence = await world.refused('no-address');
        const left = await world.gateway.listSas();
        assert.deepEqual(
          left.map((sa) => sa.remoteId),
          ['bob@office.test'],
          'only he who was first stays',
        );
        return evidence;
      } finally {
        await bob.stop();
      }
    },
  },
  {
    name: 'ask/invalid-ke',
    run: async (world) => {
      await world.configure(
        { ikeProposals: 'aes256gcm16-prfsha384-ecp384' },
        { ikeProposals: ['aes256gcm16-prfsha384-x25519-modp2048-ecp384'] },
      );
      const from = world.gateway.logSize();
      const { status } = await world.connect();
      assert.equal(status.ike?.ke, 'ECP_384');
      const line = logged(world, from, /CURVE_25519 unacceptable, requesting ECP_384/);
      await world.ping();
      await world.disconnect();
      return line;
    },
  },
  {
    name: 'ask/cookie',
    run: async (world) => {
      await world.gateway.restart({ cookie_threshold: 1, half_open_timeout: 60 });
      try {
        await world.configure();
        // The threshold counts half-open SAs: somebody must have one before the gateway asks us.
        await openHalf(world.lab.intranet, addresses.office.lan4);
        const from = world.gateway.logSize();
        const { status } = await world.connect();
        const line = logged(world, from, /N\(COOKIE\)/);
        await world.ping();
        await world.client.down();
        assert.ok(status.ike !== undefined);
        return line;
      } finally {
        await world.gateway.restart();
      }
    },
  },
  {
    name: 'ask/cookie-and-invalid-ke',
    run: async (world) => {
      await world.gateway.restart({ cookie_threshold: 1, half_open_timeout: 60 });
      try {
        // With the usual groups first: the one that opens half sends a share of x25519.
        await world.configure();
        await openHalf(world.lab.intranet, addresses.office.lan4);
        await world.configure(
          { ikeProposals: 'aes256gcm16-prfsha384-ecp256' },
          { ikeProposals: ['aes256gcm16-prfsha384-modp3072-ecp256'] },
        );
        const from = world.gateway.logSize();
        const { status } = await world.connect();
        assert.equal(status.ike?.ke, 'ECP_256');
        logged(world, from, /N\(COOKIE\)/);
        logged(world, from, /MODP_3072 unacceptable, requesting ECP_256/);
        await world.ping();
        return 'both before the first answer that counts (RFC 7296 §2.6.1)';
      } finally {
        await world.client.down();
        await world.gateway.restart();
      }
    },
  },
  {
    name: 'narrow/networks',
    run: async (world) => {
      await world.configure({ localTs: ['10.10.0.0/25', 'fd10:10::/80'] }, { remoteNetworks: ['10.10.0.0/16', 'fd10::/16'] });
      const { status } = await world.connect();
      assert.deepEqual([...status.routes].sort(), ['10.10.0.0/25', 'fd10:10::/80']);
      await world.ping(addresses.intranet.web4);
      await world.ping(addresses.intranet.web6);
      await world.disconnect();
      return `10.10.0.0/16 fd10::/16 became ${status.routes.join(' ')}`;
    },
  },
  {
    name: 'narrow/one-host',
    run: async (world) => {
      // strongSwan's userspace ESP wants an address of its own in what it offers.
      await world.configure({ localTs: [`${addresses.office.lan4}/32`] }, { remoteNetworks: ['0.0.0.0/0'], ipv6: false });
      const { status } = await world.connect();
      assert.deepEqual(status.routes, [`${addresses.office.lan4}/32`]);
      await world.ping(addresses.office.lan4);
      const other = await world.lab.laptop.exec(['ping', '-n', '-c', '1', '-W', '1', addresses.intranet.web4]);
      assert.notEqual(other.code, 0, 'what was not agreed does not pass');
      await world.disconnect();
      return `0.0.0.0/0 became ${status.routes.join(' ')}`;
    },
  },
];
