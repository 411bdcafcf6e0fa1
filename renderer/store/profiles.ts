/** The profiles the helper keeps for this user. Read again whenever the helper comes back, after every change made here, and when the user looks. */
import { create } from 'zustand';
import type { ProfileSummary, RpcError } from '../../core/rpc/contract.ts';
import { call } from '../api.ts';
import { currentRoute } from '../route.ts';
import { useSession } from './session.ts';

export interface Profiles {
  /** Null until the first answer. */
  readonly list: readonly ProfileSummary[] | null;
  readonly error: RpcError | null;
}

export const useProfiles = create<Profiles>()(() => ({ list: null, error: null }));

/** Office 2 before Office 10. */
const byName = new Intl.Collator(undefined, { numeric: true });

export async function loadProfiles(): Promise<void> {
  const reply = await call('profile.list', {});
  if (reply.ok) useProfiles.setState({ list: [...reply.value].sort((a, b) => byName.compare(a.name, b.name)), error: null });
  else useProfiles.setState({ error: reply.error });
}

/** Changes what is shown at once; the next load says what is true. */
export function patchProfiles(change: (list: readonly ProfileSummary[]) => readonly ProfileSummary[]): void {
  useProfiles.setState(({ list }) => ({ list: list === null ? null : change(list) }));
}

/** The profile the big control connects: the one connected, else the last one used, else the only or first one. */
export function currentProfile(
  list: readonly ProfileSummary[] | null,
  wanted: string | null,
  active: string | undefined,
): ProfileSummary | undefined {
  if (list === null) return undefined;
  return list.find(({ id }) => id === active) ?? list.find(({ id }) => id === wanted) ?? list[0];
}

/** Once, before the first render. */
export function startProfiles(): void {
  useSession.subscribe((now, before) => {
    if (now.link.state === 'connected' && before.link.state !== 'connected') void loadProfiles();
    if (now.link.state !== 'connected' && before.link.state === 'connected') useProfiles.setState({ list: null, error: null });
  });
  // The command line may have changed them, and nothing tells of it: look again when the user does.
  const again = () => {
    if (useSession.getState().link.state === 'connected') void loadProfiles();
  };
  let { destination } = currentRoute();
  window.addEventListener('hashchange', () => {
    const before = destination;
    ({ destination } = currentRoute());
    if (destination !== before) again();
  });
  window.addEventListener('focus', again);
}
