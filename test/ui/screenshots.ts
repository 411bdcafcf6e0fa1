/** `npm run test:ui -- --screenshots`: the README's pictures, of the real app in the demo lab, into resources/screenshots. */
import { mkdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { THROUGHPUT_PORT } from '../gateway/office.ts';
import { type App, SMALL } from './app.ts';
import { useSettings } from './scenes.ts';
import type { World } from './world.ts';

const FOLDER = resolve(import.meta.dirname, '..', '..', 'resources', 'screenshots');
const MOST_OCTETS = 120_000;
const WINDOW = { width: 1000, height: 680 } as const;
/** So long the chart is fed. */
const BURSTS = 14;

async function take(app: App, name: string): Promise<void> {
  await app.rest();
  await sleep(400);
  mkdirSync(FOLDER, { recursive: true });
  const path = join(FOLDER, `${name}.png`);
  await app.page.screenshot({ path, animations: 'disabled' });
  const { size } = statSync(path);
  if (size >= MOST_OCTETS) throw new Error(`${name}.png has ${size} octets, ${MOST_OCTETS} at most`);
  process.stderr.write(`ui: ${path} ${Math.round(size / 1000)} kB\n`);
}

/** Profiles as somebody has them who travels between offices. */
async function furnish(world: World): Promise<string> {
  const more = [
    ['Berlin', 'Europe', 'berlin.office.test'],
    ['Seoul', 'Asia', 'seoul.office.test'],
    ['Busan', 'Asia', 'busan.office.test'],
    ['Laboratory', '', 'lab.office.test'],
  ] as const;
  const { id } = await world.profile();
  await world.call('profile.save', { profile: id, fields: { folder: 'Europe' } });
  for (const [name, folder, gateway] of more) {
    const made = await world.profile({ name, gateway, remoteId: gateway });
    if (folder !== '') await world.call('profile.save', { profile: made.id, fields: { folder } });
  }
  return id;
}

/** Somebody works: up and down, more and less. */
async function work(world: World): Promise<void> {
  const { visitor, lab } = world.stage;
  for (let burst = 0; burst < BURSTS; burst++) {
    const milliseconds = 300 + ((burst * 7) % 5) * 250;
    visitor.send({ do: burst % 3 === 0 ? 'up' : 'down', host: lab.addresses.intranet.web4, port: THROUGHPUT_PORT, milliseconds });
    await visitor.next(() => true, 20_000);
    await sleep(900 + ((burst * 5) % 4) * 300);
  }
}

/** A window of somebody who has chosen the language; nothing else is set. */
async function open(
  world: World,
  colorScheme: 'light' | 'dark',
  viewport: { readonly width: number; readonly height: number },
): Promise<App> {
  const app = await world.open({ colorScheme, viewport, deviceScaleFactor: viewport === SMALL ? 1.5 : 1 });
  await useSettings(app, { language: 'en' });
  return app;
}

export async function takeScreenshots(world: World): Promise<void> {
  await world.reset();
  const id = await furnish(world);
  await world.misbehave('silent-after-sa-init');
  const connecting = await open(world, 'light', SMALL);
  await useSettings(connecting, { currentProfile: id });
  await connecting.page.reload();
  await connecting.press('Connect');
  await connecting.sees(/Checking that it really is/);
  await sleep(1_200);
  await take(connecting, 'connecting');
  await connecting.close();
  await world.call('tunnel.down', {});
  await world.state('idle');
  await world.misbehave();

  await world.up(id);
  const wide = await open(world, 'light', WINDOW);
  await wide.go('Statistics');
  await work(world);
  await wide.page.getByRole('radio', { name: 'Session' }).click();
  await sleep(1_000);
  await take(wide, 'statistics');
  await wide.go('Profiles');
  await wide.visit(`/profiles/${id}`);
  await take(wide, 'profiles');
  await wide.close();
  const light = await open(world, 'light', SMALL);
  await light.go('Connect');
  await take(light, 'connected');
  await light.close();
  const dark = await open(world, 'dark', SMALL);
  await take(dark, 'connected-dark');
  await dark.close();
  await world.call('tunnel.down', {});
  await world.state('idle');

  const wrong = await world.profile({ name: 'Old profile', secret: 'not the key that the office has' });
  const failed = await open(world, 'light', SMALL);
  await useSettings(failed, { currentProfile: wrong.id });
  await failed.page.reload();
  await failed.press('Connect');
  await failed.page.getByRole('region', { name: 'Problem' }).waitFor();
  await take(failed, 'failed');
  await failed.close();
}
