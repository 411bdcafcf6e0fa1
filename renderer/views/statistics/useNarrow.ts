import { useCallback, useState } from 'react';

/** A table of eight figures needs so much, in the page's own size of text. */
const COLUMNS_REM = 50;

/** A reference for what holds the tables, and whether it is too narrow for many columns. */
export function useNarrow(): readonly [(element: HTMLElement | null) => (() => void) | undefined, boolean] {
  const [narrow, setNarrow] = useState(false);
  const watch = useCallback((element: HTMLElement | null) => {
    if (element === null) return undefined;
    const look = (width: number) => {
      const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
      setNarrow(width < COLUMNS_REM * rem);
    };
    look(element.clientWidth);
    const observer = new ResizeObserver(([entry]) => entry && look(entry.contentRect.width));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [watch, narrow];
}
