import type { ReactElement } from 'react';
import { Select } from '../../components/fields.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { currentProfile, useProfiles } from '../../store/profiles.ts';
import { forgetRefusal, saveSettings, useSession } from '../../store/session.ts';

/** Which profile the control connects. One is no choice: then it is only named. */
export function ProfilePicker(): ReactElement | null {
  const { t } = useTranslation('connect');
  const list = useProfiles((profiles) => profiles.list);
  const wanted = useSession((session) => session.settings.currentProfile);
  const chosen = currentProfile(list, wanted, undefined);
  if (!list || !chosen) return null;
  return (
    <div className="picker">
      <Select
        label={t('profile')}
        placeholder={t('chooseProfile')}
        value={chosen.id}
        options={list.map((profile) => ({ id: profile.id, label: profile.name, note: profile.gateway }))}
        onChange={(id) => {
          forgetRefusal();
          void saveSettings({ currentProfile: id });
        }}
        data-test="profile-picker"
      />
    </div>
  );
}
