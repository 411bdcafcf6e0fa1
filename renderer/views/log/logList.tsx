/**
 * The list of lines: only the rows in sight are in the document. A list box for assistive technology, with the arrow keys, Shift and Ctrl+C.
 */
import ArrowDown from 'lucide-react/icons/arrow-down-to-line';
import {
  type KeyboardEvent,
  memo,
  type PointerEvent,
  type ReactElement,
  useCallback,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
} from 'react';
import { Button } from '../../components/button.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { useFormat } from '../../i18n/useFormat.ts';
import { type Entry, highlight, type Level, type LogModel } from './model.ts';
import { isSelected, rowForKey, type Selection, selectTo } from './selection.ts';
import { atEnd, rowsIn, scrollToRow, type Viewport } from './virtual.ts';
import { levelIcons, useLogTime } from './words.tsx';

export interface LogListProps {
  readonly model: LogModel;
  /** Changes whenever the model did. */
  readonly version: number;
  readonly query: string;
  readonly selection: Selection | undefined;
  readonly onSelect: (selection: Selection | undefined) => void;
  readonly onCopy: () => void;
  readonly follow: boolean;
  readonly onFollow: (follow: boolean) => void;
  /** A line to bring into view; a new object each time. */
  readonly target: { readonly id: number } | undefined;
}

export function LogList(props: LogListProps): ReactElement {
  const { model, version, query, selection, onSelect, onCopy, follow, onFollow, target } = props;
  const { t } = useTranslation('log');
  const format = useFormat();
  const box = useRef<HTMLDivElement>(null);
  const { view, setScroll, read } = useViewport(box, model.shown.length);
  const remember = useAnchor({ box, model, version, follow, height: view.height, rowHeight: view.rowHeight, read, setScroll });
  const unseen = useUnseen(model, version, follow);
  const dragging = useRef(false);

  const bring = useCallback(
    (row: number) => {
      const element = box.current;
      if (!element) return;
      const now = read();
      element.scrollTop = scrollToRow(now, row);
      setScroll(element.scrollTop);
      remember();
    },
    [read, setScroll, remember],
  );

  useEffect(() => {
    if (target) bring(model.indexOf(target.id));
  }, [target, bring, model]);

  const onKeyDown = (event: KeyboardEvent) => {
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key.toLowerCase() === 'c') {
      event.preventDefault();
      onCopy();
      return;
    }
    if (command && event.key.toLowerCase() === 'a') {
      event.preventDefault();
      const [first, last] = [model.shown[0], model.shown.at(-1)];
      if (first && last) onSelect({ anchor: first.id, focus: last.id });
      return;
    }
    if (event.key === 'Escape' && selection) {
      // The window would take it as "back".
      event.preventDefault();
      onSelect(undefined);
      return;
    }
    if (command || event.altKey) return;
    const row = selection && model.indexOf(selection.focus);
    const page = Math.max(1, Math.floor(view.height / view.rowHeight) - 1);
    const next = rowForKey(event.key, row, model.shown.length, page);
    const entry = next === undefined ? undefined : model.shown[next];
    if (next === undefined || !entry) return;
    event.preventDefault();
    onSelect(selectTo(selection, entry.id, event.shiftKey));
    onFollow(next === model.shown.length - 1 && follow);
    bring(next);
  };

  const idOf = (event: PointerEvent): number | undefined => {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-line]') : null;
    return row === null ? undefined : Number(row.dataset.line);
  };
  const onPointerDown = (event: PointerEvent) => {
    const id = idOf(event);
    if (id === undefined || event.button !== 0) return;
    dragging.current = true;
    onSelect(selectTo(selection, id, event.shiftKey));
  };
  const onPointerMove = (event: PointerEvent) => {
    if ((event.buttons & 1) === 0) dragging.current = false;
    if (!dragging.current) return;
    const id = idOf(event);
    if (id !== undefined && id !== selection?.focus) onSelect(selectTo(selection, id, true));
  };

  const { first, end, offset } = rowsIn(view);
  const rows = model.shown.slice(first, end);
  const active = selection && rows.some(({ id }) => id === selection.focus) ? `line-${selection.focus}` : undefined;
  return (
    <div className="log-frame">
      <div
        ref={box}
        className="log-box"
        role="listbox"
        aria-label={t('lines')}
        aria-multiselectable
        aria-activedescendant={active}
        tabIndex={0}
        data-test="log-list"
        onScroll={(event) => {
          const element = event.currentTarget;
          setScroll(element.scrollTop);
          const now = read();
          onFollow(atEnd(now));
        }}
        onKeyDown={onKeyDown}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
      >
        <div className="log-all" role="presentation" style={{ blockSize: model.shown.length * view.rowHeight }}>
          <div className="log-some" role="presentation" style={{ transform: `translateY(${offset}px)` }}>
            {rows.map((entry, index) => (
              <Line
                key={entry.id}
                entry={entry}
                position={first + index + 1}
                count={model.shown.length}
                query={query}
                selected={isSelected(selection, entry.id)}
                focused={selection?.focus === entry.id}
              />
            ))}
          </div>
        </div>
      </div>
      {!follow && !atEnd(view) && (
        <div className="log-end">
          <Button look="primary" icon={<ArrowDown size={16} aria-hidden />} onPress={() => onFollow(true)} data-test="log-end">
            {unseen > 0 ? t('toEndNew', { count: unseen, shown: format.number(unseen) }) : t('toEnd')}
          </Button>
        </div>
      )}
    </div>
  );
}

interface LineProps {
  readonly entry: Entry;
  readonly position: number;
  readonly count: number;
  readonly query: string;
  readonly selected: boolean;
  readonly focused: boolean;
}

/** How many lines there are changes with each one that comes; that alone is no reason to draw all rows anew while following. */
const Line = memo(function Line({ entry, position, count, query, selected, focused }: LineProps): ReactElement {
  const { t } = useTranslation('log');
  const time = useLogTime();
  const { line, body } = entry;
  return (
    // biome-ignore lint/a11y/useFocusableInteractive: the list box has the focus and names its active line.
    <div
      id={`line-${entry.id}`}
      role="option"
      aria-selected={selected}
      aria-posinset={position}
      aria-setsize={count}
      data-line={entry.id}
      className={`log-line ${line.level}${focused ? ' focused' : ''}`}
    >
      <time className="log-time" dateTime={new Date(line.at).toISOString()} title={time.full(line.at)}>
        {time.short(line.at)}
      </time>
      <LevelMark level={line.level} name={t(`levelOf.${line.level}`)} />
      <span className="log-body" dir="ltr">
        {highlight(body, query).map((part, index) => (part.hit ? <mark key={index}>{part.text}</mark> : part.text))}
      </span>
    </div>
  );
}, sameLine);

function sameLine(a: LineProps, b: LineProps): boolean {
  return (
    a.entry === b.entry &&
    a.position === b.position &&
    a.query === b.query &&
    a.selected === b.selected &&
    a.focused === b.focused
  );
}

function LevelMark({ level, name }: { readonly level: Level; readonly name: string }): ReactElement {
  const Icon = levelIcons[level];
  return (
    <span className="log-level" title={name}>
      <Icon size={14} aria-hidden />
      <span className="visually-hidden">{name}</span>
    </span>
  );
}

/** Size of the box and of a row, and where it stands. `read` asks the document, for use in handlers. */
function useViewport(box: React.RefObject<HTMLDivElement | null>, count: number) {
  const [scrollTop, setScroll] = useState(0);
  const [size, setSize] = useState({ height: 0, rowHeight: 24 });
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = () => {
      const rowHeight = rowOf(element);
      setSize((before) =>
        before.height === element.clientHeight && before.rowHeight === rowHeight
          ? before
          : { height: element.clientHeight, rowHeight },
      );
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, [box]);
  const { height, rowHeight } = size;
  const read = useCallback(
    (): Viewport => ({ scrollTop: box.current?.scrollTop ?? 0, height: box.current?.clientHeight ?? 0, rowHeight, count }),
    [box, rowHeight, count],
  );
  return { view: { scrollTop, height, rowHeight, count }, setScroll, read };
}

/** As log.css says it (1.75em); the text's size is the user's. */
function rowOf(element: Element): number {
  return Math.round(Number.parseFloat(getComputedStyle(element).fontSize) * 1.75);
}

/** Keeps what is seen in its place while lines come, go and are filtered; while following, keeps to the end. Call the answer after scrolling. */
function useAnchor({
  box,
  model,
  version,
  follow,
  height,
  rowHeight,
  read,
  setScroll,
}: {
  readonly box: React.RefObject<HTMLDivElement | null>;
  readonly model: LogModel;
  readonly version: number;
  readonly follow: boolean;
  readonly height: number;
  readonly rowHeight: number;
  readonly read: () => Viewport;
  readonly setScroll: (scrollTop: number) => void;
}): () => void {
  const anchor = useRef<{ readonly id: number; readonly within: number } | undefined>(undefined);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element || version < 0 || height === 0) return;
    if (follow) element.scrollTop = element.scrollHeight;
    else if (anchor.current) {
      const wanted = model.indexOf(anchor.current.id) * rowHeight + anchor.current.within;
      if (Math.abs(wanted - element.scrollTop) >= 1) element.scrollTop = wanted;
    }
    // At once, or one frame would show the rows of before.
    setScroll(element.scrollTop);
  }, [box, model, version, follow, height, rowHeight, setScroll]);
  const remember = useCallback(() => {
    const { scrollTop } = read();
    const entry = model.shown[Math.floor(scrollTop / rowHeight)];
    anchor.current = entry && { id: entry.id, within: scrollTop % rowHeight };
  }, [model, rowHeight, read]);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    remember();
    element.addEventListener('scroll', remember, { passive: true });
    return () => element.removeEventListener('scroll', remember);
  }, [box, remember]);
  return remember;
}

/** How many shown lines came since the list left the end. */
function useUnseen(model: LogModel, version: number, follow: boolean): number {
  const seen = useRef<number | undefined>(undefined);
  const newest = model.shown.at(-1)?.id;
  if (follow || version === 0) seen.current = newest;
  if (newest === undefined || seen.current === undefined || newest <= seen.current) return 0;
  return model.shown.length - model.indexOf(seen.current + 1);
}
