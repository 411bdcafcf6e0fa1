/** Figures and tables for people. */
import { printable } from '../tunnel/explain.ts';

/** `1,234`; octets as `1.2 MB`; spans as `3 s`, `5 min`, `2 h 10 min`, `3 d`. */
export function count(value: number): string {
  return value.toString().replace(/\B(?=(\d{3})+$)/g, ',');
}

export function octets(value: number): string {
  if (value < 1000) return `${value} B`;
  let scaled = value;
  for (const unit of ['kB', 'MB', 'GB', 'TB']) {
    scaled /= 1000;
    if (scaled < 999.5 || unit === 'TB') return `${scaled < 9.95 ? scaled.toFixed(1) : Math.round(scaled)} ${unit}`;
  }
  return `${value} B`;
}

export function span(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d`;
}

/** Local time. */
export function clock(instant: number): string {
  const at = new Date(instant);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** Plain columns, as wide as what is in them. What came from elsewhere is made printable. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const clean = rows.map((row) => row.map(printable));
  const widths: number[] = [];
  for (const row of clean)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, [...cell].length);
    });
  return clean.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell + ' '.repeat((widths[i] ?? 0) - [...cell].length)))
      .join('  ')
      .trimEnd(),
  );
}
