/** What every test of the Electron app starts from: the built app, a browser, a helper, a desktop with or without a tray. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { WindowEvent } from '../../core/desktop/contract.ts';
import { type FakeServer, startServer, until } from '../unit/desktop/fakeServer.ts';
import { Host } from './host.ts';
import { type Built, buildApp, startMain } from './start.ts';

const CHROMIUM = '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Why these tests cannot run here; false when they can. */
export const unable: string | false =
  process.getuid?.() !== 0
    ? 'needs root: the helper’s socket must be root’s'
    : existsSync(CHROMIUM)
      ? false
      : `needs ${CHROMIUM}`;

/** The page has run its script: the probe page says so, the real one has its main part. */
export const READY = "document.documentElement.dataset.ready === 'yes' || document.querySelector('main') !== null";

export interface Desk {
  readonly folder: string;
  readonly helper: FakeServer;
  /** A host that is closed at the end; nothing runs in it yet. */
  host(): Promise<Host>;
  run(host: Host, ...words: string[]): Promise<void>;
  /** Host with the main process running. */
  start(...words: string[]): Promise<Host>;
  /** Started, its window open and its page's script run. */
  open(...words: string[]): Promise<{ readonly host: Host; readonly page: Page }>;
  /** Whether the desktop has a place for tray icons; it has, at first. */
  tray(there: boolean): void;
}

/** A fresh desk for each test of the suite this is called in. */
export function useDesk(renderer: 'probe' | 'real'): () => Desk {
  let browser: Browser | undefined;
  let built: Built | undefined;
  let desk: (Desk & { end(): Promise<void> }) | undefined;
  before(async () => {
    built = await buildApp(renderer);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  });
  after(async () => {
    await browser?.close();
    built?.remove();
  });
  beforeEach(async () => {
    assert.ok(browser && built);
    desk = await createDesk(browser, built);
  });
  afterEach(async () => desk?.end());
  return () => {
    assert.ok(desk);
    return desk;
  };
}

async function createDesk(browser: Browser, built: Built): Promise<Desk & { end(): Promise<void> }> {
  const environment = { ...process.env };
  const argv = [...process.argv];
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-electron-'));
  const helper = await startServer(join(folder, 'sallyport.sock'));
  const hosts: Host[] = [];
  process.env.SALLYPORT_SOCKET = join(folder, 'sallyport.sock');
  process.env.XDG_CONFIG_HOME = join(folder, 'config');

  const host = async (): Promise<Host> => {
    const created = await Host.create(browser, folder);
    hosts.push(created);
    return created;
  };
  const run = (on: Host, ...words: string[]): Promise<void> => startMain(built, on, words);
  const start = async (...words: string[]): Promise<Host> => {
    const created = await host();
    await run(created, ...words);
    return created;
  };
  const tray = (there: boolean): void => {
    // What the app asks is `busctl`.
    const programs = join(folder, 'bin');
    mkdirSync(programs, { recursive: true });
    writeFileSync(join(programs, 'busctl'), `#!/bin/sh\nexit ${there ? 0 : 1}\n`);
    chmodSync(join(programs, 'busctl'), 0o755);
    process.env.PATH = `${programs}:${environment.PATH}`;
  };
  tray(true);

  return {
    folder,
    helper,
    host,
    run,
    start,
    tray,
    open: async (...words) => {
      const started = await start(...words);
      await until('a window', () => started.windows.length === 1);
      const page = await started.page();
      await holds(page, READY);
      return { host: started, page };
    },
    end: async () => {
      for (const each of hosts) await each.close();
      await helper.close();
      for (const name of ['SALLYPORT_SOCKET', 'XDG_CONFIG_HOME', 'PATH']) {
        const before = environment[name];
        if (before === undefined) delete process.env[name];
        else process.env[name] = before;
      }
      process.argv = argv;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until an expression holds in the page. Asked from here, as the page's policy lets no timer of the debugger evaluate. */
export async function holds(page: Page, expression: string, withinMs = 20_000): Promise<void> {
  const end = Date.now() + withinMs;
  while (!(await page.evaluate<boolean>(`Boolean(${expression})`).catch(() => false))) {
    if (Date.now() > end) throw new Error(`not within ${withinMs} ms in the page: ${expression}`);
    await sleep(20);
  }
}

export interface Answered {
  readonly ok: boolean;
  readonly error?: { readonly code: string };
}

/** A use of `window.sallyport` as the page's own scripts would make it: `info()`. */
export function use<T = Answered>(page: Page, expression: string): Promise<T> {
  return page.evaluate<T>(`sallyport.${expression}`);
}

/** What the probe page heard. */
export function seen(page: Page): Promise<readonly WindowEvent[]> {
  return page.evaluate<readonly WindowEvent[]>('seen');
}

/** The first event of that name, once it has come. */
export async function hears(page: Page, name: WindowEvent['event']): Promise<WindowEvent> {
  await holds(page, `seen.some(({ event }) => event === '${name}')`);
  const found = (await seen(page)).find(({ event }) => event === name);
  assert.ok(found);
  return found;
}
