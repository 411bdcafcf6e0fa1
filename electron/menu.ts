/** The application's menu: what the window can do by keys, named; on macOS the only place where Quit and Copy live. */
import { app, Menu, type MenuItemConstructorOptions } from 'electron';
import type { Control, ViewName } from '../core/desktop/control.ts';
import type { Glance } from '../core/desktop/glance.ts';
import { filled, type Words } from '../core/desktop/words.ts';

const VIEWS: readonly ViewName[] = ['connect', 'profiles', 'statistics', 'log'];

export function showMenu(control: Control, glance: Glance, words: Words): void {
  // The page listens to these keys itself; here they are only shown.
  const shown = (keys: string): MenuItemConstructorOptions => ({ accelerator: keys, registerAccelerator: false });
  const views = VIEWS.map(
    (view, index): MenuItemConstructorOptions => ({
      label: words.views[view],
      click: () => control.go(view),
      ...shown(`CommandOrControl+${index + 1}`),
    }),
  );
  const template: MenuItemConstructorOptions[] = [
    {
      label: process.platform === 'darwin' ? app.name : words.file,
      submenu: [
        { ...controlItem(control, glance, words), ...shown('CommandOrControl+Enter') },
        { type: 'separator' },
        { label: words.views.settings, click: () => control.go('settings') },
        { label: words.closeWindow, role: 'close' },
        { label: words.quit, role: 'quit' },
      ],
    },
    {
      label: words.edit,
      submenu: [
        { label: words.undo, role: 'undo' },
        { label: words.redo, role: 'redo' },
        { type: 'separator' },
        { label: words.cut, role: 'cut' },
        { label: words.copy, role: 'copy' },
        { label: words.paste, role: 'paste' },
        { label: words.selectAll, role: 'selectAll' },
      ],
    },
    {
      label: words.view,
      submenu: [
        ...views,
        { type: 'separator' },
        { label: words.zoomIn, role: 'zoomIn' },
        { label: words.zoomOut, role: 'zoomOut' },
        { label: words.actualSize, role: 'resetZoom' },
      ],
    },
    { label: words.window, submenu: [{ label: words.minimize, role: 'minimize' }] },
  ];
  Menu.setApplicationMenu(Menu.buildFromTemplate(template));
}

/** The one control, as menu and tray show it. */
export function controlItem(control: Control, glance: Glance, words: Words): MenuItemConstructorOptions {
  const labels: Readonly<Record<Glance['control'], string>> = {
    connect: glance.profile === undefined ? words.connect : filled(words.connectTo, glance.profile),
    disconnect: words.disconnect,
    cancel: words.cancel,
    none: words.connect,
  };
  return { label: labels[glance.control], enabled: glance.control !== 'none', click: () => control.act(glance.control) };
}
