/** Against quantum computers, as far as strongSwan 5.9.8 goes: what it makes of offers of ML-KEM, and post-quantum preshared keys (RFC 8784). */
import assert from 'node:assert/strict';
import type { Case } from '../world.ts';

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
];
