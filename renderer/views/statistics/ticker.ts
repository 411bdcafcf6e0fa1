/** One clock for everything that moves in the view: what changes together is drawn in one frame, and frames are what a live chart costs. */
import { useEffect, useRef, useState } from 'react';
import { flushSync } from 'react-dom';

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
    // Drawn at once: left to the scheduler, what React draws would be a frame of its own after the chart's.
    flushSync(() => {
      for (const each of [...listeners]) each(now);
    });
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

/** What `read` says at those ticks, and at each render for a reason of its own; a tick that changes nothing draws nothing. */
export function useLive(every: number, read: (now: number) => string): string {
  const [, setSaid] = useState('');
  const latest = useRef(read);
  latest.current = read;
  useEffect(() => onTick(every, (now) => setSaid(latest.current(now))), [every]);
  return read(Date.now());
}
