/** What the gateway asks of its user once it has proven itself: name, password, code; right, wrong, remembered, cancelled. */
import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import { authority } from '../../authority/authority.ts';
import type { App } from '../app.ts';
import { byBoth, byEap, CODE, certificateProfile, eapProfile, NAME, PASSWORD } from '../credentials.ts';
import { type Case, eventually } from '../kit.ts';
import type { ProfileFields, World } from '../world.ts';
import { stateIs } from './connect.ts';
import { card } from './failures.ts';

type Kind = 'identity' | 'password' | 'code';
const LABELS: Readonly<Record<Kind, string>> = { identity: 'User name', password: 'Password', code: 'Code' };

/** The question of this kind; later ones of the same kind have a higher number. */
export function question(app: App, kind: Kind, attempt = 1): Locator {
  const has = app.page.locator(`[data-test=prompt][data-kind=${kind}][data-attempt="${attempt}"]`);
  return app.page.getByRole('dialog').filter({ has });
}

export async function answer(dialog: Locator, kind: Kind, word: string, remember = false): Promise<void> {
  await dialog.getByLabel(LABELS[kind], { exact: true }).fill(word);
  if (remember) await dialog.getByText('Remember it on this computer').click();
  await dialog.getByRole('button', { name: 'Continue' }).click();
}

/** A window on which Connect was pressed. */
async function pressed(world: World, fields: ProfileFields): Promise<{ readonly app: App; readonly id: string }> {
  const { id } = await world.profile(fields);
  const app = await world.open();
  await app.press('Connect');
  return { app, id };
}

async function protectedNow(world: World, app: App): Promise<void> {
  await world.state('connected');
  await stateIs(app, 'Protected');
  await world.ping(1);
}

export const credentialPrompts: readonly Case[] = [
  {
    name: 'prompt/a new login that asks leaves the tunnel there: put aside, then answered, protected all the while',
    run: async (world) => {
      await world.openOffice({ ...byEap('otp'), authLifetime: 30 });
      const { app } = await pressed(world, eapProfile({ methods: ['otp'], identity: 'alice' }));
      await answer(question(app, 'code'), 'code', CODE.answer);
      await protectedNow(world, app);
      const before = (await world.status()).ike?.spiI;
      const asked = question(app, 'code');
      await asked.getByText('You stay connected while you renew it.').waitFor({ timeout: 30_000 });
      const { state, prompt, children } = await world.status();
      assert.deepEqual([state, prompt?.kind, children.length], ['rekeying', 'code', 1]);
      assert.match((await world.stage.cli('status')).stdout, /^Connected, .*\n(.*\n)*\s+Asked for\s+code/);
      await app.picture('prompt-beside');
      await asked.getByRole('button', { name: 'Not now' }).click();
      await stateIs(app, 'Protected');
      await app.sees('Head office needs something from you.');
      await app.button('Disconnect').waitFor();
      await world.ping();
      await app.press('Enter it now');
      await answer(question(app, 'code'), 'code', CODE.answer);
      await eventually(
        'another IKE SA',
        async () => {
          const now = await world.status();
          return now.state === 'connected' && now.ike?.spiI !== before ? true : undefined;
        },
        10_000,
      );
      await protectedNow(world, app);
      return 'put aside, answered';
    },
  },
  {
    name: 'prompt/a new login that is refused is told, and the tunnel is there still',
    run: async (world) => {
      await world.openOffice({ ...byEap('otp'), authLifetime: 60 });
      const { app } = await pressed(world, eapProfile({ methods: ['otp'], identity: 'alice' }));
      await answer(question(app, 'code'), 'code', CODE.answer);
      await protectedNow(world, app);
      for (const attempt of [1, 2, 3]) {
        const asked = question(app, 'code', attempt);
        await asked.waitFor({ timeout: 60_000 });
        await answer(asked, 'code', '000000');
      }
      await app.sees('You are still connected by the login before. The new one did not work:');
      await card(app).waitFor();
      assert.equal((await world.status()).renewalFailure?.code, 'eap-refused');
      await app.picture('prompt-beside-refused');
      await protectedNow(world, app);
      return 'refused three times';
    },
  },
  {
    name: 'prompt/EAP: user name and password, once the gateway is proven',
    smoke: true,
    run: async (world) => {
      await world.openOffice(byEap());
      const { app, id } = await pressed(world, eapProfile());
      await question(app, 'identity').waitFor();
      const { steps, gatewayCertificate } = await world.status();
      assert.deepEqual(steps.map(({ state }) => state).join(' '), 'done done done active pending');
      assert.equal(gatewayCertificate?.subject, `CN=${NAME}`);
      const name = question(app, 'identity').getByLabel('User name', { exact: true });
      assert.equal(await name.getAttribute('type'), 'text', 'a name is typed in sight');
      await app.picture('prompt-identity');
      await answer(question(app, 'identity'), 'identity', 'alice');
      await question(app, 'password').waitFor();
      const text = await question(app, 'password').innerText();
      assert.match(text, /Enter your password for Head office\s+You connect as alice\./);
      assert.equal(await question(app, 'password').getByLabel('Password', { exact: true }).getAttribute('type'), 'password');
      await answer(question(app, 'password'), 'password', PASSWORD);
      await protectedNow(world, app);
      const { secrets, eap } = await world.call('profile.show', { profile: id });
      assert.deepEqual([secrets, eap?.identity], [[], ''], 'kept although nobody said so');
      return 'two questions';
    },
  },
  {
    name: 'prompt/EAP: a wrong password, then the right one',
    run: async (world) => {
      await world.openOffice(byEap());
      const { app } = await pressed(world, eapProfile({ identity: 'alice' }));
      await answer(question(app, 'password'), 'password', 'not this one');
      await question(app, 'password', 2).getByText('This password was not accepted.').waitFor();
      assert.equal(await question(app, 'password', 2).getByLabel('Password', { exact: true }).inputValue(), '');
      await app.picture('prompt-password-wrong');
      await answer(question(app, 'password', 2), 'password', PASSWORD);
      await protectedNow(world, app);
      return 'asked twice';
    },
  },
  {
    name: 'prompt/EAP: a mistyped user name is there again to be mended',
    run: async (world) => {
      await world.openOffice(byEap());
      const { app } = await pressed(world, eapProfile());
      await answer(question(app, 'identity'), 'identity', 'alise');
      await answer(question(app, 'password'), 'password', PASSWORD);
      const again = question(app, 'identity', 2);
      await again.getByText('User name or password was not accepted.').waitFor();
      assert.equal(await again.getByLabel('User name', { exact: true }).inputValue(), 'alise');
      await answer(again, 'identity', 'alice');
      await answer(question(app, 'password', 2), 'password', PASSWORD);
      await protectedNow(world, app);
      return 'mended';
    },
  },
  {
    name: 'prompt/EAP: cancel at the password goes back, without a failure and with nothing kept',
    run: async (world) => {
      await world.openOffice(byEap());
      const { app, id } = await pressed(world, eapProfile());
      await answer(question(app, 'identity'), 'identity', 'alice', true);
      await question(app, 'password').getByRole('button', { name: 'Cancel' }).click();
      await world.state('idle');
      await stateIs(app, 'Not protected');
      assert.equal(await app.page.getByRole('dialog').count(), 0);
      assert.equal(await card(app).count(), 0);
      assert.equal((await world.call('profile.show', { profile: id })).eap?.identity, '');
      return 'idle';
    },
  },
  {
    name: 'prompt/EAP: remembered, it asks no more',
    run: async (world) => {
      await world.openOffice(byEap());
      const { app, id } = await pressed(world, eapProfile());
      await answer(question(app, 'identity'), 'identity', 'alice', true);
      await answer(question(app, 'password'), 'password', PASSWORD, true);
      await protectedNow(world, app);
      await eventually(
        'both are kept',
        async () => {
          const { secrets, eap } = await world.call('profile.show', { profile: id });
          return secrets.includes('password') && eap?.identity === 'alice' ? true : undefined;
        },
        3_000,
      );
      await app.press('Disconnect');
      await stateIs(app, 'Not protected');
      await app.press('Connect');
      await protectedNow(world, app);
      assert.equal(await app.page.getByRole('dialog').count(), 0);
      return 'not asked again';
    },
  },
  {
    name: 'prompt/EAP: a wrong password is not remembered, and three of them are the end',
    run: async (world) => {
      await world.openOffice(byEap());
      const { app, id } = await pressed(world, eapProfile({ identity: 'alice' }));
      for (const attempt of [1, 2, 3]) await answer(question(app, 'password', attempt), 'password', `wrong ${attempt}`, true);
      await card(app).waitFor();
      assert.deepEqual((await world.call('profile.show', { profile: id })).secrets, []);
      await card(app).getByRole('button', { name: 'Enter the password again' }).click();
      await answer(question(app, 'password'), 'password', PASSWORD);
      await protectedNow(world, app);
      return 'nothing kept';
    },
  },
  {
    name: 'prompt/a stored password that is refused is asked for again',
    run: async (world) => {
      await world.openOffice(byEap());
      const { app, id } = await pressed(world, eapProfile({ identity: 'alice', password: 'of last year' }));
      await answer(question(app, 'password', 2), 'password', PASSWORD, true);
      await protectedNow(world, app);
      await app.press('Disconnect');
      await stateIs(app, 'Not protected');
      await world.up(id);
      return 'the new one is kept';
    },
  },
  ...(['gtc', 'otp'] as const).map(
    (method): Case => ({
      name: `prompt/${method.toUpperCase()}: a code in the gateway’s own words, wrong then right, never remembered`,
      run: async (world) => {
        await world.openOffice(byEap(method));
        const { app } = await pressed(world, eapProfile({ identity: 'alice', methods: [method] }));
        const first = question(app, 'code');
        await first.waitFor();
        const text = await first.innerText();
        assert.match(text, /The office says:\s+The code from your token/);
        assert.equal(await first.getByText('Remember it on this computer').count(), 0);
        await app.picture(`prompt-code-${method}`);
        await answer(first, 'code', '000000');
        await question(app, 'code', 2).getByText('This code was not accepted.').waitFor();
        await answer(question(app, 'code', 2), 'code', CODE.answer);
        await protectedNow(world, app);
        return text.replaceAll(/\s+/g, ' ').slice(0, 80);
      },
    }),
  ),
  {
    name: 'prompt/a certificate, then a password',
    run: async (world) => {
      await world.openOffice(byBoth);
      const { app } = await pressed(world, certificateProfile(undefined, { method: 'certificate-eap', identity: 'alice' }));
      await answer(question(app, 'password'), 'password', PASSWORD);
      await protectedNow(world, app);
      return 'one question';
    },
  },
  {
    name: 'prompt/a gateway that nobody vouches for is told nothing and asks nothing',
    run: async (world) => {
      const stranger = authority.root({ subject: 'CN=Office Root' });
      await world.openOffice(byEap('mschapv2', stranger.issue({ subject: `CN=${NAME}`, san: [`dns:${NAME}`] })));
      const { app } = await pressed(world, eapProfile());
      await card(app).waitFor();
      assert.equal(await app.page.getByRole('dialog').count(), 0);
      assert.equal((await world.status()).failure?.code, 'gateway-untrusted');
      await card(app).getByRole('button', { name: 'Look at its certificate' }).waitFor();
      await app.picture('failed-untrusted');
      return await card(app).getByRole('heading').first().innerText();
    },
  },
];
