/** For people who hear the window, and those who work it without a mouse. */
import assert from 'node:assert/strict';
import { AxeBuilder } from '@axe-core/playwright';
import { type App, VIEWS, type View, WIDE } from '../app.ts';
import { type Focused, focused } from '../inPage.ts';
import type { Case } from '../kit.ts';
import { connectedScene, useSettings } from '../scenes.ts';
import type { World } from '../world.ts';

/** Roles whose elements a person works: without a name nobody can say what they are. */
const WORKED = new Set([
  'button',
  'checkbox',
  'combobox',
  'gridcell',
  'link',
  'listbox',
  'menuitem',
  'option',
  'radio',
  'searchbox',
  'slider',
  'spinbutton',
  'switch',
  'tab',
  'textbox',
]);
const MOST_STOPS = 80;

interface Node {
  readonly role: string;
  readonly name: string;
}

/** What a screen reader is told, by Chromium itself. */
async function tree(app: App): Promise<readonly Node[]> {
  const session = await app.context.newCDPSession(app.page);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  await session.detach();
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  return nodes.filter((node) => !node.ignored).map((node) => ({ role: text(node.role?.value), name: text(node.name?.value) }));
}

export async function named(app: App, where: string): Promise<number> {
  const worked = (await tree(app)).filter(({ role }) => WORKED.has(role));
  const mute = worked.filter(({ role, name }) => role !== 'gridcell' && name.trim() === '');
  assert.deepEqual(
    mute.map(({ role }) => role),
    [],
    `${where}: controls without a name`,
  );
  assert.ok(worked.length > 0, `${where}: no control at all`);
  return worked.length;
}

/** Tabs once around: every stop is to be seen. Returns the names of the stops. */
export async function tabRound(app: App, where: string): Promise<readonly string[]> {
  const stops: Focused[] = [];
  await app.run('document.activeElement?.blur?.()');
  for (let count = 0; count < MOST_STOPS; count++) {
    await app.page.keyboard.press('Tab');
    const stop = await app.run<Focused | null>(focused);
    if (stop === null || stops.some(({ mark }) => mark === stop.mark)) break;
    stops.push(stop);
  }
  assert.ok(stops.length > 0, `${where}: Tab reaches nothing`);
  assert.deepEqual(
    stops.filter(({ visible }) => !visible).map(({ tag, name }) => `${tag} ${name}`),
    [],
    `${where}: one cannot see that these have the focus`,
  );
  return stops.map(({ name }) => name);
}

export async function axe(app: App, where: string): Promise<string> {
  const { violations, passes } = await new AxeBuilder({ page: app.page }).setLegacyMode().analyze();
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  const said = grave.map(
    ({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target.join(' ')} ${node.failureSummary ?? ''}`).join('; ')}`,
  );
  assert.deepEqual(said, [], where);
  assert.ok(passes.length >= 10, `${where}: axe looked at nothing`);
  return `${passes.length} rules, ${violations.length} minor`;
}

function axeEverywhere(colorScheme: 'light' | 'dark'): Case {
  return {
    name: `accessibility/axe in ${colorScheme}`,
    run: async (world) => {
      const app = await connectedScene(world, { colorScheme });
      const said: string[] = [];
      for (const view of VIEWS) {
        await app.go(view);
        said.push(`${view} ${await axe(app, `${view} in ${colorScheme}`)}`);
      }
      return said.join(', ');
    },
  };
}

function axeWithoutProfiles(colorScheme: 'light' | 'dark'): Case {
  return {
    name: `accessibility/axe in ${colorScheme} before the first profile, on forms and when failed`,
    run: async (world) => {
      const empty = await world.open({ colorScheme });
      for (const view of VIEWS) {
        await empty.go(view);
        await axe(empty, `${view} without a profile, ${colorScheme}`);
      }
      const { id } = await world.profile({ gateway: 'nowhere.office.test' });
      for (const path of ['/profiles/new', `/profiles/${id}`, `/profiles/${id}/edit`]) {
        await empty.visit(path);
        await axe(empty, `${path} in ${colorScheme}`);
      }
      await world.call('tunnel.up', { profile: id });
      await world.state('failed');
      await empty.go('Connect');
      await axe(empty, `failed in ${colorScheme}`);
      return `${VIEWS.length + 4} places`;
    },
  };
}

async function eachView(world: World, judge: (app: App, view: View) => Promise<string>): Promise<string> {
  const app = await connectedScene(world);
  const said: string[] = [];
  for (const view of VIEWS) {
    await app.go(view);
    said.push(`${view} ${await judge(app, view)}`);
  }
  return said.join(', ');
}

export const accessibility: readonly Case[] = [
  axeEverywhere('light'),
  axeEverywhere('dark'),
  axeWithoutProfiles('light'),
  axeWithoutProfiles('dark'),
  {
    name: 'accessibility/axe in high contrast',
    run: async (world) => {
      const app = await connectedScene(world);
      await useSettings(app, { appearance: 'high-contrast' });
      for (const view of VIEWS) {
        await app.go(view);
        await axe(app, `${view} in high contrast`);
      }
      return `${VIEWS.length} views`;
    },
  },
  {
    name: 'accessibility/every control has a name',
    smoke: true,
    run: (world) => eachView(world, async (app, view) => `${await named(app, view)}`),
  },
  {
    name: 'accessibility/every control of forms has a name',
    run: async (world) => {
      const { id } = await world.profile();
      const app = await world.open();
      const said: string[] = [];
      for (const path of ['/profiles/new', `/profiles/${id}`, `/profiles/${id}/edit`]) {
        await app.visit(path);
        said.push(`${await named(app, path)}`);
      }
      return said.join(', ');
    },
  },
  {
    name: 'accessibility/one can see where the focus is',
    run: (world) => eachView(world, async (app, view) => `${(await tabRound(app, view)).length}`),
  },
  {
    name: 'accessibility/one can see where the focus is, two columns',
    run: async (world) => {
      const app = await connectedScene(world, { viewport: WIDE });
      const said: string[] = [];
      for (const view of VIEWS) {
        await app.go(view);
        said.push(`${view} ${(await tabRound(app, view)).length}`);
      }
      return said.join(', ');
    },
  },
  {
    name: 'accessibility/each view has one main, one first heading and a title',
    run: (world) =>
      eachView(world, async (app, view) => {
        assert.equal(await app.page.getByRole('main').count(), 1, `${view}: main`);
        assert.equal(await app.page.getByRole('heading', { level: 1 }).count(), 1, `${view}: first headings`);
        assert.equal(await app.page.getByRole('navigation').count(), 1, `${view}: navigation`);
        const title = await app.page.title();
        assert.match(title, /Sallyport/);
        return `“${title}”`;
      }),
  },
  {
    name: 'accessibility/a change of the state is read out',
    run: async (world) => {
      const { id } = await world.profile();
      const app = await world.open();
      await useSettings(app, { currentProfile: id });
      await app.run(`(() => {
        globalThis.uiHeard = [];
        const live = '[aria-live], [role=status], [role=alert], [role=log]';
        new MutationObserver((changes) => {
          for (const { target } of changes) {
            const element = target.nodeType === 1 ? target : target.parentElement;
            const region = element?.closest(live);
            if (region) globalThis.uiHeard.push(region.textContent);
          }
        }).observe(document.body, { subtree: true, childList: true, characterData: true });
      })()`);
      await world.up(id);
      await app.sees(/protected/i);
      await world.call('tunnel.down', {});
      await world.state('idle');
      await app.sees(/not protected|not connected/i);
      const heard = (await app.run<string[]>('globalThis.uiHeard')).join(' | ');
      assert.match(heard, /protected|connected/i, 'nothing was read out');
      return heard.slice(0, 120);
    },
  },
];
