/** Situations with certificates and passwords that must look right: for pictures, and for judging them in narrow windows and by axe. */
import type { App } from './app.ts';
import { aliceP12, byEap, certificateProfile, eapProfile, endsIn, PASSWORD, root, sub, USER } from './credentials.ts';
import { useSettings } from './scenes.ts';
import type { OpenOptions, World } from './world.ts';

export interface SceneOptions extends OpenOptions {
  readonly speak?: 'de' | 'ko';
}

async function open(world: World, { speak, ...options }: SceneOptions): Promise<App> {
  const app = await world.open(options);
  if (speak) await useSettings(app, { language: speak });
  return app;
}

/** A profile whose certificate ends soon. */
async function expiring(world: World): Promise<string> {
  const late = sub.issue({ subject: 'CN=Alice, O=Office of the Tests', san: [`email:${USER}`], ...endsIn(5) });
  return (await world.profile(certificateProfile(late, { method: 'certificate-eap', identity: 'alice' }))).id;
}

/** Each brings its window to the state and returns it. */
export const CREDENTIAL_SCENES: Readonly<Record<string, (world: World, options: SceneOptions) => Promise<App>>> = {
  'warning on Connect': async (world, options) => {
    await expiring(world);
    const app = await open(world, options);
    await app.page.getByRole('main').locator('[data-warning]').waitFor();
    return app;
  },
  lens: async (world, options) => {
    const id = await expiring(world);
    const app = await open(world, options);
    await app.visit(`/profiles/${id}`);
    await app.page.getByTestId('look-own').click();
    await app.page.locator('[data-test=lens][data-state=read]').waitFor();
    return app;
  },
  'lens on the gateway': async (world, options) => {
    await world.openOffice(byEap());
    const { id } = await world.profile(eapProfile({ identity: 'alice', password: PASSWORD }));
    await world.up(id);
    const app = await open(world, options);
    await app.page.getByTestId('look-at-gateway').click();
    await app.page.locator('[data-test=lens][data-state=read]').waitFor({ timeout: 20_000 });
    return app;
  },
  'import details': async (world, options) => {
    const app = await open(world, options);
    const file = { name: 'alice.p12', mimeType: 'application/x-pkcs12', buffer: aliceP12() };
    await app.page.getByTestId('profile-file').setInputFiles(file);
    await app.page.getByTestId('import-password').waitFor();
    return app;
  },
  'profile with a certificate': async (world, options) => {
    const id = await expiring(world);
    const app = await open(world, options);
    await app.visit(`/profiles/${id}`);
    await app.page.getByTestId('look-authorities').waitFor();
    return app;
  },
  'form with everything': async (world, options) => {
    const id = await expiring(world);
    const app = await open(world, options);
    await app.visit(`/profiles/${id}/edit`);
    await app.page.locator('.profile-more > summary').click();
    await app.page.getByTestId('field-serverName').waitFor();
    return app;
  },
  'form with a password': async (world, options) => {
    const { id } = await world.profile(eapProfile({ identity: 'alice', password: 'secret' }, { authorities: [root.pem] }));
    const app = await open(world, options);
    await app.visit(`/profiles/${id}/edit`);
    await app.page.getByTestId('field-password').waitFor();
    return app;
  },
};
