/** When the office wants something typed: right, wrong, wrong then right, remembered, cancelled. */
import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import { VISITOR } from '../../gateway/office.ts';
import type { App } from '../app.ts';
import { type Case, eventually } from '../kit.ts';
import type { World } from '../world.ts';
import { stateIs } from './connect.ts';
import { card } from './failures.ts';

function prompt(app: App): Locator {
  return app.page.getByRole('dialog');
}

/** A profile without its key, pressed; resolves when it asks. */
async function asked(world: World): Promise<{ readonly app: App; readonly id: string }> {
  const { id } = await world.profile({ secret: null });
  const app = await world.open();
  await app.press('Connect');
  await prompt(app).waitFor();
  return { app, id };
}

async function answer(app: App, secret: string, remember = false): Promise<void> {
  const shown = prompt(app);
  await shown.getByLabel('Pre-shared key').fill(secret);
  if (remember) await shown.getByText('Remember it on this computer').click();
  await shown.getByRole('button', { name: 'Continue' }).click();
}

const hasSecret = async (world: World, id: string): Promise<boolean> =>
  (await world.call('profile.show', { profile: id })).hasSecret;

export const prompts: readonly Case[] = [
  {
    name: 'prompt/asks for the key, says for whom, and connects',
    smoke: true,
    run: async (world) => {
      const { app, id } = await asked(world);
      const text = await prompt(app).innerText();
      assert.match(text, /Enter the key for Head office/);
      assert.match(text, new RegExp(VISITOR.identity.replaceAll('.', '\\.')));
      const field = prompt(app).getByLabel('Pre-shared key');
      assert.equal(await field.getAttribute('type'), 'password');
      assert.equal(await app.run('document.activeElement?.getAttribute("type")'), 'password', 'the field has the focus');
      await app.picture('prompt');
      await answer(app, VISITOR.psk);
      await world.state('connected');
      await stateIs(app, 'Protected');
      assert.equal(await hasSecret(world, id), false, 'kept although nobody said so');
      return text.replaceAll(/\s+/g, ' ').slice(0, 140);
    },
  },
  {
    name: 'prompt/wrong key, then the right one',
    smoke: true,
    run: async (world) => {
      const { app } = await asked(world);
      await answer(app, 'this is not the key of the office');
      await prompt(app).getByText('This key was not accepted.').waitFor();
      await app.picture('prompt-wrong');
      assert.equal(await prompt(app).getByLabel('Pre-shared key').inputValue(), '', 'the wrong key is gone');
      await answer(app, VISITOR.psk);
      await world.state('connected');
      await stateIs(app, 'Protected');
      return 'asked twice';
    },
  },
  {
    name: 'prompt/cancel goes back, without a failure',
    run: async (world) => {
      const { app } = await asked(world);
      await prompt(app).getByRole('button', { name: 'Cancel' }).click();
      await world.state('idle');
      await prompt(app).waitFor({ state: 'detached' });
      await stateIs(app, 'Not protected');
      assert.equal(await card(app).count(), 0);
      return 'idle';
    },
  },
  {
    name: 'prompt/Esc cancels it (waiting)',
    run: async (world) => {
      const { app } = await asked(world);
      assert.equal((await world.status()).state, 'waiting');
      await app.page.keyboard.press('Escape');
      await world.state('idle');
      await stateIs(app, 'Not protected');
      return 'idle';
    },
  },
  {
    name: 'prompt/remembered, it asks no more',
    run: async (world) => {
      const { app, id } = await asked(world);
      await answer(app, VISITOR.psk, true);
      await world.state('connected');
      await eventually('it is kept', async () => ((await hasSecret(world, id)) ? true : undefined), 3_000);
      await stateIs(app, 'Protected');
      await app.press('Disconnect');
      await stateIs(app, 'Not protected');
      await app.press('Connect');
      await world.state('connected');
      assert.equal(await prompt(app).count(), 0);
      return 'not asked again';
    },
  },
  {
    name: 'prompt/a wrong key is not remembered',
    run: async (world) => {
      const { app, id } = await asked(world);
      await answer(app, 'this is not the key of the office', true);
      await prompt(app).getByText('This key was not accepted.').waitFor();
      assert.equal(await hasSecret(world, id), false);
      await prompt(app).getByRole('button', { name: 'Cancel' }).click();
      await world.state('idle');
      assert.equal(await hasSecret(world, id), false);
      return 'not kept';
    },
  },
  {
    name: 'prompt/an empty answer is not sent',
    run: async (world) => {
      const { app } = await asked(world);
      await prompt(app).getByRole('button', { name: 'Continue' }).click();
      await prompt(app).getByText('Enter it to continue').waitFor();
      assert.equal((await world.status()).state, 'waiting');
      return 'said so';
    },
  },
  {
    name: 'prompt/what is typed can be shown',
    run: async (world) => {
      const { app } = await asked(world);
      const field = prompt(app).getByLabel('Pre-shared key');
      await field.fill('abc');
      await prompt(app).getByText('Show what I type').click();
      assert.equal(await field.getAttribute('type'), 'text');
      return 'shown';
    },
  },
  {
    name: 'prompt/a stored key that is refused can be entered again',
    run: async (world) => {
      await world.profile({ secret: 'an old key that the office changed' });
      const app = await world.open();
      await app.press('Connect');
      await card(app).waitFor();
      await card(app).getByRole('button', { name: 'Enter the key again' }).click();
      await prompt(app).waitFor();
      await answer(app, VISITOR.psk, true);
      await world.state('connected');
      await stateIs(app, 'Protected');
      return 'connected';
    },
  },
  {
    name: 'prompt/answered in one window it is gone in the other',
    run: async (world) => {
      const { app } = await asked(world);
      const other = await world.open();
      await prompt(other).waitFor();
      await answer(app, VISITOR.psk);
      await world.state('connected');
      await prompt(other).waitFor({ state: 'detached' });
      await stateIs(other, 'Protected');
      return 'gone';
    },
  },
];
