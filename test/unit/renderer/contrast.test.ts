/** Every pair of text and ground the window uses, computed from tokens.css as WCAG 2.2 computes it (1.4.3, 1.4.11). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { renderer } from './texts.ts';

const css = readFileSync(join(renderer, 'tokens.css'), 'utf8');

type Theme = 'light' | 'dark' | 'more light' | 'more dark';
const themes: readonly Theme[] = ['light', 'dark', 'more light', 'more dark'];

/** Text, and the grounds it stands on. */
const texts: Readonly<Record<string, readonly string[]>> = {
  ink: ['ground', 'surface', 'sunken', 'hover'],
  'ink-soft': ['ground', 'surface', 'sunken', 'hover'],
  accent: ['ground', 'surface', 'accent-soft', 'hover'],
  'on-accent': ['accent', 'accent-strong'],
  ok: ['ground', 'surface', 'ok-soft', 'hover'],
  working: ['ground', 'surface', 'working-soft'],
  attention: ['ground', 'surface', 'attention-soft'],
  failed: ['ground', 'surface', 'failed-soft', 'hover'],
  'on-failed': ['failed'],
  // The tooltip turns text and ground around.
  ground: ['ink'],
};

/** Edges and marks that carry meaning. */
const edges: Readonly<Record<string, readonly string[]>> = {
  edge: ['ground', 'surface', 'sunken'],
  focus: ['ground', 'surface', 'sunken'],
  ok: ['ok-soft'],
  working: ['working-soft'],
};

for (const theme of themes) {
  const tokens = tokensOf(theme);
  const text = theme.startsWith('more') ? 7 : 4.5;
  test(`${theme}: text has at least ${text} : 1`, () => {
    for (const [ink, grounds] of Object.entries(texts)) {
      for (const ground of grounds) {
        const ratio = contrast(colour(tokens, ink), colour(tokens, ground));
        assert.ok(ratio >= text, `${ink} on ${ground}: ${ratio.toFixed(2)}`);
      }
    }
  });
  test(`${theme}: edges have at least 3 : 1`, () => {
    for (const [edge, grounds] of Object.entries(edges)) {
      for (const ground of grounds) {
        const ratio = contrast(colour(tokens, edge), colour(tokens, ground));
        assert.ok(ratio >= 3, `${edge} on ${ground}: ${ratio.toFixed(2)}`);
      }
    }
  });
}

test('the computation is WCAG’s', () => {
  assert.equal(contrast('#000000', '#ffffff'), 21);
  assert.ok(Math.abs(contrast('#767676', '#ffffff') - 4.54) < 0.01);
});

function tokensOf(theme: Theme): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const blocks = [block(':root {'), ...(theme.startsWith('more') ? [block(':root[data-contrast="more"] {')] : [])];
  for (const one of blocks) {
    for (const [, name = '', light = '', dark = ''] of one.matchAll(
      /--([\w-]+):\s*light-dark\((#[0-9a-f]{6}),\s*(#[0-9a-f]{6})\)/gi,
    )) {
      found.set(name, theme.endsWith('dark') ? dark : light);
    }
  }
  return found;
}

function block(head: string): string {
  const start = css.indexOf(head);
  assert.ok(start >= 0, head);
  return css.slice(start, css.indexOf('}', start));
}

function colour(tokens: ReadonlyMap<string, string>, name: string): string {
  const value = tokens.get(name);
  assert.ok(value !== undefined, `--${name} is not in tokens.css`);
  return value;
}

function contrast(a: string, b: string): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
