/**
 * The way out of the page: `window.sallyport`, which the shell put there. Everything here answers with a value; a shell that is
 * missing or breaks is an answer too, because a window that goes blank explains nothing.
 */
import type {
  AppInfo,
  Reply,
  SallyportWindow,
  Settings,
  StartReply,
  WindowEvent,
  WindowMethod,
} from '../core/desktop/contract.ts';
import type { Params, Results } from '../core/rpc/contract.ts';

declare global {
  interface Window {
    sallyport?: SallyportWindow;
  }
}

export type { Reply };

/** Undefined when the page was opened without a shell. */
export function shell(): SallyportWindow | undefined {
  return window.sallyport;
}

export async function call<M extends WindowMethod>(method: M, params: Params<M>): Promise<Reply<Results[M]>> {
  return await guarded((api) => api.call(method, params));
}

export async function changeSettings(change: Partial<Settings>): Promise<Reply<Settings>> {
  return await guarded((api) => api.changeSettings(change));
}

export async function startHelper(): Promise<StartReply> {
  return await guarded((api) => api.startHelper());
}

/** Log lines arrive as events only while asked for. */
export async function followLog(on: boolean): Promise<void> {
  await guarded(async (api) => {
    await api.followLog(on);
    return { ok: true, value: null };
  });
}

export async function appInfo(): Promise<AppInfo | null> {
  const reply = await guarded(async (api): Promise<Reply<AppInfo>> => ({ ok: true, value: await api.info() }));
  return reply.ok ? reply.value : null;
}

const listeners = new Set<(event: WindowEvent) => void>();
let subscribed = false;

/** Many listeners in the page, one at the shell: it tells how things are to the first one only. */
export function listen(listener: (event: WindowEvent) => void): () => void {
  listeners.add(listener);
  const api = subscribed ? undefined : shell();
  subscribed ||= api !== undefined;
  api?.listen((event) => {
    for (const each of [...listeners]) each(event);
  });
  return () => {
    listeners.delete(listener);
  };
}

async function guarded<T>(run: (api: SallyportWindow) => Promise<Reply<T>>): Promise<Reply<T>> {
  const api = shell();
  if (api === undefined) return { ok: false, error: { code: 'internal', detail: 'no shell' } };
  try {
    return await run(api);
  } catch (fault) {
    return {
      ok: false,
      error: { code: 'internal', detail: fault instanceof Error ? fault.message : 'the shell did not answer' },
    };
  }
}
