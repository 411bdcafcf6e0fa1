/** The log: a hundred thousand lines, and still found at once. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { LogLine } from '../../../core/rpc/contract.ts';
import { VISITOR } from '../../gateway/office.ts';
import { type App, WIDE } from '../app.ts';
import { flood } from '../flood.ts';
import { type Case, eventually } from '../kit.ts';
import { connectedScene } from '../scenes.ts';
import type { World } from '../world.ts';
import { hearCopies } from './failures.ts';

const FULL = 100_000;
/** Every so many lines one that is looked for. */
const EVERY = 1_000;
const NEEDLE = 'needle-in-the-hay';
/** From the last key to the answer on the screen. */
const FILTER_WITHIN_MS = 1_500;

let full: { readonly startedAt: number } | undefined;

/** Once a run: the helper's log is filled to the brim. */
async function fill(world: World): Promise<void> {
  if (full !== undefined && (await lines(world, 'debug', FULL)).length >= FULL) return;
  await flood(world.stage.socket, FULL, (n) => (n % EVERY === 0 ? `${NEEDLE} ${n}` : `straw ${n}`));
  full = { startedAt: Date.now() };
}

/** As many lines as there are, page by page, as the window reads them. */
async function lines(world: World, level: LogLine['level'], most: number): Promise<readonly LogLine[]> {
  let all: readonly LogLine[] = [];
  let before: number | undefined;
  while (all.length < most) {
    const page = await world.call('log.read', { lines: most - all.length, level, ...(before !== undefined && { before }) });
    if (page.length === 0) break;
    all = [...page, ...all];
    before = page[0]?.seq;
  }
  return all;
}

async function level(app: App, name: string): Promise<void> {
  await app.page.getByRole('radio', { name, exact: true }).or(app.button(name)).first().click();
}

function number(text: string): number {
  return Number(/[\d,]+/.exec(text)?.[0].replaceAll(',', '') ?? Number.NaN);
}

const foot = (app: App): Promise<string> => app.page.getByTestId('log-foot').innerText();
const found = (app: App): Promise<string> => app.page.getByTestId('log-found').innerText();

async function openFull(world: World, app: App): Promise<void> {
  await fill(world);
  await app.go('Log');
  await level(app, 'All');
  await eventually(
    'all lines are read',
    async () => {
      const said = await foot(app);
      return number(said) >= FULL && !said.includes('Reading older lines') ? true : undefined;
    },
    30_000,
  );
}

export const log: readonly Case[] = [
  {
    name: 'log/shows the helper’s lines and those that come',
    smoke: true,
    run: async (world) => {
      const { id } = await world.profile();
      const app = await world.open();
      await app.go('Log');
      await world.up(id);
      await app.page.getByRole('option').filter({ hasText: 'IKE SA established' }).first().waitFor();
      await app.sees('Following new lines');
      return foot(app);
    },
  },
  {
    name: 'log/once it is followed no line is missed',
    run: async (world) => {
      const app = await world.open();
      await app.run(
        `globalThis.uiLines = []; void window.sallyport.listen((event) => event.event === 'log' && globalThis.uiLines.push(...event.data.map(({ fields }) => JSON.stringify(fields))))`,
      );
      const rounds = 12;
      for (let round = 0; round < rounds; round++) {
        await app.run('window.sallyport.followLog(false)');
        await app.run('window.sallyport.followLog(true)');
        await flood(world.stage.socket, 1, () => `visitor ${round}!`);
        await eventually(
          `the visitor of round ${round}`,
          async () => ((await app.run(`globalThis.uiLines.join().includes('visitor ${round}!')`)) ? true : undefined),
          2_000,
        );
      }
      return `${rounds} times`;
    },
  },
  {
    name: 'log/the level hides what is less severe',
    run: async (world) => {
      const app = await connectedScene(world);
      await app.go('Log');
      const counts: number[] = [];
      for (const name of ['All', 'Info', 'Warnings', 'Errors']) {
        await level(app, name);
        counts.push(await eventually('a count', async () => number(await foot(app)), 3_000));
      }
      assert.ok((counts[0] ?? 0) > (counts[1] ?? 0), counts.join(' '));
      assert.ok((counts[1] ?? 0) >= (counts[2] ?? 0), counts.join(' '));
      await level(app, 'Warnings');
      const shown = await app.page.getByRole('option').allInnerTexts();
      assert.ok(
        shown.every((text) => !/IKE SA established/.test(text)),
        'an information among warnings',
      );
      return counts.join(' > ');
    },
  },
  {
    name: 'log/100,000 lines: only those in sight are in the page',
    run: async (world) => {
      const app = await world.open();
      const at = performance.now();
      await openFull(world, app);
      const rows = await app.page.getByRole('option').count();
      assert.ok(rows > 5 && rows < 200, `${rows} rows in the page`);
      await app.picture('log-100000');
      return `${rows} rows for ${await foot(app)} after ${Math.round(performance.now() - at)} ms`;
    },
  },
  {
    name: 'log/100,000 lines: search finds every place, quickly',
    run: async (world) => {
      const app = await world.open();
      await openFull(world, app);
      const expected = (await lines(world, 'debug', FULL)).filter((line) => JSON.stringify(line).includes(NEEDLE)).length;
      await app.page.keyboard.press('/');
      await app.page.keyboard.insertText(NEEDLE.slice(0, -1));
      const at = performance.now();
      await app.page.keyboard.press(NEEDLE.slice(-1));
      const said = await eventually(
        'the places',
        async () => {
          const text = await found(app);
          return text.includes(expected.toLocaleString('en')) ? text : undefined;
        },
        10_000,
      );
      const took = performance.now() - at;
      assert.ok(took <= FILTER_WITHIN_MS, `${Math.round(took)} ms`);
      await app.page.keyboard.press('Enter');
      const second = await eventually(
        'the next place',
        async () => {
          const text = await found(app);
          return text === said ? undefined : text;
        },
        3_000,
      );
      assert.equal(await app.page.locator('[role=option] mark').first().innerText(), NEEDLE);
      return `${said}, then ${second}, in ${Math.round(took)} ms`;
    },
  },
  {
    name: 'log/100,000 lines: filter by level and by text',
    run: async (world) => {
      const app = await world.open();
      await openFull(world, app);
      const info = (await lines(world, 'info', FULL)).length;
      const at = performance.now();
      await level(app, 'Info');
      await eventually('fewer lines', async () => (number(await foot(app)) < FULL ? true : undefined), 5_000);
      const took = performance.now() - at;
      assert.ok(took <= FILTER_WITHIN_MS, `${Math.round(took)} ms`);
      assert.ok(Math.abs(number(await foot(app)) - info) <= 5, `${await foot(app)}, the helper has ${info}`);
      await level(app, 'All');
      await app.page.getByLabel('Search the log').fill(NEEDLE);
      await app.press('Only lines found');
      await eventually('only those', async () => (number(await foot(app)) <= FULL / EVERY + 1 ? true : undefined), 5_000);
      const shown = await app.page.getByRole('option').allInnerTexts();
      assert.ok(shown.length > 0 && shown.every((text) => text.includes(NEEDLE)), 'only lines with it');
      return `${await foot(app)}; by level in ${Math.round(took)} ms`;
    },
  },
  {
    name: 'log/100,000 lines: follows, stops when one reads back, and goes on',
    run: async (world) => {
      const app = await world.open();
      await openFull(world, app);
      const box = app.page.getByTestId('log-list');
      const last = (): Promise<string> => app.page.getByRole('option').last().innerText();
      await flood(world.stage.socket, 1, () => 'followed-1');
      await eventually('the newest line', async () => ((await last()).includes('followed-1') ? true : undefined), 5_000);
      await box.hover();
      await app.page.mouse.wheel(0, -4_000);
      await app.page.getByTestId('log-end').waitFor();
      const before = await app.page.getByRole('option').first().innerText();
      await flood(world.stage.socket, 20, (n) => `unseen-${n}`);
      await app.page
        .getByTestId('log-end')
        .getByText(/new lines?/)
        .or(app.page.getByTestId('log-end').filter({ hasText: /new lines?/ }))
        .first()
        .waitFor();
      assert.equal(await app.page.getByRole('option').first().innerText(), before, 'what is read does not move');
      await app.page.getByTestId('log-end').click();
      await eventually('the end again', async () => ((await last()).includes('unseen-') ? true : undefined), 5_000);
      await app.sees('Following new lines');
      return 'followed, held, followed';
    },
  },
  {
    name: 'log/100,000 lines: the last and the first by keyboard',
    run: async (world) => {
      const app = await world.open();
      await openFull(world, app);
      await app.page.getByTestId('log-list').focus();
      await app.page.keyboard.press('Home');
      await eventually(
        'the first',
        async () => ((await app.page.getByRole('option').first().getAttribute('aria-posinset')) === '1' ? true : undefined),
        3_000,
      );
      await app.page.keyboard.press('End');
      await eventually(
        'the last',
        async () => {
          const option = app.page.getByRole('option').last();
          return (await option.getAttribute('aria-posinset')) === (await option.getAttribute('aria-setsize')) ? true : undefined;
        },
        3_000,
      );
      return 'both ends';
    },
  },
  {
    name: 'log/chosen lines are copied',
    run: async (world) => {
      const app = await connectedScene(world, { viewport: WIDE });
      await app.go('Log');
      await hearCopies(app);
      await app.page.getByTestId('log-list').focus();
      await app.page.keyboard.press('End');
      await app.page.keyboard.press('Shift+ArrowUp');
      await app.page.keyboard.press('Shift+ArrowUp');
      await app.page.keyboard.press('Control+C');
      const copied = await eventually(
        'the copy',
        async () => {
          const text = await app.run<string>(`globalThis.uiCopied ?? ''`);
          return text === '' ? undefined : text;
        },
        3_000,
      );
      assert.equal(copied.trimEnd().split('\n').length, 3, copied);
      await app.sees('3 lines copied');
      return copied.split('\n')[0] ?? '';
    },
  },
  {
    name: 'log/the export holds nothing private',
    run: async (world) => {
      const app = await connectedScene(world, { viewport: WIDE });
      const status = await world.status();
      await app.go('Log');
      await level(app, 'All');
      await app.page.getByTestId('log-export').click();
      await app.page
        .getByTestId('log-masked')
        .getByText(/^Replaced:/)
        .waitFor();
      await app.picture('log-export');
      const download = app.page.waitForEvent('download');
      await app.page.getByTestId('log-export-save').click();
      const saved = await download;
      const text = readFileSync(await saved.path(), 'utf8');
      const { addresses } = world.stage.lab;
      const secrets = [
        VISITOR.identity,
        VISITOR.psk,
        addresses.names.gateway,
        addresses.office.wan4,
        addresses.laptop.v4,
        status.ike?.spiI ?? '-',
        ...status.virtualIps.map((ip) => ip.split('/')[0] ?? '-'),
        'Head office',
      ];
      for (const secret of secrets) assert.ok(!text.includes(secret), `${secret} is in the export`);
      assert.match(text, /IKE SA established/);
      assert.match(saved.suggestedFilename(), /^sallyport-log-.*\.txt$/);
      return `${text.split('\n').length} lines, ${await app.page.getByTestId('log-masked').innerText()}`;
    },
  },
];
