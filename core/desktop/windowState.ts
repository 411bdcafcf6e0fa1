/** Where the window was, kept in a file of its own, and put back only where somebody can see it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as v from 'valibot';

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export const INITIAL_SIZE = { width: 420, height: 680 } as const;
export const SMALLEST_SIZE = { width: 360, height: 480 } as const;
/** So much of the window must be on a screen, or it counts as lost. */
const VISIBLE = 80;

const number = v.pipe(v.number(), v.integer(), v.minValue(-100_000), v.maxValue(100_000));
const schema = v.object({ x: number, y: number, width: number, height: number });

/** The kept place, fitted to the screens there are now; undefined when nothing of use is kept: then the system places it. */
export function readWindowState(path: string, screens: readonly Rectangle[]): Rectangle | undefined {
  let given: unknown;
  try {
    given = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
  return v.is(schema, given) ? fitted(given, screens) : undefined;
}

export function writeWindowState(path: string, bounds: Rectangle): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, `${JSON.stringify(bounds)}\n`, { mode: 0o600 });
  } catch {
    // The place of a window is not worth a word to anybody.
  }
}

function fitted(kept: Rectangle, screens: readonly Rectangle[]): Rectangle | undefined {
  const screen = screens.find((area) => overlap(kept, area));
  if (screen === undefined) return undefined;
  return {
    x: kept.x,
    y: Math.max(kept.y, screen.y),
    width: Math.min(Math.max(kept.width, SMALLEST_SIZE.width), screen.width),
    height: Math.min(Math.max(kept.height, SMALLEST_SIZE.height), screen.height),
  };
}

function overlap(a: Rectangle, b: Rectangle): boolean {
  const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return across >= VISIBLE && down >= VISIBLE;
}
