/** What the big control does now: one meaning per state, the same for the button and for Ctrl+Enter. */
import { isUp } from '../../core/tunnel/states.ts';
import { currentProfile, useProfiles } from './profiles.ts';
import { isConnecting, shownState } from './reduce.ts';
import { connect, disconnect, useSession } from './session.ts';

export function pressControl(): void {
  const session = useSession.getState();
  if (session.link.state !== 'connected' || session.status?.otherUser === true) return;
  const { state } = shownState(session);
  if (state === 'disconnecting') return;
  if (isUp(state) || state === 'blocked' || isConnecting(state)) {
    void disconnect();
    return;
  }
  const profile = currentProfile(useProfiles.getState().list, session.settings.currentProfile, undefined);
  if (profile) void connect({ id: profile.id, name: profile.name });
}
