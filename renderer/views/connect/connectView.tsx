/** Am I protected? By what? What now? */
import './connect.css';
import type { ReactElement } from 'react';
import { Button } from '../../components/button.tsx';
import { ErrorCard } from '../../components/errorCard.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { putAside, useAside } from '../../store/aside.ts';
import { pressControl } from '../../store/control.ts';
import { loadProfiles, useProfiles } from '../../store/profiles.ts';
import { connect, useSession } from '../../store/session.ts';
import { Connected } from './connected.tsx';
import { Failed, Refused, RenewalFailed } from './failed.tsx';
import { FirstRun } from './firstRun.tsx';
import { cancels, type Headline, headlineOf, isProtected, showsSteps } from './model.ts';
import { ProfilePicker } from './profilePicker.tsx';
import { StateHead } from './stateHead.tsx';
import { Steps } from './steps.tsx';
import { Warnings } from './warnings.tsx';

export function ConnectView(): ReactElement {
  const { t } = useTranslation('connect');
  const { t: common } = useTranslation();
  const { list, error } = useProfiles();
  const headline = useSession(headlineOf);
  const known = useSession((session) => session.status !== null);
  const quiet = headline === 'idle' || headline === 'failed';
  if (error && list === null) {
    return (
      <div className="view narrow">
        <ErrorCard
          code={error.code}
          evidence={error.detail}
          what={t('profilesUnread')}
          actions={<Button onPress={() => void loadProfiles()}>{common('tryAgain')}</Button>}
        />
      </div>
    );
  }
  if (!known || list === null) return <p className="view soft">{common('loading')}</p>;
  if (list.length === 0 && quiet) return <FirstRun />;
  return (
    <div className={`view connect ${isProtected(headline) || showsSteps(headline) ? 'sided' : ''}`}>
      <div className="connect-main">
        <StateHead headline={headline} />
        {(headline === 'failed' || headline === 'blocked') && <Failed />}
        <Refused />
        {isProtected(headline) && <RenewalFailed />}
        {quiet && <ProfilePicker />}
        <Control headline={headline} />
        {(quiet || isProtected(headline)) && <Warnings />}
      </div>
      {showsSteps(headline) && <Steps />}
      {isProtected(headline) && <Connected />}
    </div>
  );
}

/** Whoever does not want to wait for the next try. */
function Now({ headline }: { readonly headline: Headline }): ReactElement | null {
  const { t } = useTranslation('connect');
  const profile = useSession(({ status }) => status?.profile);
  const waits = useSession(({ status }) => status?.retryAt !== undefined) && headline === 'retrying';
  if (!profile || (!waits && headline !== 'blocked')) return null;
  return (
    <Button look="primary" size="big" onPress={() => void connect({ id: profile.id, name: profile.name })} data-test="now">
      {t('control.again')}
    </Button>
  );
}

/** The question that was put aside. */
function Asked(): ReactElement | null {
  const { t } = useTranslation('connect');
  const asked = useSession(({ status }) => status?.prompt?.id);
  const aside = useAside(({ id }) => id);
  if (asked === undefined || asked !== aside) return null;
  return (
    <Button look="primary" size="big" onPress={() => putAside(null)} data-test="answer">
      {t('control.answer')}
    </Button>
  );
}

/** The one big control. */
function Control({ headline }: { readonly headline: Headline }): ReactElement {
  const { t } = useTranslation('connect');
  // Another profile picked after a failure is not tried again, but for the first time.
  const again = useSession(({ status, settings }) => status?.profile?.id === settings.currentProfile);
  const nothingToConnect = useProfiles(({ list }) => (list?.length ?? 0) === 0);
  const word = () => {
    if (cancels(headline)) return t('control.cancel');
    if (isProtected(headline) || headline === 'blocked') return t('control.disconnect');
    if (headline === 'disconnecting') return t('control.disconnecting');
    return headline === 'failed' && again ? t('control.again') : t('control.connect');
  };
  return (
    <div className="control">
      <Button
        look={headline === 'idle' || headline === 'failed' ? 'primary' : 'plain'}
        size="big"
        isDisabled={headline === 'elsewhere' || headline === 'disconnecting' || (headline === 'idle' && nothingToConnect)}
        onPress={pressControl}
        data-test="control"
      >
        {word()}
      </Button>
      <Now headline={headline} />
      <Asked />
    </div>
  );
}
