/** What can be done with a profile, with the word to the user for how it went. */

import type { ProfileSummary, RpcError } from '../../../core/rpc/contract.ts';
import { call } from '../../api.ts';
import { toast } from '../../components/toast.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { useReason } from '../../i18n/useReason.ts';
import { currentRoute, navigate } from '../../route.ts';
import { loadProfiles, patchProfiles } from '../../store/profiles.ts';
import { connect, disconnect, saveSettings, useSession } from '../../store/session.ts';

export interface ProfileActions {
  /** Can be taken back for a while. */
  remove(profile: ProfileSummary): Promise<void>;
  duplicate(profile: ProfileSummary): Promise<void>;
  setFolder(profile: ProfileSummary, folder: string): Promise<void>;
  /** The one the big control connects. */
  makeCurrent(profile: ProfileSummary): void;
  connect(profile: ProfileSummary): void;
  disconnect(): void;
}

export function useProfileActions(): ProfileActions {
  const { t } = useTranslation(['profiles', 'common']);
  const reason = useReason();
  const failed = (error: RpcError) => {
    toast({ text: reason(error.code, error.detail).what, tone: 'failed' });
    void loadProfiles();
  };

  const restore = async (undo: string) => {
    const reply = await call('profile.restore', { undo });
    if (!reply.ok) return failed(reply.error);
    await loadProfiles();
    navigate(profilePath(reply.value.id));
  };

  return {
    async remove(profile) {
      const name = isolated(profile.name);
      patchProfiles((list) => list.filter(({ id }) => id !== profile.id));
      if (currentRoute().rest[0] === profile.id) navigate('/profiles');
      const reply = await call('profile.remove', { profile: profile.id });
      if (!reply.ok) return failed(reply.error);
      toast({ text: t('removed', { name }), action: { label: t('common:undo'), run: () => void restore(reply.value.undo) } });
      void loadProfiles();
    },
    async duplicate(profile) {
      const reply = await call('profile.duplicate', { profile: profile.id });
      if (!reply.ok) return failed(reply.error);
      await loadProfiles();
      toast({
        text: t(reply.value.hasSecret === profile.hasSecret ? 'duplicated' : 'duplicatedNoKey', {
          name: isolated(reply.value.name),
        }),
      });
      navigate(profilePath(reply.value.id));
    },
    async setFolder(profile, folder) {
      patchProfiles((list) => list.map((each) => (each.id === profile.id ? { ...each, folder } : each)));
      const reply = await call('profile.save', { profile: profile.id, fields: { folder } });
      if (!reply.ok) return failed(reply.error);
      const problem = reply.value.problems[0];
      if (problem) toast({ text: t(`problems.${problem.code}`), tone: 'failed' });
      await loadProfiles();
    },
    makeCurrent(profile) {
      void saveSettings({ currentProfile: profile.id });
      toast({ text: t('madeCurrent', { name: isolated(profile.name) }) });
    },
    connect(profile) {
      void connect({ id: profile.id, name: profile.name });
      navigate('/connect');
    },
    disconnect() {
      void disconnect();
      navigate('/connect');
    },
  };
}

export function profilePath(id: string, ...rest: readonly string[]): string {
  return `/profiles/${[id, ...rest].map(encodeURIComponent).join('/')}`;
}

/** A name inside a sentence: its direction is its own (Unicode's first strong isolate). */
export function isolated(name: string): string {
  return `\u2068${name}\u2069`;
}

/** Whether this user may change it: what is for everybody is the administrator's. */
export function useMayChange(): (profile: Pick<ProfileSummary, 'owner' | 'shared'>) => boolean {
  const uid = useSession((session) => (session.link.state === 'connected' ? session.link.uid : undefined));
  return ({ owner, shared }) => uid === 0 || (!shared && owner === uid);
}
