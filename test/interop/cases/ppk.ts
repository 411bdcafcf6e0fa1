/** Against quantum computers, as far as strongSwan 5.9.8 goes: what it makes of offers of ML-KEM, and post-quantum preshared keys (RFC 8784). */
import assert from 'node:assert/strict';
import type { GatewayConfig, Section } from '../../lab/strongswan.ts';
import type { ProfileFields } from '../client.ts';
import { certificateGateway, certificateProfile, eapGateway, eapProfile } from '../office.ts';
import type { Case, World } from '../world.ts';

const GCM = 'aes256gcm16-prfsha384-x25519';

/**
 * It does not know additional key exchanges: a proposal that has one is passed over whole (RFC 7296 §3.3.6), and one without, which comes
 * later, is taken.
 */
const offers: readonly (readonly [name: string, gateway: string, ours: readonly string[], chosen: string])[] = [
  ['by-default', 'default', ['default'], 'AES_CBC CURVE_25519'],
  ['by-default-to-gcm', GCM, ['default'], 'AES_GCM_16 CURVE_25519'],
  ['and-another-group', 'aes256-sha256-ecp256', ['default'], 'AES_CBC ECP_256'],
  ['then-without', GCM, [`${GCM}-ke1_mlkem768`, GCM], 'AES_GCM_16 CURVE_25519'],
];

const ID = 'office-ppk-1';
const SECRET = 'd1ea1f7c-9b0e-4a55-8e57-one-more-secret';

/** What of the gateway is about PPKs: those it has, and whether it insists. */
function gatewayPpk(has: Section | undefined, required: boolean, base: Partial<GatewayConfig> = {}): Partial<GatewayConfig> {
  return {
    ...base,
    more: { ...base.more, ...(required ? { ppk_required: true } : {}) },
    credentials: { ...base.credentials, ...(has ? { 'ppk-office': has } : {}) },
  };
}

const known: Section = { id: ID, secret: `"${SECRET}"` };
const another: Section = { id: 'another-ppk', secret: `"${SECRET}"` };
const ours = (required: boolean) => ({ ppk: { id: ID, secret: SECRET, required } });

const ways: Readonly<Record<string, readonly [() => Partial<GatewayConfig>, () => Partial<ProfileFields>]>> = {
  psk: [() => ({}), () => ({})],
  certificate: [certificateGateway, certificateProfile],
  eap: [() => eapGateway('eap-mschapv2'), eapProfile],
};

/** Up, some traffic, down; says whether both sides have used it. */
async function uses(world: World, gateway: Partial<GatewayConfig>, profile: Partial<ProfileFields>): Promise<boolean> {
  await world.configure(gateway, profile);
  const from = world.gateway.logSize();
  const { status } = await world.connect();
  await world.ping();
  const theirs = /using PPK/.test(world.gateway.log(from));
  await world.disconnect();
  assert.equal(status.ike?.ppk === true, theirs, 'both sides tell the same');
  return theirs;
}

const agreements: readonly Case[] = Object.entries(ways).flatMap(([way, [gateway, profile]]): Case[] => [
  ...[true, false].map((required): Case => {
    const how = required ? 'required' : 'optional';
    return {
      name: `life/ppk-${way}-${how}`,
      nat: required,
      run: async (world) => {
        assert.equal(await uses(world, gatewayPpk(known, required, gateway()), { ...profile(), ...ours(required) }), true);
        return `${how}, and used`;
      },
    };
  }),
  {
    name: `life/ppk-${way}-optional-and-unknown-to-the-gateway`,
    run: async (world) => {
      assert.equal(await uses(world, gatewayPpk(another, false, gateway()), { ...profile(), ...ours(false) }), false);
      return 'done without, by NO_PPK_AUTH';
    },
  },
]);

const refusals: readonly Case[] = [
  {
    name: 'life/ppk-gateway-has-none',
    run: async (world) => {
      assert.equal(await uses(world, {}, ours(false)), false);
      await world.configure({}, ours(true));
      return world.refused('ppk-refused');
    },
  },
  {
    name: 'life/ppk-required-and-unknown-to-the-gateway',
    run: async (world) => {
      await world.configure(gatewayPpk(another, false), ours(true));
      return world.refused('authentication-failed');
    },
  },
  {
    name: 'life/ppk-of-another-secret',
    run: async (world) => {
      await world.configure(gatewayPpk({ id: ID, secret: '"something else entirely, of some length"' }, false), ours(false));
      return world.refused('authentication-failed');
    },
  },
  {
    name: 'life/ppk-demanded-by-the-gateway',
    run: async (world) => {
      await world.configure(gatewayPpk(known, true));
      return world.refused('authentication-failed');
    },
  },
];

export const ppk: readonly Case[] = [
  ...offers.map(
    ([name, ikeProposals, ours, chosen], index): Case => ({
      name: `life/hybrid-offered-${name}`,
      nat: index % 2 === 0,
      run: async (world) => {
        await world.configure({ ikeProposals }, { ikeProposals: ours });
        const { status } = await world.connect();
        assert.equal(`${status.ike?.encr} ${status.ike?.ke}`, chosen);
        await world.ping();
        await world.disconnect();
        return chosen;
      },
    }),
  ),
  {
    name: 'life/hybrid-demanded',
    run: async (world) => {
      await world.configure({ ikeProposals: GCM }, { ikeProposals: [`${GCM}-ke1_mlkem768`] });
      return world.refused('no-proposal-chosen');
    },
  },
  ...agreements,
  ...refusals,
];
