/**
 * The page's side of a shell: `window.sallyport` over any transport. Self-contained on purpose, and without imports at run time: the
 * bridge sends this very function to the browser as text, the preload of Electron bundles it.
 */
import type { Reply, SallyportWindow, WindowEvent } from './contract.ts';
import type { Operation } from './windowApi.ts';

export interface Transport {
  /** Answers, also when nobody is there. */
  request(operation: Operation): Promise<Reply<unknown>>;
  /** Called once, when the page begins to listen. */
  events(onEvent: (event: WindowEvent) => void): void;
}

export function windowClient(transport: Transport): SallyportWindow {
  const listeners = new Set<(event: WindowEvent) => void>();
  let listening = false;

  // The shell answers each operation with what the contract says of it (windowApi.ts), so the type is given back here.
  async function ask<T>(operation: Operation): Promise<Reply<T>> {
    return (await transport.request(operation)) as Reply<T>;
  }

  return {
    call: (method, params) => ask({ op: 'call', method, params }),
    listen: (listener) => {
      listeners.add(listener);
      if (!listening) {
        listening = true;
        transport.events((event) => {
          for (const each of [...listeners]) each(event);
        });
      }
      return () => {
        listeners.delete(listener);
      };
    },
    followLog: async (on) => {
      await ask<null>({ op: 'followLog', on });
    },
    info: async () => {
      const reply = await ask<Awaited<ReturnType<SallyportWindow['info']>>>({ op: 'info' });
      if (!reply.ok) throw new Error(reply.error.detail);
      return reply.value;
    },
    changeSettings: (change) => ask({ op: 'changeSettings', change }),
    startHelper: () => ask({ op: 'startHelper' }),
  };
}
