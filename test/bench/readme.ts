/** The table in the README: what a run of the bench found, and on which machine. */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type Figure, figureLine } from './figure.ts';

const README = fileURLToPath(new URL('../../README.md', import.meta.url));
const BEGIN = '<!-- made by npm run bench -- --readme -->';
const END = '<!-- end of what the bench made -->';

/** Throws when the README has lost its markers. */
export function writeReadme(figures: readonly Figure[], rounds: number): void {
  const text = readFileSync(README, 'utf8');
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`README.md has no "${BEGIN}" and "${END}"`);
  writeFileSync(README, `${text.slice(0, from + BEGIN.length)}\n${table(figures, rounds)}\n${text.slice(to)}`);
}

function table(figures: readonly Figure[], rounds: number): string {
  const rows = figures.filter(isTold).map((figure) => {
    const { suite, case: name, value, unit, ok } = figureLine(figure);
    const { atLeast, atMost } = figure;
    const bar = atLeast !== undefined ? `at least ${atLeast}` : atMost !== undefined ? `at most ${atMost}` : '';
    return `| ${suite} | ${name} | ${value} ${unit} | ${bar}${ok === false ? ' **missed**' : ''} |`;
  });
  return [`${machine()}; medians of ${rounds} rounds.`, '', '| suite | case | value | bar |', '|---|---|---|---|', ...rows].join(
    '\n',
  );
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
