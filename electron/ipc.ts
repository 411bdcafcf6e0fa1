/** The operations of the page, from our page only: who sends is checked at every message, what is sent by core/desktop/windowApi.ts. */
import { type IpcMainEvent, type IpcMainInvokeEvent, ipcMain, type WebContents } from 'electron';
import type { Reply } from '../core/desktop/contract.ts';
import type { Page, WindowApi } from '../core/desktop/windowApi.ts';
import { EVENT, isOwnAddress, LISTEN, REQUEST } from './channels.ts';
import type { Windows } from './window.ts';

const refused: Reply<unknown> = { ok: false, error: { code: 'not-permitted', detail: 'not from the window' } };

export function serveOperations(api: WindowApi, windows: Windows): void {
  const pages = new Map<WebContents, Page>();
  const forget = (contents: WebContents): void => {
    pages.get(contents)?.close();
    pages.delete(contents);
  };

  /** The top frame of our own window, showing our own page. */
  function trusted(event: IpcMainEvent | IpcMainInvokeEvent): boolean {
    const frame = event.senderFrame;
    return frame !== null && frame === event.sender.mainFrame && isOwnAddress(frame.url) && windows.owns(event.sender);
  }

  ipcMain.handle(REQUEST, (event, operation: unknown) => {
    if (!trusted(event)) return refused;
    return (pages.get(event.sender) ?? api).request(operation);
  });
  ipcMain.on(LISTEN, (event) => {
    if (!trusted(event)) return;
    const contents = event.sender;
    forget(contents);
    const page = api.open((data) => {
      if (!contents.isDestroyed()) contents.send(EVENT, data);
    });
    pages.set(contents, page);
    const gone = (): void => {
      if (pages.get(contents) === page) forget(contents);
    };
    contents.once('destroyed', gone);
    // A reload: the page that listened is no more, and its successor says so itself.
    contents.once('did-navigate', gone);
  });
}
