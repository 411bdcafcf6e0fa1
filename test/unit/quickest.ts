/** Milliseconds of the quickest of five calls: what it costs, on a machine that is busy or stands still for a second too. */
export function quickest(call: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const started = performance.now();
    call();
    best = Math.min(best, performance.now() - started);
  }
  return best;
}
