/** The log: what the helper did, as it does it; filter, search, copy, and an export without private details. */
import './log.css';
import ChevronDown from 'lucide-react/icons/chevron-down';
import ChevronUp from 'lucide-react/icons/chevron-up';
import Copy from 'lucide-react/icons/copy';
import ScrollText from 'lucide-react/icons/scroll-text';
import { type KeyboardEvent, type ReactElement, useEffect, useState, useSyncExternalStore } from 'react';
import { Button, IconButton } from '../../components/button.tsx';
import { ErrorCard } from '../../components/errorCard.tsx';
import { SearchField } from '../../components/fields.tsx';
import { EmptyState } from '../../components/pieces.tsx';
import { Segmented } from '../../components/segmented.tsx';
import { toast } from '../../components/toast.tsx';
import { copyText } from '../../files.ts';
import { useTranslation } from '../../i18n/i18n.ts';
import { useFormat } from '../../i18n/useFormat.ts';
import { log, openFeed, useFeed } from './feed.ts';
import { LineDetail } from './lineDetail.tsx';
import { LogExport } from './logExport.tsx';
import { LogList } from './logList.tsx';
import { type Entry, type Filter, LEVELS, lineText } from './model.ts';
import type { Selection } from './selection.ts';
import { Toggle } from './toggle.tsx';

/** What is copied in one go at most: more is for a file. */
const MAX_COPIED = 20_000;

export function LogView(): ReactElement {
  const { t } = useTranslation(['log', 'common']);
  const format = useFormat();
  const version = useSyncExternalStore(log.subscribe, () => log.version);
  const { loading, error } = useFeed();
  const [filter, setFilter] = useState<Filter>(log.filter);
  const [selection, setSelection] = useState<Selection>();
  const [follow, setFollow] = useState(true);
  const [target, setTarget] = useState<{ readonly id: number }>();
  const [exporting, setExporting] = useState(false);

  useEffect(openFeed, []);

  const change = (part: Partial<Filter>) => {
    const next = { ...filter, ...part };
    setFilter(next);
    log.setFilter(next);
    if (part.query !== undefined && part.query !== '') {
      // The newest place first: what just happened is what is looked for.
      const found = log.nextMatch(undefined, -1);
      if (found !== undefined) go(found);
    }
  };
  const go = (id: number) => {
    setSelection({ anchor: id, focus: id });
    setFollow(false);
    setTarget({ id });
  };
  const step = (direction: 1 | -1) => {
    const found = log.nextMatch(selection?.focus, direction);
    if (found !== undefined) go(found);
  };
  const copy = () => {
    const lines = chosen(selection);
    if (lines.length === 0) return;
    const taken = lines.slice(-MAX_COPIED);
    void copyText(`${taken.map(({ line }) => lineText(line)).join('\n')}\n`).then((done) =>
      toast(
        done
          ? { text: t('copiedLines', { count: taken.length, shown: format.number(taken.length) }) }
          : { text: t('common:copyFailed'), tone: 'failed' },
      ),
    );
  };
  const onSearchKey = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' && event.key !== 'F3') return;
    event.preventDefault();
    step(event.shiftKey === (event.key === 'F3') ? -1 : 1);
  };

  const place = selection && filter.query !== '' ? log.matches.indexOf(selection.focus) + 1 : 0;
  const found = log.matches.length;
  const foundText =
    filter.query === ''
      ? ''
      : found === 0
        ? t('foundNone')
        : place > 0
          ? t('foundAt', { place: format.number(place), total: format.number(found) })
          : t('found', { count: found, shown: format.number(found) });
  const focused = selection && log.shown[log.indexOf(selection.focus)];
  const shownFocus = focused?.id === selection?.focus ? focused : undefined;

  return (
    <div className="view log-view">
      <h1 className="visually-hidden">{t('common:log')}</h1>
      <div className="log-tools">
        {/* biome-ignore lint/a11y/noStaticElementInteractions: Enter in the search field goes to the next place. */}
        <div className="log-search" onKeyDown={onSearchKey}>
          <SearchField
            label={t('search')}
            clearLabel={t('common:clearSearch')}
            value={filter.query}
            onChange={(query) => change({ query })}
          />
          <span className="small soft log-found" role="status" data-test="log-found">
            {foundText}
          </span>
          <IconButton
            label={t('previous')}
            icon={<ChevronUp size={18} aria-hidden />}
            isDisabled={found === 0}
            onPress={() => step(-1)}
          />
          <IconButton
            label={t('next')}
            icon={<ChevronDown size={18} aria-hidden />}
            isDisabled={found === 0}
            onPress={() => step(1)}
          />
        </div>
        <div className="row wrap log-filters">
          <Segmented
            label={t('level')}
            options={LEVELS.map((id) => ({ id, label: t(`levels.${id}`) }))}
            value={filter.level}
            onChange={(level) => change({ level })}
          />
          {filter.query !== '' && (
            <Toggle label={t('onlyMatches')} on={filter.onlyMatches} onChange={(onlyMatches) => change({ onlyMatches })} />
          )}
          <span className="row log-actions">
            <IconButton
              label={t('copy')}
              icon={<Copy size={18} aria-hidden />}
              isDisabled={selection === undefined}
              onPress={copy}
              data-test="log-copy"
            />
            <Button isDisabled={log.shown.length === 0} onPress={() => setExporting(true)} data-test="log-export">
              {t('export')}
            </Button>
          </span>
        </div>
      </div>
      {error && <ErrorCard code={error.code} evidence={error.detail} />}
      {log.shown.length === 0 ? (
        <Nothing
          loading={loading}
          filter={filter}
          total={log.total}
          onAll={() => change({ level: 'debug', onlyMatches: false })}
        />
      ) : (
        <LogList
          model={log}
          version={version}
          query={filter.query}
          selection={selection}
          onSelect={setSelection}
          onCopy={copy}
          follow={follow}
          onFollow={setFollow}
          target={target}
        />
      )}
      {shownFocus && (
        <LineDetail
          entry={shownFocus}
          query={filter.query}
          count={chosen(selection).length}
          onCopy={copy}
          onClose={() => setSelection(undefined)}
        />
      )}
      {/* No figure before the first answer: it would be wrong. */}
      {(log.total > 0 || !loading) && (
        <p className="small soft log-foot" data-test="log-foot">
          <span>
            {log.shown.length === log.total
              ? t('count', { count: log.total, shown: format.number(log.total) })
              : t('countOf', { shown: format.number(log.shown.length), total: format.number(log.total) })}
          </span>
          {loading && <span>{t('loadingOlder')}</span>}
          {!loading && follow && log.shown.length > 0 && <span>{t('following')}</span>}
        </p>
      )}
      {exporting && (
        <LogExport
          entries={[...log.shown]}
          chosen={selection && selection.anchor !== selection.focus ? chosen(selection) : []}
          onClose={() => setExporting(false)}
        />
      )}
    </div>
  );
}

function chosen(selection: Selection | undefined): readonly Entry[] {
  if (!selection) return [];
  const [from, to] = [Math.min(selection.anchor, selection.focus), Math.max(selection.anchor, selection.focus)];
  return log.shown.slice(log.indexOf(from), log.indexOf(to + 1));
}

function Nothing({
  loading,
  filter,
  total,
  onAll,
}: {
  readonly loading: boolean;
  readonly filter: Filter;
  readonly total: number;
  readonly onAll: () => void;
}): ReactElement {
  const { t } = useTranslation(['log', 'common']);
  if (loading && total === 0) return <p className="soft log-wait">{t('common:loading')}</p>;
  if (total === 0)
    return <EmptyState icon={<ScrollText size={32} aria-hidden />} title={t('emptyTitle')} text={t('emptyText')} />;
  return (
    <EmptyState
      icon={<ScrollText size={32} aria-hidden />}
      title={t('noneTitle')}
      text={filter.onlyMatches && filter.query !== '' ? t('noneSearch', { query: filter.query }) : t('noneLevel')}
      actions={<Button onPress={onAll}>{t('showAll')}</Button>}
    />
  );
}
