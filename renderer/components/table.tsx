/** Tables for reading: figures right-aligned in tabular digits, the unit in the header, a name for screen readers. */
import type { ReactElement, ReactNode } from 'react';

export interface Column {
  readonly id: string;
  readonly label: string;
  /** `MB`, `s`: shown softly in the header. */
  readonly unit?: string;
  readonly figure?: boolean;
  readonly technical?: boolean;
}

export interface Row {
  readonly key: string;
  readonly cells: Readonly<Record<string, ReactNode>>;
}

export function Table({
  caption,
  columns,
  rows,
}: {
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
}): ReactElement {
  return (
    // The scrolling box takes the focus, so that arrow keys scroll it.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be reachable by keyboard.
    <section className="table-scroll" aria-label={caption} tabIndex={0}>
      <table className="table">
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.id} scope="col" className={column.figure ? 'figure' : undefined}>
                {column.label}
                {column.unit !== undefined && <span className="unit"> {column.unit}</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.key}>
              {columns.map((column) => (
                <td key={column.id} className={cellClass(column)}>
                  {row.cells[column.id]}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function cellClass(column: Column): string | undefined {
  const names = [column.figure && 'figure', column.technical && 'fixed'].filter(Boolean);
  return names.length > 0 ? names.join(' ') : undefined;
}
