/** What a suite finds out, how it is judged, and how it is printed. */

/** One measured number. At most one of the two bars; without any it is only told. */
export interface Figure {
  readonly suite: string;
  readonly case: string;
  readonly value: number;
  readonly unit: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly detail?: Readonly<Record<string, number | string>>;
}

/** One line of `--json`. `bar` and `ok` where there is a bar. */
interface FigureLine {
  readonly suite: string;
  readonly case: string;
  readonly value: number;
  readonly unit: string;
  readonly bar?: number;
  readonly ok?: boolean;
  readonly detail?: Readonly<Record<string, number | string>>;
}

/** A suite that cannot be measured here says why. */
export interface Skipped {
  readonly skipped: string;
}

export interface BenchOptions {
  /** Each figure is the median of so many measurements, in alternation with what it is compared to. */
  readonly rounds: number;
  /** Of one measurement. */
  readonly seconds: number;
  /** Progress, for whoever waits. */
  readonly say: (text: string) => void;
}

export type Suite = (options: BenchOptions) => Promise<readonly Figure[] | Skipped>;

export function hasBar({ atLeast, atMost }: Figure): boolean {
  return atLeast !== undefined || atMost !== undefined;
}

export function isMet({ value, atLeast, atMost }: Figure): boolean {
  return (atLeast === undefined || value >= atLeast) && (atMost === undefined || value <= atMost);
}

export function figureLine(figure: Figure): FigureLine {
  const { atLeast, atMost, detail, ...plain } = figure;
  const bar = atLeast ?? atMost;
  return { ...plain, ...(bar !== undefined && { bar, ok: isMet(figure) }), ...(detail && { detail }) };
}

export function figureText(figure: Figure): string {
  const { suite, case: name, value, unit, atLeast, atMost, detail = {} } = figure;
  const bar = atLeast !== undefined ? `at least ${atLeast}` : atMost !== undefined ? `at most ${atMost}` : '';
  const judged = bar === '' ? '' : `${isMet(figure) ? 'ok    ' : 'MISSED'} ${bar}`;
  const more = Object.entries(detail)
    .map(([key, one]) => `${key} ${one}`)
    .join(', ');
  return `${suite.padEnd(12)} ${name.padEnd(28)} ${String(value).padStart(10)} ${unit.padEnd(14)} ${judged.padEnd(22)} ${more}`.trimEnd();
}

/** Three digits that count. */
export function rounded(value: number): number {
  return Number(value.toPrecision(value >= 1000 ? 4 : 3));
}

/** A name as part of a case's. */
export function slug(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/-$/, '');
}
