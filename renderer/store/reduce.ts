/**
 * What the window knows, and how every event changes it: pure, so that tests can walk through it. The window is optimistic: a press
 * shows at once what was asked for (`intent`), and falls back to what the helper says when it refuses or does not confirm in time.
 */
import type { AppInfo, HelperLink, Settings, WindowEvent } from '../../core/desktop/contract.ts';
import { defaultSettings } from '../../core/desktop/contract.ts';
import type { RpcError, Status, TunnelState } from '../../core/rpc/contract.ts';
import { isUp } from '../../core/tunnel/states.ts';
import type { Offer } from './offers.ts';

export interface ProfileName {
  readonly id: string;
  readonly name: string;
}

export type Intent =
  | { readonly kind: 'up'; readonly profile: ProfileName; readonly at: number }
  | { readonly kind: 'down'; readonly at: number };

export interface Session {
  readonly info: AppInfo | null;
  readonly link: HelperLink;
  readonly linkSince: number;
  /** What the helper says now; null while it says nothing. Never an old value. */
  readonly status: Status | null;
  /** What it said last before it went away, for a sentence in the past tense only. */
  readonly lastStatus: Status | null;
  readonly settings: Settings;
  /** True once the shell told the settings: before that they are only defaults. */
  readonly settingsKnown: boolean;
  readonly offers: readonly Offer[];
  readonly intent: Intent | null;
  /** Why the last thing asked for was refused. */
  readonly refusal: RpcError | null;
}

export const initialSession: Session = {
  info: null,
  link: { state: 'connecting' },
  linkSince: 0,
  status: null,
  lastStatus: null,
  settings: defaultSettings,
  settingsKnown: false,
  offers: [],
  intent: null,
  refusal: null,
};

/** How long an intent is believed without a word of the helper. */
export const INTENT_LIFE = 4000;

export function applyEvent(session: Session, event: WindowEvent, now: number): Session {
  switch (event.event) {
    case 'helper':
      return applyLink(session, event.data, now);
    case 'status':
      return applyStatus(session, event.data);
    case 'settings':
      return { ...session, settings: event.data, settingsKnown: true };
    case 'offer':
      return { ...session, offers: [...session.offers, event.data] };
    case 'log':
    case 'navigate':
      return session;
  }
}

function applyLink(session: Session, link: HelperLink, now: number): Session {
  const linkSince = link.state === session.link.state ? session.linkSince : now;
  if (link.state === 'connected') return { ...session, link, linkSince };
  return {
    ...session,
    link,
    linkSince,
    status: null,
    lastStatus: session.status ?? session.lastStatus,
    intent: null,
    refusal: null,
  };
}

function applyStatus(session: Session, status: Status): Session {
  const refusal = session.status !== null && status.state !== session.status.state ? null : session.refusal;
  return { ...session, status, refusal, intent: confirms(session.intent, status) ? null : session.intent };
}

/** Whether the status answers the intent, by fulfilling or by failing it. */
function confirms(intent: Intent | null, status: Status): boolean {
  if (intent === null) return true;
  const resting = status.state === 'idle' || status.state === 'failed';
  if (intent.kind === 'down') return resting || status.state === 'disconnecting';
  return !resting || (status.state === 'failed' && status.since > intent.at);
}

export function withIntent(session: Session, intent: Intent): Session {
  return { ...session, intent, refusal: null };
}

/** The helper refused: back to what is. */
export function withRefusal(session: Session, intent: Intent, error: RpcError): Session {
  return session.intent === intent || session.intent === null ? { ...session, intent: null, refusal: error } : session;
}

/** Nobody confirmed the intent in time. */
export function withoutIntent(session: Session, intent: Intent): Session {
  return session.intent === intent ? { ...session, intent: null } : session;
}

/** The state to show: the helper's, or what was asked for a moment ago. */
export function shownState(session: Pick<Session, 'status' | 'intent'>): {
  readonly state: TunnelState;
  readonly asked: boolean;
} {
  const state = session.status?.state ?? 'idle';
  const { intent } = session;
  if (intent?.kind === 'up' && (state === 'idle' || state === 'failed')) return { state: 'resolving', asked: true };
  if (intent?.kind === 'down' && state !== 'idle' && state !== 'failed') return { state: 'disconnecting', asked: true };
  return { state, asked: false };
}

/** On the way up: there is something to cancel. */
export function isConnecting(state: TunnelState): boolean {
  return !isUp(state) && !['idle', 'failed', 'blocked', 'disconnecting'].includes(state);
}

/** A change that was not kept is taken back, and only where nothing newer came meanwhile. */
export function withoutChange(now: Settings, change: Partial<Settings>, before: Settings): Settings {
  const settings: readonly (keyof Settings)[] = ['startAtLogin', 'appearance', 'language', 'notifications', 'currentProfile'];
  const undone = settings.filter((name) => name in change && now[name] === change[name]);
  return { ...now, ...Object.fromEntries(undone.map((name) => [name, before[name]])) };
}
