/**
 * Opens the window of a checkout: in Electron where its program is there, else in a browser's app mode over the bridge, else not at all
 * with the reason. For `npm start` and the demo; an installed app starts itself.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { err, ok, type Result } from '../bytes/result.ts';
import { startBrowserShell } from './browserShell.ts';
import type { StartReply } from './contract.ts';
import { hasDisplay, programPath } from './startHelper.ts';

export interface OpenedWindow {
  readonly how: 'electron' | 'browser';
  /** Resolves when the user has closed it. */
  readonly closed: Promise<void>;
  close(): Promise<void>;
}

export interface OpenWindowOptions {
  readonly socket: string;
  readonly settings?: string;
  readonly startHelper?: () => Promise<StartReply>;
  readonly say: (line: string) => void;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const RENDERER = join(root, 'dist', 'renderer');
const ELECTRON_MAIN = join(root, 'dist', 'electron', 'main.mjs');
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'microsoft-edge', 'brave-browser'];

/** Not opened is a result too: its lines say why and what would help. */
export async function openWindow(options: OpenWindowOptions): Promise<Result<OpenedWindow, readonly string[]>> {
  if (!existsSync(join(RENDERER, 'index.html'))) return err(['The window is not built yet: npm run build']);
  if (!hasDisplay()) {
    return err([
      'There is no display here (neither WAYLAND_DISPLAY nor DISPLAY is set), so no window can be opened.',
      'On a machine with a display the same command opens it. The command line does everything: resources/bin/sallyport --help',
    ]);
  }
  const electron = electronProgram();
  if (electron.ok) return ok(openElectron(electron.value, options));
  options.say(electron.error);
  const browser = BROWSERS.map(programPath).find((path) => path !== undefined);
  if (browser === undefined) {
    return err([
      'No browser was found either that can show the window (looked for chromium and its relatives in PATH).',
      'Install one: apt-get install chromium',
    ]);
  }
  options.say(`Opening the window in ${browser} instead.`);
  return ok(await openBrowser(browser, options));
}

/** Renderer, Electron part and icons, where their sources are newer than what is in dist/. */
export function buildWindow(say: (line: string) => void): Promise<void> {
  return new Promise((resolve) => {
    const program = join(root, 'resources', 'build.mjs');
    const child = spawn(process.execPath, [program, '--stale'], { stdio: ['ignore', 'ignore', 'inherit'] });
    child.once('error', (error) => {
      say(`build: ${error.message}`);
      resolve();
    });
    child.once('exit', (code) => {
      if (code !== 0) say('The window could not be built (see above).');
      resolve();
    });
  });
}

/** Electron's npm package brings its binary only when it could download it; asking the package would start the download. */
function electronProgram(): Result<string, string> {
  const folder = process.env.ELECTRON_OVERRIDE_DIST_PATH ?? join(root, 'node_modules', 'electron', 'dist');
  const nameFile = join(root, 'node_modules', 'electron', 'path.txt');
  const name = existsSync(nameFile) ? readFileSync(nameFile, 'utf8').trim() : 'electron';
  const program = join(folder, name);
  if (!existsSync(program)) {
    return err(`Electron's program is not installed (${program} is missing; \`npx install-electron\` downloads it).`);
  }
  if (!existsSync(ELECTRON_MAIN)) return err('The Electron part is not built: node resources/build.mjs');
  if (process.getuid?.() === 0) return err('Electron does not run as root; start the window as yourself to use it.');
  return ok(program);
}

function openElectron(program: string, options: OpenWindowOptions): OpenedWindow {
  // The fuses are of the packaged app; this one is the plain Electron of the checkout.
  const child = spawn(program, [ELECTRON_MAIN], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, SALLYPORT_SOCKET: options.socket },
  });
  return { how: 'electron', closed: ended(child), close: () => stop(child) };
}

async function openBrowser(program: string, options: OpenWindowOptions): Promise<OpenedWindow> {
  const shell = await startBrowserShell({ ...options, dist: RENDERER });

  // Its own profile: no extensions, no other tabs, nothing of it left.
  const folder = mkdtempSync(join(privateFolder(), 'sallyport-window-'));
  const start = join(folder, 'open.html');
  // The address opens the window once; command lines can be read by everybody, this file by its owner only.
  const address = JSON.stringify(shell.issueUrl());
  writeFileSync(
    start,
    `<!doctype html><meta charset="utf-8"><title>Sallyport</title><script>location.replace(${address})</script>\n`,
    {
      mode: 0o600,
    },
  );
  const child = spawn(program, browserArguments(folder, start), { stdio: 'ignore' });
  const closed = ended(child).then(async () => {
    if (child.exitCode !== 0 && child.exitCode !== null) options.say(`${program} ended with ${child.exitCode}.`);
    await shell.close();
    // Its helpers may still be writing when the browser itself has ended.
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });
  const close = async (): Promise<void> => {
    await stop(child);
    await closed;
  };
  return { how: 'browser', closed, close };
}

function browserArguments(folder: string, start: string): readonly string[] {
  return [
    `--app=file://${start}`,
    `--user-data-dir=${join(folder, 'profile')}`,
    '--window-size=420,680',
    '--no-first-run',
    '--no-default-browser-check',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-breakpad',
    '--disable-extensions',
    '--disable-sync',
    // Chromium refuses to start as root with its sandbox; it shows nothing but this window, and the other switch keeps its warning out of it.
    ...(process.getuid?.() === 0 ? ['--no-sandbox', '--test-type'] : []),
  ];
}

/** A folder only this user can look into. */
function privateFolder(): string {
  const runtime = process.env.XDG_RUNTIME_DIR;
  if (runtime !== undefined && existsSync(runtime)) return runtime;
  const cache = join(homedir(), '.cache');
  try {
    mkdirSync(cache, { recursive: true, mode: 0o700 });
    return cache;
  } catch {
    return tmpdir();
  }
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = ended(child);
  child.kill('SIGTERM');
  await gone;
}
