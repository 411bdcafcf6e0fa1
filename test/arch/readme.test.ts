/** README says of what happens which test shows it: each of these is there, and under that name. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { root } from './sources.ts';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const below = (...patterns: string[]) => globSync(patterns, { cwd: root });
const textOf = (...patterns: string[]): string =>
  below(...patterns)
    .map(read)
    .join('\n');

const sources: Readonly<Record<string, string>> = {
  interop: textOf('test/interop/cases/*.ts'),
  ui: textOf('test/ui/cases/*.ts'),
  host: textOf('test/host/*.test.ts'),
};
const files = below('test/**/*.test.ts').map((path) => basename(path));

/** Why it is not there; undefined when it is. A name that ends in `…` is the beginning of several. */
function missing(kind: string | undefined, name: string): string | undefined {
  if (name.startsWith('npm run '))
    return name.slice(8) in JSON.parse(read('package.json')).scripts ? undefined : 'no such script';
  if (name.endsWith('.test.ts'))
    return (name.includes('/') ? existsSync(join(root, name)) : files.includes(name)) ? undefined : 'no such file';
  const source = kind === undefined ? undefined : sources[kind];
  if (source === undefined) return `"${kind}" is no kind of test`;
  const quoted = name.endsWith('…') ? `'${name.slice(0, -1)}` : `'${name}'`;
  return source.includes(quoted) ? undefined : `no ${kind} test has this name`;
}

test('every test that README’s table "what happens when" names is there', () => {
  const [, section = ''] = read('README.md').split('## What happens when\n');
  const rows =
    section
      .split('\n## ')[0]
      ?.split('\n')
      .filter((line) => line.startsWith('| '))
      .slice(1) ?? [];
  assert.ok(rows.length >= 20, `${rows.length} rows`);
  const wrong: string[] = [];
  for (const row of rows) {
    const shownBy = row.split(' | ').at(-1) ?? '';
    // `kind` goes for all names up to the next kind.
    let kind: string | undefined;
    let names = 0;
    for (const [, word, name] of shownBy.matchAll(/\b(interop|ui|host)(?= `)|`([^`]+)`/g)) {
      if (word !== undefined) kind = word;
      if (name === undefined) continue;
      names++;
      const why = missing(kind, name);
      if (why !== undefined) wrong.push(`${name}: ${why}`);
    }
    if (names === 0) wrong.push(`no test: ${row}`);
  }
  assert.deepEqual(wrong, []);
});
