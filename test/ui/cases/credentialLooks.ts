/** Certificates and passwords in narrow windows, in every language, and for people who hear the window; with pictures of them. */
import { type App, WIDE } from '../app.ts';
import { CREDENTIAL_SCENES, type SceneOptions } from '../credentialScenes.ts';
import type { Case } from '../kit.ts';
import type { World } from '../world.ts';
import { axe, named } from './accessibility.ts';
import { fits } from './layout.ts';

const NARROW = { viewport: { width: 360, height: 640 } } as const;

async function each(world: World, options: SceneOptions, judge: (app: App, scene: string) => Promise<unknown>): Promise<string> {
  for (const [scene, make] of Object.entries(CREDENTIAL_SCENES)) {
    await world.reset();
    const app = await make(world, options);
    await app.page.waitForTimeout(250);
    await judge(app, scene);
  }
  return Object.keys(CREDENTIAL_SCENES).join(', ');
}

const file = (scene: string): string => scene.replaceAll(' ', '-');

export const credentialLooks: readonly Case[] = [
  ...([undefined, 'de', 'ko'] as const).map(
    (speak): Case => ({
      name: `layout/certificates and passwords at 360 px${speak ? ` in ${speak}` : ''}`,
      run: (world) =>
        each(world, { ...NARROW, ...(speak && { speak }) }, async (app, scene) => {
          await app.rest();
          await app.picture(`credentials-${file(scene)}-360-${speak ?? 'en'}`);
          await fits(app, scene);
        }),
    }),
  ),
  ...(['light', 'dark'] as const).map(
    (colorScheme): Case => ({
      name: `accessibility/certificates and passwords in ${colorScheme}`,
      run: (world) =>
        each(world, { colorScheme, viewport: WIDE }, async (app, scene) => {
          await app.rest();
          await app.picture(`credentials-${file(scene)}-${colorScheme}`);
          await axe(app, `${scene} in ${colorScheme}`);
          await named(app, scene);
        }),
    }),
  ),
];
