/** Statistics: for reading. The live chart, what is known of the connection, earlier sessions; to copy and to take along. */
import { isUp } from '../../../core/tunnel/states.ts';
import './statistics.css';
import ChartNoAxesColumn from 'lucide-react/icons/chart-no-axes-column';
import Copy from 'lucide-react/icons/copy';
import Download from 'lucide-react/icons/download';
import RefreshCw from 'lucide-react/icons/refresh-cw';
import { memo, type ReactElement, useEffect, useMemo, useRef, useState } from 'react';
import { call } from '../../api.ts';
import { Button } from '../../components/button.tsx';
import { Menu } from '../../components/menu.tsx';
import { EmptyState } from '../../components/pieces.tsx';
import { toast } from '../../components/toast.tsx';
import { copyText, saveText } from '../../files.ts';
import { useTranslation } from '../../i18n/i18n.ts';
import { useReason } from '../../i18n/useReason.ts';
import { navigate } from '../../route.ts';
import { loadHistory, useHistory } from '../../store/history.ts';
import { useSession } from '../../store/session.ts';
import { fileName, toCsv, toJson, toTabs } from './export.ts';
import { GridTable } from './gridTable.tsx';
import { throughput } from './recorder.ts';
import { counting, steadyTables } from './steady.ts';
import { connectionTables, historyTable, type Table, type TableName } from './tables.ts';
import { ThroughputChart } from './throughputChart.tsx';
import { useNarrow } from './useNarrow.ts';
import { useSampled } from './useSampled.ts';
import { useValueWords, type ValueWords } from './valueWords.tsx';

export function StatisticsView(): ReactElement {
  const { t } = useTranslation(['statistics', 'common']);
  const { status, now } = useSampled();
  const { sessions, error } = useHistory();
  const words = useValueWords();
  const [view, narrow] = useNarrow();
  const connected = status !== null && status !== undefined && isUp(status.state);

  useEffect(() => {
    void loadHistory();
  }, []);

  const shown = useRef<readonly Table[]>([]);
  const tables = steadyTables(shown.current, [...connectionTables(status), historyTable(sessions ?? [], status)]);
  shown.current = tables;
  const noSessions = sessions === null || sessions.length === 0;
  const nothing = tables.length === 1 && noSessions && !throughput.any;

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
    <div ref={view} className="view stat-view">
      <div className="row between wrap">
        <h1>{t('common:statistics')}</h1>
        <Actions words={words} connected={connected} />
      </div>
      <ThroughputChart connected={connected} />
      {!connected && <p className="soft stat-note">{t('notConnected')}</p>}
      {tables.map((table) =>
        table.name === 'history' && noSessions ? (
          <section key={table.name} className="stack">
            <h2>{t('tables.history')}</h2>
            <p className="soft">{error ? t('historyFailed') : sessions === null ? t('common:loading') : t('historyEmpty')}</p>
          </section>
        ) : (
          <Section key={table.name} table={table} words={words} now={table.rows.some(counting) ? now : 0} narrow={narrow} />
        ),
      )}
    </div>
  );
}

/** What reads better as a group of named values than as columns: always, or where there is no room. */
const AS_FACTS: Readonly<Record<TableName, 'always' | 'narrow' | 'never'>> = {
  ike: 'always',
  path: 'always',
  traffic: 'narrow',
  drops: 'narrow',
  strays: 'always',
  protection: 'always',
  history: 'never',
};

/** Rows at first: what is painted costs with every frame of the chart, and the newest sessions are what is looked for. */
const ROWS_SHOWN = 20;

interface SectionProps {
  readonly table: Table;
  readonly words: ValueWords;
  readonly now: number;
  readonly narrow: boolean;
}

const Section = memo(function Section({ table, words, now, narrow }: SectionProps): ReactElement {
  const { t } = useTranslation('statistics');
  const [all, setAll] = useState(false);
  const form = AS_FACTS[table.name];
  const more = !all && table.rows.length > ROWS_SHOWN;
  const shown = useMemo(() => (more ? { ...table, rows: table.rows.slice(0, ROWS_SHOWN) } : table), [table, more]);
  return (
    <section className="stat-section">
      <h2>{t(`tables.${table.name}`)}</h2>
      <p className="small soft">{t(`about.${table.name}`)}</p>
      {table.rows.length === 0 ? (
        <p className="soft">{t('noneYet')}</p>
      ) : (
        <GridTable
          table={shown}
          words={words}
          now={now}
          caption={t(`tables.${table.name}`)}
          form={form === 'always' || (form === 'narrow' && narrow) ? 'facts' : narrow ? 'scrolled' : 'whole'}
        />
      )}
      {more && (
        <div>
          <Button look="quiet" onPress={() => setAll(true)} data-test={`more-${table.name}`}>
            {t('showAll', { count: table.rows.length })}
          </Button>
        </div>
      )}
    </section>
  );
});

/** Everything as it is when it is asked for. */
function tablesNow(): readonly Table[] {
  const status = useSession.getState().status ?? undefined;
  return [...connectionTables(status), historyTable(useHistory.getState().sessions ?? [], status)];
}

const Actions = memo(function Actions({
  words,
  connected,
}: {
  readonly words: ValueWords;
  readonly connected: boolean;
}): ReactElement {
  const { t } = useTranslation(['statistics', 'common']);
  const reason = useReason();
  const renew = async () => {
    for (const what of ['child', 'ike'] as const) {
      const reply = await call('tunnel.rekey', { what });
      if (!reply.ok) return toast({ text: reason(reply.error.code, reply.error.detail).what, tone: 'failed' });
    }
    toast({ text: t('renewing') });
  };
  const copyAll = () =>
    void copyText(toTabs(tablesNow(), words.names)).then((done) =>
      toast(done ? { text: t('copiedAll') } : { text: t('common:copyFailed'), tone: 'failed' }),
    );
  const save = (ending: 'csv' | 'json') => {
    const now = Date.now();
    const { status } = useSession.getState();
    const text =
      ending === 'csv' ? toCsv(tablesNow(), words.names) : toJson(status ?? undefined, useHistory.getState().sessions ?? [], now);
    saveText(fileName('statistics', ending, now), ending === 'csv' ? 'text/csv;charset=utf-8' : 'application/json', text);
    toast({ text: t('saved') });
  };
  return (
    <div className="row wrap">
      {connected && (
        <Button icon={<RefreshCw size={16} aria-hidden />} onPress={() => void renew()} data-test="stat-renew">
          {t('renew')}
        </Button>
      )}
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
});
