/**
 * The chart itself, uPlot outside of React: sent above the axis, received below it, on one scale. Colours come from the tokens as the page
 * computes them, and are read again when they change.
 */
import 'uplot/dist/uPlot.min.css';
import uPlot from 'uplot';
import { type Columns, type Mark, type Range, rateUnit, scaleEnd, summarize, type Throughput } from './throughput.ts';

export interface ChartWords {
  /** A figure of the vertical axis. */
  number(value: number): string;
  /** A time of the horizontal axis; with seconds when the span is short. */
  time(at: number, seconds: boolean): string;
}

export interface ChartEvents {
  /** The pointer rests on a moment, or on none. Octets per second. */
  onPoint(point: { readonly at: number; readonly up: number | null; readonly down: number | null } | undefined): void;
  /** After each update: the vertical axis' unit. */
  onUnit(unit: 'B/s' | 'kB/s' | 'MB/s' | 'GB/s'): void;
}

export interface Chart {
  update(now: number): void;
  setRange(range: Range): void;
  setWords(words: ChartWords): void;
  recolour(): void;
  destroy(): void;
}

/** Seconds between two times on the horizontal axis. */
const INCREMENTS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400];

/** `colours` are elements whose text colour is the one to draw with. */
export interface ChartColours {
  readonly up: Element;
  readonly down: Element;
  readonly ink: Element;
  readonly line: Element;
}

interface Paint {
  readonly up: string;
  readonly down: string;
  readonly ink: string;
  readonly line: string;
  readonly font: string;
}

export function createChart(
  box: HTMLElement,
  source: Throughput,
  colours: ChartColours,
  words: ChartWords,
  events: ChartEvents,
): Chart {
  const columns: Columns = { at: [], up: [], down: [] };
  const mirrored: (number | null)[] = [];
  let range: Range = 'minutes';
  let speak = words;
  let paint = readPaint(colours, box);
  let unit = rateUnit(0);
  let end = 1000;
  let span = { from: Date.now() - 300_000, to: Date.now() };

  const withSeconds = () => span.to - span.from < 240_000;

  const plot = new uPlot(
    {
      width: Math.max(200, box.clientWidth),
      height: Math.max(160, box.clientHeight),
      padding: [8, 28, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { setScale: false, x: false, y: false }, points: { size: 7 } },
      scales: {
        x: { time: false, range: () => [span.from / 1000, span.to / 1000] },
        y: { range: () => [-end, end] },
      },
      axes: [
        {
          stroke: () => paint.ink,
          font: paint.font,
          grid: { show: false },
          ticks: { stroke: () => paint.line, size: 4 },
          space: 84,
          size: 28,
          incrs: () => (withSeconds() ? INCREMENTS : INCREMENTS.filter((seconds) => seconds >= 60)),
          values: (_, splits) => splits.map((at) => speak.time(at * 1000, withSeconds())),
        },
        {
          stroke: () => paint.ink,
          font: paint.font,
          grid: { stroke: () => paint.line, width: 1 },
          ticks: { show: false },
          size: 52,
          splits: () => [-end, -end / 2, 0, end / 2, end],
          values: (_, splits) => splits.map((value) => speak.number(Math.abs(value) / unit.divisor)),
        },
      ],
      series: [
        {},
        {
          stroke: () => paint.up,
          fill: () => faded(paint.up),
          width: 1.5,
          spanGaps: false,
          points: { show: true, size: 5, filter: isolated },
        },
        {
          stroke: () => paint.down,
          fill: () => faded(paint.down),
          width: 1.5,
          spanGaps: false,
          points: { show: true, size: 5, filter: isolated },
        },
      ],
      hooks: {
        drawAxes: [(self) => drawMarks(self, source.marks, span, paint)],
        setCursor: [
          (self) => {
            const index = self.cursor.idx ?? undefined;
            const at = index === undefined ? undefined : columns.at[index];
            events.onPoint(
              index === undefined || at === undefined
                ? undefined
                : { at: at * 1000, up: columns.up[index] ?? null, down: columns.down[index] ?? null },
            );
          },
        ],
      },
    },
    [[], [], []],
    box,
  );

  const observer = new ResizeObserver(() => {
    const [width, height] = [Math.max(200, box.clientWidth), Math.max(160, box.clientHeight)];
    if (width !== plot.width || height !== plot.height) plot.setSize({ width, height });
  });
  observer.observe(box);

  return {
    update(now) {
      span = source.read(range, now, columns);
      const { highestUp, highestDown } = summarize(columns);
      end = scaleEnd(Math.max(highestUp, highestDown));
      unit = rateUnit(end);
      mirrored.length = columns.down.length;
      for (let i = 0; i < columns.down.length; i++) {
        const down = columns.down[i] ?? null;
        mirrored[i] = down === null ? null : -down;
      }
      plot.setData([columns.at, columns.up, mirrored], true);
      events.onUnit(unit.unit);
    },
    setRange(wanted) {
      range = wanted;
    },
    setWords(wanted) {
      speak = wanted;
    },
    recolour() {
      paint = readPaint(colours, box);
      plot.redraw(true, true);
    },
    destroy() {
      observer.disconnect();
      plot.destroy();
    },
  };
}

/** Calls back when the theme changes, by the window or by the system. Returns the way to stop. */
export function watchTheme(changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme', 'data-contrast'] });
  const queries = ['(prefers-color-scheme: dark)', '(forced-colors: active)', '(prefers-contrast: more)'].map((query) =>
    window.matchMedia(query),
  );
  for (const query of queries) query.addEventListener('change', changed);
  return () => {
    observer.disconnect();
    for (const query of queries) query.removeEventListener('change', changed);
  };
}

function readPaint(colours: ChartColours, box: Element): Paint {
  const colour = (element: Element) => getComputedStyle(element).color;
  const style = getComputedStyle(box);
  return {
    up: colour(colours.up),
    down: colour(colours.down),
    ink: colour(colours.ink),
    line: colour(colours.line),
    font: `${style.fontSize} ${style.fontFamily}`,
  };
}

/** The computed colour is `rgb(…)` or `color(…)`; both take a part of transparency in this way. */
function faded(colour: string): string {
  return `color-mix(in srgb, ${colour} 18%, transparent)`;
}

/** A point without neighbours is no line: it is drawn as a dot, or one sample alone would not be seen. */
function isolated(self: uPlot, series: number): number[] {
  const values = self.data[series] ?? [];
  const found: number[] = [];
  for (let i = 0; i < values.length; i++) {
    const [before, at, after] = [values[i - 1] ?? null, values[i] ?? null, values[i + 1] ?? null];
    if (at !== null && before === null && after === null) found.push(i);
  }
  return found;
}

function drawMarks(
  self: uPlot,
  marks: readonly Mark[],
  span: { readonly from: number; readonly to: number },
  paint: Paint,
): void {
  const { ctx, bbox } = self;
  ctx.save();
  ctx.strokeStyle = paint.ink;
  ctx.globalAlpha = 0.6;
  ctx.lineWidth = Math.max(1, Math.round(window.devicePixelRatio));
  for (const { at, kind } of marks) {
    if (at < span.from || at > span.to) continue;
    const x = Math.round(self.valToPos(at / 1000, 'x', true));
    ctx.setLineDash(kind === 'connected' || kind === 'disconnected' ? [] : [4, 4]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}
