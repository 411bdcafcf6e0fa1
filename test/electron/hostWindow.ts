/** BrowserWindow and WebContents of the test host: each window is a page of a real Chromium, with the bundled preload in it. */
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Frame, Page } from 'playwright-core';
import type { Host } from './host.ts';

/** Where app://sallyport/ is for Chromium: a scheme of its own cannot be intercepted, an address nobody has can. */
export const STAND_IN = 'https://sallyport.app.invalid';
const APP = 'app://sallyport';

export function toAppAddress(url: string): string {
  return url === STAND_IN || url.startsWith(`${STAND_IN}/`) ? APP + url.slice(STAND_IN.length) : url;
}

export interface HostFrame {
  readonly url: string;
}

/** What a page asks for when it wants to go or to open something, with Electron's way of saying no. */
export interface NavigationEvent {
  preventDefault(): void;
  readonly defaultPrevented: boolean;
  readonly url: string;
}

export interface WindowOptions {
  readonly width?: number;
  readonly height?: number;
  readonly x?: number;
  readonly y?: number;
  readonly minWidth?: number;
  readonly show?: boolean;
  readonly webPreferences?: Readonly<Record<string, unknown>> & { readonly preload?: string };
}

export class HostContents extends EventEmitter {
  readonly #host: Host;
  readonly #frames = new WeakMap<Frame, HostFrame>();
  page: Page | undefined;
  /** Of a navigation the main process itself asked for. */
  expected: string | undefined;
  /** A new document is on its way. */
  documentRequested = false;
  #openHandler: ((details: { url: string }) => { action: string }) | undefined;

  constructor(host: Host) {
    super();
    this.#host = host;
    host.app.emit('web-contents-created', {}, this);
  }

  get mainFrame(): HostFrame {
    return this.page ? this.frameOf(this.page.mainFrame()) : { url: '' };
  }

  frameOf(frame: Frame): HostFrame {
    let known = this.#frames.get(frame);
    if (!known) {
      known = {
        get url() {
          return toAppAddress(frame.url());
        },
      };
      this.#frames.set(frame, known);
    }
    return known;
  }

  isDestroyed(): boolean {
    return this.page === undefined || this.page.isClosed();
  }

  send(channel: string, data: unknown): void {
    this.#host.track(
      this.page?.evaluate(([name, value]) => Reflect.get(globalThis, '__electronDeliver')?.(name, value), [
        channel,
        data,
      ] as const),
    );
  }

  setWindowOpenHandler(handler: (details: { url: string }) => { action: string }): void {
    this.#openHandler = handler;
  }

  mayOpen(url: string): boolean {
    // Without a handler Electron opens what is asked for.
    return this.#openHandler === undefined || this.#openHandler({ url }).action === 'allow';
  }

  /** Whether a page may go there, asked as Electron asks. */
  mayNavigate(url: string, mainFrame: boolean): boolean {
    let prevented = false;
    const event: NavigationEvent = {
      preventDefault: () => {
        prevented = true;
      },
      get defaultPrevented() {
        return prevented;
      },
      url,
    };
    this.emit('will-frame-navigate', event);
    if (mainFrame) this.emit('will-navigate', event, url);
    return !prevented;
  }
}

export class HostWindow extends EventEmitter {
  readonly options: WindowOptions;
  readonly webContents: HostContents;
  readonly #host: Host;
  readonly ready: Promise<Page>;
  visible = false;
  minimized = false;
  raised = 0;
  #destroyed = false;
  bounds: { x: number; y: number; width: number; height: number };

  constructor(host: Host, options: WindowOptions) {
    super();
    this.#host = host;
    this.options = options;
    this.bounds = { x: options.x ?? 0, y: options.y ?? 0, width: options.width ?? 800, height: options.height ?? 600 };
    this.webContents = new HostContents(host);
    host.windows.push(this);
    this.ready = this.#open();
    host.track(this.ready);
  }

  async #open(): Promise<Page> {
    const page = await this.#host.context.newPage();
    this.webContents.page = page;
    await page.setViewportSize({ width: this.bounds.width, height: this.bounds.height });
    const { preload } = this.options.webPreferences ?? {};
    if (preload !== undefined) await page.addInitScript(preloadScript(readFileSync(preload, 'utf8')));
    page.on('framenavigated', (frame) => {
      // A change of the fragment only is another event in Electron.
      if (frame !== page.mainFrame() || !this.webContents.documentRequested) return;
      this.webContents.documentRequested = false;
      this.webContents.emit('did-navigate', {}, toAppAddress(frame.url()));
    });
    page.on('close', () => this.#gone());
    return page;
  }

  /** Settles when the first page has been loaded, or never will be. */
  loaded: Promise<void> = Promise.resolve();

  loadURL(url: string): Promise<void> {
    this.loaded = this.#load(url).catch((error: Error) => this.#host.track(Promise.reject(error)));
    return this.loaded;
  }

  async #load(url: string): Promise<void> {
    const page = await this.ready;
    this.webContents.expected = url;
    await page.goto(url.replace(APP, STAND_IN));
    this.emit('ready-to-show');
  }

  /** As View → Reload would. */
  async reload(): Promise<void> {
    const page = await this.ready;
    this.webContents.expected = toAppAddress(page.url());
    await page.reload();
  }

  show(): void {
    this.visible = true;
  }
  focus(): void {
    this.raised++;
  }
  restore(): void {
    this.minimized = false;
  }
  isMinimized(): boolean {
    return this.minimized;
  }
  isFocused(): boolean {
    return this.visible && this.#host.focused;
  }
  isDestroyed(): boolean {
    return this.#destroyed;
  }
  getNormalBounds(): HostWindow['bounds'] {
    return this.bounds;
  }

  /** As the user closes it. */
  async close(): Promise<void> {
    this.emit('close', { preventDefault: () => {} });
    await (await this.ready).close();
  }

  #gone(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.visible = false;
    this.webContents.emit('destroyed');
    this.emit('closed');
    const left = this.#host.windows.filter((window) => !window.isDestroyed());
    if (left.length === 0) this.#host.app.emit('window-all-closed');
  }
}

/** The preload as the sandbox would run it: in the top frame, with `require('electron')` and nothing else. */
function preloadScript(source: string): string {
  return `(() => {
  if (window !== window.top || location.protocol === 'about:') return;
  const listeners = new Map();
  const electron = {
    contextBridge: {
      exposeInMainWorld(name, api) {
        Object.defineProperty(window, name, { value: Object.freeze(api), enumerable: true });
      },
      executeInMainWorld: ({ func, args = [] }) => func(...args),
    },
    ipcRenderer: {
      invoke: (channel, value) => window.__electronInvoke(channel, value),
      send: (channel, value) => void window.__electronSend(channel, value),
      on: (channel, listener) => void listeners.set(channel, [...(listeners.get(channel) ?? []), listener]),
    },
  };
  window.__electronDeliver = (channel, value) => {
    for (const listener of listeners.get(channel) ?? []) listener({}, value);
  };
  const require = (name) => {
    if (name !== 'electron') throw new Error('a sandboxed preload has no ' + name);
    return electron;
  };
  const module = { exports: {} };
  (function (require, module, exports) {
${source}
  })(require, module, module.exports);
})();`;
}
