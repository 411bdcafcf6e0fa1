/**
 * The one typed object the window has (`window.sallyport`): derived from the RPC contract, plus the little a shell must do. Two shells
 * provide it: Electron's preload (electron/), and the loopback bridge (bridge.ts) for development and machines without Electron.
 * The page never holds a stored secret; what a user types into a prompt passes through once.
 */
import type { Events, Method, Params, Results, RpcError } from '../rpc/contract.ts';

/** A method the window may call. `hello` and `subscribe` are the link's own. */
export type WindowMethod = Exclude<Method, 'hello' | 'subscribe'>;

export type Reply<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: RpcError };

/** How the helper is reached right now; each has its screen. */
export type HelperLink =
  | { readonly state: 'connecting' }
  | { readonly state: 'connected'; readonly version: string; readonly uid: number }
  /** No socket, or nobody listens. */
  | { readonly state: 'missing' }
  /** It was there and went away a moment ago; it usually comes back by itself. */
  | { readonly state: 'restarting' }
  /** It speaks another protocol version. */
  | { readonly state: 'other-version'; readonly theirs: string; readonly ours: string }
  /** It accepts connections but does not answer. */
  | { readonly state: 'hung' }
  /** This user may not talk to it. */
  | { readonly state: 'refused'; readonly detail: string }
  /** The socket is not the helper's: somebody else could be listening. */
  | { readonly state: 'untrusted'; readonly detail: string };

export interface Settings {
  readonly startAtLogin: boolean;
  readonly appearance: 'system' | 'light' | 'dark' | 'high-contrast';
  readonly language: 'system' | 'en' | 'ko' | 'de';
  readonly notifications: boolean;
  /** The profile the big control connects; the last one used. */
  readonly currentProfile: string | null;
}

export const defaultSettings: Settings = {
  startAtLogin: false,
  appearance: 'system',
  language: 'system',
  notifications: true,
  currentProfile: null,
};

/** A profile that came from outside the window: a file opened with the app, or a sallyport: link. Never imported without the user's yes. */
export interface ProfileOffer {
  readonly source: 'file' | 'link';
  /** File name or link, for showing. */
  readonly from: string;
  readonly text: string;
}

export interface AppInfo {
  readonly version: string;
  readonly shell: 'electron' | 'browser';
  readonly platform: 'linux' | 'darwin' | 'win32' | 'other';
  /** BCP 47 tag of the system's language. */
  readonly locale: string;
  /** Whether the shell can start the helper, and whether it can start at login. */
  readonly canStartHelper: boolean;
  readonly canStartAtLogin: boolean;
}

/** What comes by itself. `status` and `log` are the helper's own (core/rpc/contract.ts); `status` is the whole status here, already merged. */
export type WindowEvent =
  | { readonly event: 'helper'; readonly data: HelperLink }
  | { readonly event: 'status'; readonly data: import('../rpc/contract.ts').Status }
  | { readonly event: 'log'; readonly data: readonly Events['log'][] }
  | { readonly event: 'settings'; readonly data: Settings }
  | { readonly event: 'offer'; readonly data: ProfileOffer }
  /** The tray or menu asks for a view. */
  | { readonly event: 'navigate'; readonly data: 'connect' | 'profiles' | 'statistics' | 'log' | 'settings' };

/** Why the helper could not be started. Stable: the window finds its words by it; `{program}` is in `StartProblem.values`. */
export type StartProblemCode =
  | 'no-way' // nothing here can ask for an administrator
  | 'terminal-only' // not from this shell
  | 'not-runnable' // {program}
  | 'not-permitted' // no password, or not an administrator's
  | 'ended' // {program}: before the helper answered
  | 'too-late'; // it does not answer

export interface StartProblem {
  readonly code: StartProblemCode;
  readonly values?: Readonly<Record<string, string>>;
}

/** `detail` is English, for terminals and administrators. */
export type StartReply =
  | { readonly ok: true; readonly value: null }
  | { readonly ok: false; readonly error: RpcError & { readonly start?: StartProblem } };

export interface SallyportWindow {
  call<M extends WindowMethod>(method: M, params: Params<M>): Promise<Reply<Results[M]>>;
  /**
   * Every event from now on. At once after the first listener, one `helper`, one `settings` and, when connected, one `status` event tell how
   * things are, and offers that waited. Returns the way to stop.
   */
  listen(listener: (event: WindowEvent) => void): () => void;
  /** Log lines arrive as events only while asked for: every line after this has resolved, as long as the helper is there. */
  followLog(on: boolean): Promise<void>;
  info(): Promise<AppInfo>;
  changeSettings(change: Partial<Settings>): Promise<Reply<Settings>>;
  /** pkexec, sudo or the service manager, with the reason shown by it. */
  startHelper(): Promise<StartReply>;
}
