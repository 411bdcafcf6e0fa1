/**
 * IKE fragmentation (RFC 7383) with strongSwan: chains of RSA 4096 on both sides, whose messages are some 4 kB. What went over the laptop's
 * link is looked at: how long its IP packets were, and whether the network had to split any.
 */
import assert from 'node:assert/strict';
import type { Section } from '../../lab/strongswan.ts';
import { Capture, type IkePacket } from '../capture.ts';
import { certificateGateway, certificateProfile, gatewayFiles, issue, office } from '../office.ts';
import type { Case, World } from '../world.ts';

interface Setting {
  /** strongSwan's `fragmentation`. */
  readonly gateway?: string;
  readonly ours?: 'yes' | 'no' | 'force';
  /** Of charon. */
  readonly settings?: Section;
  /** What the router drops, in nft's words. */
  readonly drop?: string;
  readonly ipv6?: boolean;
}

/** Made once: keys of 4096 bits take their time. */
let long: ReturnType<typeof makeLong> | undefined;

function makeLong() {
  const { root } = office();
  const one = root.authority({ subject: 'CN=One', key: 'rsa4096' });
  const two = one.authority({ subject: 'CN=Two', key: 'rsa4096' });
  return {
    root,
    between: [one, two],
    gateway: issue('gateway', { key: 'rsa4096' }, two),
    alice: issue('alice', { key: 'rsa4096' }, two),
  };
}

/** Connects, and gives the packets of IKE_AUTH as they passed the laptop's link. */
async function connected(world: World, setting: Setting): Promise<readonly IkePacket[]> {
  if (setting.settings) await world.gateway.restart(setting.settings);
  const undo = setting.drop === undefined ? undefined : await dropped(world, setting.drop);
  let capture: Capture | undefined;
  try {
    await configure(world, setting);
    capture = await Capture.start(world.lab.laptop, world.lab.devices.laptop);
    await world.connect();
    await world.ping();
    await world.disconnect();
    await capture.end();
    return (await capture.ikePackets()).filter(({ exchange }) => exchange === IKE_AUTH);
  } finally {
    await capture?.discard();
    await undo?.();
    if (setting.settings) await world.gateway.restart();
  }
}

const IKE_AUTH = 35;

async function configure(world: World, { gateway = 'yes', ours = 'yes', ipv6 = false }: Setting): Promise<void> {
  long ??= makeLong();
  const { root, between } = long;
  const files = gatewayFiles(long.gateway, [root], between);
  await world.configure(
    { ...certificateGateway(long.gateway), files, more: { fragmentation: gateway } },
    {
      ...certificateProfile(long.alice),
      fragmentation: ours,
      liveness: 0,
      // What is lost over UDP here is not to be brought by TCP.
      tcp: 'never',
      ...(ipv6 ? { gateway: world.lab.addresses.office.wan6 } : {}),
    },
  );
}

/** The router drops such packets before it puts IP fragments together. */
async function dropped(world: World, rule: string): Promise<() => Promise<void>> {
  const table = 'table inet narrow';
  const lines = [
    `${table} {`,
    ' chain prerouting {',
    '  type filter hook prerouting priority -450;',
    `  ${rule} drop`,
    ' }',
    '}',
  ];
  await world.lab.router.must(['nft', '-f', '-'], { input: `${lines.join('\n')}\n` });
  return async () => {
    await world.lab.router.must(['nft', 'delete', ...table.split(' ')]);
  };
}

interface Seen {
  /** Octets of the longest IP packet each way, and datagrams that the sender's kernel or the router had split. */
  readonly ours: number;
  readonly theirs: number;
  readonly split: number;
  /** SKF messages each way. */
  readonly ourFragments: number;
  readonly theirFragments: number;
}

function seen(world: World, packets: readonly IkePacket[]): Seen {
  const { v4, v6 } = world.lab.addresses.laptop;
  const mine = packets.filter(({ from }) => from === v4 || from === v6);
  const others = packets.filter((packet) => !mine.includes(packet));
  const longest = (of: readonly IkePacket[]) => Math.max(0, ...of.map(({ octets }) => octets));
  const fragments = (of: readonly IkePacket[]) => of.filter(({ fragment }) => fragment).length;
  return {
    ours: longest(mine),
    theirs: longest(others),
    split: packets.filter(({ split }) => split).length,
    ourFragments: fragments(mine),
    theirFragments: fragments(others),
  };
}

function told({ ours, theirs, split, ourFragments, theirFragments }: Seen): string {
  return `longest packets ${ours} and ${theirs}; ${ourFragments} and ${theirFragments} IKE fragments; ${split} split by IP`;
}

function fragmentCase(name: string, setting: Setting, check: (seen: Seen) => void, nat = true): Case {
  return {
    name: `life/fragmentation-${name}`,
    nat,
    run: async (world) => {
      const found = seen(world, await connected(world, setting));
      check(found);
      return told(found);
    },
  };
}

const both = (limit: number) => (found: Seen) => {
  assert.ok(found.ourFragments >= 3 && found.theirFragments >= 3, told(found));
  assert.ok(found.ours <= limit && found.theirs <= 1280, told(found));
  assert.equal(found.split, 0, told(found));
};

const neither = (found: Seen) => {
  assert.deepEqual([found.ourFragments, found.theirFragments], [0, 0], told(found));
  // Both certificate chains were split by IP, at the least once each.
  assert.ok(found.split >= 2, told(found));
};

const NARROW = 'meta l4proto udp ip length > 576';
const NO_IP_FRAGMENTS = 'ip frag-off & 0x3fff != 0';

export const fragmentation: readonly Case[] = [
  fragmentCase('yes', {}, both(1280)),
  fragmentCase('yes-without-nat', {}, both(1280), false),
  fragmentCase('yes-ipv6', { ipv6: true }, both(1280), false),
  fragmentCase('gateway-force', { gateway: 'force' }, both(1280)),
  fragmentCase('ours-force', { ours: 'force' }, both(576)),
  fragmentCase('gateway-no', { gateway: 'no' }, neither),
  fragmentCase('ours-no', { ours: 'no' }, neither),
  fragmentCase('both-no', { gateway: 'no', ours: 'no' }, neither),
  // It takes fragments and makes none.
  fragmentCase('gateway-accept', { gateway: 'accept' }, (found) => {
    assert.ok(found.ourFragments >= 3 && found.ours <= 1280, told(found));
    assert.equal(found.theirFragments, 0, told(found));
  }),
  fragmentCase('where-ip-fragments-are-dropped', { drop: NO_IP_FRAGMENTS }, both(1280)),
  fragmentCase(
    'where-576-octets-pass',
    { drop: NARROW, settings: { fragment_size: 576 } },
    ({ ours, theirs, ourFragments, theirFragments, split }) => {
      // Ours began with 1280, which the laptop's link still sees.
      assert.ok(ours <= 1280 && theirs <= 576 && split === 0, `${ours} ${theirs} ${split}`);
      assert.ok(ourFragments >= 3 + 8 && theirFragments >= 8, `${ourFragments} ${theirFragments}`);
    },
  ),
  fragmentCase(
    'where-576-octets-pass-forced',
    { ours: 'force', drop: NARROW, settings: { fragment_size: 576 } },
    ({ ours, theirs, split }) => assert.ok(ours <= 576 && theirs <= 576 && split === 0, `${ours} ${theirs} ${split}`),
  ),
  {
    name: 'life/fragmentation-demanded-and-refused',
    run: async (world) => {
      await configure(world, { gateway: 'no', ours: 'force' });
      const evidence = await world.refused('no-fragmentation');
      await world.client.down();
      return evidence;
    },
  },
  {
    name: 'life/fragmentation-no-and-ip-fragments-are-dropped',
    run: async (world) => {
      const undo = await dropped(world, NO_IP_FRAGMENTS);
      try {
        await configure(world, { ours: 'no' });
        const evidence = await world.refused('no-answer-auth');
        await world.client.down();
        return evidence;
      } finally {
        await undo();
      }
    },
  },
  {
    name: 'life/fragmentation-under-loss',
    run: async (world) => {
      await configure(world, {});
      await world.impair({ lossPercent: 20, duplicatePercent: 20, reorderPercent: 20, seed: 7383 });
      await world.connect(120_000);
      await world.impair({});
      await world.ping();
      await world.disconnect();
      return '20 % lost, 20 % doubled, 20 % overtaken';
    },
  },
];
