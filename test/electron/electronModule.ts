/** What `import … from 'electron'` is in the test host: the exports of the host whose main process imports it (start.ts). */
import { hostOfImport } from './start.ts';

export const {
  app,
  BrowserWindow,
  ipcMain,
  protocol,
  session,
  Tray,
  Menu,
  nativeImage,
  nativeTheme,
  screen,
  dialog,
  Notification,
} = hostOfImport(import.meta.url).electron();
