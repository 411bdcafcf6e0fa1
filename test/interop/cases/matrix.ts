/** Every transform of the product's table that strongSwan 5.9.8 has (all but ML-KEM, which came with 6.0), in IKE and in ESP. */
import assert from 'node:assert/strict';
import { transforms } from '../../../core/crypto/transforms.ts';
import type { TransformRow } from '../../../core/crypto/types.ts';
import type { Case } from '../world.ts';

interface Suite {
  readonly name: string;
  readonly ike: string;
  readonly esp: string;
  /** What the gateway must have chosen, as `status` names it. */
  readonly chosen: Readonly<Record<string, string | number | undefined>>;
}

/** The row under test in both proposals, the rest common. ESP has no PRF, and no group in the first exchange (RFC 7296 §1.2). */
function suiteOf(row: TransformRow): Suite | undefined {
  switch (row.type) {
    case 1: {
      const ike = row.aead ? `${row.keyword}-prfsha256-x25519` : `${row.keyword}-sha256-prfsha256-x25519`;
      const chosen = {
        'ike.encr': row.name,
        'ike.keyLength': row.keyLength,
        'child.encr': row.name,
        'child.keyLength': row.keyLength,
      };
      return { name: `encr-${row.keyword}`, ike, esp: row.aead ? row.keyword : `${row.keyword}-sha256`, chosen };
    }
    case 2:
      return {
        name: `prf-${row.keyword}`,
        ike: `aes128gcm16-${row.keyword}-ecp256`,
        esp: 'aes128gcm16',
        chosen: { 'ike.prf': row.name },
      };
    case 3:
      return {
        name: `integ-${row.keyword}`,
        ike: `aes128-${row.keyword}-prfsha256-x25519`,
        esp: `aes256-${row.keyword}`,
        chosen: { 'ike.integ': row.name, 'child.integ': row.name },
      };
    case 4:
      if (row.keyword.startsWith('mlkem')) return undefined;
      return {
        name: `ke-${row.keyword}`,
        ike: `aes256gcm16-prfsha256-${row.keyword}`,
        esp: 'aes256gcm16',
        chosen: { 'ike.ke': row.name },
      };
    default:
      // userspace ESP of strongSwan has no ESN: see paths.ts for what is negotiated then.
      return undefined;
  }
}

export const matrix: readonly Case[] = transforms
  .map(suiteOf)
  .filter((suite) => suite !== undefined)
  .map(({ name, ike, esp, chosen }, index) => ({
    name: `matrix/${name}`,
    nat: index % 2 === 0,
    run: async (world) => {
      await world.configure({ ikeProposals: ike, espProposals: esp });
      const { status } = await world.connect();
      const child = status.children[0];
      for (const [field, wanted] of Object.entries(chosen)) {
        const [part, key = ''] = field.split('.');
        const owner: Readonly<Record<string, unknown>> = { ...(part === 'ike' ? status.ike : child) };
        assert.equal(owner[key], wanted, field);
      }
      await world.ping();
      const rates = await world.carry(1);
      await world.disconnect();
      return `IKE ${ike}, ESP ${esp}, ${rates}`;
    },
  }));
