/** Values of the tables in the language's words: as shown, as copied, as exported. */
import { useMemo } from 'react';
import { useTranslation } from '../../i18n/i18n.ts';
import { useFormat } from '../../i18n/useFormat.ts';
import { useReason } from '../../i18n/useReason.ts';
import { type ExportNames, plain } from './export.ts';
import type { Column, ColumnKey, Table, Value } from './tables.ts';

export interface ShownValue {
  readonly text: string;
  /** The exact time, or the code. */
  readonly title?: string;
  /** There is no value. */
  readonly soft?: boolean;
  /** A word of the language, not of the protocol. */
  readonly word?: boolean;
}

export interface ValueWords {
  column(column: Column): { readonly label: string; readonly unit?: string };
  /** Label and unit as one text. */
  header(column: Column): string;
  shown(value: Value, now: number): ShownValue;
  /** For the clipboard: times exact. */
  copied(value: Value, now: number): string;
  readonly names: ExportNames;
}

const UNITS: Partial<Readonly<Record<ColumnKey, 'packets' | 'bytes' | 'ms'>>> = {
  packetsIn: 'packets',
  packetsOut: 'packets',
  bytesIn: 'bytes',
  bytesOut: 'bytes',
  rtt: 'ms',
  mtu: 'bytes',
};

export function useValueWords(): ValueWords {
  const { t } = useTranslation('statistics');
  const format = useFormat();
  const reason = useReason();
  return useMemo(() => {
    const column = ({ key }: Column) => {
      const unit = UNITS[key];
      return { label: t(`columns.${key}`), ...(unit !== undefined && { unit: t(`units.${unit}`) }) };
    };
    const header = (one: Column) => {
      const { label, unit } = column(one);
      return unit === undefined ? label : `${label} (${unit})`;
    };
    const word = (value: Extract<Value, { kind: 'word' }>) => t(`words.${value.word}`);
    return {
      column,
      header,
      shown(value, now) {
        switch (value.kind) {
          case 'none':
            return { text: t('words.none'), soft: true };
          case 'text':
            return { text: value.text };
          case 'count':
            return { text: format.number(value.count) };
          case 'since':
            return {
              text: now - value.at < 1000 ? t('words.now') : format.duration(now - value.at),
              title: format.dateTime(value.at),
            };
          case 'ago':
            return { text: format.relative(Math.min(value.at, now), now), title: format.dateTime(value.at) };
          case 'until':
            return { text: format.duration(Math.max(0, value.at - now)), title: format.dateTime(value.at) };
          case 'date':
            return { text: format.dateTime(value.at), title: format.relative(value.at, now) };
          case 'length':
            return { text: format.duration(value.ms) };
          case 'reason':
            return { text: reason(value.code, value.code).what, title: value.code };
          case 'word':
            return { text: word(value), word: true };
        }
      },
      copied(value, now) {
        if (value.kind === 'length') return format.duration(value.ms);
        if (value.kind === 'until')
          return `${format.duration(Math.max(0, value.at - now))} (${new Date(value.at).toISOString()})`;
        return plain(value, { word });
      },
      names: {
        table: (table: Table) => t(`tables.${table.name}`),
        column: (table, index) => {
          const one = table.columns[index];
          // Raw lengths are in seconds; times are instants.
          if (one === undefined) return '';
          return one.key === 'length' ? `${header(one)} (${t('units.s')})` : header(one);
        },
        word,
      },
    };
  }, [t, format, reason]);
}
