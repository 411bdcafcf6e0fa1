/** How long keys live with strongSwan: limits of time, octets and packets on either side, soft and hard, rehearsed and refused; and reauthentication. */
import assert from 'node:assert/strict';
import { Stalls } from '../../lab/stalls.ts';
import type { GatewayConfig, Section } from '../../lab/strongswan.ts';
import type { ProfileFields } from '../client.ts';
import { isNew, ourLines, settled, type What } from '../keys.ts';
import { bulk, gentle, Traffic } from '../traffic.ts';
import type { Case, World } from '../world.ts';

interface Setting {
  readonly what: What;
  readonly by: 'us' | 'peer';
  readonly gateway?: Partial<GatewayConfig>;
  readonly profile?: Partial<ProfileFields>;
  /** Enough traffic for limits of octets and packets. */
  readonly heavy?: boolean;
}

async function reached(world: World, { what, by, gateway = {}, profile = {}, heavy = false }: Setting): Promise<string> {
  await world.configure(gateway, profile);
  const before = (await world.connect()).status;
  const traffic = await Traffic.start(world, heavy ? bulk : gentle);
  const since = Date.now();
  // With traffic going on there is another one soon: that both agree is looked at when it has ended.
  await world.eventually(
    `the ${what} SA is rekeyed`,
    async () => (isNew(what, before, await world.client.call('tunnel.status', {})) ? true : undefined),
    40_000,
  );
  const took = Date.now() - since;
  const whole = await traffic.endWhole();
  await settled(world, (now) => isNew(what, before, now), 30_000);
  const side = by === 'us' ? 'us' : 'the peer';
  const lines = await ourLines(world, new RegExp(`${what.toUpperCase()} SA rekeyed by ${side}`));
  assert.ok(lines.length > 0, `the ${what} SA was rekeyed by somebody else`);
  await world.disconnect();
  return `after ${took} ms by ${side}; ${whole}`;
}

function limit(name: string, setting: Setting): Case {
  return { name: `life/limit-${name}`, run: (world) => reached(world, setting) };
}

/** Without a random part and with a margin that a busy machine keeps. */
const soon: Section = { rekey_time: '6s', life_time: '60s', rand_time: 0 };
/** We insist on a key exchange of its own, the gateway on none: IKE_AUTH does not show it (RFC 7296 §1.2), the first rekeying does. */
const UNWILLING = { gateway: { espProposals: 'aes256gcm16' }, profile: { espProposals: ['aes256gcm16-x25519'] } };
const REFUSED = /CHILD SA not rekeyed: NO_PROPOSAL_CHOSEN/;

async function someLines(world: World, pattern: RegExp): Promise<readonly string[] | undefined> {
  const lines = await ourLines(world, pattern);
  return lines.length > 0 ? lines : undefined;
}

export const lifetimes: readonly Case[] = [
  limit('gateway-child-time', { what: 'child', by: 'peer', gateway: { child: soon } }),
  limit('gateway-child-octets', {
    ...{ what: 'child', by: 'peer', heavy: true },
    gateway: { child: { rekey_bytes: 2_000_000, life_bytes: 900_000_000, rand_bytes: 0 } },
  }),
  limit('gateway-child-packets', {
    ...{ what: 'child', by: 'peer', heavy: true },
    gateway: { child: { rekey_packets: 2_000, life_packets: 900_000, rand_packets: 0 } },
  }),
  limit('gateway-ike-time', { what: 'ike', by: 'peer', gateway: { more: { rekey_time: '6s', over_time: '60s', rand_time: 0 } } }),
  limit('our-child-time', { what: 'child', by: 'us', profile: { rekeyChild: 10 } }),
  limit('our-child-octets', { what: 'child', by: 'us', heavy: true, profile: { rekeyBytes: 5_000_000 } }),
  limit('our-child-packets', { what: 'child', by: 'us', heavy: true, profile: { rekeyPackets: 5_000 } }),
  limit('our-ike-time', { what: 'ike', by: 'us', profile: { rekeyIke: 10 } }),
  {
    name: 'life/rehearsal',
    run: async (world) => {
      await world.configure({ espProposals: 'aes256gcm16-x25519' }, { rekeyRehearsal: true });
      const up = await world.client.up();
      assert.equal(up.code, 0, up.stderr);
      const lines = await world.eventually('a rekeying', () => someLines(world, /CHILD SA rekeyed by us/), 10_000);
      const { sa } = await settled(world, ({ children }) => children.length === 1);
      await world.ping();
      await world.disconnect();
      return `${lines.join('; ')}; ${sa.children.length} CHILD SA`;
    },
  },
  {
    name: 'life/rehearsal-shows-what-is-refused',
    run: async (world) => {
      await world.configure(UNWILLING.gateway, { ...UNWILLING.profile, rekeyRehearsal: true });
      const { status } = await world.connect();
      const [line] = await world.eventually('the refusal is in our log', () => someLines(world, REFUSED), 10_000);
      // What there is stays in use.
      const { status: after } = await world.agreed();
      assert.equal(after.children[0]?.spiIn, status.children[0]?.spiIn);
      await world.ping();
      await world.disconnect();
      return line ?? '';
    },
  },
  {
    name: 'life/our-hard-limit',
    run: async (world) => {
      await world.configure(UNWILLING.gateway, { ...UNWILLING.profile, rekeyChild: 10, whenLost: 'end' });
      await world.connect();
      const since = Date.now();
      const evidence = await world.ended('keys-expired', 60_000);
      const took = Date.now() - since;
      assert.ok(took > 20_000, `after ${took} ms`);
      assert.ok((await ourLines(world, REFUSED)).length > 0, 'it was tried before');
      return `after ${took} ms: ${evidence}`;
    },
  },
  {
    name: 'life/our-hard-limit-and-back',
    run: async (world) => {
      await world.configure(UNWILLING.gateway, { ...UNWILLING.profile, rekeyChild: 10 });
      const before = (await world.connect()).status;
      await settled(
        world,
        (now) => now.state === 'connected' && isNew('ike', before, now) && isNew('child', before, now),
        60_000,
      );
      await world.ping();
      await world.disconnect();
      return 'connected anew';
    },
  },
  {
    name: 'life/gateway-hard-limit',
    run: async (world) => {
      await world.configure({ child: { rekey_time: 0, life_time: '6s' } }, { whenLost: 'end' });
      await world.connect();
      const since = Date.now();
      const evidence = await world.ended('closed-by-gateway', 20_000);
      return `after ${Date.now() - since} ms: ${evidence}`;
    },
  },
  {
    name: 'life/gateway-hard-limit-and-back',
    run: async (world) => {
      await world.configure({ child: { rekey_time: 0, life_time: '6s' } });
      const before = (await world.connect()).status;
      await world.eventually(
        'another connection',
        async () => {
          const now = await world.client.call('tunnel.status', {});
          return now.state === 'connected' && isNew('ike', before, now) ? true : undefined;
        },
        30_000,
      );
      await world.ping();
      await world.client.down();
      return 'connected anew';
    },
  },
  ...(['replace', 'no'] as const).map(
    (unique): Case => ({
      // strongSwan as a gateway says when (RFC 4478), and we make the new IKE SA before the old one ends.
      name: `life/reauthentication-unique-${unique}`,
      run: async (world) => {
        await world.configure({ more: { reauth_time: '20s', over_time: '60s', rand_time: 0, unique } });
        const before = (await world.connect()).status;
        const from = world.gateway.logSize();
        const traffic = await Traffic.start(world);
        using stalls = new Stalls();
        const since = Date.now();
        await settled(
          world,
          (now) => now.state === 'connected' && isNew('ike', before, now) && isNew('child', before, now),
          60_000,
        );
        const took = Date.now() - since;
        const { text, pings, up, down } = await traffic.end();
        // strongSwan sends on the new CHILD SA with its answer (RFC 7296 §2.8 lets it), some milliseconds before we have the keys.
        const gap = Math.max(down.gap, up.gap) - stalls.between(since, Date.now());
        assert.ok(pings.lost <= 15 && gap < 1_000, text);
        assert.equal(up.sent, up.received, text);
        const auths = world.gateway
          .log(from)
          .split('\n')
          .filter((line) => /parsed IKE_AUTH request/.test(line));
        assert.ok(auths.length > 0, 'it was authenticated anew');
        await world.disconnect();
        return `after ${took} ms; ${text}`;
      },
    }),
  ),
];
