/** What the connection warns of, or, before there is one, what the profile behind the control is known to be short of. */
import '../certificates/certificates.css';
import type { ReactElement } from 'react';
import { useTranslation } from 'react-i18next';
import type { Warning } from '../../../core/rpc/contract.ts';
import { Button } from '../../components/button.tsx';
import { navigate } from '../../route.ts';
import { type LensSubject, openLens } from '../../store/lens.ts';
import { currentProfile, useProfiles } from '../../store/profiles.ts';
import { useSession } from '../../store/session.ts';
import { useWarnings } from '../../store/warnings.ts';
import { WarningList } from '../certificates/warningList.tsx';

export function Warnings(): ReactElement | null {
  const { t } = useTranslation('certificates');
  const status = useSession((session) => session.status);
  const wanted = useSession((session) => session.settings.currentProfile);
  const list = useProfiles((profiles) => profiles.list);
  const byProfile = useWarnings((warnings) => warnings.byProfile);
  const resting = status?.state === 'idle' || status?.state === 'failed';
  const profile = resting ? currentProfile(list, wanted, undefined) : status?.profile;
  if (!profile) return null;
  // What a connection of this very profile told is more than what was known before it.
  const told = status?.profile?.id === profile.id ? status.warnings : undefined;
  const warnings = told ?? byProfile[profile.id] ?? [];
  const action = (warning: Warning) => {
    const whose = lensOf[warning.code];
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

const lensOf: { readonly [C in Warning['code']]: LensSubject['whose'] | undefined } = {
  'client-certificate-expires': 'own',
  'gateway-certificate-expires': 'gateway',
  'authority-expires': 'authorities',
  'revocation-unknown': 'gateway',
  'psk-short': undefined,
};
