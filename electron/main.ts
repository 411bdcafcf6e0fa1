/**
 * The desktop app's main process: puts the parts of core/desktop into Electron. One instance; a second start hands its link or file to
 * the first. What is decided here is only what Electron alone can do.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { app, dialog } from 'electron';
import type { Reply } from '../core/desktop/contract.ts';
import { createControl } from '../core/desktop/control.ts';
import { hasTrayHost } from '../core/desktop/desktopSession.ts';
import { glanceOf } from '../core/desktop/glance.ts';
import { type Link, openLink } from '../core/desktop/link.ts';
import { LINK_SCHEME, type OfferProblem, offerOfArguments, offerOfFile, offerOfLink } from '../core/desktop/offers.ts';
import { platformName } from '../core/desktop/platform.ts';
import { openSettings } from '../core/desktop/settings.ts';
import { circumstances, startHelper, wayToStart } from '../core/desktop/startHelper.ts';
import { createWindowApi } from '../core/desktop/windowApi.ts';
import { type Words, wordsFor } from '../core/desktop/words.ts';
import { DEFAULT_SOCKET } from '../core/rpc/contract.ts';
import { programVersion } from '../core/rpc/version.ts';
import { helperChecks } from '../core/system/linux/trust.ts';
import { serveOperations } from './ipc.ts';
import { lockContents, refusePermissions } from './locks.ts';
import { loginItem } from './login.ts';
import { showMenu } from './menu.ts';
import { notifyOf } from './notify.ts';
import { registerScheme, servePage } from './protocol.ts';
import { createTray, noTray } from './tray.ts';
import { createWindows } from './window.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
/** dist/renderer and dist/icons lie beside dist/electron, in the checkout and in the package. */
const dist = join(here, '..');

type Offered = ReturnType<typeof offerOfLink>;

if (app.requestSingleInstanceLock()) run();
else app.quit();

function run(): void {
  registerScheme();
  app.setAppUserModelId('dev.sallyport.Sallyport');
  lockContents(app);
  const desktop = app.whenReady().then(startDesktop);
  const take = (offered: Offered): void => void desktop.then((ready) => ready.take(offered));
  // macOS sends links and files by events, also before `ready`; elsewhere they come with the command line.
  app.on('open-url', (event, url) => {
    event.preventDefault();
    take(offerOfLink(url));
  });
  app.on('open-file', (event, path) => {
    event.preventDefault();
    take(offerOfFile(path));
  });
  app.on('second-instance', (_event, argv, folder) => {
    const offered = offerOfArguments(argv, folder);
    if (offered) take(offered);
    else void desktop.then((ready) => ready.show());
  });
  const given = offerOfArguments(process.argv);
  if (given) take(given);
}

interface Desktop {
  show(): void;
  take(offered: Offered): void;
}

async function startDesktop(): Promise<Desktop> {
  const version = programVersion();
  const settings = openSettings(join(app.getPath('userData'), 'settings.json'));
  if (settings.problem !== undefined) say(settings.problem);
  const link = openLink({
    socket: process.env.SALLYPORT_SOCKET ?? DEFAULT_SOCKET,
    client: `sallyport-window ${version}`,
    ...helperChecks(),
  });
  const words = (): Words => wordsFor(settings.current().language, app.getLocale());
  const way = wayToStart(circumstances(undefined));
  const login = loginItem(app, say);
  let refresh = (): void => {};
  const api = createWindowApi({
    link,
    settings,
    shell: {
      info: () => ({
        version,
        shell: 'electron',
        platform: platformName(),
        locale: app.getLocale(),
        canStartHelper: way !== undefined,
        canStartAtLogin: login.possible,
      }),
      startHelper: async () => (way === undefined ? noWay : (await startHelper(way, () => answering(link))).reply),
      settingsChanged: (now, before) => {
        if (now.startAtLogin !== before.startAtLogin) login.set(now.startAtLogin);
        refresh();
      },
    },
  });
  servePage(join(dist, 'renderer'));
  refusePermissions();
  const windows = createWindows({ preload: join(here, 'preload.cjs'), stateFile: join(app.getPath('userData'), 'window.json') });
  serveOperations(api, windows);
  app.setAsDefaultProtocolClient(LINK_SCHEME);

  const hidden = process.argv.includes('--hidden');
  const control = createControl({ api, link, currentProfile: () => settings.current().currentProfile, show: windows.show });
  const tray = (await trayHost(hidden)) ? createTray(join(dist, 'icons'), control, words) : noTray;
  const notify = notifyOf({ words, wanted: () => settings.current().notifications && !windows.focused(), open: windows.show });
  let shown = '';
  refresh = () => {
    const glance = glanceOf(link.helper(), link.status());
    // The status changes twice a second while connected, the glance hardly ever.
    const key = JSON.stringify([glance, settings.current().language]);
    if (key === shown) return;
    shown = key;
    tray.show(glance);
    notify(glance);
    showMenu(control, glance, words());
  };
  link.listen({ onHelper: refresh, onStatus: refresh });
  refresh();
  // Started at login it waits in the tray; without a tray a hidden window could not be found again.
  if (!hidden || !tray.present()) windows.show();
  app.on('activate', windows.show);
  app.on('window-all-closed', () => {
    if (!tray.present()) app.quit();
  });
  app.on('will-quit', () => {
    link.close();
    tray.remove();
  });
  return {
    show: windows.show,
    take: (offered) => {
      windows.show();
      if (offered.ok) api.offer(offered.value);
      else refuseOffer(offered.error, words());
    },
  };
}

/** At login the panel may come up after us; then it is worth waiting for. */
async function trayHost(patient: boolean): Promise<boolean> {
  for (let tries = patient ? 10 : 1; tries > 0; tries--) {
    if (await hasTrayHost()) return true;
    if (tries > 1) await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  return false;
}

const noWay: Reply<null> = {
  ok: false,
  error: { code: 'helper-not-running', detail: 'the service sallyport.service is not installed' },
};

function answering(link: Link): boolean {
  link.retry();
  return link.helper().state === 'connected';
}

function refuseOffer(problem: OfferProblem, words: Words): void {
  const [message, detail] = words.offer[problem];
  void dialog.showMessageBox({ type: 'warning', message, detail });
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
