/** What no page may do, whatever it holds: go anywhere, open anything, ask for the machine's powers, load from a network. */
import { type App, session } from 'electron';
import { isOwnAddress } from './channels.ts';

/** For every page that will ever exist in this process. */
export function lockContents(app: App): void {
  app.on('web-contents-created', (_created, contents) => {
    contents.on('will-navigate', (event) => event.preventDefault());
    contents.on('will-frame-navigate', (event) => event.preventDefault());
    contents.on('will-redirect', (event) => event.preventDefault());
    contents.on('will-attach-webview', (event) => event.preventDefault());
    contents.setWindowOpenHandler(() => ({ action: 'deny' }));
  });
}

/** The one power of the page: to put text into the clipboard when the user asks for a copy. */
const ALLOWED = 'clipboard-sanitized-write';

export function refusePermissions(): void {
  const ours = session.defaultSession;
  ours.setPermissionRequestHandler((_contents, permission, answer, details) => {
    answer(permission === ALLOWED && details.isMainFrame && isOwnAddress(details.requestingUrl));
  });
  ours.setPermissionCheckHandler((_contents, permission, origin, details) => {
    return permission === ALLOWED && details.isMainFrame && isOwnAddress(origin);
  });
  ours.setDevicePermissionHandler(() => false);
  // The policy of the page forbids it already; this holds for what is not subject to a policy.
  const remote = ['http', 'https', 'ws', 'wss', 'ftp', 'file'].map((scheme) => `${scheme}://*/*`);
  ours.webRequest.onBeforeRequest({ urls: remote }, (_details, answer) => answer({ cancel: true }));
}
