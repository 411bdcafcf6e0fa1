/** Certificates and keys come in: PKCS#12, PEM and strongSwan's profiles; what they lack is asked for, then the report, then the yes. */
import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import type { ProfileSummary } from '../../../core/rpc/contract.ts';
import type { App } from '../app.ts';
import { alice, aliceP12, base64, byCertificate, NAME, P12_PASSWORD, root, sswan } from '../credentials.ts';
import type { Case } from '../kit.ts';
import type { World } from '../world.ts';
import { stateIs } from './connect.ts';

interface Given {
  readonly name: string;
  readonly octets: Buffer;
}

const p12 = (protection?: 'legacy'): Given => ({ name: 'alice.p12', octets: aliceP12(protection) });
const text = (name: string, content: string): Given => ({ name, octets: Buffer.from(content) });

async function choose(app: App, ...files: readonly Given[]): Promise<Locator> {
  const given = files.map(({ name, octets }) => ({ name, mimeType: 'application/octet-stream', buffer: octets }));
  await app.page.getByTestId('profile-file').setInputFiles(given);
  return app.page.getByRole('dialog');
}

async function drop(app: App, ...files: readonly Given[]): Promise<Locator> {
  const given = JSON.stringify(files.map(({ name, octets }) => ({ name, octets: octets.toString('base64') })));
  const handle = await app.page.evaluateHandle(
    `(() => { const data = new DataTransfer(); for (const { name, octets } of ${given}) data.items.add(new File([Uint8Array.from(atob(octets), (c) => c.charCodeAt(0))], name)); return data; })()`,
  );
  await app.page.dispatchEvent('main', 'drop', { dataTransfer: handle });
  return app.page.getByRole('dialog');
}

const report = (dialog: Locator): Locator => dialog.getByRole('heading', { name: /^Import “/ });
const list = (world: World): Promise<readonly ProfileSummary[]> => world.call('profile.list', {});

async function carryOn(dialog: Locator): Promise<void> {
  await dialog.getByRole('button', { name: 'Continue' }).click();
}

async function store(world: World, app: App, dialog: Locator): Promise<ProfileSummary> {
  assert.deepEqual(await list(world), [], 'stored before the yes');
  await dialog.getByRole('button', { name: 'Import', exact: true }).click();
  await app.sees(/is imported\./);
  const [profile] = await list(world);
  assert.ok(profile);
  return profile;
}

export const importCredentials: readonly Case[] = [
  {
    name: 'import/PKCS#12: wrong password, right password, gateway, report; then it connects',
    smoke: true,
    run: async (world) => {
      await world.openOffice(byCertificate());
      const app = await world.open();
      const dialog = await choose(app, p12());
      await dialog.getByRole('heading', { name: 'This file needs something from you' }).waitFor();
      await dialog.getByLabel('Password of the file').fill('not this one');
      await dialog.getByLabel('Gateway').fill(NAME);
      await dialog.getByLabel('Name', { exact: true }).fill('With my certificate');
      await carryOn(dialog);
      await dialog.getByText('This is not the password of the file.').waitFor();
      await app.picture('import-p12-wrong');
      await dialog.getByLabel('Password of the file').fill(P12_PASSWORD);
      await carryOn(dialog);
      await report(dialog).waitFor();
      const told = await dialog.innerText();
      assert.match(told, /With my certificate/);
      assert.match(told, /Private key It needed a password in the file\./);
      assert.match(told, /Trusted authorities Beside your own there was 1 certificate of an authority/);
      assert.match(told, /Your identity Not in the file: your certificate says alice@office\.test\./);
      await app.picture('import-p12-report');
      const profile = await store(world, app, dialog);
      assert.deepEqual([profile.name, profile.auth, profile.hasSecret], ['With my certificate', 'certificate', true]);
      await app.press('Connect');
      await world.state('connected');
      await stateIs(app, 'Protected');
      return told.replaceAll(/\s+/g, ' ').slice(0, 160);
    },
  },
  {
    name: 'import/PKCS#12: cancelled, nothing is stored and nothing typed stays',
    run: async (world) => {
      const app = await world.open();
      const dialog = await choose(app, p12());
      await dialog.getByLabel('Password of the file').fill(P12_PASSWORD);
      await carryOn(dialog);
      await dialog.getByText('This is needed.').waitFor();
      await dialog.getByRole('button', { name: 'Cancel' }).click();
      await dialog.waitFor({ state: 'detached' });
      assert.deepEqual(await list(world), []);
      const again = await choose(app, p12());
      assert.equal(await again.getByLabel('Password of the file').inputValue(), '');
      return 'nothing kept';
    },
  },
  {
    name: 'import/PKCS#12 of long ago: what to run to make it new',
    run: async (world) => {
      const app = await world.open();
      const dialog = await drop(app, p12('legacy'));
      await dialog.getByText('Details for the administrator').or(dialog.getByLabel('Password of the file')).first().waitFor();
      if ((await dialog.getByLabel('Password of the file').count()) > 0) {
        await dialog.getByLabel('Password of the file').fill(P12_PASSWORD);
        await dialog.getByLabel('Gateway').fill(NAME);
        await carryOn(dialog);
      }
      await dialog.getByText('Details for the administrator').click();
      await dialog
        .getByText(/openssl pkcs12 -legacy/)
        .first()
        .waitFor();
      assert.deepEqual(await list(world), []);
      return 'refused';
    },
  },
  {
    name: 'import/PEM: certificate, key and authority dropped together are one profile',
    run: async (world) => {
      await world.openOffice(byCertificate());
      const app = await world.open();
      const dialog = await drop(app, text('alice.crt', alice.chainPem), text('alice.key', alice.key.pkcs8Pem), {
        name: 'root.der',
        octets: Buffer.from(root.der),
      });
      await dialog.getByText('From alice.crt, alice.key, root.der').waitFor();
      assert.equal(await dialog.getByLabel('Password of the file').count(), 0, 'there is nothing to open');
      await dialog.getByLabel('Gateway').fill(NAME);
      await carryOn(dialog);
      await report(dialog).waitFor();
      assert.match(await dialog.innerText(), /Everybody who has the file can read it\./);
      const { id, name } = await store(world, app, dialog);
      const view = await world.call('profile.show', { profile: id });
      assert.deepEqual([name, view.secrets, view.trust.authorities], [NAME, ['key'], [base64(root.der)]]);
      await world.up(id);
      return 'connected';
    },
  },
  {
    name: 'import/PEM pasted as text',
    run: async (world) => {
      const app = await world.open();
      const pem = `${alice.chainPem}${alice.key.pkcs8Pem}${root.pem}`;
      await app.run(`navigator.clipboard.writeText(${JSON.stringify(pem)})`);
      await app.page.keyboard.press('Control+V');
      const dialog = app.page.getByRole('dialog');
      await dialog.getByLabel('Gateway').fill(NAME);
      await carryOn(dialog);
      await report(dialog).waitFor();
      const { auth } = await store(world, app, dialog);
      return auth;
    },
  },
  {
    name: 'import/.sswan: password wrong then right, the report field by field, then it connects',
    run: async (world) => {
      await world.openOffice(byCertificate());
      const app = await world.open();
      const dialog = await drop(app, text('office.sswan', sswan()));
      await dialog.getByLabel('Password of the file').fill('not this one');
      assert.equal(await dialog.getByLabel('Gateway').count(), 0, 'the file says it');
      await carryOn(dialog);
      await dialog.getByText('This is not the password of the file.').waitFor();
      await dialog.getByLabel('Password of the file').fill(P12_PASSWORD);
      await carryOn(dialog);
      await report(dialog).waitFor();
      const told = (await dialog.innerText()).replaceAll(/\s+/g, ' ');
      assert.match(told, /Left out colour This version does not know this setting\./);
      assert.match(told, /\d+ settings kept as they are/);
      assert.match(told, /Changed/);
      await app.picture('import-sswan-report');
      const profile = await store(world, app, dialog);
      assert.deepEqual([profile.name, profile.id], ['From strongSwan', '7b4b1bc2-7d7c-4bfb-9a4a-5a8a2f3c7a11']);
      await world.up(profile.id);
      return told.slice(0, 200);
    },
  },
];
