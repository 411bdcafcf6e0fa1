/** The page's only way out: exactly SallyportWindow, nothing of Electron. Runs sandboxed in the isolated world. */
import { contextBridge, type IpcRendererEvent, ipcRenderer } from 'electron';
import type { Reply, SallyportWindow, WindowEvent } from '../core/desktop/contract.ts';
import { allowOnlyEmptyMarkup } from '../core/desktop/trustedTypes.ts';
import { windowClient } from '../core/desktop/windowClient.ts';
import { EVENT, LISTEN, REQUEST } from './channels.ts';

const api: SallyportWindow = windowClient({
  request: async (operation): Promise<Reply<unknown>> => ipcRenderer.invoke(REQUEST, operation),
  events: (onEvent) => {
    ipcRenderer.on(EVENT, (_event: IpcRendererEvent, data: WindowEvent) => onEvent(data));
    ipcRenderer.send(LISTEN);
  },
});

contextBridge.executeInMainWorld({ func: allowOnlyEmptyMarkup });
contextBridge.exposeInMainWorld('sallyport', api);
