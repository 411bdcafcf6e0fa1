/** What failed, and every way on from there. */
import type { ReactElement } from 'react';
import { Button } from '../../components/button.tsx';
import { chooseProfileFile } from '../../components/chooseFile.ts';
import { ErrorCard } from '../../components/errorCard.tsx';
import { Folded } from '../../components/pieces.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { navigate } from '../../route.ts';
import { openLens } from '../../store/lens.ts';
import { currentProfile, useProfiles } from '../../store/profiles.ts';
import type { ProfileName } from '../../store/reduce.ts';
import { connect, disconnect, useSession } from '../../store/session.ts';
import { type Remedy, remediesFor } from './model.ts';
import { StepList } from './steps.tsx';

/** The connection failed. */
export function Failed(): ReactElement | null {
  const { t } = useTranslation('connect');
  const status = useSession((session) => session.status);
  const failure = status?.failure;
  if (!failure) return null;
  const shown = status.gatewayCertificate;
  const facts = [
    ...(status.profile ? [{ term: t('profile'), value: status.profile.name }] : []),
    ...(status.gateway ? [{ term: t('gateway'), value: `${status.gateway.name} ${status.gateway.address}` }] : []),
    ...(shown
      ? [
          { term: t('certificate'), value: shown.subject },
          { term: t('certificateIssuer'), value: shown.issuer },
        ]
      : []),
  ];
  return (
    <>
      <ErrorCard
        code={failure.code}
        evidence={failure.evidence}
        what={failure.what}
        advice={failure.advice}
        facts={facts}
        actions={<Remedies code={failure.code} profile={status.profile} />}
      />
      {status.steps.some(({ state }) => state !== 'done') && (
        <Folded summary={t('howFar')}>
          <StepList steps={status.steps} />
        </Folded>
      )}
    </>
  );
}

/** The helper refused what was asked for. */
export function Refused(): ReactElement | null {
  const refusal = useSession((session) => session.refusal);
  const list = useProfiles((profiles) => profiles.list);
  const wanted = useSession((session) => session.settings.currentProfile);
  if (!refusal) return null;
  return (
    <ErrorCard
      code={refusal.code}
      evidence={refusal.detail}
      actions={<Remedies code={refusal.code} profile={currentProfile(list, wanted, undefined)} />}
    />
  );
}

/** The new login did not take the place of the one in use, which goes on until it runs out. */
export function RenewalFailed(): ReactElement | null {
  const { t } = useTranslation('connect');
  const failure = useSession(({ status }) => status?.renewalFailure);
  if (!failure) return null;
  return (
    <>
      <p>{t('renewalFailed')}</p>
      <ErrorCard code={failure.code} evidence={failure.evidence} what={failure.what} advice={failure.advice} />
    </>
  );
}

function Remedies({
  code,
  profile,
}: {
  readonly code: string;
  readonly profile: ProfileName | undefined;
}): ReactElement | undefined {
  const { t } = useTranslation('connect');
  const { t: common } = useTranslation();
  const deeds: Readonly<Record<Remedy, { readonly label: string; readonly run: () => void } | undefined>> = {
    enterKey: profile && { label: t('enterKey'), run: () => void connect({ id: profile.id, name: profile.name }, true) },
    enterPassword: profile && {
      label: t('enterPassword'),
      run: () => void connect({ id: profile.id, name: profile.name }, true),
    },
    lookAtGateway: profile && { label: t('lookAtGateway'), run: () => openLens('gateway', profile) },
    lookAtOwn: profile && { label: t('lookAtOwn'), run: () => openLens('own', profile) },
    editProfile: profile && {
      label: t('editProfile'),
      run: () => navigate(`/profiles/${encodeURIComponent(profile.id)}/edit`),
    },
    chooseOther: { label: t('chooseOther'), run: () => navigate('/profiles') },
    importProfile: { label: common('importProfile'), run: chooseProfileFile },
    openLog: { label: t('openLog'), run: () => navigate('/log') },
    disconnect: { label: t('control.disconnect'), run: () => void disconnect() },
  };
  const offered = remediesFor(code).flatMap((remedy) => deeds[remedy] ?? []);
  if (offered.length === 0) return undefined;
  return (
    <>
      {offered.map(({ label, run }) => (
        <Button key={label} onPress={run}>
          {label}
        </Button>
      ))}
    </>
  );
}
