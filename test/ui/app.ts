/** One window of the app in the browser, as somebody uses it: by roles and by the names they are read out with. */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core';
import type { Bridge } from './desk.ts';
import type { Watch } from './watch.ts';

export type View = 'Connect' | 'Profiles' | 'Statistics' | 'Log' | 'Settings';
export const VIEWS: readonly View[] = ['Connect', 'Profiles', 'Statistics', 'Log', 'Settings'];

export const PICTURES = resolve(import.meta.dirname, '..', '..', 'dist', 'pictures');
/** WINDOW.md: the size it opens with. */
export const SMALL = { width: 420, height: 680 } as const;
export const WIDE = { width: 1100, height: 760 } as const;
/** Patience for what should take a frame; the machine is shared. */
const WITHIN_MS = 8_000;

export class App {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly bridge: Bridge;
  readonly watch: Watch;

  private constructor(page: Page, context: BrowserContext, bridge: Bridge, watch: Watch) {
    this.page = page;
    this.context = context;
    this.bridge = bridge;
    this.watch = watch;
  }

  static async open(browser: Browser, bridge: Bridge, options: BrowserContextOptions, watch: Watch): Promise<App> {
    const context = await browser.newContext({ viewport: SMALL, acceptDownloads: true, ...options });
    context.setDefaultTimeout(WITHIN_MS);
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await watch.over(context);
    const page = await context.newPage();
    const app = new App(page, context, bridge, watch);
    await page.goto(bridge.url);
    await page.getByRole('main').waitFor();
    // Whatever the helper is: by then the window knows.
    await page.locator('[data-test=helper-screen][data-state=connecting]').waitFor({ state: 'detached' });
    return app;
  }

  async close(): Promise<void> {
    await this.context.close();
    await this.bridge.stop();
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name, ...(typeof name === 'string' ? { exact: true } : {}) });
  }

  async press(name: string | RegExp): Promise<void> {
    await this.button(name).click();
  }

  field(name: string | RegExp): Locator {
    return this.page.getByLabel(name);
  }

  async go(view: View): Promise<void> {
    await this.page.getByRole('navigation').getByRole('link', { name: view, exact: true }).click();
    await this.page.locator(`main[data-view=${view.toLowerCase()}]`).getByRole('heading', { level: 1 }).waitFor();
  }

  /** Opens a place of the window (renderer/route.ts) as a link would. */
  async visit(path: string): Promise<void> {
    await this.page.evaluate(`location.hash = ${JSON.stringify(path)}`);
    await this.page.getByRole('main').getByRole('heading').filter({ visible: true }).first().waitFor();
  }

  /** All that is on the screen, as text. */
  text(): Promise<string> {
    return this.page.locator('body').innerText();
  }

  /** Resolves when it is to be seen. */
  async sees(what: string | RegExp, withinMs = WITHIN_MS): Promise<void> {
    await this.page.getByText(what).filter({ visible: true }).first().waitFor({ timeout: withinMs });
  }

  async gone(what: string | RegExp, withinMs = WITHIN_MS): Promise<void> {
    await this.page.getByText(what).filter({ visible: true }).first().waitFor({ state: 'hidden', timeout: withinMs });
  }

  /** Runs an expression in the page. */
  run<T>(expression: string): Promise<T> {
    return this.page.evaluate<T>(expression);
  }

  /** Takes the pointer to where it points at nothing. */
  async rest(): Promise<void> {
    const { width, height } = this.page.viewportSize() ?? SMALL;
    await this.page.mouse.move(width - 1, height - 1);
  }

  async picture(name: string): Promise<string> {
    mkdirSync(PICTURES, { recursive: true });
    const path = join(PICTURES, `${name}.png`);
    await this.page.screenshot({ path });
    return path;
  }
}
