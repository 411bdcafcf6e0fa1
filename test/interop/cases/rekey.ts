/**
 * Rekeying with strongSwan (RFC 7296 §2.8): of CHILD and IKE SAs, by either side and by both at once, with perfect forward secrecy and without,
 * while a ping every 20 ms and numbered datagrams go both ways. Every case ends with one IKE SA and one CHILD SA, the same on both sides.
 */
import assert from 'node:assert/strict';
import type { GatewayConfig } from '../../lab/strongswan.ts';
import type { ProfileFields } from '../client.ts';
import { ask, isNew, settled, type What, type Who } from '../keys.ts';
import { Traffic } from '../traffic.ts';
import type { Case, World } from '../world.ts';

interface Setting {
  readonly gateway?: Partial<GatewayConfig>;
  readonly profile?: Partial<ProfileFields>;
  readonly delayMs?: number;
  readonly rounds?: number;
  readonly nat?: boolean;
  /** Has to be in the gateway's log. */
  readonly logged?: RegExp;
}

async function rekeyed(world: World, what: What, who: Who, setting: Setting): Promise<string> {
  const { gateway = {}, profile = {}, delayMs = 0, rounds = 1, logged } = setting;
  await world.configure(gateway, profile);
  let { status } = await world.connect();
  if (delayMs > 0) await world.impair({ delayMs });
  const traffic = await Traffic.start(world);
  const from = world.gateway.logSize();
  let evidence = '';
  for (let round = 0; round < rounds; round++) {
    const before = status;
    await ask(world, what, who);
    ({ status } = await settled(world, (now) => isNew(what, before, now)));
    if (what === 'ike') assert.deepEqual(spis(status.children), spis(before.children), 'the CHILD SAs were handed over');
  }
  if (logged) {
    const found = logged.exec(world.gateway.log(from))?.[0];
    assert.ok(found !== undefined, `the gateway's log has no ${logged}`);
    evidence = `${found}; `;
  }
  const whole = await traffic.endWhole();
  await world.disconnect();
  return `${evidence}${rounds > 1 ? `${rounds} rounds, ` : ''}${whole}`;
}

function spis(children: readonly { readonly spiIn: string; readonly spiOut: string }[]): readonly string[] {
  return children.map(({ spiIn, spiOut }) => `${spiIn} ${spiOut}`);
}

function rekey(name: string, what: What, who: Who, setting: Setting = {}): Case {
  const { nat } = setting;
  return { name: `life/rekey-${name}`, ...(nat !== undefined && { nat }), run: (world) => rekeyed(world, what, who, setting) };
}

/** What crosses with this delay was sent long before the other side could answer. */
const CROSSING = 250;
const COLLISION = /detected (CHILD|IKE)_REKEY collision with (CHILD|IKE)_REKEY|(CHILD|IKE)_SA rekey collision[^\n]*/;
const DEFAULTS: Partial<ProfileFields> = { espProposals: ['default'] };

const PLAIN: Setting = { gateway: { espProposals: 'aes256gcm16-x25519' }, profile: { espProposals: ['aes256gcm16'] } };

/** Of the gateway alone: we offer all we have. */
function esp(espProposals: string): Setting {
  return { gateway: { espProposals }, profile: DEFAULTS };
}

export const rekeys: readonly Case[] = [
  rekey('child-by-us', 'child', 'us', { rounds: 3 }),
  rekey('child-by-gateway', 'child', 'gateway', { rounds: 3 }),
  rekey('child-by-both', 'child', 'both', { rounds: 3 }),
  rekey('child-by-both-crossing', 'child', 'both', { delayMs: CROSSING, rounds: 4, logged: COLLISION }),
  rekey('child-by-us-without-nat', 'child', 'us', { nat: false }),
  rekey('ike-by-us', 'ike', 'us', { rounds: 3 }),
  rekey('ike-by-gateway', 'ike', 'gateway', { rounds: 3 }),
  rekey('ike-by-both', 'ike', 'both', { rounds: 3 }),
  rekey('ike-by-both-crossing', 'ike', 'both', { delayMs: CROSSING, rounds: 4, logged: COLLISION }),
  ...['x25519', 'modp2048', 'ecp256'].flatMap((group) => [
    rekey(`child-by-us-pfs-${group}`, 'child', 'us', { gateway: { espProposals: `aes256gcm16-${group}` } }),
    rekey(`child-by-gateway-pfs-${group}`, 'child', 'gateway', { gateway: { espProposals: `aes256gcm16-${group}` } }),
  ]),
  // The gateway insists on a key exchange, which is not the one that ours begins with.
  rekey('child-by-us-gateway-wants-another-group', 'child', 'us', { ...esp('aes256gcm16-ecp384'), logged: /N\(INVAL_KE\)/ }),
  rekey('child-by-gateway-with-another-group', 'child', 'gateway', esp('aes256gcm16-modp3072')),
  rekey('child-by-us-gateway-wants-pfs', 'child', 'us', esp('aes256gcm16-x25519')),
  // The profile names no group, and nothing of IKE_AUTH says that the gateway wants one.
  rekey('child-by-us-gateway-wants-pfs-of-a-profile-without', 'child', 'us', { ...PLAIN, rounds: 2 }),
  rekey('child-by-gateway-wants-pfs-of-a-profile-without', 'child', 'gateway', { ...PLAIN, rounds: 2 }),
  rekey('child-by-us-gateway-wants-none', 'child', 'us', esp('aes256gcm16')),
  rekey('child-by-gateway-wants-none', 'child', 'gateway', esp('aes256gcm16')),
  rekey('child-by-us-gateway-takes-either', 'child', 'us', esp('aes256gcm16-ecp256-modpnone')),
  rekey('child-by-us-cbc-gateway-wants-pfs', 'child', 'us', esp('aes256-sha256-modp2048')),
  rekey('ike-by-us-other-group', 'ike', 'us', {
    gateway: { ikeProposals: 'aes256gcm16-prfsha384-ecp384' },
    profile: { ikeProposals: ['default'] },
  }),
  {
    name: 'life/rekey-by-command',
    run: async (world) => {
      await world.configure();
      const before = (await world.connect()).status;
      const texts: string[] = [];
      for (const what of ['child', 'ike'] as const) {
        const asked = await world.client.cli(['rekey', what]);
        assert.equal(asked.code, 0, asked.stderr);
        texts.push(asked.stdout.trim());
        await settled(world, (now) => isNew(what, before, now));
      }
      await world.disconnect();
      const refused = await world.client.cli(['rekey']);
      assert.notEqual(refused.code, 0, 'nothing is connected');
      return texts.join(' ');
    },
  },
  {
    // strongSwan says TEMPORARY_FAILURE to one of them (RFC 7296 §2.25.2), which asks again.
    name: 'life/rekey-child-and-ike-crossing',
    run: async (world) => {
      await world.configure();
      const before = (await world.connect()).status;
      await world.impair({ delayMs: CROSSING });
      const traffic = await Traffic.start(world);
      await Promise.all([ask(world, 'ike', 'gateway'), ask(world, 'child', 'us')]);
      await settled(world, (now) => isNew('child', before, now) && isNew('ike', before, now), 60_000);
      const whole = await traffic.endWhole();
      await world.disconnect();
      return whole;
    },
  },
  {
    name: 'life/rekey-child-deleted-meanwhile',
    run: async (world) => {
      // What the gateway deletes while we rekey it is gone; what our request brought stands (RFC 7296 §2.25.1).
      await world.configure();
      const before = (await world.connect()).status;
      await world.impair({ delayMs: CROSSING });
      await Promise.all([world.gateway.terminate({ child: 'net' }), ask(world, 'child', 'us')]);
      await settled(world, (now) => isNew('child', before, now), 60_000);
      await world.impair({});
      await world.ping();
      await world.disconnect();
      return 'a CHILD SA is there';
    },
  },
];
