/**
 * What a shell serves to its pages. A page sends operations, and nothing else than the operations and methods listed here reaches the
 * link: the page is the least trusted part (SECURITY.md 25). The helper validates again and trusts neither.
 */
import * as v from 'valibot';
import { type Params, params } from '../rpc/contract.ts';
import type { AppInfo, HelperLink, ProfileOffer, Reply, Settings, StartReply, WindowEvent, WindowMethod } from './contract.ts';
import type { Link } from './link.ts';
import { type SettingsFile, settingsChange } from './settings.ts';

/** One SallyportWindow operation as it travels from a page to its shell. */
export type Operation =
  | { readonly op: 'call'; readonly method: WindowMethod; readonly params: Params<WindowMethod> }
  | { readonly op: 'followLog'; readonly on: boolean }
  | { readonly op: 'info' }
  | { readonly op: 'changeSettings'; readonly change: Partial<Settings> }
  | { readonly op: 'startHelper' };

/** What only the shell can do. */
export interface ShellParts {
  readonly info: () => AppInfo;
  readonly startHelper: () => Promise<StartReply>;
  /** After a change, with what was before. */
  readonly settingsChanged?: (now: Settings, before: Settings) => void;
}

export interface Page {
  /** Answers every operation, also a malformed one; `value` is what the operation of SallyportWindow resolves to. */
  request(operation: unknown): Promise<Reply<unknown>>;
  close(): void;
}

export interface WindowApi {
  /** A page that listens: hears how things are at once, then every event. */
  open(send: (event: WindowEvent) => void): Page;
  /** The operations for a page that does not listen. */
  request(operation: unknown): Promise<Reply<unknown>>;
  /** To the pages that are open, or to the next one. */
  offer(offer: ProfileOffer): void;
  navigate(view: Extract<WindowEvent, { event: 'navigate' }>['data']): void;
  changeSettings(change: Partial<Settings>): Reply<Settings>;
}

export interface WindowApiOptions {
  readonly link: Link;
  readonly settings: SettingsFile;
  readonly shell: ShellParts;
}

/** Longest profile text that may be offered: what `profile.import` takes. */
export const MAX_OFFER = 512 * 1024;
const MAX_WAITING_OFFERS = 4;

export function createWindowApi({ link, settings, shell }: WindowApiOptions): WindowApi {
  const pages = new Map<symbol, { readonly send: (event: WindowEvent) => void; followsLog: boolean }>();
  let waiting: WindowEvent[] = [];

  const toAll = (event: WindowEvent): void => {
    for (const { send } of [...pages.values()]) send(event);
  };
  const toPresentOrNext = (event: WindowEvent): void => {
    if (pages.size > 0) toAll(event);
    else waiting = [...waiting, event].slice(-MAX_WAITING_OFFERS);
  };
  link.listen({
    onHelper: (data: HelperLink) => toAll({ event: 'helper', data }),
    onStatus: (data) => toAll({ event: 'status', data }),
    onLog: (data) => {
      for (const { send, followsLog } of [...pages.values()]) if (followsLog) send({ event: 'log', data });
    },
  });

  const followWanted = (): Promise<void> => link.followLog([...pages.values()].some(({ followsLog }) => followsLog));

  function changeSettings(change: Partial<Settings>): Reply<Settings> {
    const before = settings.current();
    const written = settings.change(change);
    const now = settings.current();
    toAll({ event: 'settings', data: now });
    shell.settingsChanged?.(now, before);
    return written.ok ? { ok: true, value: now } : failed('internal', written.error);
  }

  async function perform(operation: Operation, page?: symbol): Promise<Reply<unknown>> {
    switch (operation.op) {
      case 'call':
        return link.call(operation.method, operation.params);
      case 'followLog': {
        const state = page === undefined ? undefined : pages.get(page);
        if (state) state.followsLog = operation.on;
        await followWanted();
        return done(null);
      }
      case 'info':
        return done(shell.info());
      case 'changeSettings':
        return changeSettings(operation.change);
      case 'startHelper': {
        const started = await shell.startHelper();
        link.retry();
        return started;
      }
    }
  }

  async function request(given: unknown, page?: symbol): Promise<Reply<unknown>> {
    const operation = readOperation(given);
    return operation.ok ? perform(operation.value, page) : operation;
  }

  return {
    request: (given) => request(given),
    open(send) {
      const page = Symbol('page');
      pages.set(page, { send, followsLog: false });
      send({ event: 'helper', data: link.helper() });
      send({ event: 'settings', data: settings.current() });
      const status = link.status();
      if (status) send({ event: 'status', data: status });
      for (const event of waiting) send(event);
      waiting = [];
      return {
        request: (given) => request(given, page),
        close: () => {
          pages.delete(page);
          void followWanted();
        },
      };
    },
    offer(offer) {
      if (offer.text.length <= MAX_OFFER) toPresentOrNext({ event: 'offer', data: offer });
    },
    navigate: (data) => toPresentOrNext({ event: 'navigate', data }),
    changeSettings,
  };
}

const envelope = v.variant('op', [
  v.strictObject({ op: v.literal('call'), method: v.pipe(v.string(), v.maxLength(64)), params: v.unknown() }),
  v.strictObject({ op: v.literal('followLog'), on: v.boolean() }),
  v.strictObject({ op: v.literal('info') }),
  v.strictObject({ op: v.literal('changeSettings'), change: settingsChange }),
  v.strictObject({ op: v.literal('startHelper') }),
]);

/** Methods that belong to the link alone, whatever a page asks. */
const LINK_ONLY: readonly string[] = ['hello', 'subscribe'];

function isWindowMethod(method: string): method is WindowMethod {
  return Object.hasOwn(params, method) && !LINK_ONLY.includes(method);
}

/** What a page sent, as an operation of the closed set; what it sent is never echoed: it may hold a secret. */
function readOperation(given: unknown): Reply<Operation> {
  const read = v.safeParse(envelope, given);
  if (!read.success) return failed('bad-request', 'no operation of the window');
  if (read.output.op === 'changeSettings') return done({ op: 'changeSettings', change: withoutUndefined(read.output.change) });
  if (read.output.op !== 'call') return done(read.output);
  const { method } = read.output;
  if (!isWindowMethod(method)) return failed('bad-request', 'no method of the window');
  const valid = v.safeParse(params[method], read.output.params);
  if (!valid.success) {
    const field = valid.issues[0] === undefined ? undefined : v.getDotPath(valid.issues[0]);
    return failed('bad-request', `${method}: ${field ?? 'its params'} not as the contract says`);
  }
  return done({ op: 'call', method, params: valid.output });
}

function withoutUndefined(change: v.InferOutput<typeof settingsChange>): Partial<Settings> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

function done<T>(value: T): Reply<T> {
  return { ok: true, value };
}

function failed(
  code: string,
  detail: string,
): { readonly ok: false; readonly error: { readonly code: string; readonly detail: string } } {
  return { ok: false, error: { code, detail } };
}
