/** One clock for everything that moves in the view: what changes together is drawn in one frame, and frames are what a live chart costs. */
import { useEffect, useState } from 'react';

/** Two updates a second, as often as the helper tells. */
const TICK_MS = 500;

const listeners = new Set<(now: number) => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let ticks = 0;

/** Calls back every `every` ticks, and not while nobody can see the page. Returns the way to stop. */
export function onTick(every: number, listener: (now: number) => void): () => void {
  const wrapped = (now: number) => {
    if (ticks % every === 0) listener(now);
  };
  listeners.add(wrapped);
  timer ??= setInterval(() => {
    ticks++;
    if (document.hidden) return;
    const now = Date.now();
    for (const each of [...listeners]) each(now);
  }, TICK_MS);
  return () => {
    listeners.delete(wrapped);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** The time at the last tick of those. */
export function useTick(every: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => onTick(every, setNow), [every]);
  return now;
}
