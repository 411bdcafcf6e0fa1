/** Profiles: found, read, made, changed with validation as one types, filed, copied, deleted and brought back. */
import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import type { ProfileView } from '../../../core/rpc/contract.ts';
import { VISITOR } from '../../gateway/office.ts';
import { type App, WIDE } from '../app.ts';
import { type Case, eventually } from '../kit.ts';
import type { World } from '../world.ts';

const NOBODY = 65_534;

const row = (app: App, name: string): Locator =>
  app.page.getByTestId('profile-list').locator('[data-profile]').filter({ hasText: name });
const input = (app: App, field: string): Locator => app.page.getByTestId(`field-${field}`).locator('input, textarea');
const problemOf = (app: App, field: string): Locator => app.page.locator(`[data-field=${field}] .field-error`).first();

async function type(app: App, field: string, text: string): Promise<void> {
  await input(app, field).fill(text);
}

async function names(world: World): Promise<readonly string[]> {
  return (await world.call('profile.list', {})).map(({ name }) => name).sort();
}

function show(world: World, profile: string): Promise<ProfileView> {
  return world.call('profile.show', { profile });
}

/** Chooses from the menu of a row. */
async function choose(app: App, name: string, entry: string): Promise<void> {
  await row(app, name)
    .getByRole('button', { name: /^Actions for/ })
    .click();
  await app.page.getByRole('menuitem', { name: entry }).click();
}

const FOLDERS = [
  ['Head office', 'Europe', 'vpn.office.test'],
  ['Berlin', 'Europe', 'berlin.office.test'],
  ['Seoul', 'Asia', 'seoul.office.test'],
  ['Busan', 'Asia', 'busan.office.test'],
  ['Test bench', '', 'bench.office.test'],
] as const;

async function several(world: World): Promise<void> {
  for (const [name, folder, gateway] of FOLDERS) {
    const { id } = await world.profile({ name, gateway, remoteId: gateway });
    if (folder !== '') await world.call('profile.save', { profile: id, fields: { folder } });
  }
}

export const profiles: readonly Case[] = [
  {
    name: 'profiles/search by name, gateway and folder',
    run: async (world) => {
      await several(world);
      const app = await world.open();
      await app.go('Profiles');
      await app.page.keyboard.press('/');
      const shown = async (count: number): Promise<void> => {
        await eventually(
          `${count} rows`,
          async () => ((await app.page.locator('[data-profile]').count()) === count ? true : undefined),
          3_000,
        );
      };
      for (const [query, count] of [
        ['seo', 1],
        ['berlin.office', 1],
        ['asia', 2],
        ['office.test', 5],
      ] as const) {
        await app.page.getByLabel('Search profiles').fill(query);
        await shown(count);
      }
      await app.page.getByLabel('Search profiles').fill('nothing like it');
      await app.sees('No profile found');
      await app.picture('profiles-none-found');
      await app.page.getByRole('main').getByRole('button', { name: 'Clear search' }).last().click();
      await shown(FOLDERS.length);
      return '4 searches';
    },
  },
  {
    name: 'profiles/folders group the list, and a profile can be moved',
    run: async (world) => {
      await several(world);
      const app = await world.open({ viewport: WIDE });
      await app.go('Profiles');
      const text = (await app.page.getByTestId('profile-list').innerText()).replaceAll(/\s+/g, ' ');
      assert.match(text, /No folder 1 Test bench.*Asia 2.*Busan.*Seoul.*Europe 2.*Berlin.*Head office/);
      await app.picture('profiles-folders');
      await choose(app, 'Test bench', 'Move to a folder…');
      const dialog = app.page.getByRole('dialog');
      await dialog.getByRole('textbox').or(dialog.getByRole('combobox')).first().fill('Laboratory');
      await dialog.getByRole('button', { name: 'Move', exact: true }).click();
      await eventually(
        'it is moved',
        async () =>
          (await world.call('profile.list', {})).find(({ name }) => name === 'Test bench')?.folder === 'Laboratory'
            ? true
            : undefined,
        3_000,
      );
      await app.page.getByTestId('profile-list').getByText('Laboratory').waitFor();
      return text.slice(0, 120);
    },
  },
  {
    name: 'profiles/a hundred',
    run: async (world) => {
      for (let n = 0; n < 100; n++)
        await world.profile({ name: `Branch ${String(n).padStart(3, '0')}`, gateway: `b${n}.office.test` });
      const app = await world.open();
      await app.go('Profiles');
      const at = performance.now();
      await app.page.getByLabel('Search profiles').fill('Branch 042');
      await eventually(
        'one row',
        async () => ((await app.page.locator('[data-profile]').count()) === 1 ? true : undefined),
        3_000,
      );
      const took = Math.round(performance.now() - at);
      await app.page.getByLabel('Search profiles').fill('');
      await app.picture('profiles-hundred');
      return `found in ${took} ms`;
    },
  },
  {
    name: 'profiles/read in plain language and in full',
    run: async (world) => {
      const { id } = await world.profile({ remoteNetworks: ['10.10.0.0/24', 'fd10:10::/64'], mtu: 1360 });
      const app = await world.open();
      await app.go('Profiles');
      await row(app, 'Head office').click();
      await app.sees('Every detail');
      const text = (await app.page.getByTestId('profile-detail').innerText()).replaceAll(/\s+/g, ' ');
      assert.match(text, /Connects to \S*vpn\.office\.test\S* as \S*alice@office\.test\S* with a pre-shared key/);
      assert.match(text, /Only the office goes through it: .*10\.10\.0\.0\/24/);
      assert.match(text, /must prove to be/);
      await app.page.getByText('Every detail').first().click();
      const full = (await app.page.getByTestId('profile-detail').innerText()).replaceAll(/\s+/g, ' ');
      for (const part of [id, 'Stored, never shown', '500 and 4500', 'Liveness'])
        assert.ok(full.includes(part), `${part} in: ${full}`);
      return text.slice(0, 200);
    },
  },
  {
    name: 'profiles/create, with validation as one types, and connect',
    smoke: true,
    run: async (world) => {
      const app = await world.open();
      await app.go('Profiles');
      await app.press('Create a profile');
      await type(app, 'name', 'My office');
      await type(app, 'gateway', 'not a host!');
      await problemOf(app, 'gateway').getByText('neither a host name nor an address').waitFor();
      await app.picture('profile-new-invalid');
      await type(app, 'gateway', 'vpn.office.test');
      await problemOf(app, 'gateway').waitFor({ state: 'detached' });
      await type(app, 'localId', VISITOR.identity);
      await type(app, 'secret', 'short');
      await app.sees('Shorter than 20 characters');
      await type(app, 'secret', VISITOR.psk);
      assert.deepEqual(await names(world), [], 'nothing is stored while one types');
      await app.press('Create');
      await app.sees(/“.?My office.?” is created\./);
      assert.deepEqual(await names(world), ['My office']);
      await app.go('Connect');
      await app.page.getByTestId('control').click();
      await world.state('connected');
      return 'created and connected';
    },
  },
  {
    name: 'profiles/what is needed is said, not stored',
    run: async (world) => {
      const app = await world.open();
      await app.visit('/profiles/new');
      await app.press('Create');
      await problemOf(app, 'name').waitFor();
      await problemOf(app, 'gateway').waitFor();
      assert.deepEqual(await names(world), []);
      return (await app.page.locator('.field-error').allInnerTexts()).join(' | ');
    },
  },
  {
    name: 'profiles/edit: valid again, saved, the key kept',
    run: async (world) => {
      const { id } = await world.profile();
      const app = await world.open();
      await app.visit(`/profiles/${id}/edit`);
      await type(app, 'name', '');
      await problemOf(app, 'name').getByText('This is needed.').waitFor();
      await type(app, 'name', 'Main office');
      await problemOf(app, 'name').waitFor({ state: 'detached' });
      await app.page.locator('summary').filter({ hasText: 'For administrators' }).click();
      await type(app, 'mtu', '9000');
      await problemOf(app, 'mtu').getByText('Between 1280 and 1500.').waitFor();
      await app.picture('profile-edit-invalid');
      await app.press('Save');
      assert.equal((await show(world, id)).mtu, 1400, 'nothing wrong is stored');
      await type(app, 'mtu', '1380');
      await problemOf(app, 'mtu').waitFor({ state: 'detached' });
      await type(app, 'ikeProposals', 'aes256-rot13');
      await problemOf(app, 'ikeProposals').waitFor();
      await type(app, 'ikeProposals', 'aes256gcm16-prfsha384-x25519');
      await problemOf(app, 'ikeProposals').waitFor({ state: 'detached' });
      await app.press('Save');
      await app.sees(/is saved\./);
      const stored = await show(world, id);
      assert.deepEqual([stored.name, stored.mtu, stored.ikeProposals], ['Main office', 1380, ['aes256gcm16-prfsha384-x25519']]);
      assert.equal(stored.hasSecret, true);
      await world.up(id);
      return 'saved and still good to connect';
    },
  },
  {
    name: 'profiles/edit: a name that is taken',
    run: async (world) => {
      await world.profile({ name: 'Alpha' });
      const { id } = await world.profile({ name: 'Beta' });
      const app = await world.open();
      await app.visit(`/profiles/${id}/edit`);
      await type(app, 'name', 'Alpha');
      await problemOf(app, 'name').getByText('Another profile has this name.').waitFor();
      return 'said';
    },
  },
  {
    name: 'profiles/edit: only the office, network by network',
    run: async (world) => {
      const { id } = await world.profile();
      const app = await world.open();
      await app.visit(`/profiles/${id}/edit`);
      await app.page.getByRole('radio', { name: 'Only the office' }).or(app.button('Only the office')).first().click();
      await type(app, 'remoteNetworks', '10.10.0.0/24\n10.300.0.0/16');
      await problemOf(app, 'remoteNetworks').getByText('not a network').waitFor();
      await type(app, 'remoteNetworks', '10.10.0.0/24\nfd10:10::/64');
      await problemOf(app, 'remoteNetworks').waitFor({ state: 'detached' });
      await app.press('Save');
      await app.sees(/is saved\./);
      assert.deepEqual((await show(world, id)).remoteNetworks, ['10.10.0.0/24', 'fd10:10::/64']);
      return 'two networks';
    },
  },
  {
    name: 'profiles/edit: the stored key can be replaced and forgotten',
    run: async (world) => {
      const { id } = await world.profile({ secret: 'an old key that the office changed' });
      const app = await world.open();
      await app.visit(`/profiles/${id}/edit`);
      assert.equal(await input(app, 'secret').inputValue(), '', 'the stored key is not in the page');
      await type(app, 'secret', VISITOR.psk);
      await app.press('Save');
      await app.sees(/is saved\./);
      await world.up(id);
      await world.call('tunnel.down', {});
      await app.visit(`/profiles/${id}/edit`);
      await app.page.getByText('Ask for the key when connecting').click();
      await app.press('Save');
      await eventually('forgotten', async () => ((await show(world, id)).hasSecret ? undefined : true), 4_000);
      return 'replaced, then forgotten';
    },
  },
  {
    name: 'profiles/edit: leaving asks first',
    run: async (world) => {
      const { id } = await world.profile();
      const app = await world.open();
      await app.visit(`/profiles/${id}/edit`);
      await type(app, 'name', 'Half typed');
      await app.press('Cancel');
      const dialog = app.page.getByRole('alertdialog');
      await dialog.getByRole('button', { name: 'Keep editing' }).click();
      assert.equal(await input(app, 'name').inputValue(), 'Half typed');
      await app.press('Cancel');
      await dialog.getByRole('button', { name: 'Discard' }).click();
      await app.sees('Every detail');
      assert.equal((await show(world, id)).name, 'Head office');
      return 'kept, then discarded';
    },
  },
  {
    name: 'profiles/locked fields are shown as locked',
    run: async (world) => {
      const { id } = await world.profile({ locked: ['gateway', 'mtu', 'secret'] });
      const app = await world.open();
      await app.visit(`/profiles/${id}/edit`);
      await app.page.locator('summary').filter({ hasText: 'For administrators' }).click();
      for (const field of ['gateway', 'mtu']) {
        assert.equal((await input(app, field).getAttribute('readonly')) !== null, true, `${field} can be typed into`);
        await app.page.locator(`[data-field=${field}]`).getByText('Locked by the administrator').waitFor();
      }
      assert.equal(await app.page.getByTestId('field-secret').count(), 0, 'the key can be typed');
      await app.picture('profile-edit-locked');
      await type(app, 'name', 'Renamed');
      await app.press('Save');
      await app.sees(/is saved\./);
      assert.equal((await show(world, id)).name, 'Renamed');
      return 'gateway, MTU and key';
    },
  },
  {
    name: 'profiles/wholly locked: to read and to copy only',
    run: async (world) => {
      const { id } = await world.profile({ locked: true });
      const app = await world.open();
      await app.visit(`/profiles/${id}`);
      await app.sees('Every setting is locked by the administrator.');
      assert.equal(await app.page.getByTestId('profile-edit').count(), 0);
      await app.picture('profile-locked');
      return 'no edit';
    },
  },
  {
    name: 'profiles/for everybody: another user can use and copy it, not change it',
    run: async (world) => {
      const { profile } = await world.call('profile.import', { text: world.profileText(), shared: true });
      const app = await world.open({ user: NOBODY });
      await app.visit(`/profiles/${profile.id}`);
      await app.sees(/gave it to everybody/);
      assert.equal(await app.page.getByTestId('profile-edit').count(), 0);
      await app.page.getByTestId('profile-connect').click();
      await world.state('connected');
      return 'connected by another user';
    },
  },
  {
    name: 'profiles/duplicate',
    run: async (world) => {
      await world.profile();
      const app = await world.open();
      await app.go('Profiles');
      await choose(app, 'Head office', 'Duplicate');
      await app.sees(/The copy is called/);
      const all = await names(world);
      assert.equal(all.length, 2);
      return all.join(', ');
    },
  },
  {
    name: 'profiles/delete, and undo',
    smoke: true,
    run: async (world) => {
      const { id } = await world.profile();
      await world.profile({ name: 'Other' });
      const app = await world.open();
      await app.go('Profiles');
      await choose(app, 'Head office', 'Delete');
      await app.sees(/is deleted\./);
      await row(app, 'Head office').waitFor({ state: 'detached' });
      await eventually('deleted', async () => ((await names(world)).length === 1 ? true : undefined), 3_000);
      await app.press('Undo');
      await eventually('back', async () => ((await names(world)).length === 2 ? true : undefined), 3_000);
      assert.equal((await show(world, id)).hasSecret, true, 'its key is back too');
      return 'with its key';
    },
  },
  {
    name: 'profiles/delete and undo with the keyboard',
    run: async (world) => {
      await world.profile();
      await world.profile({ name: 'Other' });
      const app = await world.open();
      await app.go('Profiles');
      await row(app, 'Other').focus();
      await app.page.keyboard.press('Delete');
      await app.sees(/is deleted\./);
      await app.button('Undo').focus();
      await app.page.keyboard.press('Enter');
      await eventually('back', async () => ((await names(world)).length === 2 ? true : undefined), 4_000);
      return 'back';
    },
  },
  {
    name: 'profiles/the connected one cannot be deleted, and stays in the list',
    run: async (world) => {
      const { id } = await world.profile();
      await world.up(id);
      const app = await world.open();
      await app.go('Profiles');
      await choose(app, 'Head office', 'Delete');
      await app.sees(/connected|in use|Disconnect/i);
      await row(app, 'Head office').waitFor();
      assert.equal((await names(world)).length, 1);
      return 'stays';
    },
  },
  {
    name: 'profiles/changed by the command line, the list follows',
    run: async (world) => {
      await world.profile({ name: 'Alpha' });
      const app = await world.open();
      await app.go('Profiles');
      await world.profile({ name: 'Bravo' });
      await app.go('Connect');
      await app.go('Profiles');
      await row(app, 'Bravo').waitFor();
      return 'Bravo';
    },
  },
];
