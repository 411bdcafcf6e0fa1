/** Settings that hold, languages without a gap, appearances, motion. */
import assert from 'node:assert/strict';
import { type App, VIEWS, type View, WIDE } from '../app.ts';
import { entries, type Language, word } from '../catalogue.ts';
import { backgroundBrightness, longestMotion, words } from '../inPage.ts';
import { type Case, eventually } from '../kit.ts';
import { connectedScene, useSettings } from '../scenes.ts';
import type { OpenOptions } from '../world.ts';

const DESTINATIONS: Readonly<Record<View, string>> = {
  Connect: 'connect',
  Profiles: 'profiles',
  Statistics: 'statistics',
  Log: 'log',
  Settings: 'settings',
};
/** WINDOW.md: motion under 200 ms, none when the user asks for none; browsers count a hundredth of a millisecond as none. */
const MOST_MOTION_MS = 200;
const NO_MOTION_MS = 1;

/** Texts of English that are told apart from those of another language: long ones, without a hole in them. */
function englishOnly(language: Language): readonly string[] {
  const others = new Set(entries(language).map(({ text }) => text));
  return entries('en')
    .map(({ text }) => text)
    .filter((text) => text.length >= 12 && text.includes(' ') && !text.includes('{{') && !others.has(text));
}

/** Names of keys that are no words of any language: `importKeptCount`, `state.idle`. */
function keyNames(): readonly string[] {
  return entries('en').flatMap(({ namespace, key }) => [...(/[a-z][A-Z]|\.|_/.test(key) ? [key] : []), `${namespace}:${key}`]);
}

async function untranslated(app: App, language: Language, where: string): Promise<void> {
  const said = await app.run<string>(words);
  const tokens = new Set(said.split(/[\s"“”„(),]+/));
  assert.deepEqual(
    keyNames().filter((key) => tokens.has(key)),
    [],
    `${where}: a key instead of words`,
  );
  assert.doesNotMatch(said, /\{\{|\}\}|undefined|\[object|NaN/, `${where}: a hole in a sentence`);
  if (language === 'en') return;
  assert.deepEqual(
    englishOnly(language).filter((text) => said.includes(text)),
    [],
    `${where}: English in ${language}`,
  );
}

async function speaks(app: App, language: Language): Promise<void> {
  await eventually(
    `the window speaks ${language}`,
    async () => ((await app.run('document.documentElement.lang')) === language ? true : undefined),
    5_000,
  );
}

/** Through the addresses: the links have other names in other languages. */
async function everyView(app: App, judge: (view: View) => Promise<void>): Promise<void> {
  for (const view of VIEWS) {
    await app.visit(`/${DESTINATIONS[view]}`);
    await judge(view);
  }
}

function language(tag: Language): Case {
  return {
    name: `settings/everything is said in ${tag}`,
    ...(tag === 'ko' ? { smoke: true as const } : {}),
    run: async (world) => {
      const empty = await world.open();
      await useSettings(empty, { language: tag });
      await speaks(empty, tag);
      await everyView(empty, (view) => untranslated(empty, tag, `${view} without a profile`));
      await empty.visit('/profiles/new');
      await untranslated(empty, tag, 'new profile');
      await empty.close();
      const app = await connectedScene(world, { viewport: WIDE });
      await useSettings(app, { language: tag });
      await speaks(app, tag);
      await everyView(app, async (view) => {
        await untranslated(app, tag, view);
        const name = await app.page.getByRole('navigation').getByRole('link').nth(VIEWS.indexOf(view)).innerText();
        assert.equal(name.trim(), word(tag, 'common', DESTINATIONS[view]), 'the name of the view');
      });
      const [profile] = await world.call('profile.list', {});
      for (const path of [`/profiles/${profile?.id}`, `/profiles/${profile?.id}/edit`]) {
        await app.visit(path);
        await untranslated(app, tag, path);
      }
      return await app.page.title();
    },
  };
}

function systemLanguage(system: string, expected: Language): Case {
  return {
    name: `settings/a system in ${system} is answered in ${expected}`,
    run: async (world) => {
      const app = await world.open({ language: `${system}.UTF-8`, locale: system.replace('_', '-') });
      await speaks(app, expected);
      return await app.page.title();
    },
  };
}

function appearance(name: string, options: OpenOptions, chosen: string | undefined, dark: boolean): Case {
  return {
    name: `settings/appearance: ${name}`,
    run: async (world) => {
      const app = await world.open(options);
      if (chosen !== undefined) await useSettings(app, { appearance: chosen });
      // On its way from the settings to the screen, however busy the machine is.
      return eventually(
        dark ? 'it is dark' : 'it is light',
        async () => {
          const value = await app.run<number>(backgroundBrightness);
          return (dark ? value < 90 : value > 200) ? `brightness ${value}` : undefined;
        },
        3_000,
      );
    },
  };
}

export const settings: readonly Case[] = [
  language('en'),
  language('de'),
  language('ko'),
  systemLanguage('ko_KR', 'ko'),
  systemLanguage('de_AT', 'de'),
  systemLanguage('fr_FR', 'en'),
  appearance('light system', { colorScheme: 'light' }, undefined, false),
  appearance('dark system', { colorScheme: 'dark' }, undefined, true),
  appearance('dark in a light system', { colorScheme: 'light' }, 'dark', true),
  appearance('light in a dark system', { colorScheme: 'dark' }, 'light', false),
  {
    name: 'settings/the language changes at once, by hand, and holds',
    run: async (world) => {
      const app = await world.open();
      await app.go('Settings');
      await app.page.getByRole('button', { name: /Language/ }).click();
      await app.page.getByRole('option', { name: 'Deutsch' }).click();
      await speaks(app, 'de');
      await app.sees(word('de', 'common', 'statistics'));
      await app.page.reload();
      await speaks(app, 'de');
      return await app.page.title();
    },
  },
  {
    name: 'settings/the appearance changes at once, by hand, and holds',
    run: async (world) => {
      const app = await world.open({ colorScheme: 'light' });
      await app.go('Settings');
      await app.page
        .getByRole('button', { name: /Appearance/ })
        .or(app.page.getByRole('radio', { name: 'Dark' }))
        .first()
        .click();
      const option = app.page.getByRole('option', { name: 'Dark' });
      if (await option.isVisible()) await option.click();
      await eventually('it is dark', async () => ((await app.run<number>(backgroundBrightness)) < 90 ? true : undefined), 3_000);
      await app.page.reload();
      await app.page.getByRole('main').waitFor();
      await eventually(
        'it stays dark',
        async () => ((await app.run<number>(backgroundBrightness)) < 90 ? true : undefined),
        3_000,
      );
      return 'dark';
    },
  },
  {
    name: 'settings/high contrast',
    run: async (world) => {
      const app = await connectedScene(world);
      const plain = await app.run<string>(
        'getComputedStyle(document.documentElement).cssText + [...document.styleSheets].length + document.documentElement.outerHTML.slice(0, 300)',
      );
      await useSettings(app, { appearance: 'high-contrast' });
      await eventually(
        'the page knows',
        async () => {
          const now = await app.run<string>(
            'getComputedStyle(document.documentElement).cssText + [...document.styleSheets].length + document.documentElement.outerHTML.slice(0, 300)',
          );
          return now === plain ? undefined : true;
        },
        3_000,
      );
      return 'see the picture';
    },
  },
  {
    name: 'settings/forced colours of the system are kept',
    run: async (world) => {
      const app = await connectedScene(world, { forcedColors: 'active', colorScheme: 'dark' });
      for (const view of VIEWS) await app.go(view);
      assert.equal(await app.run(`matchMedia('(forced-colors: active)').matches`), true);
      await app.go('Connect');
      await app.picture('connect-forced-colours');
      return 'see the picture';
    },
  },
  {
    name: 'settings/motion is short',
    run: async (world) => {
      const app = await connectedScene(world);
      for (const view of VIEWS) {
        await app.go(view);
        const ms = await app.run<number>(longestMotion);
        assert.ok(ms <= MOST_MOTION_MS, `${view}: ${ms} ms`);
      }
      return `at most ${MOST_MOTION_MS} ms`;
    },
  },
  {
    name: 'settings/reduced motion is no motion',
    run: async (world) => {
      const app = await connectedScene(world, { reducedMotion: 'reduce' });
      for (const view of VIEWS) {
        await app.go(view);
        const ms = await app.run<number>(longestMotion);
        assert.ok(ms <= NO_MOTION_MS, `${view}: ${ms} ms`);
      }
      return 'none';
    },
  },
  {
    name: 'settings/what this shell cannot do is not offered',
    run: async (world) => {
      const app = await world.open();
      await app.go('Settings');
      const login = app.page.getByRole('switch', { name: /login/i });
      assert.ok((await login.count()) === 0 || (await login.isDisabled()), 'start at login in a browser');
      return 'start at login';
    },
  },
];
