/** Keys and logins of a session: when they are renewed and how it came back, as window and command line tell it. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../../core/rpc/contract.ts';
import { VISITOR } from '../../gateway/office.ts';
import { type App, WIDE } from '../app.ts';
import { type Case, eventually } from '../kit.ts';
import { connectedScene } from '../scenes.ts';
import type { World } from '../world.ts';
import { stateIs } from './connect.ts';
import { table } from './statistics.ts';

/** Both SAs, by the SPIs that the window shows. */
async function shownKeys(app: App): Promise<readonly [string | undefined, string | undefined]> {
  return [(await table(app, 'ike'))['Initiator SPI'], (await table(app, 'traffic'))['SPI in']];
}

const MINUTE = 60_000;

/** The form of a profile, with what is for administrators unfolded. */
async function editing(world: World, id: string): Promise<App> {
  const app = await world.open({ viewport: WIDE });
  await app.visit(`/profiles/${id}/edit`);
  await app.page.locator('summary').filter({ hasText: 'For administrators' }).click();
  return app;
}

async function select(app: App, field: string, option: string): Promise<void> {
  await app.page.getByTestId(`field-${field}`).getByRole('button').click();
  await app.page.getByRole('option', { name: option, exact: true }).click();
}

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
  {
    name: 'keys/lifetimes, fragments, roaming and a post-quantum key are set in the form, and used',
    run: async (world) => {
      const ppk = { id: 'office-ppk-1', secret: 'a key that both typed, of many octets' };
      await world.openOffice({ users: [{ ...VISITOR, ppk }] });
      const { id } = await world.profile();
      const app = await editing(world, id);
      await app.field('New keys for the traffic after').fill('5');
      await app.sees('0, or between 10 and 604800.');
      await app.field('New keys for the traffic after').fill('600');
      await app.field('New login after').fill('7200');
      await select(app, 'fragmentation', 'From the start');
      await select(app, 'whenLost', 'Hold it back, also when only you can bring it back');
      await app.page.getByText('Follow this computer to other networks').click();
      await app.field('Name of the post-quantum key').fill(ppk.id);
      await app.page.getByLabel('Post-quantum key', { exact: true }).fill(ppk.secret);
      await app.page.getByText('Never connect without the post-quantum key').click();
      await app.picture('keys-form');
      await app.page.getByTestId('profile-save').click();
      await app.sees('Every detail');
      const view = await world.call('profile.show', { profile: id });
      assert.deepEqual(
        [view.rekeyChild, view.reauthenticateEvery, view.fragmentation, view.whenLost, view.mobike, view.ppk, view.secrets],
        [600, 7200, 'force', 'lock', false, { id: ppk.id, required: true }, ['psk', 'ppk']],
      );
      const detail = (await app.page.getByTestId('profile-detail').innerText()).replaceAll(/\s+/g, ' ');
      assert.match(detail, /Long messages in pieces From the start New keys for the traffic after 10 min/);
      assert.match(detail, /Post-quantum key office-ppk-1/);
      assert.doesNotMatch(detail, /that both typed/);
      assert.match(
        (await world.stage.cli('show', id)).stdout,
        /Post-quantum key +office-ppk-1, demanded\nRekeys +CHILD SA after 600 s/,
      );
      await world.up(id);
      await app.go('Statistics');
      assert.equal((await table(app, 'ike'))['Key exchange'], 'CURVE_25519 + ML_KEM_768 + PPK');
      const due = ((await world.status()).children[0]?.rekeyAt ?? 0) - Date.now();
      assert.ok(due > 8 * MINUTE && due < 10 * MINUTE, `${due} ms`);
      // Its name taken out takes the key along.
      await world.call('tunnel.down', {});
      await app.visit(`/profiles/${id}/edit`);
      await app.page.locator('summary').filter({ hasText: 'For administrators' }).click();
      await app.field('Name of the post-quantum key').fill('');
      await app.page.getByTestId('profile-save').click();
      await app.sees('Every detail');
      const after = await world.call('profile.show', { profile: id });
      assert.deepEqual([after.ppk, after.secrets], [undefined, ['psk']]);
      return 'set, used, taken away';
    },
  },
  {
    name: 'keys/what the administrator locked of them is shown and cannot be changed',
    run: async (world) => {
      const { id } = await world.profile({
        ppk: { id: 'office-ppk-1', secret: 'a key of the office alone' },
        locked: ['ppk', 'rekeyIke', 'fragmentation', 'mobike'],
      });
      const app = await editing(world, id);
      for (const [field, kind] of [
        ['field-rekeyIke', 'readonly'],
        ['field-ppkId', 'readonly'],
      ] as const) {
        const input = app.page
          .getByTestId(field)
          .locator('input')
          .or(app.page.locator(`input[data-test=${field}]`));
        assert.notEqual(await input.first().getAttribute(kind), null, field);
      }
      const locked = (await app.page.getByTestId('profile-form').innerText()).replaceAll(/\s+/g, ' ');
      assert.match(locked, /Long messages in pieces When needed Locked by the administrator/);
      assert.match(locked, /Post-quantum key Stored, never shown Locked by the administrator/);
      assert.equal(await app.page.getByTestId('field-fragmentation').count(), 0);
      assert.equal(await app.page.getByTestId('field-ppk').count(), 0);
      return 'locked';
    },
  },
];
