/** What the connection warns of, or, before there is one, what the profile behind the control is known to be short of. */
import type { ReactElement } from 'react';
import type { Warning } from '../../../core/rpc/contract.ts';
import { Button } from '../../components/button.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { navigate } from '../../route.ts';
import { LENS_OF, openLens } from '../../store/lens.ts';
import { currentProfile, useProfiles } from '../../store/profiles.ts';
import { useSession } from '../../store/session.ts';
import { useProfileWarnings } from '../../store/warnings.ts';
import { WarningList } from '../certificates/warningList.tsx';

export function Warnings(): ReactElement | null {
  const { t } = useTranslation('certificates');
  const status = useSession((session) => session.status);
  const wanted = useSession((session) => session.settings.currentProfile);
  const list = useProfiles((profiles) => profiles.list);
  const resting = status?.state === 'idle' || status?.state === 'failed';
  const profile = resting ? currentProfile(list, wanted, undefined) : status?.profile;
  const warnings = useProfileWarnings(profile?.id);
  if (!profile) return null;
  const action = (warning: Warning) => {
    const whose = LENS_OF[warning.code];
    return whose ? (
      <Button look="quiet" onPress={() => openLens(whose, profile)}>
        {t('lookAt')}
      </Button>
    ) : (
      <Button look="quiet" onPress={() => navigate(`/profiles/${encodeURIComponent(profile.id)}/edit`)}>
        {t('editProfile')}
      </Button>
    );
  };
  return <WarningList warnings={warnings} action={action} />;
}
