import type { ReactElement } from 'react';
import { Gate } from '../../components/gate.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { useFormat } from '../../i18n/useFormat.ts';
import { currentProfile, useProfiles } from '../../store/profiles.ts';
import { useSession } from '../../store/session.ts';
import { useNow } from '../../useNow.ts';
import { activeStep, beganAt, gates, type Headline, showsSteps, tones } from './model.ts';

/** The mark, the state in large type, and one sentence of what is happening. */
export function StateHead({ headline }: { readonly headline: Headline }): ReactElement {
  const { t } = useTranslation('connect');
  return (
    <div className={`state-head ${tones[headline]}`} data-state={headline} data-test="state">
      <div className="state-mark">
        <Gate state={gates[headline]} size={headline === 'failed' ? 36 : 56} />
      </div>
      <h1 className="state-word">{t(`state.${headline}`)}</h1>
      <Sentence headline={headline} />
      {showsSteps(headline) && <SoFar />}
    </div>
  );
}

function Sentence({ headline }: { readonly headline: Headline }): ReactElement {
  const { t } = useTranslation('connect');
  const name = useProfileName() ?? t('now.noName');
  const hasProfile = useProfiles(({ list }) => (list?.length ?? 0) > 0);
  const step = useSession(activeStep);
  const asked = useSession(({ status }) => status?.prompt !== undefined);
  const counting = useSession(({ status }) => status?.retryAt !== undefined);
  if (headline === 'retrying' && counting) return <Countdown name={name} />;
  const key =
    headline === 'connecting'
      ? (step ?? 'asked')
      : headline === 'idle' && !hasProfile
        ? 'idleNoProfile'
        : headline === 'retrying'
          ? 'asked'
          : headline === 'rekeying' && asked
            ? 'waiting'
            : headline;
  return <p className="state-sentence">{t(`now.${key}`, { name })}</p>;
}

function Countdown({ name }: { readonly name: string }): ReactElement {
  const { t } = useTranslation('connect');
  const format = useFormat();
  const at = useSession((session) => session.status?.retryAt ?? 0);
  const now = useNow(500);
  return <p className="state-sentence figures">{t('now.retrying', { name, time: format.clock(Math.max(0, at - now) + 999) })}</p>;
}

function SoFar(): ReactElement | null {
  const { t } = useTranslation('connect');
  const format = useFormat();
  const began = useSession((session) => beganAt(session.status) ?? session.intent?.at);
  const now = useNow(1000);
  if (began === undefined) return null;
  return <p className="small soft figures">{t('soFar', { time: format.clock(now - began) })}</p>;
}

/** The profile the sentence is about: what was just asked for, what the helper works on, or what the control would connect. */
export function useProfileName(): string | undefined {
  const asked = useSession(({ intent }) => (intent?.kind === 'up' ? intent.profile.name : undefined));
  const active = useSession((session) => session.status?.profile?.name);
  const wanted = useSession((session) => session.settings.currentProfile);
  const resting = useSession(({ status }) => status?.state === 'idle');
  const list = useProfiles((profiles) => profiles.list);
  return asked ?? (resting ? undefined : active) ?? currentProfile(list, wanted, undefined)?.name;
}
