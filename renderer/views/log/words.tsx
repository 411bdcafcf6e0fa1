/** Marks and times of log lines. */
import Bug from 'lucide-react/icons/bug';
import CircleX from 'lucide-react/icons/circle-x';
import Info from 'lucide-react/icons/info';
import TriangleAlert from 'lucide-react/icons/triangle-alert';
import { useTranslation } from '../../i18n/i18n.ts';
import type { Level } from './model.ts';

/** Shape as well as colour. */
export const levelIcons: Readonly<Record<Level, typeof Info>> = { debug: Bug, info: Info, warn: TriangleAlert, error: CircleX };

export interface LogTime {
  /** `14:03:07.123`, always of the same width. */
  short(at: number): string;
  full(at: number): string;
}

const made = new Map<string, LogTime>();

export function useLogTime(): LogTime {
  const { language } = useTranslation();
  const known = made.get(language);
  if (known) return known;
  const short = new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    fractionalSecondDigits: 3,
    hourCycle: 'h23',
  });
  const full = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' });
  const fresh = { short: (at: number) => short.format(at), full: (at: number) => full.format(at) };
  made.set(language, fresh);
  return fresh;
}
