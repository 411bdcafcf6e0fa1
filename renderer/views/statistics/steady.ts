/** What did not change stays the same object, so that React passes over it: of a sample a second, most is as it was. */
import type { Row, Table, Value } from './tables.ts';

export function steadyTables(before: readonly Table[], now: readonly Table[]): readonly Table[] {
  const tables = now.map((table) => {
    const earlier = before.find(({ name }) => name === table.name);
    return earlier === undefined ? table : steadyTable(earlier, table);
  });
  return sameItems(tables, before) ? before : tables;
}

function steadyTable(before: Table, now: Table): Table {
  const rows = now.rows.map((row, index) => {
    // A new row is put before or behind: the same place, or the one next to it.
    const earlier = before.rows[index]?.key === row.key ? before.rows[index] : before.rows.find(({ key }) => key === row.key);
    return earlier !== undefined && sameRow(earlier, row) ? earlier : row;
  });
  return sameItems(rows, before.rows) && now.columns === before.columns ? before : { ...now, rows };
}

/** Something in it counts by itself: shown as how long since, ago or until. */
export function counting({ cells }: Row): boolean {
  return cells.some(({ kind }) => kind === 'since' || kind === 'ago' || kind === 'until');
}

function sameRow(a: Row, b: Row): boolean {
  return a === b || (a.cells.length === b.cells.length && a.cells.every((value, index) => sameValue(value, b.cells[index])));
}

function sameValue(a: Value, b: Value | undefined): boolean {
  if (a === b) return true;
  if (a.kind !== b?.kind) return false;
  const fields: readonly [string, unknown][] = Object.entries(b);
  return Object.entries(a).every(([key, value], index) => fields[index]?.[0] === key && fields[index]?.[1] === value);
}

function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
