/**
 * What stands around IKE_SA_INIT and IKE_AUTH, with strongSwan: being redirected, authentication that runs out, IKE SAs without a CHILD SA at
 * first, and uniqueness. Its redirects in the first exchanges need a plugin of one's own; those, tickets and crash tokens are for the
 * embedded head office (test/exchange).
 */
import assert from 'node:assert/strict';
import { CONNECTION } from '../../lab/strongswan.ts';
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
  {
    name: 'life/childless-allowed',
    run: async (world) => {
      await world.configure({ espProposals: 'aes256gcm16-x25519' }, { childless: true });
      const from = world.gateway.logSize();
      await world.connect();
      await world.ping();
      const auth = await logged(world, from, /parsed IKE_AUTH request[^\n]*/);
      assert.doesNotMatch(auth, / SA /, 'IKE_AUTH says nothing of a CHILD SA');
      const line = await logged(world, from, /parsed CREATE_CHILD_SA request[^\n]*/);
      assert.match(line, / KE /, 'with a key exchange of its own');
      await world.disconnect();
      return `${auth}; ${line}`;
    },
  },
  {
    name: 'life/childless-forced',
    run: async (world) => {
      await world.configure({ more: { childless: 'force' } }, { childless: true });
      await world.connect();
      await world.ping();
      await world.disconnect();
      // Who does not do it is refused.
      await world.configure({ more: { childless: 'force' } }, { childless: false });
      const up = await world.client.up();
      assert.notEqual(up.code, 0);
      return `served; without it: ${(await world.client.status()).failure?.evidence}`;
    },
  },
  {
    name: 'life/childless-never',
    run: async (world) => {
      await world.configure({ more: { childless: 'never' } }, { childless: true });
      const from = world.gateway.logSize();
      await world.connect();
      await world.ping();
      const line = await logged(world, from, /parsed IKE_AUTH request[^\n]* SA [^\n]*/);
      await world.disconnect();
      return line;
    },
  },
  {
    name: 'life/redirect-active',
    run: async (world) => {
      const { addresses } = world.lab;
      await world.configure();
      const before = await world.connect();
      const from = world.gateway.logSize();
      const told = await world.gateway.swanctl(['--redirect', '--ike', CONNECTION, '--gateway', addresses.office.wan6]);
      assert.equal(told.code, 0, `${told.stdout}${told.stderr}`);
      await logged(world, from, /received DELETE for IKE_SA[^\n]*/);
      const line = await logged(world, from, /parsed IKE_SA_INIT request[^\n]*N\(REDIR_FROM\)[^\n]*/, 10_000);
      await world.eventually(
        'connected by the other address',
        async () => {
          const { state, gateway } = await world.client.status();
          return state === 'connected' && gateway?.address === addresses.office.wan6 ? true : undefined;
        },
        10_000,
      );
      const after = await world.agreed();
      assert.notEqual(after.status.ike?.spiI, before.status.ike?.spiI);
      await world.ping();
      await world.disconnect();
      return line;
    },
  },
  {
    name: 'life/redirect-not-followed',
    run: async (world) => {
      const { addresses } = world.lab;
      await world.configure({}, { redirect: false });
      const from = world.gateway.logSize();
      await world.connect();
      assert.doesNotMatch(world.gateway.log(from), /N\(REDIR_SUP\)/);
      await world.gateway.swanctl(['--redirect', '--ike', CONNECTION, '--gateway', addresses.office.wan6]);
      const line = await logged(world, from, /client does not support IKE redirection/);
      await world.agreed();
      await world.disconnect();
      return line;
    },
  },
  {
    name: 'life/auth-lifetime-told',
    run: async (world) => {
      await world.configure({ more: { reauth_time: '40s', over_time: '20s', rand_time: 0 } });
      const from = world.gateway.logSize();
      await world.connect();
      const line = await logged(world, from, /generating IKE_AUTH response[^\n]*N\(AUTH_LFT\)[^\n]*/);
      const heard = (await world.client.log(200)).find(({ text }) => /wants another authentication/.test(text));
      assert.ok(heard, 'the client heard it');
      await world.disconnect();
      return `${line}; we heard ${JSON.stringify(heard.fields?.seconds)} s`;
    },
  },
  {
    name: 'life/auth-lifetime-obeyed',
    run: async (world) => {
      await world.configure({ more: { reauth_time: '30s', over_time: '20s', rand_time: 0 } });
      const before = await world.connect();
      const from = world.gateway.logSize();
      // In time, by a second IKE SA beside the first, which is then deleted. The gateway sends by the new one as soon as it has answered,
      // before we can have it: an echo that is under way in that moment may be lost.
      const pinging = world.lab.laptop.exec(
        ['ping', '-n', '-i', '0.2', '-c', '160', '-W', '2', world.lab.addresses.intranet.web4],
        {
          timeoutMs: 60_000,
        },
      );
      const line = await logged(world, from, /received DELETE for IKE_SA[^\n]*/, 40_000);
      const after = await world.agreed();
      assert.notEqual(after.status.ike?.spiI, before.status.ike?.spiI);
      const told = (await pinging).stdout;
      const lost = 160 - Number(/(\d+) received/.exec(told)?.[1]);
      assert.ok(lost <= 2, told.slice(-300));
      await world.disconnect();
      return `${line}; ${/\d+ packets transmitted[^\n]*/.exec(told)?.[0]}`;
    },
  },
];
