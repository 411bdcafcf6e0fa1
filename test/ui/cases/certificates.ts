/** The certificate lens, and what is told of certificates before they are over. */
import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import { authority } from '../../authority/authority.ts';
import { type App, WIDE } from '../app.ts';
import {
  byCertificate,
  byEap,
  certificateProfile,
  eapProfile,
  endsIn,
  gatewayWith,
  listedGateway,
  NAME,
  PASSWORD,
  root,
  serveList,
  strictTrust,
  sub,
  USER,
} from '../credentials.ts';
import { type Case, eventually } from '../kit.ts';
import type { World } from '../world.ts';
import { stateIs } from './connect.ts';
import { card, hearCopies } from './failures.ts';

const lens = (app: App): Locator => app.page.getByRole('dialog').filter({ has: app.page.getByTestId('lens') });
const known = { identity: 'alice', password: PASSWORD } as const;

async function read(app: App): Promise<string> {
  await lens(app).locator('[data-test=lens]:not([data-state=reading])').waitFor({ timeout: 20_000 });
  return (await lens(app).innerText()).replaceAll(/\s+/g, ' ');
}

function warning(app: App, code: string): Locator {
  return app.page.getByRole('main').locator(`[data-warning=${code}]`);
}

async function soon(world: World, days: number): Promise<string> {
  const late = sub.issue({ subject: 'CN=Alice', san: [`email:${USER}`], ...endsIn(days) });
  return (await world.profile(certificateProfile(late))).id;
}

export const certificates: readonly Case[] = [
  {
    name: 'certificate/about to expire: told in the list and on Connect before anybody connects',
    smoke: true,
    run: async (world) => {
      await world.openOffice(byCertificate());
      const id = await soon(world, 12);
      const app = await world.open();
      const told = warning(app, 'client-certificate-expires');
      await told.getByText('Your certificate expires in 12 days.').waitFor();
      assert.match(await told.innerText(), /Ask your administrator for a new one and import it\./);
      await app.picture('warning-connect');
      await app.go('Profiles');
      await app.page.getByTestId('profile-list').getByText('Expires in 12 days').waitFor();
      await app.picture('warning-list');
      await world.up(id);
      await app.go('Connect');
      await stateIs(app, 'Protected');
      await told.getByRole('button', { name: 'Look at the certificate' }).click();
      assert.match(await read(app), /12 days left/);
      await app.picture('lens-own-expiring');
      return '12 days';
    },
  },
  {
    name: 'certificate/a day and a week before the end it is louder; over, it says so',
    run: async (world) => {
      const words: string[] = [];
      for (const [days, text] of [
        [6, 'Your certificate expires in 6 days.'],
        [0, 'Your certificate expires today.'],
      ] as const) {
        await soon(world, days);
        const app = await world.open();
        const told = warning(app, 'client-certificate-expires');
        await told.getByText(text).waitFor();
        assert.match((await told.getAttribute('class')) ?? '', /failed/);
        words.push(text);
        await app.close();
        for (const { id } of await world.call('profile.list', {})) await world.call('profile.remove', { profile: id });
      }
      return words.join(' ');
    },
  },
  {
    name: 'certificate/an own one that has expired: the card says it, and leads to it',
    run: async (world) => {
      await world.openOffice(byCertificate());
      await soon(world, -2);
      const app = await world.open();
      await warning(app, 'client-certificate-expires').getByText('Your certificate has expired.').waitFor();
      await app.press('Connect');
      await card(app).getByText('Your certificate has expired.').waitFor();
      await card(app).getByRole('button', { name: 'Look at your certificate' }).click();
      const text = await read(app);
      assert.match(text, /Something is wrong with it\./);
      assert.match(text, /It has expired\./);
      assert.match(text, /Over for 2 days/);
      await app.picture('lens-own-expired');
      return text.slice(0, 160);
    },
  },
  {
    name: 'certificate/of the gateway that ends soon: told once connected',
    run: async (world) => {
      await world.openOffice(byEap('mschapv2', gatewayWith(endsIn(3))));
      const { id } = await world.profile(eapProfile(known));
      await world.up(id);
      const app = await world.open();
      await warning(app, 'gateway-certificate-expires').getByText('The gateway’s certificate expires in 3 days.').waitFor();
      await app.go('Profiles');
      await app.page.getByTestId('profile-list').getByText('Expires in 3 days').waitFor();
      return '3 days';
    },
  },
  {
    name: 'certificate/the lens on the gateway: chain, name, use and days, from Connect; as text too',
    run: async (world) => {
      await world.openOffice(byEap());
      const { id } = await world.profile(eapProfile(known));
      await world.up(id);
      const app = await world.open();
      await app.page.getByTestId('look-at-gateway').click();
      const text = await read(app);
      assert.match(text, /An authority you trust vouches for it, and it is in order\./);
      assert.match(text, new RegExp(`It is about ${NAME.replaceAll('.', '\\.')}, as it should be\\.`));
      assert.match(text, /The gateway .*Vouched for by .*Trusted authority/);
      assert.match(text, /What it showed to this connection/);
      assert.match(text, /36\d days left/);
      await app.picture('lens-gateway');
      await hearCopies(app);
      await lens(app).getByTestId('lens-copy').click();
      await app.sees('Copied');
      const copied = await app.run<string>('globalThis.uiCopied');
      for (const part of [`CN=${NAME}`, 'CN=Office CA', 'CN=Office Root', 'SHA-256', 'P-256'])
        assert.ok(copied.includes(part), part);
      await app.page.keyboard.press('Escape');
      await lens(app).waitFor({ state: 'detached' });
      assert.equal((await world.status()).state, 'connected', 'Esc closed the lens and nothing else');
      return copied.split('\n').slice(0, 4).join(' | ');
    },
  },
  {
    name: 'certificate/a revoked gateway: refused, and the lens says how that was learnt',
    run: async (world) => {
      await serveList(world, [listedGateway]);
      await world.openOffice(byEap('mschapv2', listedGateway));
      await world.profile(eapProfile(known, strictTrust(false)));
      const app = await world.open();
      await app.press('Connect');
      await card(app).getByText('The certificate of the office was revoked.').waitFor();
      await card(app).getByRole('button', { name: 'Look at its certificate' }).click();
      const text = await read(app);
      assert.match(text, /It was revoked\./);
      assert.match(text, /Revoked on .*\((by a list of revoked ones|known from before)\)/);
      await app.picture('lens-gateway-revoked');
      return text.slice(0, 200);
    },
  },
  {
    name: 'certificate/nobody can be asked whether it was revoked: connected with a warning, or refused where the profile insists',
    run: async (world) => {
      const other = gatewayWith({ crlUrl: 'http://198.51.100.1:8081/nobody.crl' });
      await world.openOffice(byEap('mschapv2', other));
      const soft = await world.profile(eapProfile(known, strictTrust(false)));
      await world.up(soft.id);
      const app = await world.open();
      const told = warning(app, 'revocation-unknown');
      await told.getByText('Nobody could say whether the gateway’s certificate was revoked.').waitFor();
      await app.picture('warning-revocation');
      await world.idle();
      await world.call('profile.save', { profile: soft.id, fields: { trust: { revocation: { strict: true } } } });
      await app.press('Connect');
      await card(app).waitFor();
      assert.equal((await world.status()).failure?.code, 'gateway-revocation-unknown');
      return 'soft and strict';
    },
  },
  {
    name: 'certificate/a gateway with another name: the lens says which was expected',
    run: async (world) => {
      await world.openOffice(byEap('mschapv2', gatewayWith({ san: ['dns:mail.office.test'] })));
      await world.profile(eapProfile(known));
      const app = await world.open();
      await app.press('Connect');
      await card(app).getByRole('button', { name: 'Look at its certificate' }).click();
      const text = await read(app);
      assert.match(text, /It should be about vpn\.office\.test, and it is not\./);
      assert.match(text, /dns:mail\.office\.test/);
      return text.slice(0, 160);
    },
  },
  {
    name: 'certificate/the lens on the own one and on whom the profile trusts',
    run: async (world) => {
      const pinned = authority.selfSigned({ subject: 'CN=old gateway' });
      const { id } = await world.profile({
        ...certificateProfile(),
        gatewayAuth: { authorities: [root.pem, pinned.pem], revocation: { crl: false, ocsp: false } },
      });
      const app = await world.open({ viewport: WIDE });
      await app.visit(`/profiles/${id}`);
      await app.page.getByTestId('look-own').click();
      const own = await read(app);
      assert.match(own, /Your certificate is in order\./);
      assert.match(own, /It is about alice@office\.test, as it should be\./);
      await lens(app).getByRole('button', { name: 'Close' }).click();
      await app.page.getByTestId('look-authorities').click();
      const trusted = await read(app);
      assert.match(trusted, /Trusted authority About CN=Office Root/);
      assert.match(trusted, /Trusted as it is About CN=old gateway/);
      await app.picture('lens-authorities');
      return `${own.slice(0, 80)} … ${trusted.slice(0, 80)}`;
    },
  },
  {
    name: 'certificate/a gateway that does not answer the lens',
    run: async (world) => {
      const { id } = await world.profile({ ...eapProfile(known), gateway: 'nowhere.office.test' });
      const app = await world.open({ viewport: WIDE });
      await app.visit(`/profiles/${id}`);
      await app.page.getByTestId('look-gateway').click();
      await read(app);
      await lens(app).getByRole('region', { name: 'Problem' }).waitFor();
      return (await lens(app).innerText()).replaceAll(/\s+/g, ' ').slice(0, 120);
    },
  },
  {
    name: 'certificate/a short key is told once connected',
    run: async (world) => {
      const short = 'short key';
      await world.openOffice({ users: [{ identity: USER, psk: short }] });
      const { id } = await world.profile({ secret: short });
      await world.up(id);
      const app = await world.open();
      await warning(app, 'psk-short').getByText('The key is short and can be guessed.').waitFor();
      await app.go('Profiles');
      await app.page.getByTestId('profile-list').getByText('Short key').waitFor();
      return 'short';
    },
  },
  {
    name: 'profiles/EAP made in the form: problems as one types, then it connects',
    run: async (world) => {
      await world.openOffice(byEap());
      const app = await world.open({ viewport: WIDE });
      await app.visit('/profiles/new');
      const field = (name: string): Locator => app.page.getByTestId(`field-${name}`).locator('input, textarea');
      const problem = (name: string): Locator => app.page.locator(`[data-field="${name}"] .field-error`).first();
      await field('name').fill('Made here');
      await field('gateway').fill(NAME);
      await app.page.getByTestId('field-auth').getByRole('button').click();
      await app.page.getByRole('option', { name: 'User name and password', exact: true }).click();
      await field('eapIdentity').fill('alice');
      await field('password').fill(PASSWORD);
      await field('authorities').fill('no certificate');
      await problem('trust.authorities').waitFor();
      await app.picture('profile-eap-problem');
      await field('authorities').fill(root.pem);
      await problem('trust.authorities').waitFor({ state: 'detached' });
      await app.sees('1 authority');
      await app.page
        .getByRole('radio', { name: 'Insist' })
        .or(app.page.getByRole('button', { name: 'Insist' }))
        .first()
        .click();
      await app.page.getByTestId('profile-save').click();
      await app.sees(/Made here.*is created\./);
      const [made] = await world.call('profile.list', {});
      assert.ok(made);
      const view = await world.call('profile.show', { profile: made.id });
      assert.deepEqual(
        [view.auth, view.eap?.identity, view.secrets, view.trust.systemRoots],
        ['eap', 'alice', ['password'], false],
      );
      assert.deepEqual(view.trust.revocation, { crl: true, ocsp: true, strict: true });
      await app.sees(/Connects to .*vpn\.office\.test.* as .*alice.* with the stored password\./);
      await app.picture('profile-eap');
      await world.call('profile.save', { profile: made.id, fields: { trust: { revocation: { strict: false } } } });
      await world.up(made.id);
      return 'connected';
    },
  },
  {
    name: 'profiles/a stored password: kept, replaced, forgotten; locked fields stay as they are',
    run: async (world) => {
      const { id } = await world.profile({ ...eapProfile(known), locked: ['trust'] });
      const app = await world.open({ viewport: WIDE });
      await app.visit(`/profiles/${id}/edit`);
      const field = (name: string): Locator => app.page.getByTestId(`field-${name}`).locator('input, textarea');
      const save = async (): Promise<readonly [string | undefined, readonly string[]]> => {
        await app.page.getByTestId('profile-save').click();
        await app.page.getByTestId('profile-detail').waitFor();
        const { eap, secrets } = await world.call('profile.show', { profile: id });
        await app.visit(`/profiles/${id}/edit`);
        return [eap?.identity, secrets];
      };
      assert.equal(await field('authorities').getAttribute('readonly'), '');
      await app.sees('By its certificate');
      await app.picture('profile-eap-locked');
      await field('eapIdentity').fill('bob');
      assert.deepEqual(await save(), ['bob', ['password']]);
      await field('password').fill('another');
      assert.deepEqual(await save(), ['bob', ['password']]);
      await app.page.getByTestId('field-forgetPassword').click();
      assert.deepEqual(await save(), ['bob', []]);
      await eventually(
        'the list says so',
        async () => ((await world.call('profile.list', {}))[0]?.hasSecret === false ? true : undefined),
        2_000,
      );
      await app.visit(`/profiles/${id}`);
      await app.sees(/you are asked for the password each time/);
      return 'kept, replaced, forgotten';
    },
  },
];
