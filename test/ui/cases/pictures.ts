/** Pictures for people to look at: every view in light and dark, narrow and wide, and the states that must look designed. Written to dist/pictures. */
import { join } from 'node:path';
import { type App, SMALL, VIEWS, WIDE } from '../app.ts';
import type { Case } from '../kit.ts';
import { startOldHelper } from '../oldHelper.ts';
import { connectedScene, useSettings } from '../scenes.ts';
import type { World } from '../world.ts';

const SCHEMES = ['light', 'dark'] as const;
type Scheme = (typeof SCHEMES)[number];

async function everyView(app: App, label: string): Promise<number> {
  for (const view of VIEWS) {
    await app.go(view);
    await app.rest();
    // Charts draw twice a second.
    if (view === 'Statistics') await app.page.waitForTimeout(1_200);
    await app.picture(`${view.toLowerCase()}-${label}`);
  }
  return VIEWS.length;
}

function views(scheme: Scheme, size: 'small' | 'wide'): Case {
  return {
    name: `pictures/every view in ${scheme}, ${size}`,
    run: async (world) => {
      const app = await connectedScene(world, { colorScheme: scheme, viewport: size === 'small' ? SMALL : WIDE });
      const { laptop, addresses } = world.stage.lab;
      const flow = laptop.spawn(['ping', '-n', '-q', '-i', '0.05', '-s', '1000', addresses.intranet.web4], { stdio: 'ignore' });
      try {
        await app.page.waitForTimeout(2_000);
        return `${await everyView(app, `${size}-${scheme}`)} pictures`;
      } finally {
        flow.kill('SIGKILL');
      }
    },
  };
}

function emptyViews(scheme: Scheme): Case {
  return {
    name: `pictures/every view before the first profile in ${scheme}`,
    run: async (world) => {
      const app = await world.open({ colorScheme: scheme });
      return `${await everyView(app, `first-${scheme}`)} pictures`;
    },
  };
}

/** Each brings its window to the state and returns it. */
const STATES: Readonly<Record<string, (world: World, scheme: Scheme) => Promise<App>>> = {
  idle: async (world, colorScheme) => {
    await world.profile();
    const app = await world.open({ colorScheme });
    await app.page.getByTestId('control').waitFor();
    return app;
  },
  connecting: async (world, colorScheme) => {
    await world.profile();
    await world.block('ike');
    const app = await world.open({ colorScheme });
    await app.press('Connect');
    await world.state('connecting');
    await app.page.waitForTimeout(1_500);
    return app;
  },
  prompt: async (world, colorScheme) => {
    await world.profile({ secret: null });
    const app = await world.open({ colorScheme });
    await app.press('Connect');
    await app.page.getByRole('dialog').waitFor();
    return app;
  },
  failed: async (world, colorScheme) => {
    await world.profile({ secret: 'not the key that the office has' });
    const app = await world.open({ colorScheme });
    await app.press('Connect');
    await app.page.getByRole('region', { name: 'Problem' }).waitFor();
    return app;
  },
  import: async (world, colorScheme) => {
    const app = await world.open({ colorScheme });
    const odd = JSON.stringify({ ...JSON.parse(world.profileText({ secret: 'short key' })), colour: 'blue' });
    await app.run(`navigator.clipboard.writeText(${JSON.stringify(odd)})`);
    await app.page.keyboard.press('Control+V');
    await app.page
      .getByRole('dialog')
      .getByRole('heading', { name: /^Import “/ })
      .waitFor();
    return app;
  },
  'profile-edit': async (world, colorScheme) => {
    const { id } = await world.profile();
    const app = await world.open({ colorScheme, viewport: WIDE });
    await app.visit(`/profiles/${id}/edit`);
    await app.page.getByTestId('field-gateway').locator('input').fill('not a host!');
    await app.page.locator('[data-field=gateway] .field-error').first().waitFor();
    return app;
  },
  'profiles-many': async (world, colorScheme) => {
    for (const [name, folder] of [
      ['Head office', 'Europe'],
      ['Berlin', 'Europe'],
      ['Seoul', 'Asia'],
      ['Busan', 'Asia'],
      ['서울 본사', 'Asia'],
      ['Bürogebäude am Stadtrand mit einem sehr langen Namen', 'Europe'],
      ['מטה החברה', ''],
    ] as const) {
      const { id } = await world.profile({ name });
      if (folder !== '') await world.call('profile.save', { profile: id, fields: { folder } });
    }
    const app = await world.open({ colorScheme, viewport: WIDE });
    await app.go('Profiles');
    return app;
  },
  'helper-hung': async (world, colorScheme) => {
    const app = await connectedScene(world, { colorScheme });
    world.stopEngine();
    await app.page.getByRole('heading', { name: 'The Sallyport helper does not answer' }).waitFor({ timeout: 20_000 });
    return app;
  },
  'log-search': async (world, colorScheme) => {
    const app = await connectedScene(world, { colorScheme, viewport: WIDE });
    await app.go('Log');
    await app.page.getByLabel('Search the log').fill('IKE');
    await app.page.waitForTimeout(400);
    return app;
  },
};

function state(name: string, scheme: Scheme): Case {
  return {
    name: `pictures/${name} in ${scheme}`,
    run: async (world) => {
      const make = STATES[name];
      if (make === undefined) throw new Error(`no state ${name}`);
      const app = await make(world, scheme);
      await app.rest();
      await app.page.waitForTimeout(250);
      return app.picture(`state-${name}-${scheme}`);
    },
  };
}

async function look(world: World, label: string, settings: Readonly<Record<string, unknown>>, width = 420): Promise<string> {
  const app = await connectedScene(world, { viewport: { width, height: 680 } });
  await useSettings(app, settings);
  for (const [index, view] of (['connect', 'profiles', 'statistics', 'log', 'settings'] as const).entries()) {
    await app.visit(`/${view}`);
    await app.page.waitForTimeout(index === 2 ? 1_200 : 200);
    await app.picture(`${view}-${label}`);
  }
  return '5 pictures';
}

export const pictures: readonly Case[] = [
  ...SCHEMES.flatMap((scheme) => [views(scheme, 'small'), views(scheme, 'wide'), emptyViews(scheme)]),
  ...Object.keys(STATES).flatMap((name) => SCHEMES.map((scheme) => state(name, scheme))),
  {
    name: 'pictures/helper of another version',
    run: async (world) => {
      const old = await startOldHelper(join(world.stage.folder, 'pictured.sock'), 9);
      try {
        const app = await world.open({ socket: old.socket, colorScheme: 'dark' });
        await app.page.getByRole('heading', { name: 'The Sallyport helper is of another version' }).waitFor();
        return await app.picture('state-helper-other-version-dark');
      } finally {
        await old.stop();
      }
    },
  },
  { name: 'pictures/high contrast', run: (world) => look(world, 'high-contrast', { appearance: 'high-contrast' }) },
  { name: 'pictures/German', run: (world) => look(world, 'de', { language: 'de' }) },
  { name: 'pictures/Korean', run: (world) => look(world, 'ko', { language: 'ko' }) },
  { name: 'pictures/360 px', run: (world) => look(world, '360', {}, 360) },
];
