/** The tables in the README: what runs of the bench found, how, and on which machine. A suite that was not measured keeps what it has. */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type Figure, figureLine } from './figure.ts';

const README = fileURLToPath(new URL('../../README.md', import.meta.url));
const BEGIN = '<!-- made by npm run bench -- --readme -->';
const END = '<!-- end of what the bench made -->';

/** Of one suite: where and how it was measured, and its rows. */
interface Told {
  readonly how: string;
  readonly rows: readonly string[];
}

/** Throws when the README has lost its markers. */
export function writeReadme(figures: readonly Figure[], rounds: number): void {
  const text = readFileSync(README, 'utf8');
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`README.md has no "${BEGIN}" and "${END}"`);
  const before = text.slice(from + BEGIN.length, to);
  writeFileSync(README, `${text.slice(0, from + BEGIN.length)}\n${merged(before, figures, rounds)}\n${text.slice(to)}`);
}

function merged(before: string, figures: readonly Figure[], rounds: number): string {
  const suites = new Map(read(before));
  const how = `${machine()}; --rounds ${rounds}`;
  for (const suite of new Set(figures.map((figure) => figure.suite)))
    suites.set(suite, { how, rows: figures.filter((figure) => figure.suite === suite && isTold(figure)).map(row) });
  const sources = Map.groupBy(suites, ([, told]) => told.how);
  return [
    ...[...sources].map(([source, of]) => `- ${of.map(([suite]) => suite).join(', ')}: ${source}`),
    ...['', '| suite | case | value | bar |', '|---|---|---|---|'],
    ...[...suites.values()].flatMap(({ rows }) => rows),
  ].join('\n');
}

/** What `merged` wrote. */
function read(text: string): readonly (readonly [suite: string, told: Told])[] {
  const lines = text.split('\n');
  return lines.flatMap((line) => {
    const [, suites, how] = /^- ([a-z, -]+): (.+)$/.exec(line) ?? [];
    if (suites === undefined) return [];
    return suites.split(', ').map((suite) => {
      const rows = lines.filter((row) => row.startsWith(`| ${suite} |`));
      return [suite, { how, rows }] as const;
    });
  });
}

function row(figure: Figure): string {
  const { suite, case: name, value, unit, ok } = figureLine(figure);
  const { atLeast, atMost } = figure;
  const bar = atLeast !== undefined ? `at least ${atLeast}` : atMost !== undefined ? `at most ${atMost}` : '';
  return `| ${suite} | ${name} | ${value} ${unit} | ${bar}${ok === false ? ' **missed**' : ''} |`;
}

/** Of the crypto backends what a full packet costs is enough. */
function isTold({ suite, case: name }: Figure): boolean {
  return suite !== 'crypto' || /seal 14\d\d$/.test(name);
}

function machine(): string {
  const [cpu] = cpus();
  const day = new Date().toISOString().slice(0, 10);
  return `${day}, ${cpu?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} cores, Linux ${release()}, Node ${process.versions.node}`;
}
