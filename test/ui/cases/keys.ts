/** Keys and logins of a session: when they are renewed and how it came back, as window and command line tell it. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../../core/rpc/contract.ts';
import { type App, WIDE } from '../app.ts';
import { type Case, eventually } from '../kit.ts';
import { connectedScene } from '../scenes.ts';
import { stateIs } from './connect.ts';
import { table } from './statistics.ts';

/** Both SAs, by the SPIs that the window shows. */
async function shownKeys(app: App): Promise<readonly [string | undefined, string | undefined]> {
  return [(await table(app, 'ike'))['Initiator SPI'], (await table(app, 'traffic'))['SPI in']];
}

const MINUTE = 60_000;

export const keys: readonly Case[] = [
  {
    name: 'keys/Statistics says when they are renewed, and renews them at once when told to',
    smoke: true,
    run: async (world) => {
      const app = await connectedScene(world, { viewport: WIDE });
      await app.go('Statistics');
      const [ike, child] = [(await table(app, 'ike'))['Rekey in'], (await table(app, 'protection'))['Rekey in']];
      // Three hours and fifty minutes, less up to a tenth.
      assert.match(ike ?? '', /^2 hr?,? (4\d|5\d) min$/);
      assert.match(child ?? '', /^4\d min(,? \d+ sec)?$/);
      const before = await world.cli<Status>('status');
      const left = (before.children[0]?.rekeyAt ?? 0) - Date.now();
      assert.ok(left > 44 * MINUTE && left < 50 * MINUTE, `${left} ms`);
      const { stdout } = await world.stage.cli('status');
      assert.match(stdout, /IKE .*new keys in 2 h \d+ min/);
      assert.match(stdout, /ESP .*new keys in 4\d min/);
      const shown = await shownKeys(app);
      await app.press('Renew keys');
      await app.sees('New keys are on their way.');
      await eventually(
        'both are new',
        async () => {
          const now = await shownKeys(app);
          return now.every((spi, i) => spi !== undefined && spi !== shown[i]) ? true : undefined;
        },
        10_000,
      );
      await world.ping();
      await world.call('tunnel.down', {});
      await app.button('Renew keys').waitFor({ state: 'detached' });
      return `${ike}, ${child}; renewed`;
    },
  },
  {
    name: 'keys/a session that comes back with a ticket says so',
    run: async (world) => {
      await world.openOffice({ tickets: { lifetime: 600 } });
      const app = await connectedScene(world, { viewport: WIDE });
      await app.go('Statistics');
      assert.equal((await table(app, 'path'))['Logged in'], 'anew');
      const before = (await world.status()).ike?.spiI;
      // As after a restart of one that keeps its ticket key; the sleep has it noticed at once.
      await world.misbehave();
      world.stopEngine();
      await sleep(1_000);
      world.resumeEngine();
      await eventually(
        'connected again',
        async () => {
          const { state, ike } = await world.status();
          return state === 'connected' && ike !== undefined && ike.spiI !== before ? true : undefined;
        },
        30_000,
      );
      await eventually(
        'Statistics says how',
        async () => ((await table(app, 'path'))['Logged in'] === 'with a ticket of the session before' ? true : undefined),
        5_000,
      );
      assert.match((await world.stage.cli('status')).stdout, /resumed by a ticket/);
      await app.go('Connect');
      await stateIs(app, 'Protected');
      await world.ping();
      return 'by ticket';
    },
  },
];
