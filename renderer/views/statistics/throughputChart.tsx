/** The live chart with its legend, its marks in words and its text alternative. */
import ArrowDown from 'lucide-react/icons/arrow-down';
import ArrowUp from 'lucide-react/icons/arrow-up';
import { memo, type ReactElement, useEffect, useRef, useState } from 'react';
import { Segmented } from '../../components/segmented.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { useFormat } from '../../i18n/useFormat.ts';
import { type Chart, type ChartWords, createChart, watchTheme } from './chart.ts';
import { throughput } from './recorder.ts';
import { type Columns, type Range, slices, summarize } from './throughput.ts';
import { onTick, useLive, useTick } from './ticker.ts';

const RANGES: readonly Range[] = ['minutes', 'hour', 'session'];

interface Point {
  readonly at: number;
  readonly up: number | null;
  readonly down: number | null;
}

export const ThroughputChart = memo(function ThroughputChart({ connected }: { readonly connected: boolean }): ReactElement {
  const { t } = useTranslation('statistics');
  const [range, setRange] = useState<Range>('minutes');
  const [unit, setUnit] = useState('kB/s');
  const [point, setPoint] = useState<Point>();
  const box = useRef<HTMLDivElement>(null);
  const [up, down, ink, line] = [
    useRef<HTMLSpanElement>(null),
    useRef<HTMLSpanElement>(null),
    useRef<HTMLSpanElement>(null),
    useRef<HTMLSpanElement>(null),
  ];
  const chart = useRef<Chart>(undefined);
  const words = useChartWords();
  const latest = useRef(words);
  latest.current = words;

  useEffect(() => {
    if (!box.current || !up.current || !down.current || !ink.current || !line.current) return;
    const made = createChart(
      box.current,
      throughput,
      { up: up.current, down: down.current, ink: ink.current, line: line.current },
      latest.current,
      { onPoint: setPoint, onUnit: setUnit },
    );
    chart.current = made;
    const stopTheme = watchTheme(() => made.recolour());
    const stopTicks = onTick(1, (now) => made.update(now));
    return () => {
      stopTicks();
      stopTheme();
      made.destroy();
      chart.current = undefined;
    };
  }, [up, down, ink, line]);

  useEffect(() => {
    chart.current?.setWords(words);
    chart.current?.setRange(range);
    chart.current?.update(Date.now());
  }, [words, range]);

  return (
    <figure className="chart" aria-label={t('chart')}>
      <div className="row between wrap">
        <Legend point={point} connected={connected} up={up} down={down} />
        <Segmented
          label={t('span')}
          options={RANGES.map((id) => ({ id, label: t(`ranges.${id}`) }))}
          value={range}
          onChange={setRange}
        />
      </div>
      <span ref={ink} className="chart-ink" />
      <span ref={line} className="chart-line" />
      <div className="chart-frame">
        <span className="chart-unit small soft">{unit}</span>
        <div ref={box} className="chart-box" aria-hidden data-test="chart" />
      </div>
      <Marks range={range} />
      <Alternative range={range} />
    </figure>
  );
});

function useChartWords(): ChartWords {
  const { language } = useTranslation();
  const format = useFormat();
  const [made, setMade] = useState<{ readonly for: string; readonly words: ChartWords }>();
  if (made?.for === language) return made.words;
  const short = new Intl.DateTimeFormat(language, { hour: 'numeric', minute: '2-digit' });
  const long = new Intl.DateTimeFormat(language, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  });
  const words: ChartWords = { number: format.number, time: (at, seconds) => (seconds ? long : short).format(at) };
  setMade({ for: language, words });
  return words;
}

interface LegendProps {
  readonly point: Point | undefined;
  readonly connected: boolean;
  readonly up: React.RefObject<HTMLSpanElement | null>;
  readonly down: React.RefObject<HTMLSpanElement | null>;
}

/** What the two colours are, with the rates of now or of the moment pointed at. */
function Legend({ point, connected, up, down }: LegendProps): ReactElement {
  const { t } = useTranslation('statistics');
  const format = useFormat();
  return (
    <div className="legend figures" data-test="rates">
      <span ref={up} className="legend-up">
        <ArrowUp size={16} aria-hidden />
        <span>{t('sent')}</span> <Rate way="up" point={point} connected={connected} />
      </span>
      <span ref={down} className="legend-down">
        <ArrowDown size={16} aria-hidden />
        <span>{t('received')}</span> <Rate way="down" point={point} connected={connected} />
      </span>
      {point && <span className="soft small">{format.time(point.at)}</span>}
    </div>
  );
}

interface RateProps extends Pick<LegendProps, 'point' | 'connected'> {
  readonly way: 'up' | 'down';
}

/** By itself, so that a figure that changes is all that is drawn. */
function Rate({ way, point, connected }: RateProps): ReactElement {
  const { t } = useTranslation('statistics');
  const format = useFormat();
  const columns = useRef<Columns>({ at: [], up: [], down: [] }).current;
  const said = useLive(1, (now) => {
    if (!point) throughput.read('minutes', now, columns);
    // The newest bucket is being filled; the one before says what is going on.
    const current = connected ? (columns[way].at(-2) ?? columns[way].at(-1)) : undefined;
    const rate = point ? point[way] : current;
    return rate === null || rate === undefined ? t('unknownRate') : format.rate(rate);
  });
  return <strong data-test={`rate-${way}`}>{said}</strong>;
}

/** The newest marks within the span, in words: lines in a chart explain nothing by themselves. */
const MARKS_SHOWN = 4;

function Marks({ range }: { readonly range: Range }): ReactElement | null {
  const { t } = useTranslation('statistics');
  const format = useFormat();
  const columns = useRef<Columns>({ at: [], up: [], down: [] }).current;
  const within = (now: number) => {
    const { from } = throughput.read(range, now, columns);
    return throughput.marks.filter(({ at }) => at >= from).slice(-MARKS_SHOWN);
  };
  useLive(4, (now) =>
    within(now)
      .map(({ at, kind }) => `${kind} ${at}`)
      .join(),
  );
  const marks = within(Date.now());
  if (marks.length === 0) return null;
  return (
    <ul className="marks small soft" aria-label={t('marks')}>
      {marks.map(({ at, kind }) => (
        <li key={`${kind} ${at}`}>
          <time dateTime={new Date(at).toISOString()} className="figures">
            {format.time(at)}
          </time>{' '}
          {t(`markOf.${kind}`)}
        </li>
      ))}
    </ul>
  );
}

/** Rows of the table that says in figures what the chart draws. */
const SLICES = 6;

function Alternative({ range }: { readonly range: Range }): ReactElement {
  const { t } = useTranslation('statistics');
  const format = useFormat();
  // Slowly: who reads it must be able to finish a row.
  const now = useTick(20);
  const columns = useRef<Columns>({ at: [], up: [], down: [] }).current;
  const { from, to } = throughput.read(range, now, columns);
  const { known, highestUp, highestDown, gaps } = summarize(columns);
  return (
    <figcaption className="visually-hidden" data-test="chart-text">
      <p>
        {known
          ? t('inWords', { span: t(`ranges.${range}`), up: format.rate(highestUp), down: format.rate(highestDown) })
          : t('inWordsNothing', { span: t(`ranges.${range}`) })}
        {gaps > 0 && ` ${t('inWordsGaps', { count: gaps })}`}
      </p>
      {known && (
        <table>
          <caption>{t('chartTable')}</caption>
          <thead>
            <tr>
              <th scope="col">{t('until')}</th>
              <th scope="col">{t('sent')}</th>
              <th scope="col">{t('received')}</th>
            </tr>
          </thead>
          <tbody>
            {slices(columns, from, to, SLICES).map((slice) => (
              <tr key={slice.until}>
                <th scope="row">{format.time(slice.until)}</th>
                <td>{slice.up === null ? t('unknownRate') : format.rate(slice.up)}</td>
                <td>{slice.down === null ? t('unknownRate') : format.rate(slice.down)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </figcaption>
  );
}
