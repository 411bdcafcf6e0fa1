/**
 * A table for reading and copying: arrow keys walk its cells, Enter or Ctrl+C copies the cell, Ctrl+Shift+C or the button at the end the row.
 * One stop for Tab, however many cells it has. Figures stand right, in digits of one width; the unit is in the header.
 */
import Copy from 'lucide-react/icons/copy';
import { type KeyboardEvent, memo, type ReactElement, useCallback, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { toast } from '../../components/toast.tsx';
import { copyText } from '../../files.ts';
import type { Column, Row, Table, Value } from './tables.ts';
import type { ShownValue, ValueWords } from './valueWords.tsx';

export interface GridTableProps {
  readonly table: Table;
  readonly words: ValueWords;
  readonly now: number;
  /** Says what is in a row, for the name of its button: the first cell. */
  readonly caption: string;
}

interface Place {
  readonly row: number;
  readonly column: number;
}

export function GridTable({ table, words, now, caption }: GridTableProps): ReactElement {
  const { t } = useTranslation(['statistics', 'common']);
  const [place, setPlace] = useState<Place>({ row: 0, column: 0 });
  const grid = useRef<HTMLTableElement>(null);
  const columns = table.columns.length + 1;
  // Rows come and go; the place stays inside.
  const here = { row: Math.min(place.row, table.rows.length), column: Math.min(place.column, columns - 1) };

  const copy = (text: string, what: string) => {
    void copyText(text).then((done) =>
      toast(done ? { text: t('copiedThis', { what }) } : { text: t('common:copyFailed'), tone: 'failed' }),
    );
  };
  const copyCell = (row: Row, index: number) => {
    const [column, value] = [table.columns[index], row.cells[index]];
    if (column && value && value.kind !== 'none') copy(words.copied(value, now), words.column(column).label);
  };
  // The cells keep one function for ever; what it copies is what is there then.
  const latest = useRef(copyCell);
  latest.current = copyCell;
  const rows = useRef(table.rows);
  rows.current = table.rows;
  const copyAt = useCallback((row: number, column: number) => {
    const found = rows.current[row - 1];
    if (found) latest.current(found, column);
  }, []);
  const copyRow = (row: Row) => {
    const lines = table.columns.map(
      (column, index) => `${words.header(column)}: ${words.copied(row.cells[index] ?? { kind: 'none' }, now)}`,
    );
    copy(lines.join('\n'), t('row'));
  };
  const latestRow = useRef(copyRow);
  latestRow.current = copyRow;
  const copyRowAt = useCallback((row: number) => {
    const found = rows.current[row - 1];
    if (found) latestRow.current(found);
  }, []);

  const onKeyDown = (event: KeyboardEvent) => {
    const row = table.rows[here.row - 1];
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key.toLowerCase() === 'c') {
      if (!row || window.getSelection()?.isCollapsed === false) return;
      event.preventDefault();
      if (event.shiftKey || here.column === columns - 1) copyRow(row);
      else copyCell(row, here.column);
      return;
    }
    if (command || event.altKey) return;
    if (event.key === 'Enter' || event.key === ' ') {
      if (!row) return;
      event.preventDefault();
      if (here.column === columns - 1) copyRow(row);
      else copyCell(row, here.column);
      return;
    }
    const next = moved(here, event.key, table.rows.length, columns);
    if (!next) return;
    event.preventDefault();
    setPlace(next);
    const cell = grid.current?.querySelector<HTMLElement>(`[data-place="${next.row} ${next.column}"]`);
    cell?.focus();
  };
  const stop = (row: number, column: number) => ({
    'data-place': `${row} ${column}`,
    tabIndex: here.row === row && here.column === column ? 0 : -1,
    onFocus: () => setPlace({ row, column }),
  });

  return (
    <div className="table-scroll stat-scroll">
      <table
        ref={grid}
        className="table stat-table"
        // biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: a grid is the table whose cells the arrow keys walk.
        role="grid"
        aria-label={caption}
        onKeyDown={onKeyDown}
        data-test={`table-${table.name}`}
      >
        <thead>
          <tr>
            {table.columns.map((column, index) => (
              <th key={column.key} scope="col" className={classOf(column)} {...stop(0, index)}>
                {words.column(column).label}
                {words.column(column).unit !== undefined && <span className="unit"> {words.column(column).unit}</span>}
              </th>
            ))}
            <th scope="col" className="stat-copy" {...stop(0, columns - 1)}>
              <span className="visually-hidden">{t('copyRow')}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, rowIndex) => (
            <BodyRow
              key={row.key}
              row={row}
              columns={table.columns}
              words={words}
              now={now}
              place={rowIndex + 1}
              stop={here.row === rowIndex + 1 ? here.column : undefined}
              onPlace={setPlace}
              onCopy={copyAt}
              onCopyRow={copyRowAt}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface BodyRowProps {
  readonly row: Row;
  readonly columns: readonly Column[];
  readonly words: ValueWords;
  readonly now: number;
  /** Its number; 0 is the header. */
  readonly place: number;
  /** The column where Tab stops; undefined when it stops in another row. */
  readonly stop: number | undefined;
  readonly onPlace: (place: Place) => void;
  readonly onCopy: (row: number, column: number) => void;
  readonly onCopyRow: (row: number) => void;
}

/** A row that tells of what is over is made once: a hundred earlier sessions cost nothing while the clock ticks. */
const BodyRow = memo(function BodyRow(props: BodyRowProps): ReactElement {
  const { row, columns, words, now, place, stop, onPlace, onCopy, onCopyRow } = props;
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
        onFocus={() => onPlace({ row: place, column: last })}
        onClick={() => onCopyRow(place)}
        title={t('copyRow')}
      >
        <Copy size={14} aria-hidden />
        <span className="visually-hidden">{t('copyRow')}</span>
      </td>
    </tr>
  );
}, sameRow);

function sameRow(a: BodyRowProps, b: BodyRowProps): boolean {
  return (
    a.words === b.words &&
    a.stop === b.stop &&
    a.place === b.place &&
    a.row.cells.length === b.row.cells.length &&
    a.row.cells.every((value, index) => sameValue(value, b.row.cells[index])) &&
    (a.now === b.now || !a.row.cells.some(({ kind }) => kind === 'since' || kind === 'ago' || kind === 'until'))
  );
}

function sameValue(a: Value, b: Value | undefined): boolean {
  if (a.kind !== b?.kind) return false;
  const fields: readonly [string, unknown][] = Object.entries(b);
  return Object.entries(a).every(([key, value], index) => fields[index]?.[0] === key && fields[index]?.[1] === value);
}

interface CellProps {
  readonly className: string;
  readonly shown: ShownValue;
  readonly hint: string;
  readonly row: number;
  readonly column: number;
  /** Tab stops here. */
  readonly stops: boolean;
  readonly onPlace: (place: Place) => void;
  readonly onCopy: ((row: number, column: number) => void) | undefined;
}

/** Drawn anew only when what it shows changed: most cells of most tables do not. */
const Cell = memo(function Cell({ className, shown, hint, row, column, stops, onPlace, onCopy }: CellProps): ReactElement {
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the table handles the keys.
    <td
      className={className}
      data-place={`${row} ${column}`}
      tabIndex={stops ? 0 : -1}
      onFocus={() => onPlace({ row, column })}
      title={shown.title ?? (onCopy && hint)}
      onClick={() => {
        // Who selects a part of it wants that part.
        if (window.getSelection()?.isCollapsed !== false) onCopy?.(row, column);
      }}
    >
      {shown.soft || shown.word ? <span className={shown.soft ? 'soft' : 'stat-word'}>{shown.text}</span> : shown.text}
    </td>
  );
}, sameCell);

function sameCell(a: CellProps, b: CellProps): boolean {
  return (
    a.shown.text === b.shown.text &&
    a.shown.title === b.shown.title &&
    a.shown.soft === b.shown.soft &&
    a.shown.word === b.shown.word &&
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
  'virtualIps',
]);

function classOf(column: Column): string {
  return [`col-${column.key}`, column.figure ? 'figure' : '', TECHNICAL.has(column.key) ? 'fixed' : ''].filter(Boolean).join(' ');
}

/** Row 0 is the header. */
function moved(place: Place, key: string, rows: number, columns: number): Place | undefined {
  const bounded = (row: number, column: number): Place => ({
    row: Math.max(0, Math.min(rows, row)),
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
