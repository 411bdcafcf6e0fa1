import { type ReactElement, useEffect, useRef, useState } from 'react';
import { useTranslation } from '../../i18n/i18n.ts';
import { useReason } from '../../i18n/useReason.ts';
import { useSession } from '../../store/session.ts';
import { type Headline, headlineOf } from './model.ts';
import { useProfileName } from './stateHead.tsx';

/** Tells screen readers of every change of state, on whichever view they are; a failure at once. The state at the start is not a change. */
export function StateAnnouncer(): ReactElement {
  const { t } = useTranslation('connect');
  const reason = useReason();
  const known = useSession((session) => session.status !== null);
  const headline = useSession(headlineOf);
  const failure = useSession((session) => session.status?.failure);
  const name = useProfileName() ?? t('now.noName');
  const before = useRef<Headline | null>(null);
  const [said, setSaid] = useState<{ readonly text: string; readonly urgent: boolean }>({ text: '', urgent: false });
  useEffect(() => {
    if (!known) {
      before.current = null;
      return;
    }
    const was = before.current;
    before.current = headline;
    if (was === null || was === headline || headline === 'elsewhere' || headline === 'rekeying') return;
    if (was === 'rekeying' && headline === 'connected') return;
    const what = failure ? reason(failure.code, failure.what, failure.advice).what : '';
    setSaid({ text: t(`announce.${headline}`, { name, what }), urgent: headline === 'failed' });
  });
  return (
    <>
      <p className="visually-hidden" role="status" data-test="announcement">
        {said.urgent ? '' : said.text}
      </p>
      <p className="visually-hidden" role="alert">
        {said.urgent ? said.text : ''}
      </p>
    </>
  );
}
