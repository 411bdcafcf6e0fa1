/**
 * A table for reading and copying: arrow keys walk its cells, Enter or Ctrl+C copies the cell, Ctrl+Shift+C or the button at the end the row.
 * One stop for Tab, however many cells it has. Figures stand right, in digits of one width; the unit is in the header. As `facts` each
 * row is a group of cells that have their names above them: for tables of one row, and where there is no room for columns.
 */
import Copy from 'lucide-react/icons/copy';
import { type KeyboardEvent, memo, type ReactElement, useCallback, useRef, useState } from 'react';
import { toast } from '../../components/toast.tsx';
import { copyText } from '../../files.ts';
import { useTranslation } from '../../i18n/i18n.ts';
import { counting } from './steady.ts';
import type { Column, Row, Table } from './tables.ts';
import type { ShownValue, ValueWords } from './valueWords.tsx';

export interface GridTableProps {
  readonly table: Table;
  readonly words: ValueWords;
  readonly now: number;
  readonly caption: string;
  /** `scrolled`: there may be no room for all columns. */
  readonly form: 'whole' | 'scrolled' | 'facts';
}

/** Row 0 is the header. */
interface Place {
  readonly row: number;
  readonly column: number;
}

export function GridTable({ table, words, now, caption, form }: GridTableProps): ReactElement {
  const { t } = useTranslation(['statistics', 'common']);
  const [place, setPlace] = useState<Place>({ row: 1, column: 0 });
  const grid = useRef<HTMLTableElement>(null);
  const columns = table.columns.length + 1;
  const facts = form === 'facts';
  const firstRow = facts ? 1 : 0;
  // Rows come and go; the place stays inside.
  const here = {
    row: Math.max(firstRow, Math.min(place.row, table.rows.length)),
    column: Math.min(place.column, columns - 1),
  };

  const copy = (text: string, what: string) => {
    void copyText(text).then((done) =>
      toast(done ? { text: t('copiedThis', { what }) } : { text: t('common:copyFailed'), tone: 'failed' }),
    );
  };
  const copyCell = (row: Row, index: number) => {
    const [column, value] = [table.columns[index], row.cells[index]];
    if (column && value && value.kind !== 'none') copy(words.copied(value, now), words.column(column).label);
  };
  const copyRow = (row: Row) => {
    const lines = table.columns.map(
      (column, index) => `${words.header(column)}: ${words.copied(row.cells[index] ?? { kind: 'none' }, now)}`,
    );
    copy(lines.join('\n'), t('row'));
  };
  const copyPlace = ({ row, column }: Place) => {
    const found = table.rows[row - 1];
    if (!found) return;
    if (column === columns - 1) copyRow(found);
    else copyCell(found, column);
  };
  // The cells keep one function for ever; what it copies is what is there then.
  const latest = useRef(copyPlace);
  latest.current = copyPlace;
  const copyAt = useCallback((row: number, column: number) => latest.current({ row, column }), []);
  const placeAt = useCallback((row: number, column: number) => setPlace({ row, column }), []);

  const onKeyDown = (event: KeyboardEvent) => {
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key.toLowerCase() === 'c') {
      if (here.row === 0 || window.getSelection()?.isCollapsed === false) return;
      event.preventDefault();
      copyPlace(event.shiftKey ? { row: here.row, column: columns - 1 } : here);
      return;
    }
    if (command || event.altKey) return;
    if (event.key === 'Enter' || event.key === ' ') {
      if (here.row === 0) return;
      event.preventDefault();
      copyPlace(here);
      return;
    }
    const next = moved(here, event.key, { firstRow, lastRow: table.rows.length, columns });
    if (!next) return;
    event.preventDefault();
    setPlace(next);
    const cell = grid.current?.querySelector<HTMLElement>(`[data-place="${next.row} ${next.column}"]`);
    cell?.focus();
  };

  return (
    <div className="table-scroll stat-scroll">
      <table
        ref={grid}
        className={`table stat-table stat-${form}`}
        // biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: a grid is the table whose cells the arrow keys walk.
        role="grid"
        aria-label={caption}
        onKeyDown={onKeyDown}
        data-test={`table-${table.name}`}
      >
        {!facts && (
          <HeadRow columns={table.columns} words={words} stop={here.row === 0 ? here.column : undefined} onPlace={placeAt} />
        )}
        <tbody>
          {table.rows.map((row, index) => (
            <BodyRow
              key={row.key}
              row={row}
              columns={table.columns}
              words={words}
              now={counting(row) ? now : 0}
              facts={facts}
              place={index + 1}
              stop={here.row === index + 1 ? here.column : undefined}
              onPlace={placeAt}
              onCopy={copyAt}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface HeadRowProps {
  readonly columns: readonly Column[];
  readonly words: ValueWords;
  /** The column where Tab stops; undefined when it stops in another row. */
  readonly stop: number | undefined;
  readonly onPlace: (row: number, column: number) => void;
}

const HeadRow = memo(function HeadRow({ columns, words, stop, onPlace }: HeadRowProps): ReactElement {
  const { t } = useTranslation('statistics');
  const cell = (column: number) => ({
    'data-place': `0 ${column}`,
    tabIndex: stop === column ? 0 : -1,
    onFocus: () => onPlace(0, column),
  });
  return (
    <thead>
      <tr>
        {columns.map((column, index) => (
          <th key={column.key} scope="col" className={classOf(column)} {...cell(index)}>
            <Name column={column} words={words} />
          </th>
        ))}
        <th scope="col" className="stat-copy" {...cell(columns.length)}>
          <span className="visually-hidden">{t('copyRow')}</span>
        </th>
      </tr>
    </thead>
  );
});

function Name({ column, words }: { readonly column: Column; readonly words: ValueWords }): ReactElement {
  const { label, unit } = words.column(column);
  return (
    <>
      {label}
      {unit !== undefined && <span className="unit"> {unit}</span>}
    </>
  );
}

interface BodyRowProps extends HeadRowProps {
  readonly row: Row;
  readonly now: number;
  readonly facts: boolean;
  /** Its number. */
  readonly place: number;
  readonly onCopy: (row: number, column: number) => void;
}

/** Drawn anew only when it changed or counts by itself: a hundred earlier sessions cost nothing while the clock ticks. */
const BodyRow = memo(function BodyRow(props: BodyRowProps): ReactElement {
  const { row, columns, words, now, facts, place, stop, onPlace, onCopy } = props;
  const { t } = useTranslation('statistics');
  const last = columns.length;
  return (
    <tr>
      {row.cells.map((value, index) => {
        const column = columns[index];
        if (!column) return null;
        return (
          <Cell
            key={column.key}
            named={facts ? column : undefined}
            words={words}
            className={classOf(column)}
            shown={words.shown(value, now)}
            hint={t('clickToCopy')}
            row={place}
            column={index}
            stops={stop === index}
            onPlace={onPlace}
            onCopy={value.kind === 'none' ? undefined : onCopy}
          />
        );
      })}
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the table handles the keys. */}
      <td
        className="stat-copy"
        data-place={`${place} ${last}`}
        tabIndex={stop === last ? 0 : -1}
        onFocus={() => onPlace(place, last)}
        onClick={() => onCopy(place, last)}
        title={t('copyRow')}
      >
        <Copy size={14} aria-hidden />
        <span className="visually-hidden">{t('copyRow')}</span>
      </td>
    </tr>
  );
});

interface CellProps {
  /** Its column, when there is no header to name it. */
  readonly named: Column | undefined;
  readonly words: ValueWords;
  readonly className: string;
  readonly shown: ShownValue;
  readonly hint: string;
  readonly row: number;
  readonly column: number;
  /** Tab stops here. */
  readonly stops: boolean;
  readonly onPlace: (row: number, column: number) => void;
  readonly onCopy: ((row: number, column: number) => void) | undefined;
}

/** Drawn anew only when what it shows changed: most cells of most tables do not. */
const Cell = memo(function Cell(props: CellProps): ReactElement {
  const { named, words, className, shown, hint, row, column, stops, onPlace, onCopy } = props;
  const value = shown.soft || shown.word ? <span className={shown.soft ? 'soft' : 'stat-word'}>{shown.text}</span> : shown.text;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the table handles the keys.
    <td
      className={className}
      data-place={`${row} ${column}`}
      tabIndex={stops ? 0 : -1}
      onFocus={() => onPlace(row, column)}
      title={shown.title ?? (onCopy && hint)}
      onClick={() => {
        // Who selects a part of it wants that part.
        if (window.getSelection()?.isCollapsed !== false) onCopy?.(row, column);
      }}
    >
      {named ? (
        <>
          <span className="stat-name">
            <Name column={named} words={words} />
          </span>{' '}
          <span className="stat-value">{value}</span>
        </>
      ) : (
        value
      )}
    </td>
  );
}, sameCell);

function sameCell(a: CellProps, b: CellProps): boolean {
  return (
    a.shown.text === b.shown.text &&
    a.shown.title === b.shown.title &&
    a.shown.soft === b.shown.soft &&
    a.shown.word === b.shown.word &&
    a.named === b.named &&
    a.words === b.words &&
    a.stops === b.stops &&
    a.row === b.row &&
    a.column === b.column &&
    a.hint === b.hint &&
    a.onCopy === b.onCopy &&
    a.className === b.className
  );
}

const TECHNICAL: ReadonlySet<string> = new Set([
  'spiI',
  'spiR',
  'spiIn',
  'spiOut',
  'encryption',
  'integrity',
  'prf',
  'keyExchange',
  'local',
  'gateway',
  'interface',
  'localIdentity',
  'remoteIdentity',
  'localSelectors',
  'remoteSelectors',
  'backend',
  'offload',
  'virtualIps',
]);

function classOf(column: Column): string {
  return [`col-${column.key}`, column.figure ? 'figure' : '', TECHNICAL.has(column.key) ? 'fixed' : ''].filter(Boolean).join(' ');
}

interface Bounds {
  readonly firstRow: number;
  readonly lastRow: number;
  readonly columns: number;
}

function moved(place: Place, key: string, { firstRow, lastRow, columns }: Bounds): Place | undefined {
  const bounded = (row: number, column: number): Place => ({
    row: Math.max(firstRow, Math.min(lastRow, row)),
    column: Math.max(0, Math.min(columns - 1, column)),
  });
  const right = document.documentElement.dir === 'rtl' ? -1 : 1;
  switch (key) {
    case 'ArrowRight':
      return bounded(place.row, place.column + right);
    case 'ArrowLeft':
      return bounded(place.row, place.column - right);
    case 'ArrowDown':
      return bounded(place.row + 1, place.column);
    case 'ArrowUp':
      return bounded(place.row - 1, place.column);
    case 'Home':
      return bounded(place.row, 0);
    case 'End':
      return bounded(place.row, columns - 1);
    default:
      return undefined;
  }
}
