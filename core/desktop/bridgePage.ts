/** What the loopback bridge sends to the browser ahead of the window's own scripts: `window.sallyport` over POST and Server-Sent Events. */
import type { HelperLink, Reply, WindowEvent } from './contract.ts';
import { allowOnlyEmptyMarkup } from './trustedTypes.ts';
import { type Transport, windowClient } from './windowClient.ts';

/** Where the page's key is kept: storage belongs to one origin with its port, a cookie to the host with all of its ports. */
export const KEY_NAME = 'sallyport-bridge-key';
export const PAGE_HEADER = 'x-sallyport-page';
export const KEY_HEADER = 'x-sallyport-key';

/** The little of a browser that is needed here. */
interface BrowserWindow {
  readonly sessionStorage: { getItem(name: string): string | null };
  readonly crypto: { randomUUID(): string };
  readonly fetch: typeof fetch;
  readonly EventSource: new (
    address: string,
  ) => { readonly readyState: number; onopen: unknown; onmessage: unknown; onerror: unknown };
}

/** The text of the script. The functions are sent as they are, so they use nothing but their arguments. */
export function bridgeScript(): string {
  const names = JSON.stringify({ storage: KEY_NAME, page: PAGE_HEADER, key: KEY_HEADER });
  return `(${allowOnlyEmptyMarkup.toString()})();
window.sallyport = (${windowClient.toString()})((${bridgeTransport.toString()})(window, ${names}));\n`;
}

export function bridgeTransport(
  browser: BrowserWindow,
  names: { readonly storage: string; readonly page: string; readonly key: string },
): Transport {
  const key = browser.sessionStorage.getItem(names.storage) ?? '';
  const page = browser.crypto.randomUUID();
  let following = false;
  /** Until the bridge listens to the page, or the page hears that it cannot. */
  let settling: Promise<void> = Promise.resolve();

  async function post(operation: unknown): Promise<Reply<unknown>> {
    try {
      const answer = await browser.fetch('/call', {
        method: 'POST',
        headers: { 'content-type': 'application/json', [names.key]: key, [names.page]: page },
        body: JSON.stringify(operation),
      });
      if (!answer.ok) return { ok: false, error: { code: 'helper-refused', detail: `the bridge answered ${answer.status}` } };
      return (await answer.json()) as Reply<unknown>;
    } catch {
      return { ok: false, error: { code: 'helper-gone', detail: 'the bridge does not answer' } };
    }
  }

  return {
    request: async (operation) => {
      if (operation.op === 'followLog') {
        following = operation.on;
        // The bridge knows a page only while it listens.
        await settling;
      }
      return post(operation);
    },
    events: (onEvent) => {
      const helper = (data: HelperLink): void => onEvent({ event: 'helper', data });
      const source = new browser.EventSource(`/events?page=${page}&key=${encodeURIComponent(key)}`);
      let settled = (): void => {};
      settling = new Promise((resolve) => {
        settled = resolve;
      });
      source.onopen = () => {
        settled();
        // After it was away the bridge has forgotten the page.
        if (following) void post({ op: 'followLog', on: true });
      };
      source.onmessage = (message: { readonly data: string }) => onEvent(JSON.parse(message.data) as WindowEvent);
      // While it connects again the browser keeps trying by itself; once it has given up, the bridge is another one or gone.
      source.onerror = () => {
        settled();
        helper(source.readyState === 2 ? { state: 'missing' } : { state: 'restarting' });
      };
    },
  };
}
