/** Situations that several cases start from. */
import type { App } from './app.ts';
import { eventually } from './kit.ts';
import type { OpenOptions, World } from './world.ts';

/** A window on a tunnel that is up and has carried something. */
export async function connectedScene(world: World, options: OpenOptions = {}, language?: 'de' | 'ko'): Promise<App> {
  const { id } = await world.profile();
  await world.up(id);
  await world.ping();
  const app = await world.open(options);
  await useSettings(app, { currentProfile: id, ...(language === undefined ? {} : { language }) });
  if (language !== undefined) {
    await eventually(
      'the window changes its language',
      async () => ((await app.run('document.documentElement.lang')) === language ? true : undefined),
      5_000,
    );
  }
  return app;
}

/** Through the window's own API, as the Settings view does it. */
export async function useSettings(app: App, change: Readonly<Record<string, unknown>>): Promise<void> {
  const reply = await app.run<{ readonly ok: boolean }>(`window.sallyport.changeSettings(${JSON.stringify(change)})`);
  if (!reply.ok) throw new Error(`changeSettings: ${JSON.stringify(reply)}`);
}
