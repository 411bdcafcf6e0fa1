/** For administrators: what keeps a connection up, and its keys fresh. */
import type { ReactElement } from 'react';
import { useTranslation } from '../../i18n/i18n.ts';
import { type ProofProps, Secret } from './proofFields.tsx';

export function LastingFields({ state, edited, fields }: ProofProps): ReactElement {
  const { t } = useTranslation('profiles');
  const { text, toggle, choice } = fields;
  const seconds = { technical: true, numeric: true } as const;
  return (
    <>
      {choice('whenLost', ['hold', 'lock', 'open', 'end'])}
      {toggle('mobike', 'mobike')}
      {choice('tcp', ['auto', 'always', 'never'])}
      {choice('fragmentation', ['yes', 'no', 'force'])}
      {text('rekeyChild', 'rekeyChild', { description: t('help.rekey'), ...seconds })}
      {text('rekeyIke', 'rekeyIke', { description: t('help.rekey'), ...seconds })}
      {text('reauthenticateEvery', 'reauthenticateEvery', { description: t('help.reauthenticateEvery'), ...seconds })}
      {text('additionalChildren', 'additionalChildren', { description: t('help.additionalChildren'), rows: 2, technical: true })}
      {text('ppkId', 'ppk', { description: t('help.ppkId'), technical: true })}
      {state.draft.ppkId.trim() !== '' && (
        <>
          <Secret name="ppk" stored={edited?.secrets.includes('ppk') ?? false} state={state} fields={fields} />
          {toggle('ppkRequired', 'ppk')}
        </>
      )}
    </>
  );
}
