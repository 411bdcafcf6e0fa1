/** The tray icon, where there is a place for one: the gate as it stands, and the one control in its menu. */
import { join } from 'node:path';
import { app, Menu, nativeImage, nativeTheme, Tray } from 'electron';
import type { Control } from '../core/desktop/control.ts';
import type { Glance } from '../core/desktop/glance.ts';
import { filled, type Words } from '../core/desktop/words.ts';
import { controlItem } from './menu.ts';

export interface TrayIcon {
  present(): boolean;
  show(glance: Glance): void;
  remove(): void;
}

export const noTray: TrayIcon = { present: () => false, show: () => {}, remove: () => {} };

/** `icons`: folder with `tray-<gate>-<light|dark>.png`, drawn by resources/icons.mjs. */
export function createTray(icons: string, control: Control, words: () => Words): TrayIcon {
  let last: Glance | undefined;
  const image = (glance: Glance) => {
    // macOS colours a template image itself; elsewhere the panel is taken to be as dark as the applications are.
    if (process.platform === 'darwin') return nativeImage.createFromPath(join(icons, `tray-${glance.gate}-Template.png`));
    const shade = nativeTheme.shouldUseDarkColors ? 'light' : 'dark';
    return nativeImage.createFromPath(join(icons, `tray-${glance.gate}-${shade}.png`));
  };
  const tray = new Tray(image({ gate: 'closed', state: 'unprotected', profile: undefined, control: 'none' }));
  const show = (glance: Glance): void => {
    last = glance;
    const said = words();
    tray.setImage(image(glance));
    tray.setToolTip(
      filled(glance.state === 'protected' ? `${said.state.protected}: {profile}` : said.state[glance.state], glance.profile),
    );
    tray.setContextMenu(
      Menu.buildFromTemplate([
        { label: said.state[glance.state], enabled: false },
        controlItem(control, glance, said),
        { type: 'separator' },
        { label: said.show, click: control.show },
        { label: said.quit, click: () => app.quit() },
      ]),
    );
  };
  tray.on('click', control.show);
  nativeTheme.on('updated', () => {
    if (last && !tray.isDestroyed()) show(last);
  });
  return { present: () => !tray.isDestroyed(), show, remove: () => tray.destroy() };
}
