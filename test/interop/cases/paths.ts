/** Connections over every kind of path: NAT and none, IPv4 and IPv6 inside and outside, with 20 MB each way. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { addresses } from '../../lab/addresses.ts';
import type { Case, World } from '../world.ts';

/** Connects, carries 20 MB each way, ends. */
async function whole(world: World, inside: string): Promise<string> {
  const { status } = await world.connect();
  await world.ping(inside);
  const rates = await world.carry(20, inside);
  const { sa } = await world.agreed();
  // The gateway decrypted what we sent and we what it sent: 20 MB in each direction at least.
  const [child] = sa.children;
  assert.ok(
    (child?.bytesIn ?? 0) > 20_000_000 && (child?.bytesOut ?? 0) > 20_000_000,
    `gateway counted ${JSON.stringify(child)}`,
  );
  await world.disconnect();
  return `${status.virtualIps.join(' ')}; ${rates}`;
}

/** A link behind the router that carries 1300 octets, and with `hole` a router that tells nobody. */
async function narrow(world: World, hole: boolean): Promise<string> {
  const { lab } = world;
  const links = (mtu: number): Promise<unknown> =>
    Promise.all([
      lab.router.ip([`link set ${lab.devices.router.wan} mtu ${mtu}`]),
      lab.office.ip([`link set ${lab.devices.office.wan} mtu ${mtu}`]),
    ]);
  const rules = [
    'table inet hole {',
    'chain out {',
    'type filter hook output priority 0',
    'icmp type destination-unreachable drop',
  ];
  await world.configure();
  await links(1300);
  if (hole) await lab.router.must(['nft', '-f', '-'], { input: `${[...rules, '}', '}'].join('\n')}\n` });
  try {
    await world.connect();
    const rates = await world.carry(5);
    await world.disconnect();
    return rates;
  } finally {
    await links(1500);
    if (hole) await lab.router.must(['nft', 'delete', 'table', 'inet', 'hole']);
  }
}

export const paths: readonly Case[] = [
  { name: 'path/narrow-1300', run: (world) => narrow(world, false) },
  { name: 'path/black-hole-1300', run: (world) => narrow(world, true) },
  {
    name: 'path/nat-gcm',
    run: async (world) => {
      await world.configure();
      const told = await whole(world, addresses.intranet.web4);
      return told;
    },
  },
  {
    name: 'path/nat-is-seen',
    run: async (world) => {
      await world.configure();
      const { status, sa } = await world.connect();
      assert.equal(status.nat?.local, true);
      assert.equal(sa.remoteHost, addresses.router.wan4);
      await world.disconnect();
      return `gateway sees ${sa.remoteHost}:${sa.remotePort}`;
    },
  },
  {
    name: 'path/direct-gcm',
    nat: false,
    run: async (world) => {
      await world.configure();
      return whole(world, addresses.intranet.web4);
    },
  },
  {
    name: 'path/no-nat-is-seen',
    nat: false,
    run: async (world) => {
      await world.configure();
      const { status, sa } = await world.connect();
      assert.equal(status.nat?.local, false, 'what we pretend to the gateway is not what we tell the user');
      assert.equal(sa.remoteHost, addresses.laptop.v4);
      assert.ok(sa.children[0]?.encap, 'ESP in UDP all the same');
      await world.disconnect();
      return `gateway sees ${sa.remoteHost}:${sa.remotePort}`;
    },
  },
  {
    name: 'path/nat-ipv6-inside',
    run: async (world) => {
      await world.configure();
      return whole(world, addresses.intranet.web6);
    },
  },
  {
    name: 'path/nat-cbc-hmac',
    run: async (world) => {
      await world.configure({ ikeProposals: 'aes256-sha256-prfsha256-ecp256', espProposals: 'aes256-sha256' });
      return whole(world, addresses.intranet.web4);
    },
  },
  {
    name: 'path/direct-chacha-ipv6-inside',
    nat: false,
    run: async (world) => {
      await world.configure({ ikeProposals: 'chacha20poly1305-prfsha512-x448', espProposals: 'chacha20poly1305' });
      return whole(world, addresses.intranet.web6);
    },
  },
  {
    name: 'path/ipv6-outside',
    nat: false,
    run: async (world) => {
      await world.configure({}, { gateway: addresses.office.wan6 });
      const { status, sa } = await world.connect();
      assert.equal(sa.remoteHost, addresses.laptop.v6);
      assert.equal(status.gateway?.address, addresses.office.wan6);
      await world.ping(addresses.intranet.web4);
      await world.ping(addresses.intranet.web6);
      const rates = `${await world.carry(5, addresses.intranet.web4)}; ${await world.carry(5, addresses.intranet.web6)}`;
      await world.disconnect();
      return rates;
    },
  },
  {
    name: 'path/ipv4-only-inside',
    run: async (world) => {
      await world.configure({}, { ipv6: false });
      const { status } = await world.connect();
      assert.ok(
        status.virtualIps.every((address) => !address.includes(':')),
        status.virtualIps.join(' '),
      );
      await world.ping(addresses.intranet.web4);
      await world.disconnect();
      return status.virtualIps.join(' ');
    },
  },
  {
    name: 'path/ipv6-only-inside',
    run: async (world) => {
      await world.configure({}, { ipv4: false });
      const { status } = await world.connect();
      assert.ok(
        status.virtualIps.every((address) => address.includes(':')),
        status.virtualIps.join(' '),
      );
      await world.ping(addresses.intranet.web6);
      await world.disconnect();
      return status.virtualIps.join(' ');
    },
  },
  {
    name: 'path/gateway-without-ipv6-pool',
    run: async (world) => {
      await world.configure({ pools: { v4: addresses.pool.v4 } });
      const { status } = await world.connect();
      assert.equal(status.virtualIps.length, 1, status.virtualIps.join(' '));
      assert.ok(
        status.routes.every((route) => !route.includes(':')),
        `no route without an address: ${status.routes.join(' ')}`,
      );
      await world.ping(addresses.intranet.web4);
      await world.disconnect();
      return `asked for both, got ${status.virtualIps.join(' ')}`;
    },
  },
  {
    name: 'path/gateway-by-name-and-office-dns',
    run: async (world) => {
      await world.configure({}, { gateway: addresses.names.gateway });
      const { status } = await world.connect();
      assert.equal(status.gateway?.name, addresses.names.gateway);
      assert.equal(status.gateway?.address, addresses.office.wan4);
      assert.deepEqual([...status.dns].sort(), [addresses.intranet.dns4, addresses.intranet.dns6].sort());
      const { laptop } = world.lab;
      assert.match(readFileSync(laptop.overlayPath('resolv.conf'), 'utf8'), new RegExp(`nameserver ${addresses.intranet.dns4}`));
      const found = await laptop.must(['getent', 'ahostsv4', addresses.names.intranet]);
      assert.match(found, new RegExp(`^${addresses.intranet.web4} `, 'm'));
      await world.ping(addresses.names.intranet);
      await world.disconnect();
      return `${addresses.names.intranet} is ${addresses.intranet.web4} by ${status.dns.join(' ')}`;
    },
  },
  {
    name: 'path/many-proposals',
    run: async (world) => {
      // The gateway takes the second of the third.
      const ikeProposals = [
        'aes256gcm16-prfsha384-x25519',
        'chacha20poly1305-prfsha256-x25519',
        'aes128-aes256-sha256-sha512-ecp256-x25519',
      ];
      await world.configure(
        { ikeProposals: 'aes256-sha512-prfsha512-x25519', espProposals: 'aes192-sha384-noesn' },
        { ikeProposals, espProposals: ['aes256gcm16-esn-noesn', 'aes128-aes192-sha256-sha384-esn-noesn'] },
      );
      const { status } = await world.connect();
      assert.equal(status.ike?.integ, 'HMAC_SHA2_512_256');
      assert.equal(status.children[0]?.keyLength, 192);
      assert.equal(status.children[0]?.integ, 'HMAC_SHA2_384_192');
      assert.equal(status.children[0]?.esn, false);
      await world.ping();
      await world.disconnect();
      return 'the gateway chose from inside the last proposals';
    },
  },
];
