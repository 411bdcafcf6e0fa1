/** The chosen line in full: the list shows one row of each, however long it is. */
import Copy from 'lucide-react/icons/copy';
import X from 'lucide-react/icons/x';
import type { ReactElement } from 'react';
import { IconButton } from '../../components/button.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { type Entry, highlight } from './model.ts';
import { levelIcons, useLogTime } from './words.tsx';

export interface LineDetailProps {
  readonly entry: Entry;
  readonly query: string;
  /** Lines chosen together with it, itself included. */
  readonly count: number;
  readonly onCopy: () => void;
  readonly onClose: () => void;
}

export function LineDetail({ entry, query, count, onCopy, onClose }: LineDetailProps): ReactElement {
  const { t } = useTranslation(['log', 'common']);
  const time = useLogTime();
  const { line } = entry;
  const Icon = levelIcons[line.level];
  return (
    <section className={`log-detail ${line.level}`} aria-label={t('detail')} data-test="log-detail">
      <div className="row between">
        <p className="small soft log-when">
          <Icon size={14} aria-hidden />
          <span>{t(`levelOf.${line.level}`)}</span>
          <time dateTime={new Date(line.at).toISOString()}>{time.full(line.at)}</time>
        </p>
        <span className="row">
          <IconButton
            label={count > 1 ? t('copyChosen', { count }) : t('copyLine')}
            icon={<Copy size={16} aria-hidden />}
            onPress={onCopy}
          />
          <IconButton label={t('common:close')} icon={<X size={16} aria-hidden />} onPress={onClose} />
        </span>
      </div>
      <p className="fixed small log-full" dir="ltr">
        <Marked text={`${line.area}: ${line.text}`} query={query} />
      </p>
      {line.fields && (
        <dl className="log-fields fixed small" dir="ltr">
          {Object.entries(line.fields).map(([key, value]) => (
            <div key={key}>
              <dt>{key}</dt>
              <dd>
                <Marked text={String(value)} query={query} />
              </dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}

function Marked({ text, query }: { readonly text: string; readonly query: string }): ReactElement {
  return <>{highlight(text, query).map((part, index) => (part.hit ? <mark key={index}>{part.text}</mark> : part.text))}</>;
}
