/**
 * `node --import file:///…/asleep.ts?slept=FILE core/helper/monitor.ts …`: an engine whose clocks count a suspend of so many milliseconds as FILE
 * says, CLOCK_BOOTTIME and the wall clock; CLOCK_MONOTONIC stands still in one. No namespace changes a clock under a running process.
 */
import { existsSync, readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const file = new URL(import.meta.url).searchParams.get('slept') ?? '';

declare global {
  /** What the changed source below calls. */
  var sleptFor: () => number;
}
globalThis.sleptFor = () => (existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0);
const wall = Date.now;
Date.now = () => wall() + globalThis.sleptFor();

const changes: readonly { readonly file: string; readonly from: string; readonly to: string }[] = [
  {
    file: 'core/helper/monitorEngine.ts',
    from: '...LEAN.flags,',
    to: `...LEAN.flags, '--import', ${JSON.stringify(import.meta.url)},`,
  },
  {
    file: 'core/system/linux/clock.ts',
    from: 'return seconds * 1_000 +',
    to: 'return globalThis.sleptFor() + seconds * 1_000 +',
  },
];

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    const change = changes.find((one) => url.endsWith(one.file));
    if (!change) return loaded;
    const source = String(loaded.source);
    if (!source.includes(change.from)) throw new Error(`${change.file} has changed: what was to be replaced is not there`);
    return { ...loaded, source: source.replace(change.from, change.to) };
  },
});
