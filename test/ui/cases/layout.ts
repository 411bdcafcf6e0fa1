/** Every view in a narrow window, at 200 %, with large text: nothing runs out of the window, nothing is cut off, nothing is out of reach. */
import assert from 'node:assert/strict';
import type { App, View } from '../app.ts';
import { VIEWS } from '../app.ts';
import { clippedControls, sidewaysOverflow, unreachableControls } from '../inPage.ts';
import type { Case } from '../kit.ts';
import { connectedScene } from '../scenes.ts';
import type { OpenOptions, World } from '../world.ts';

const NARROW = { viewport: { width: 360, height: 640 } } as const;
/** A window of 720 × 1000 at 200 %: to the page it is half of that. */
const ZOOMED = { viewport: { width: 360, height: 500 }, deviceScaleFactor: 2 } as const;
/** The two columns at 200 %. */
const ZOOMED_WIDE = { viewport: { width: 550, height: 380 }, deviceScaleFactor: 2 } as const;

export async function fits(app: App, where: string): Promise<void> {
  const overflow = await app.run<number>(sidewaysOverflow);
  assert.ok(overflow <= 0, `${where}: the page scrolls sideways by ${overflow} px`);
  assert.deepEqual(await app.run<string[]>(clippedControls), [], `${where}: controls that do not fit`);
  // What lies behind an open dialog is not to be reached.
  if ((await app.page.getByRole('dialog').count()) > 0) return;
  assert.deepEqual(await app.run<string[]>(unreachableControls), [], `${where}: controls that cannot be reached`);
}

function everyView(name: string, options: OpenOptions, language?: 'de' | 'ko'): Case {
  return {
    name: `layout/${name}`,
    run: async (world) => {
      const app = await connectedScene(world, options, language);
      for (const view of VIEWS) {
        await app.visit(`/${view.toLowerCase()}`);
        await app.page.locator(`main[data-view=${view.toLowerCase()}]`).waitFor();
        await fits(app, view);
      }
      return `${VIEWS.length} views`;
    },
  };
}

async function without(world: World, options: OpenOptions): Promise<string> {
  const app = await world.open(options);
  for (const view of VIEWS) {
    await app.go(view);
    await fits(app, `${view} without a profile`);
  }
  return `${VIEWS.length} views`;
}

const LONG = 'Landesamt für Datenverarbeitung und Grundstücksverkehrsgenehmigungszuständigkeiten, Außenstelle Nord-Nordwest';

export const layout: readonly Case[] = [
  everyView('at 360 px', NARROW),
  everyView('at 360 px in German', NARROW, 'de'),
  everyView('at 360 px in Korean', NARROW, 'ko'),
  everyView('at 200 %', ZOOMED),
  everyView('two columns at 200 %', ZOOMED_WIDE),
  { name: 'layout/at 360 px without a profile', run: (world) => without(world, NARROW) },
  {
    name: 'layout/long names at 360 px',
    run: async (world) => {
      const profile = await world.profile({ name: LONG.slice(0, 100), folder: LONG.slice(0, 60) });
      const app = await world.open(NARROW);
      for (const view of ['Connect', 'Profiles'] satisfies View[]) {
        await app.go(view);
        await fits(app, view);
      }
      return profile.name;
    },
  },
  {
    name: 'layout/the edit form at 360 px and 200 %',
    run: async (world) => {
      const { id } = await world.profile();
      for (const options of [NARROW, ZOOMED]) {
        const app = await world.open(options);
        await app.visit(`/profiles/${id}/edit`);
        await fits(app, 'edit');
        await app.visit(`/profiles/${id}`);
        await fits(app, 'profile');
      }
      return 'profile and form';
    },
  },
];
