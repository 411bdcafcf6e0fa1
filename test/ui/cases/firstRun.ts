/** The first minutes: nothing there yet, a profile comes by button, drop or paste, with its report before anything is stored. */
import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import { type App, VIEWS } from '../app.ts';
import { type Case, eventually } from '../kit.ts';
import type { World } from '../world.ts';

const FILE = 'head-office.json';

interface Report {
  readonly dialog: Locator;
  readonly text: string;
}

function dialog(app: App): Locator {
  return app.page.getByRole('dialog');
}

/** The dialog once it has read the file. */
async function report(app: App): Promise<Report> {
  const shown = dialog(app);
  await shown.getByRole('heading', { name: /^Import “|not a profile/ }).waitFor();
  return { dialog: shown, text: await shown.innerText() };
}

async function choose(app: App, text: string, name = FILE): Promise<Report> {
  const [chooser] = await Promise.all([app.page.waitForEvent('filechooser'), app.button('Import a profile').first().click()]);
  await chooser.setFiles({ name, mimeType: 'application/json', buffer: Buffer.from(text) });
  return report(app);
}

async function drop(app: App, text: string, name = FILE): Promise<Report> {
  const files = await app.page.evaluateHandle(
    `(() => { const data = new DataTransfer(); data.items.add(new File([${JSON.stringify(text)}], ${JSON.stringify(name)}, { type: 'application/json' })); return data; })()`,
  );
  await app.page.dispatchEvent('main', 'dragover', { dataTransfer: files });
  await app.sees('Drop the profile here');
  await app.page.dispatchEvent('main', 'drop', { dataTransfer: files });
  return report(app);
}

async function paste(app: App, text: string): Promise<Report> {
  await app.run(`navigator.clipboard.writeText(${JSON.stringify(text)})`);
  await app.page.keyboard.press('Control+V');
  return report(app);
}

/** As somebody copies it from a message, with a blank around it. */
function pasteLink(app: App, text: string): Promise<Report> {
  return paste(app, ` sallyport://import?profile=${Buffer.from(text).toString('base64url')}\n`);
}

async function stored(world: World): Promise<readonly string[]> {
  return (await world.call('profile.list', {})).map(({ name }) => name);
}

/** Imports one way, and says yes. */
function importBy(name: string, give: (app: App, text: string) => Promise<Report>, smoke?: true): Case {
  return {
    name: `first run/import by ${name}`,
    ...(smoke && { smoke }),
    run: async (world) => {
      const app = await world.open();
      const { dialog: asked, text } = await give(app, world.profileText());
      assert.match(text, /Head office/);
      assert.match(text, /vpn\.office\.test/);
      assert.deepEqual(await stored(world), [], 'nothing is stored before the yes');
      await asked.getByRole('button', { name: 'Import', exact: true }).click();
      await app.sees('“Head office” is imported.');
      assert.deepEqual(await stored(world), ['Head office']);
      await app.go('Connect');
      await app.page.getByTestId('control').getByText('Connect', { exact: true }).waitFor();
      return text.replaceAll(/\s+/g, ' ').slice(0, 120);
    },
  };
}

/** What is no profile: the window says so, names the place, and leads on. */
function malformed(name: string, text: string, expected: RegExp): Case {
  return {
    name: `first run/${name}`,
    run: async (world) => {
      const app = await world.open();
      const { dialog: asked, text: said } = await choose(app, text);
      assert.match(said, /not a profile/);
      await asked.getByText('Details for the administrator').click();
      assert.match(await asked.innerText(), expected);
      await asked.getByRole('button', { name: 'Choose another file' }).waitFor();
      await asked.getByRole('button', { name: 'Close' }).click();
      await asked.waitFor({ state: 'detached' });
      assert.deepEqual(await stored(world), []);
      return said.replaceAll(/\s+/g, ' ').slice(0, 160);
    },
  };
}

export const firstRun: readonly Case[] = [
  {
    name: 'first run/every view leads on when there is no profile',
    smoke: true,
    run: async (world) => {
      const app = await world.open();
      for (const view of ['Connect', 'Profiles'] as const) {
        await app.go(view);
        await app.button('Import a profile').first().waitFor();
        await app.page
          .getByRole('button', { name: 'Create a profile' })
          .or(app.page.getByRole('link', { name: 'Create a profile' }))
          .first()
          .waitFor();
      }
      for (const view of VIEWS) {
        await app.go(view);
        const controls = await app.page
          .getByRole('main')
          .getByRole('button')
          .or(app.page.getByRole('main').getByRole('link'))
          .or(app.page.getByRole('main').getByRole('radio'))
          .count();
        assert.ok(controls > 0, `${view} is a dead end`);
      }
      return `${VIEWS.length} views`;
    },
  },
  importBy('button', choose, true),
  importBy('drop', drop),
  importBy('paste', paste),
  importBy('a pasted link', async (app, text) => {
    const shown = await pasteLink(app, text);
    assert.match(shown.text, /It came by a link/);
    return shown;
  }),
  {
    name: 'first run/a pasted link that is broken is no profile',
    run: async (world) => {
      const app = await world.open();
      const { text } = await paste(app, 'sallyport://import?profile=%%%&and=more');
      assert.match(text, /not a profile/);
      assert.deepEqual(await stored(world), []);
      return text.replaceAll(/\s+/g, ' ').slice(0, 120);
    },
  },
  {
    name: 'first run/the report says what is left out, changed and to be looked at',
    run: async (world) => {
      const app = await world.open();
      const odd = JSON.stringify({ ...JSON.parse(world.profileText({ secret: 'short key' })), colour: 'blue', mtu: 1400 });
      const { dialog: asked, text } = await choose(app, odd);
      assert.match(text, /Left out\s+colour/);
      assert.match(text, /Look at this\s+Key Shorter than 20 characters/);
      assert.match(text, /settings? kept/);
      await asked.getByRole('button', { name: 'Import', exact: true }).waitFor();
      return text.replaceAll(/\s+/g, ' ').slice(0, 200);
    },
  },
  {
    name: 'first run/cancel stores nothing',
    run: async (world) => {
      const app = await world.open();
      const first = await choose(app, world.profileText());
      await first.dialog.getByRole('button', { name: 'Cancel' }).click();
      await first.dialog.waitFor({ state: 'detached' });
      const second = await paste(app, world.profileText());
      await app.page.keyboard.press('Escape');
      await second.dialog.waitFor({ state: 'detached' });
      assert.deepEqual(await stored(world), []);
      return 'by button and by Esc';
    },
  },
  {
    name: 'first run/the same profile again replaces it, and says so',
    run: async (world) => {
      const uuid = '2d2e7f70-5b0a-4a55-9d7e-3f1c5f0a8b11';
      await world.profile({ uuid, name: 'Old name' });
      const app = await world.open();
      await app.go('Profiles');
      const { dialog: asked, text } = await paste(app, world.profileText({ uuid, name: 'New name' }));
      assert.match(text, /replaces the profile you have/);
      await asked.getByRole('button', { name: 'Replace' }).click();
      await app.sees('“New name” is imported.');
      assert.deepEqual(await stored(world), ['New name']);
      return 'replaced';
    },
  },
  malformed('a file that is not JSON', '{"sallyport": 1, "name": ', /line 1, column 26/),
  malformed(
    'a profile with a wrong gateway',
    JSON.stringify({
      sallyport: 1,
      name: 'X',
      gateway: 'not a host!',
      localId: 'a@b.test',
      auth: { method: 'psk', secret: 'x'.repeat(24) },
    }),
    /gateway/,
  ),
  malformed('a picture instead of a profile', '\u0089PNG\r\n\u001a\n\u0000\u0000', /line 1, column 1/),
  malformed('an empty file', '', /./),
  malformed('a file of 300 kB', `{"sallyport":1,"name":"${'x'.repeat(300_000)}"}`, /./),
  {
    name: 'first run/two files dropped are asked about one after the other',
    run: async (world) => {
      const app = await world.open();
      const files = await app.page.evaluateHandle(
        `(() => { const data = new DataTransfer(); for (const text of ${JSON.stringify([world.profileText({ name: 'One' }), world.profileText({ name: 'Two' })])}) data.items.add(new File([text], 'p.json')); return data; })()`,
      );
      await app.page.dispatchEvent('main', 'drop', { dataTransfer: files });
      const names: string[] = [];
      for (let count = 0; count < 2; count++) {
        const { dialog: asked } = await report(app);
        const title = await asked.getByRole('heading').first().innerText();
        await asked.getByRole('button', { name: 'Import', exact: true }).click();
        names.push(title);
        await eventually('the next one', async () => ((await stored(world)).length === count + 1 ? true : undefined), 5_000);
        await app.gone(title);
      }
      assert.deepEqual([...(await stored(world))].sort(), ['One', 'Two']);
      return names.join(', ');
    },
  },
];
