/** The helper's life as the window shows it: gone, restarting, of another version, hung, not for you; each with its way out. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type App, VIEWS } from '../app.ts';
import type { Case } from '../kit.ts';
import { startOldHelper } from '../oldHelper.ts';
import { connectedScene, useSettings } from '../scenes.ts';
import { stateIs } from './connect.ts';

const NOBODY = 65_534;

const TITLES = {
  missing: 'The Sallyport helper is not running',
  restarting: 'The Sallyport helper is restarting',
  otherVersion: 'The Sallyport helper is of another version',
  hung: 'The Sallyport helper does not answer',
  refused: 'You may not use the Sallyport helper',
  untrusted: 'This is not the Sallyport helper',
} as const;

async function screen(app: App, title: keyof typeof TITLES, withinMs = 15_000): Promise<string> {
  await app.page.getByRole('heading', { name: TITLES[title] }).waitFor({ timeout: withinMs });
  const main = app.page.getByRole('main');
  assert.doesNotMatch(await main.innerText(), /Protected(?! traffic)/, 'it does not claim what it cannot know');
  await app.picture(`helper-${title}`);
  return (await main.innerText()).replaceAll(/\s+/g, ' ');
}

/** Settings can be reached whatever the helper does, and no view is blank. */
async function noDeadEnd(app: App, title: keyof typeof TITLES): Promise<void> {
  for (const view of VIEWS) {
    await app.page.getByRole('navigation').getByRole('link', { name: view, exact: true }).click();
    if (view === 'Settings') await app.sees('Language');
    else await app.page.getByRole('heading', { name: TITLES[title] }).waitFor();
  }
}

export const helperLife: readonly Case[] = [
  {
    name: 'helper/killed while connected: restarting, then back',
    smoke: true,
    run: async (world) => {
      const app = await connectedScene(world);
      await stateIs(app, 'Protected');
      const startAgain = world.killEngine();
      const text = await screen(app, 'restarting').finally(startAgain);
      assert.match(text, /connected to Head office/, 'what was before');
      // The next engine takes it up by itself.
      await world.state('connected');
      await stateIs(app, 'Protected', 15_000);
      return text.slice(0, 200);
    },
  },
  {
    name: 'helper/missing when the window opens, then started',
    run: async (world) => {
      await world.profile();
      await world.stopHelper();
      const app = await world.open();
      const text = await screen(app, 'missing');
      await noDeadEnd(app, 'missing');
      await world.startHelper();
      await app.go('Connect');
      await stateIs(app, 'Not protected', 15_000);
      return text.slice(0, 240);
    },
  },
  {
    name: 'helper/why it could not be started is said in the window’s language',
    run: async (world) => {
      await world.stopHelper();
      const app = await world.open();
      // This shell cannot start one: the page believes another.
      await app.page.route('**/call', async (route) => {
        const { op } = route.request().postDataJSON() as { readonly op: string };
        if (op === 'startHelper') {
          const start = { code: 'not-permitted', values: { program: 'pkexec' } };
          await route.fulfill({
            json: { ok: false, error: { code: 'helper-not-running', detail: '/usr/bin/pkexec ended with 126', start } },
          });
        } else if (op === 'info') {
          const value = { version: '0', shell: 'electron', platform: 'linux', locale: 'de-DE', canStartHelper: true };
          await route.fulfill({ json: { ok: true, value: { ...value, canStartAtLogin: false } } });
        } else await route.continue();
      });
      await useSettings(app, { language: 'de' });
      await app.page.reload();
      await app.page.getByTestId('start-helper').click();
      await app.sees('Die Erlaubnis fehlt');
      const shown = await app.page.getByRole('alert').filter({ hasText: 'Erlaubnis' }).innerText();
      assert.doesNotMatch(shown, /ended with/, 'English is for the administrator');
      await app.picture('helper-not-started-de');
      return shown.replaceAll(/\s+/g, ' ');
    },
  },
  {
    name: 'helper/stopped while connected: restarting becomes missing',
    run: async (world) => {
      const app = await connectedScene(world);
      await stateIs(app, 'Protected');
      await world.stopHelper();
      await screen(app, 'restarting');
      const text = await screen(app, 'missing', 20_000);
      await world.startHelper();
      await app.page.getByRole('heading', { level: 1, name: /Not protected|Not connected/ }).waitFor({ timeout: 15_000 });
      return text.slice(0, 200);
    },
  },
  {
    name: 'helper/of another version',
    run: async (world) => {
      const old = await startOldHelper(join(world.stage.folder, 'old.sock'), 9);
      try {
        const app = await world.open({ socket: old.socket });
        await screen(app, 'otherVersion');
        await app.sees('Details for the administrator');
        await app.page.locator('summary').click();
        const text = (await app.page.getByRole('main').innerText()).replaceAll(/\s+/g, ' ');
        assert.match(text, /\b9\b/, 'its version');
        await noDeadEnd(app, 'otherVersion');
        return text.slice(0, 240);
      } finally {
        await old.stop();
      }
    },
  },
  {
    name: 'helper/hung, and back',
    run: async (world) => {
      const app = await connectedScene(world);
      await stateIs(app, 'Protected');
      world.stopEngine();
      const text = await screen(app, 'hung', 20_000);
      await noDeadEnd(app, 'hung');
      world.resumeEngine();
      await app.go('Connect');
      await stateIs(app, 'Protected', 20_000);
      return text.slice(0, 240);
    },
  },
  {
    name: 'helper/refused by permission',
    run: async (world) => {
      const path = join(world.stage.folder, 'closed.sock');
      const closed = await startOldHelper(path, 1);
      chmodSync(path, 0o600);
      try {
        const app = await world.open({ user: NOBODY, socket: path });
        const text = await screen(app, 'refused');
        await noDeadEnd(app, 'refused');
        return text.slice(0, 240);
      } finally {
        await closed.stop();
      }
    },
  },
  {
    name: 'helper/somebody else listens in its place',
    run: async (world) => {
      const place = join(world.stage.folder, 'open');
      mkdirSync(place, { recursive: true });
      // Anybody may write there, so anybody could have made the socket.
      chmodSync(place, 0o777);
      const old = await startOldHelper(join(place, 'impostor.sock'), 1);
      try {
        const app = await world.open({ socket: old.socket });
        const text = await screen(app, 'untrusted');
        await noDeadEnd(app, 'untrusted');
        return text.slice(0, 240);
      } finally {
        await old.stop();
      }
    },
  },
];
