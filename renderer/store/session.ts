/** The one store of what comes from the shell, and the actions that change it. Views select the parts they show. */
import { create } from 'zustand';
import type { Settings } from '../../core/desktop/contract.ts';
import type { RpcError } from '../../core/rpc/contract.ts';
import { appInfo, call, changeSettings, listen } from '../api.ts';
import { navigate } from '../route.ts';
import type { Offer } from './offers.ts';
import {
  applyEvent,
  INTENT_LIFE,
  type Intent,
  initialSession,
  type ProfileName,
  type Session,
  withIntent,
  withoutChange,
  withoutIntent,
  withRefusal,
} from './reduce.ts';

export const useSession = create<Session>()(() => initialSession);

/** Once, before the first render. */
export function startSession(): void {
  listen((event) => {
    if (event.event === 'navigate') navigate(`/${event.data}`);
    else if (event.event !== 'log') useSession.setState((session) => applyEvent(session, event, Date.now()));
  });
  void appInfo().then((info) => useSession.setState({ info }));
  useSession.subscribe(rememberProfile);
}

/** The profile that is connected, also by the tray or the command line, is the one the control means from now on. */
function rememberProfile(now: Session, before: Session): void {
  const id = now.status?.profile?.id;
  if (id === undefined || !now.settingsKnown || id === now.settings.currentProfile) return;
  const news = before.status?.profile?.id !== id || before.status.state !== now.status?.state || !before.settingsKnown;
  if (news) void saveSettings({ currentProfile: id });
}

/** `askSecret`: ask for the key although one is stored, because the stored one was refused. */
export async function connect(profile: ProfileName, askSecret = false): Promise<void> {
  void saveSettings({ currentProfile: profile.id });
  await attempt({ kind: 'up', profile, at: Date.now() }, () => call('tunnel.up', { profile: profile.id, askSecret }));
}

/** Also the way to cancel. */
export async function disconnect(): Promise<void> {
  await attempt({ kind: 'down', at: Date.now() }, () => call('tunnel.down', {}));
}

async function attempt(intent: Intent, run: () => Promise<{ readonly ok: boolean; readonly error?: RpcError }>): Promise<void> {
  useSession.setState((session) => withIntent(session, intent));
  const timer = setTimeout(() => useSession.setState((session) => withoutIntent(session, intent)), INTENT_LIFE);
  const reply = await run();
  if (reply.ok || reply.error === undefined) return;
  clearTimeout(timer);
  const { error } = reply;
  // Already down is what was asked for.
  if (intent.kind === 'down' && error.code === 'not-up') useSession.setState((session) => withoutIntent(session, intent));
  else useSession.setState((session) => withRefusal(session, intent, error));
}

/**
 * Shown at once; taken back when the shell does not keep it. What the shell keeps comes as an event: in a browser the answer may come after
 * the event of a later change, and would undo that.
 */
export async function saveSettings(change: Partial<Settings>): Promise<boolean> {
  const before = useSession.getState().settings;
  useSession.setState({ settings: { ...before, ...change } });
  const reply = await changeSettings(change);
  if (!reply.ok) useSession.setState(({ settings }) => ({ settings: withoutChange(settings, change, before) }));
  return reply.ok;
}

export function takeOffer(offer: Offer): void {
  useSession.setState((session) => ({ offers: session.offers.filter((each) => each !== offer) }));
}

export function addOffer(offer: Offer): void {
  useSession.setState((session) => ({ offers: [...session.offers, offer] }));
}

export function forgetRefusal(): void {
  useSession.setState({ refusal: null });
}
