/**
 * The Electron test host of LAB.md: what electron/main.ts uses of the `electron` module, over a real Chromium. It does what Electron
 * documents, keeps what it was told for the tests to look at, and lets them do what user, system and hostile page would do.
 */
import { EventEmitter } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, BrowserContext, Frame, Page, Request as PageRequest, Route } from 'playwright-core';
import { HostContents, HostWindow, STAND_IN, toAppAddress, type WindowOptions } from './hostWindow.ts';

export interface MenuItem {
  readonly label?: string;
  readonly role?: string;
  readonly enabled?: boolean;
  readonly type?: string;
  readonly click?: () => void;
  readonly submenu?: readonly MenuItem[];
}

interface HostMenu {
  readonly items: readonly MenuItem[];
}

type Handler = (event: { readonly sender: HostContents; readonly senderFrame: unknown }, value: unknown) => unknown;
type RequestListener = (details: { readonly url: string }, answer: (reply: { readonly cancel: boolean }) => void) => void;
type PermissionDetails = { readonly isMainFrame: boolean; readonly requestingUrl: string };

/** Running instances by their folder of data: what makes a second start the second. */
const running = new Map<string, Host>();

export class HostApp extends EventEmitter {
  readonly name = 'Sallyport';
  isPackaged = false;
  quitted = false;
  readonly protocols: string[] = [];
  readonly loginItems: unknown[] = [];
  readonly #host: Host;

  constructor(host: Host) {
    super();
    this.#host = host;
  }

  requestSingleInstanceLock(): boolean {
    const first = running.get(this.#host.folder);
    if (first === undefined) {
      running.set(this.#host.folder, this.#host);
      return true;
    }
    first.app.emit('second-instance', {}, [...process.argv], process.cwd());
    return false;
  }
  whenReady(): Promise<void> {
    return Promise.resolve();
  }
  quit(): void {
    if (this.quitted) return;
    this.quitted = true;
    this.emit('before-quit', {});
    this.emit('will-quit', {});
  }
  getPath(name: string): string {
    return join(this.#host.folder, name);
  }
  getLocale(): string {
    return this.#host.locale;
  }
  setAppUserModelId(): void {}
  setAsDefaultProtocolClient(scheme: string): boolean {
    this.protocols.push(scheme);
    return true;
  }
  setLoginItemSettings(settings: unknown): void {
    this.loginItems.push(settings);
  }
}

export class Host {
  readonly folder: string;
  readonly locale: string;
  readonly context: BrowserContext;
  readonly app: HostApp;
  readonly windows: HostWindow[] = [];
  readonly trays: HostTray[] = [];
  readonly notifications: { readonly title: string; readonly body: string; click: () => void }[] = [];
  readonly dialogs: { readonly message: string }[] = [];
  /** Requests for anything but our page that nobody had stopped before they reached the network. */
  readonly escaped: string[] = [];
  /** New windows that a page wanted. */
  readonly wanted: string[] = [];
  readonly schemes: unknown[] = [];
  menu: HostMenu | undefined;
  focused = true;
  readonly #handlers = new Map<string, Handler>();
  readonly #messages = new EventEmitter();
  readonly failures: string[] = [];
  #closing = false;
  #answerPage: ((request: Request) => Response | Promise<Response>) | undefined;
  #beforeRequest: RequestListener | undefined;
  permissionRequest:
    | ((contents: unknown, permission: string, answer: (yes: boolean) => void, details: PermissionDetails) => void)
    | undefined;
  permissionCheck: ((contents: unknown, permission: string, origin: string, details: PermissionDetails) => boolean) | undefined;
  devicePermission: ((details: unknown) => boolean) | undefined;

  private constructor(context: BrowserContext, folder: string, locale: string) {
    this.context = context;
    this.folder = folder;
    this.locale = locale;
    this.app = new HostApp(this);
  }

  static async create(browser: Browser, folder: string, locale = 'en-GB'): Promise<Host> {
    const host = new Host(await browser.newContext(), folder, locale);
    await host.context.route('**/*', (route) => host.#route(route));
    await host.context.exposeBinding('__electronInvoke', ({ page, frame }, channel: string, value: unknown) =>
      host.invoke(channel, value, host.#contentsOf(page), host.#contentsOf(page).frameOf(frame)),
    );
    await host.context.exposeBinding('__electronSend', ({ page, frame }, channel: string, value: unknown) => {
      const sender = host.#contentsOf(page);
      host.#messages.emit(channel, { sender, senderFrame: sender.frameOf(frame) }, value);
    });
    host.context.on('page', (page) => host.track(host.#opened(page)));
    return host;
  }

  /** The exports of the `electron` module. */
  electron() {
    const host = this;
    return {
      app: this.app,
      BrowserWindow: class extends HostWindow {
        constructor(options: WindowOptions) {
          super(host, options);
        }
      },
      ipcMain: {
        handle: (channel: string, handler: Handler) => void this.#handlers.set(channel, handler),
        on: (channel: string, listener: Handler) => void this.#messages.on(channel, listener),
      },
      protocol: {
        registerSchemesAsPrivileged: (schemes: readonly unknown[]) => void this.schemes.push(...schemes),
        handle: (_scheme: string, answer: (request: Request) => Response | Promise<Response>) => {
          this.#answerPage = answer;
        },
      },
      session: {
        defaultSession: {
          setPermissionRequestHandler: (handler: Host['permissionRequest']) => {
            this.permissionRequest = handler;
          },
          setPermissionCheckHandler: (handler: Host['permissionCheck']) => {
            this.permissionCheck = handler;
          },
          setDevicePermissionHandler: (handler: Host['devicePermission']) => {
            this.devicePermission = handler;
          },
          webRequest: {
            onBeforeRequest: (_filter: unknown, listener: RequestListener) => {
              this.#beforeRequest = listener;
            },
          },
        },
      },
      Tray: class extends HostTray {
        constructor(image: HostImage) {
          super(host, image);
        }
      },
      Menu: {
        buildFromTemplate: (items: readonly MenuItem[]): HostMenu => ({ items }),
        setApplicationMenu: (menu: HostMenu) => {
          this.menu = menu;
        },
      },
      nativeImage: { createFromPath: (path: string): HostImage => ({ path, there: existsSync(path) }) },
      nativeTheme: Object.assign(new EventEmitter(), { shouldUseDarkColors: false }),
      screen: { getAllDisplays: () => [{ workArea: { x: 0, y: 0, width: 1280, height: 800 } }] },
      dialog: {
        showMessageBox: async (options: { readonly message: string }) => {
          this.dialogs.push(options);
          return { response: 0 };
        },
      },
      Notification: class extends EventEmitter {
        static isSupported(): boolean {
          return true;
        }
        readonly #options: { readonly title: string; readonly body: string };
        constructor(options: { readonly title: string; readonly body: string }) {
          super();
          this.#options = options;
        }
        show(): void {
          host.notifications.push({ ...this.#options, click: () => this.emit('click') });
        }
        close(): void {}
      },
    };
  }

  /** A message to the main process, from wherever the test says. */
  async invoke(channel: string, value: unknown, sender: HostContents, senderFrame: unknown): Promise<unknown> {
    const handler = this.#handlers.get(channel);
    if (handler === undefined) throw new Error(`No handler registered for '${channel}'`);
    return handler({ sender, senderFrame }, value);
  }

  /** A page of this process that is not our window. */
  strangeContents(): HostContents {
    return new HostContents(this);
  }

  /** The page of the window that is open; fails when there is none. */
  async page(): Promise<Page> {
    const window = this.openWindow();
    const page = await window.ready;
    await page.waitForLoadState();
    return page;
  }

  openWindow(): HostWindow {
    const window = this.windows.find((each) => !each.isDestroyed());
    if (window === undefined) throw new Error('no window is open');
    return window;
  }

  /** What goes on by itself, as a window that loads: when it fails because everything is being closed, that is no failure. */
  track(promise: Promise<unknown> | undefined): void {
    promise?.catch((error: Error) => {
      if (!this.#closing && !/closed|destroyed|ERR_ABORTED/.test(error.message)) this.failures.push(error.message);
    });
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.app.quit();
    running.delete(this.folder);
    // A window that is only just opening would keep its context from closing.
    await Promise.race([Promise.allSettled(this.windows.map(({ loaded }) => loaded)), sleep(3_000)]);
    await this.context.unrouteAll({ behavior: 'ignoreErrors' });
    await this.context.close();
    if (this.failures.length > 0) throw new Error(this.failures.join('\n'));
  }

  #contentsOf(page: Page): HostContents {
    const known = this.windows.find(({ webContents }) => webContents.page === page)?.webContents;
    if (known) return known;
    const strange = this.strangeContents();
    strange.page = page;
    return strange;
  }

  /** A window that opened without asking for an address first. */
  async #opened(page: Page): Promise<void> {
    const ours = await Promise.all(this.windows.map(({ ready }) => ready));
    if (!ours.includes(page) && !this.#mayOpen(page.url())) await page.close();
  }

  #mayOpen(url: string): boolean {
    this.wanted.push(url);
    return this.windows.some(({ webContents }) => webContents.mayOpen(url));
  }

  async #route(route: Route): Promise<void> {
    const request = route.request();
    const url = toAppAddress(request.url());
    if (request.isNavigationRequest()) {
      const frame = frameOf(request);
      if (frame === undefined) {
        // Of a window that is only wanted. Electron asks before there is one, Chromium here when it asks for its address.
        if (this.#mayOpen(url)) this.escaped.push(url);
        await route.abort('aborted');
        return;
      }
      const contents = this.#contentsOf(frame.page());
      const mainFrame = frame.parentFrame() === null;
      const asked = mainFrame && contents.expected === url;
      if (asked) contents.expected = undefined;
      else if (!contents.mayNavigate(url, mainFrame)) {
        await route.abort('aborted');
        return;
      }
      if (mainFrame) contents.documentRequested = true;
    }
    if (url === request.url()) {
      let cancelled = false;
      this.#beforeRequest?.({ url }, (reply) => {
        cancelled = reply.cancel;
      });
      if (!cancelled) this.escaped.push(url);
      await route.abort('blockedbyclient');
      return;
    }
    const init = { method: request.method(), headers: await request.allHeaders().then(withoutPseudo) };
    const response = await this.#answerPage?.(new Request(url, init));
    if (response === undefined) await route.abort('failed');
    else {
      const headers = Object.fromEntries(response.headers);
      await route.fulfill({ status: response.status, headers, body: Buffer.from(await response.arrayBuffer()) });
    }
  }
}

export interface HostImage {
  readonly path: string;
  readonly there: boolean;
}

export class HostTray extends EventEmitter {
  image: HostImage;
  toolTip = '';
  menu: HostMenu | undefined;
  #destroyed = false;

  constructor(host: Host, image: HostImage) {
    super();
    this.image = image;
    host.trays.push(this);
  }
  setImage(image: HostImage): void {
    this.image = image;
  }
  setToolTip(text: string): void {
    this.toolTip = text;
  }
  setContextMenu(menu: HostMenu): void {
    this.menu = menu;
  }
  isDestroyed(): boolean {
    return this.#destroyed;
  }
  destroy(): void {
    this.#destroyed = true;
  }
}

/** The address of our page as Chromium knows it, for tests that look at what a page sees of itself. */
export const PAGE_ORIGIN = STAND_IN;

function frameOf(request: PageRequest): Frame | undefined {
  try {
    return request.frame();
  } catch {
    return undefined;
  }
}

function withoutPseudo(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(':')));
}
