/** Start at login: Electron does it on macOS and Windows, the desktop's autostart folder on Linux. */
import type { App } from 'electron';
import { setAutostart } from '../core/desktop/desktopSession.ts';

export interface LoginItem {
  readonly possible: boolean;
  set(on: boolean): void;
}

/** In the tray when it starts by itself. */
const HIDDEN = '--hidden';

export function loginItem(app: App, say: (line: string) => void): LoginItem {
  // From a checkout there is no program that could be started by itself.
  if (!app.isPackaged) return { possible: false, set: () => {} };
  if (process.platform !== 'linux') {
    return { possible: true, set: (on) => app.setLoginItemSettings({ openAtLogin: on, args: [HIDDEN] }) };
  }
  // An AppImage runs from a mount that changes; this variable is the file itself.
  const program = process.env.APPIMAGE ?? process.execPath;
  return {
    possible: true,
    set: (on) => {
      const problem = setAutostart(on, [program, HIDDEN]);
      if (problem !== undefined) say(problem);
    },
  };
}
