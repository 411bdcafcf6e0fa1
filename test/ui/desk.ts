/**
 * The user's desk: a network namespace with nothing but loopback, in which the browser and the window's bridge run. What the page tries to
 * load from elsewhere finds a server that writes down who came (stranger.ts), and no way out of the machine.
 */
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { type Browser, type CDPSession, chromium, selectors } from 'playwright-core';
import { type JsonProcess, startJson } from '../gateway/jsonProcess.ts';
import { end } from '../lab/daemon.ts';
import { Namespace } from '../lab/namespace.ts';
import type { Answered, Asked } from './stranger.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');
const BRIDGE = join(ROOT, 'core', 'desktop', 'bridgeMain.ts');
const CHROMIUM = '/usr/bin/chromium';
const FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const BRIDGE_WITHIN_MS = 15_000;

export interface Bridge {
  /** What the browser is to open: it works once. */
  readonly url: string;
  stop(): Promise<void>;
}

export interface BridgeOptions {
  /** Of the system, as POSIX names it. */
  readonly language?: string;
  /** Uid of the one whose window it is; root without. */
  readonly user?: number;
}

export class Desk {
  readonly namespace: Namespace;
  readonly browser: Browser;
  readonly stranger: JsonProcess;
  /** Of the built renderer. */
  readonly dist: string;
  readonly #folder: string;
  readonly #bridges = new Set<Bridge>();
  #sequence = 0;

  private constructor(namespace: Namespace, browser: Browser, stranger: JsonProcess, folder: string, dist: string) {
    this.namespace = namespace;
    this.browser = browser;
    this.stranger = stranger;
    this.#folder = folder;
    this.dist = dist;
  }

  /** `folder` is for what the desk keeps; whoever gave it removes it. */
  static async set(folder: string, dist: string): Promise<Desk> {
    const namespace = await Namespace.create('desk');
    const wrapper = join(folder, 'chromium');
    // `ip netns exec` replaces itself: playwright's pipes and signals reach Chromium.
    writeFileSync(wrapper, `#!/bin/sh\nexec ip netns exec ${namespace.name} ${CHROMIUM} "$@"\n`, { mode: 0o755 });
    const stranger = await startJson(namespace, [process.execPath, join(import.meta.dirname, 'stranger.ts')], 'the stranger');
    selectors.setTestIdAttribute('data-test');
    const browser = await chromium.launch({ executablePath: wrapper, args: FLAGS, chromiumSandbox: false });
    return new Desk(namespace, browser, stranger, folder, dist);
  }

  /** A bridge of its own, with settings nobody has touched. */
  async bridge(socket: string, { language = 'en_US.UTF-8', user }: BridgeOptions = {}): Promise<Bridge> {
    const settings = join(this.#folder, `settings-${this.#sequence++}.json`);
    const as = user === undefined ? [] : ['setpriv', '--reuid', String(user), '--regid', String(user), '--clear-groups'];
    const argv = [...as, process.execPath, BRIDGE, '--socket', socket, '--settings', settings, '--dist', this.dist];
    const child = this.namespace.spawn(argv, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, LANG: language, LC_ALL: language },
      detached: true,
    });
    const url = await urlOf(child);
    const bridge: Bridge = {
      url,
      stop: async () => {
        this.#bridges.delete(bridge);
        await end(child);
      },
    };
    this.#bridges.add(bridge);
    return bridge;
  }

  /** Of the whole browser, for the processes' CPU times. */
  browserSession(): Promise<CDPSession> {
    return this.browser.newBrowserCDPSession();
  }

  /** What was asked of the stranger since the last time, by whomever. */
  async visits(): Promise<readonly string[]> {
    this.stranger.send({ do: 'visits' });
    const { visits } = await this.stranger.next((line) => Array.isArray(line.visits), 5_000);
    return visits as readonly string[];
  }

  /** A request of the stranger's, headers as given. */
  async ask(asked: Asked): Promise<Answered> {
    this.stranger.send({ do: 'request', ...asked });
    const answer = await this.stranger.next((line) => 'status' in line || 'error' in line, 10_000);
    if (typeof answer.error === 'string') throw new Error(answer.error);
    return answer as Answered;
  }

  async clear(): Promise<void> {
    await this.browser.close().catch(() => {});
    await Promise.all([...this.#bridges].map((bridge) => bridge.stop()));
    await this.stranger.stop();
    await this.namespace.remove();
  }
}

/** The address the bridge prints. */
async function urlOf(child: ChildProcess): Promise<string> {
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = `${said}${text}`.slice(-4_000);
  });
  if (child.stdout === null) throw new Error('the bridge has no standard output');
  const lines = createInterface({ input: child.stdout });
  return new Promise((done, reject) => {
    const timer = setTimeout(() => reject(new Error(`the bridge printed no address: ${said}`)), BRIDGE_WITHIN_MS);
    child.once('exit', (code) => reject(new Error(`the bridge ended with ${code}: ${said}`)));
    lines.on('line', (line) => {
      const url = /https?:\/\/[^\s"]+/.exec(line)?.[0];
      if (url === undefined) return;
      clearTimeout(timer);
      done(url);
    });
  });
}
