/** The tables as CSV (RFC 4180) and JSON. Values are raw: figures without separators, instants as ISO 8601 in UTC. */
import type { Status } from '../../../core/rpc/contract.ts';
import type { Session, Table, Value } from './tables.ts';

/** Names come from the language's texts; a value from a gateway or a profile never becomes a formula. */
export interface ExportNames {
  table(table: Table): string;
  column(table: Table, index: number): string;
  word(value: Extract<Value, { kind: 'word' }>): string;
}

/** Each table with its name above it and an empty line between; the mark at the start tells spreadsheets that it is UTF-8. */
export function toCsv(tables: readonly Table[], names: ExportNames): string {
  const blocks = tables.map((table) => [
    [names.table(table)],
    table.columns.map((_, index) => names.column(table, index)),
    ...table.rows.map((row) => row.cells.map((value) => plain(value, names))),
  ]);
  return `\ufeff${blocks.map((lines) => lines.map((line) => `${line.map(field).join(',')}\r\n`).join('')).join('\r\n')}`;
}

/** For the clipboard: tabs between, so that a spreadsheet takes it apart. */
export function toTabs(tables: readonly Table[], names: ExportNames): string {
  const blocks = tables.map((table) =>
    [
      names.table(table),
      table.columns.map((_, index) => names.column(table, index)).join('\t'),
      ...table.rows.map((row) => row.cells.map((value) => safe(plain(value, names).replaceAll(/[\t\r\n]/g, ' '))).join('\t')),
    ].join('\n'),
  );
  return blocks.join('\n\n');
}

/** Status and sessions as the helper tells them: nothing rounded, nothing translated. */
export function toJson(status: Status | undefined, sessions: readonly Session[], now: number): string {
  const { failure: _failure, ...rest } = status ?? { failure: undefined };
  return `${JSON.stringify({ format: 'sallyport-statistics', version: 1, at: new Date(now).toISOString(), status: status ? rest : null, sessions }, null, 2)}\n`;
}

/** One value as text without the language's separators. */
export function plain(value: Value, names: Pick<ExportNames, 'word'>): string {
  switch (value.kind) {
    case 'none':
      return '';
    case 'text':
      return value.text;
    case 'reason':
      return value.code;
    case 'count':
      return String(value.count);
    case 'since':
    case 'ago':
    case 'until':
    case 'date':
      return new Date(value.at).toISOString();
    case 'length':
      return String(Math.round(value.ms / 1000));
    case 'word':
      return names.word(value);
  }
}

/** A file name without anything a file system minds. */
export function fileName(what: string, ending: string, now: number): string {
  return `sallyport-${what}-${new Date(now).toISOString().slice(0, 19).replaceAll(':', '')}.${ending}`;
}

function field(text: string): string {
  const harmless = safe(text);
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

/** A spreadsheet runs a field that begins like a formula; the apostrophe makes it text. */
function safe(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}
