/**
 * `node --import file:///…/asleep.ts?slept=FILE core/helper/monitor.ts …`: an engine whose clocks count a suspend of so many milliseconds as FILE
 * says, CLOCK_BOOTTIME and the wall clock; CLOCK_MONOTONIC stands still in one. No namespace changes a clock under a running process.
 */
import { existsSync, readFileSync } from 'node:fs';
import { alsoInTheEngine, changeSources } from '../lab/changedSource.ts';

const file = new URL(import.meta.url).searchParams.get('slept') ?? '';

declare global {
  /** What the changed source below calls. */
  var sleptFor: () => number;
}
globalThis.sleptFor = () => (existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0);
const wall = Date.now;
Date.now = () => wall() + globalThis.sleptFor();

changeSources([
  alsoInTheEngine(import.meta.url),
  {
    file: 'core/system/linux/clock.ts',
    from: 'return seconds * 1_000 +',
    to: 'return globalThis.sleptFor() + seconds * 1_000 +',
  },
]);
