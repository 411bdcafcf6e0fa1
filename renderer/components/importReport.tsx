import type { ReactElement } from 'react';
import type { ImportNote, Results } from '../../core/rpc/contract.ts';
import { useTranslation } from '../i18n/i18n.ts';
import { fieldKey, noteValues } from './importWords.ts';
import { Badge, Facts, type Tone } from './pieces.tsx';

/** What becomes of the file: what needs a look first, what stays as it is as one number. */
export function ImportReport({ result }: { readonly result: Results['profile.import'] }): ReactElement {
  const { t } = useTranslation();
  const { profile, notes, replaced } = result;
  const kept = notes.filter((note) => note.outcome === 'kept').length;
  const others = order.flatMap((outcome) => notes.filter((note) => note.outcome === outcome));
  return (
    <>
      {replaced && <p>{t('importReplaces')}</p>}
      <Facts
        facts={[
          { term: t('importName'), value: profile.name },
          { term: t('importGateway'), value: <span className="fixed">{profile.gateway}</span> },
        ]}
      />
      {others.length === 0 ? (
        <p className="soft">{t('importAllKept')}</p>
      ) : (
        <ul className="notes" aria-label={t('importNotes')}>
          {others.map((note) => (
            <li key={`${note.field} ${note.why}`}>
              <Badge tone={tones[note.outcome]}>{t(words[note.outcome])}</Badge>
              <Note note={note} />
            </li>
          ))}
        </ul>
      )}
      {kept > 0 && <p className="small soft">{t('importKeptCount', { count: kept })}</p>}
    </>
  );
}

function Note({ note }: { readonly note: ImportNote }): ReactElement {
  const { t } = useTranslation();
  const key = fieldKey(note.field);
  return (
    <span>
      {key === undefined ? <span className="fixed">{note.field}</span> : <span>{t(key)}</span>}{' '}
      {/* A newer helper may have a code that is unknown here. */}
      <span className="soft">{t(`importNote.${note.code}`, { ...noteValues(note), defaultValue: note.why })}</span>
    </span>
  );
}

const order: readonly ImportNote['outcome'][] = ['warning', 'dropped', 'changed'];

const tones: Readonly<Record<ImportNote['outcome'], Tone>> = {
  warning: 'attention',
  dropped: 'attention',
  changed: 'working',
  kept: 'ok',
};

const words = { warning: 'importWarning', dropped: 'importDropped', changed: 'importChanged', kept: 'importKept' } as const;
