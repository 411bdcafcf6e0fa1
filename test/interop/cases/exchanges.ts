/**
 * What stands around IKE_SA_INIT and IKE_AUTH, with strongSwan: being redirected, authentication that runs out, IKE SAs without a CHILD SA at
 * first, and uniqueness. Its redirects in the first exchanges need a plugin of one's own; those, tickets and crash tokens are for the
 * embedded head office (test/exchange).
 */
import assert from 'node:assert/strict';
import type { Case, World } from '../world.ts';

function logged(world: World, from: number, pattern: RegExp, withinMs = 5_000): Promise<string> {
  return world.eventually(
    `${pattern} in the gateway's log`,
    () => Promise.resolve(pattern.exec(world.gateway.log(from))?.[0]),
    withinMs,
  );
}

/** The gateway keeps an IKE SA of ours that we know nothing of any more: the DELETE is lost. */
async function leaveBehind(world: World): Promise<void> {
  await world.connect();
  await world.impair({ lossPercent: 100 });
  const down = await world.client.down();
  assert.equal(down.code, 0, down.stderr);
  await world.impair({});
  assert.equal((await world.gateway.listSas()).length, 1, 'the old SA is still there');
}

export const exchanges: readonly Case[] = [
  {
    name: 'life/unique-initial-contact',
    run: async (world) => {
      await world.configure({ more: { unique: 'no' } }, { initialContact: true });
      await leaveBehind(world);
      const from = world.gateway.logSize();
      await world.connect();
      const line = await logged(
        world,
        from,
        /destroying duplicate IKE_SA[^\n]*INITIAL_CONTACT[^\n]*|parsed IKE_AUTH request[^\n]*N\(INIT_CONTACT\)[^\n]*/,
      );
      assert.equal((await world.gateway.listSas()).length, 1);
      await world.disconnect();
      return line;
    },
  },
  {
    name: 'life/unique-without-initial-contact',
    run: async (world) => {
      await world.configure({ more: { unique: 'no' } }, { initialContact: false });
      await leaveBehind(world);
      const up = await world.client.up();
      assert.equal(up.code, 0, up.stderr);
      const sas = await world.gateway.listSas();
      assert.equal(sas.length, 2, 'another device of the same user would have stayed');
      await world.client.down();
      return 'two IKE SAs of the same identity beside each other';
    },
  },
  {
    name: 'life/unique-replace',
    run: async (world) => {
      await world.configure({ more: { unique: 'replace' } }, { initialContact: false });
      await leaveBehind(world);
      const from = world.gateway.logSize();
      // The gateway deletes the old SA itself, with us, who have forgotten it.
      const up = await world.client.up();
      assert.equal(up.code, 0, up.stderr);
      const line = await logged(world, from, /schedule delete of duplicate IKE_SA[^\n]*/);
      // Ten seconds later; nobody answers that DELETE, and it must not touch the new SA.
      await logged(world, from, /deleting IKE_SA office\[/, 20_000);
      await world.ping();
      assert.equal((await world.client.status()).state, 'connected');
      await world.client.down();
      return line;
    },
  },
];
