/** Statistics: for reading. The live chart, what is known of the connection, earlier sessions; to copy and to take along. */
import './statistics.css';
import ChartNoAxesColumn from 'lucide-react/icons/chart-no-axes-column';
import Copy from 'lucide-react/icons/copy';
import Download from 'lucide-react/icons/download';
import { type ReactElement, useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '../../components/button.tsx';
import { Menu } from '../../components/menu.tsx';
import { EmptyState } from '../../components/pieces.tsx';
import { toast } from '../../components/toast.tsx';
import { copyText, saveText } from '../../files.ts';
import { navigate } from '../../route.ts';
import { loadHistory, useHistory } from '../../store/history.ts';
import { useSession } from '../../store/session.ts';
import { fileName, toCsv, toJson, toTabs } from './export.ts';
import { GridTable } from './gridTable.tsx';
import { throughput } from './recorder.ts';
import { connectionTables, historyTable, type Table } from './tables.ts';
import { ThroughputChart } from './throughputChart.tsx';
import { useSampled } from './useSampled.ts';
import { useValueWords, type ValueWords } from './valueWords.tsx';

export function StatisticsView(): ReactElement {
  const { t } = useTranslation(['statistics', 'common']);
  const { status, now } = useSampled();
  const { sessions, error } = useHistory();
  const words = useValueWords();
  const connected = status?.state === 'connected';

  useEffect(() => {
    void loadHistory();
  }, []);

  const tables = connectionTables(status);
  const history = historyTable(sessions ?? [], status);
  const nothing = tables.length === 0 && history.rows.length === 0 && !throughput.any;

  if (nothing) {
    return (
      <div className="view">
        <h1 className="visually-hidden">{t('common:statistics')}</h1>
        {status?.otherUser ? (
          <EmptyState icon={<ChartNoAxesColumn size={32} aria-hidden />} title={t('otherTitle')} text={t('otherText')} />
        ) : (
          <EmptyState
            icon={<ChartNoAxesColumn size={32} aria-hidden />}
            title={t('emptyTitle')}
            text={t('emptyText')}
            actions={<Button onPress={() => navigate('/connect')}>{t('toConnect')}</Button>}
          />
        )}
      </div>
    );
  }
  return (
    <div className="view stat-view">
      <div className="row between wrap">
        <h1>{t('common:statistics')}</h1>
        <Actions tables={[...tables, history]} words={words} />
      </div>
      <ThroughputChart connected={connected} />
      {!connected && <p className="soft stat-note">{t('notConnected')}</p>}
      {tables.map((table) => (
        <Section key={table.name} table={table} words={words} now={now} />
      ))}
      {history.rows.length > 0 ? (
        <Section table={history} words={words} now={now} />
      ) : (
        <section className="stack">
          <h2>{t('tables.history')}</h2>
          <p className="soft">{error ? t('historyFailed') : sessions === null ? t('common:loading') : t('historyEmpty')}</p>
        </section>
      )}
    </div>
  );
}

function Section({
  table,
  words,
  now,
}: {
  readonly table: Table;
  readonly words: ValueWords;
  readonly now: number;
}): ReactElement {
  const { t } = useTranslation('statistics');
  return (
    <section className="stat-section">
      <h2>{t(`tables.${table.name}`)}</h2>
      <p className="small soft">{t(`about.${table.name}`)}</p>
      {table.rows.length === 0 ? (
        <p className="soft">{t('noneYet')}</p>
      ) : (
        <GridTable table={table} words={words} now={now} caption={t(`tables.${table.name}`)} />
      )}
    </section>
  );
}

function Actions({ tables, words }: { readonly tables: readonly Table[]; readonly words: ValueWords }): ReactElement {
  const { t } = useTranslation(['statistics', 'common']);
  const copyAll = () =>
    void copyText(toTabs(tables, words.names)).then((done) =>
      toast(done ? { text: t('copiedAll') } : { text: t('common:copyFailed'), tone: 'failed' }),
    );
  const save = (ending: 'csv' | 'json') => {
    const now = Date.now();
    const { status } = useSession.getState();
    const text =
      ending === 'csv' ? toCsv(tables, words.names) : toJson(status ?? undefined, useHistory.getState().sessions ?? [], now);
    saveText(fileName('statistics', ending, now), ending === 'csv' ? 'text/csv;charset=utf-8' : 'application/json', text);
    toast({ text: t('saved') });
  };
  return (
    <div className="row wrap">
      <Button icon={<Copy size={16} aria-hidden />} onPress={copyAll} data-test="stat-copy">
        {t('copyAll')}
      </Button>
      <Menu
        label={t('export')}
        trigger={
          <Button icon={<Download size={16} aria-hidden />} data-test="stat-export">
            {t('export')}
          </Button>
        }
        entries={[
          { id: 'csv', label: t('exportCsv'), run: () => save('csv') },
          { id: 'json', label: t('exportJson'), run: () => save('json') },
        ]}
      />
    </div>
  );
}
