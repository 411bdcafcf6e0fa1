/** Numbers, sizes, rates, durations and times, written the way the language writes them. Pure; the hook is in useFormat.ts. */
export interface Formats {
  /** `4.2 MB`; 1000-based, as the units say. */
  bytes(count: number): string;
  /** `1.3 MB/s`, from bytes per second. */
  rate(bytesPerSecond: number): string;
  /** `2 hr 5 min`, the two largest units of a length in milliseconds. */
  duration(ms: number): string;
  /** `1:04:09`, for what is counting. */
  clock(ms: number): string;
  /** `3.2 s`, for what took a moment. */
  seconds(ms: number): string;
  /** `16 ms`. */
  milliseconds(ms: number): string;
  /** `5 minutes ago`, `in 3 hours`, `now`. */
  relative(at: number, now: number): string;
  /** `14:03:07`. */
  time(at: number): string;
  /** `3 Nov 2026, 14:03`. */
  dateTime(at: number): string;
  /** `3 Nov 2026`. */
  date(at: number): string;
  number(value: number): string;
  /** `A, B and C`. */
  list(items: readonly string[]): string;
}

const made = new Map<string, Formats>();

export function formats(locale: string): Formats {
  const known = made.get(locale);
  if (known) return known;
  const fresh = makeFormats(locale);
  made.set(locale, fresh);
  return fresh;
}

const sizes = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

function makeFormats(locale: string): Formats {
  const unit = (name: string, digits = 0, display: 'short' | 'long' = 'short') =>
    new Intl.NumberFormat(locale, { style: 'unit', unit: name, unitDisplay: display, maximumFractionDigits: digits });
  const sizeUnits = new Map<string, Intl.NumberFormat>();
  const sized = (value: number, name: string, digits: number, display: 'short' | 'long' = 'short') => {
    const key = `${name} ${digits} ${display}`;
    const found = sizeUnits.get(key) ?? unit(name, digits, display);
    sizeUnits.set(key, found);
    return found.format(value);
  };
  const spans = [
    { ms: 86_400_000, format: unit('day', 0, 'long') },
    { ms: 3_600_000, format: unit('hour') },
    { ms: 60_000, format: unit('minute') },
    { ms: 1000, format: unit('second') },
  ];
  const tenths = new Intl.NumberFormat(locale, {
    style: 'unit',
    unit: 'second',
    unitDisplay: 'narrow',
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
  });
  const whole = unit('millisecond');
  const relativeTime = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
  const timeOfDay = new Intl.DateTimeFormat(locale, { timeStyle: 'medium' });
  const dateAndTime = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
  const day = new Intl.DateTimeFormat(locale, { dateStyle: 'medium' });
  const words = new Intl.ListFormat(locale, { type: 'conjunction' });

  return {
    bytes(count) {
      const { value, step } = scaled(Math.max(0, count), 0);
      return sized(value, sizes[step] ?? 'byte', digitsFor(value, step), step === 0 ? 'long' : 'short');
    },
    rate(bytesPerSecond) {
      // From kilobytes on: a figure that flips its unit at every keepalive is restless.
      const { value, step } = scaled(Math.max(0, bytesPerSecond), 1);
      return sized(value, `${sizes[step] ?? 'kilobyte'}-per-second`, digitsFor(value, step));
    },
    duration(ms) {
      const length = Math.max(0, Math.floor(ms / 1000)) * 1000;
      const first = spans.findIndex((span) => length >= span.ms);
      if (first < 0) return spans[3]?.format.format(0) ?? '';
      let rest = length;
      const parts: string[] = [];
      for (const span of spans.slice(first, first + 2)) {
        const count = Math.floor(rest / span.ms);
        rest -= count * span.ms;
        if (count > 0) parts.push(span.format.format(count));
      }
      return parts.join(' ');
    },
    clock(ms) {
      const total = Math.max(0, Math.floor(ms / 1000));
      const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
      const two = (value: number) => String(value).padStart(2, '0');
      return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
    },
    seconds: (ms) => tenths.format(Math.max(0, ms) / 1000),
    milliseconds: (ms) => whole.format(Math.max(0, Math.round(ms))),
    relative(at, now) {
      const seconds = Math.round((at - now) / 1000);
      const size = Math.abs(seconds);
      if (size < 5) return relativeTime.format(0, 'second');
      if (size < 60) return relativeTime.format(seconds, 'second');
      if (size < 3600) return relativeTime.format(Math.trunc(seconds / 60), 'minute');
      if (size < 86_400) return relativeTime.format(Math.trunc(seconds / 3600), 'hour');
      return relativeTime.format(Math.trunc(seconds / 86_400), 'day');
    },
    time: (at) => timeOfDay.format(at),
    dateTime: (at) => dateAndTime.format(at),
    // Certificates may say any year, also one that no calendar has.
    date: (at) => (Number.isNaN(new Date(at).getTime()) ? String(at) : day.format(at)),
    number: (value) => number.format(value),
    list: (items) => words.format(items),
  };
}

function scaled(count: number, least: number): { readonly value: number; readonly step: number } {
  let step = least;
  let value = count / 1000 ** least;
  // 999.95 would be written as 1000.0.
  while (value >= 999.95 && step < sizes.length - 1) {
    value /= 1000;
    step++;
  }
  return { value, step };
}

function digitsFor(value: number, step: number): number {
  return step === 0 || value >= 100 ? 0 : 1;
}
