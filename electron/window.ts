/** The one window: made when it is needed, gone when it is closed, its place kept. */
import { app, BrowserWindow, nativeTheme, screen, type WebContents } from 'electron';
import { INITIAL_SIZE, readWindowState, SMALLEST_SIZE, writeWindowState } from '../core/desktop/windowState.ts';
import { HOST, SCHEME } from './channels.ts';

export interface Windows {
  /** Brings it to the front, made anew where it was closed. */
  show(): void;
  focused(): boolean;
  owns(contents: WebContents): boolean;
}

export interface WindowsOptions {
  readonly preload: string;
  readonly stateFile: string;
}

export function createWindows(options: WindowsOptions): Windows {
  let window: BrowserWindow | undefined;

  function create(): BrowserWindow {
    const screens = screen.getAllDisplays().map(({ workArea }) => workArea);
    const created = new BrowserWindow({
      ...INITIAL_SIZE,
      ...readWindowState(options.stateFile, screens),
      minWidth: SMALLEST_SIZE.width,
      minHeight: SMALLEST_SIZE.height,
      title: 'Sallyport',
      show: false,
      autoHideMenuBar: true,
      backgroundColor: nativeTheme.shouldUseDarkColors ? '#16191d' : '#ffffff',
      webPreferences: {
        preload: options.preload,
        sandbox: true,
        contextIsolation: true,
        nodeIntegration: false,
        webSecurity: true,
        webviewTag: false,
        navigateOnDragDrop: false,
        spellcheck: false,
        devTools: !app.isPackaged,
      },
    });
    created.once('ready-to-show', () => created.show());
    created.on('close', () => writeWindowState(options.stateFile, created.getNormalBounds()));
    created.on('closed', () => {
      if (window === created) window = undefined;
    });
    void created.loadURL(`${SCHEME}://${HOST}/`);
    return created;
  }

  return {
    show() {
      if (window === undefined || window.isDestroyed()) {
        window = create();
        return;
      }
      if (window.isMinimized()) window.restore();
      window.show();
      window.focus();
    },
    focused: () => window?.isFocused() ?? false,
    owns: (contents) => window !== undefined && !window.isDestroyed() && window.webContents === contents,
  };
}
