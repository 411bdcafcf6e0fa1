/**
 * `npm run bench -- [--json] [--readme] [--rounds N] [--seconds N] [SUITE…]`: measures, and holds the figures against their bars.
 * With `--json` one line per figure, `{"suite","case","value","unit","bar","ok"}` (`bar` and `ok` where there is one), then
 * `{"summary":…}`; else a table. `--readme` puts the figures into README.md. Progress goes to standard error. Exit 1 when a bar is missed, 2 for a wrong command line.
 */
import { parseArgs } from 'node:util';
import { benchConnect } from './connect.ts';
import { benchCpu } from './cpu.ts';
import { benchCrypto } from './crypto.ts';
import { type BenchOptions, type Figure, figureLine, figureText, hasBar, isMet, type Suite } from './figure.ts';
import { benchFlood } from './flood.ts';
import { benchIdle } from './idle.ts';
import { benchLanes } from './lanes.ts';
import { benchLatency } from './latency.ts';
import { benchNull } from './null.ts';
import { writeReadme } from './readme.ts';
import { benchRekey } from './rekey.ts';
import { benchSmallPackets } from './smallpackets.ts';
import { benchTenMillion } from './tenMillion.ts';
import { benchPeer, benchThroughput } from './throughput.ts';

const SUITES: ReadonlyMap<string, Suite> = new Map<string, Suite>([
  ['throughput', benchThroughput],
  ['peer', benchPeer],
  ['null', benchNull],
  ['smallpackets', benchSmallPackets],
  ['latency', benchLatency],
  ['lanes', benchLanes],
  ['crypto', benchCrypto],
  ['cpu', benchCpu],
  ['idle', benchIdle],
  ['flood', benchFlood],
  ['ten-million', benchTenMillion],
  ['connect', benchConnect],
  ['rekey', benchRekey],
]);

const usage = (why: string): never => {
  process.stderr.write(
    `bench: ${why}\nusage: bench [--json] [--readme] [--rounds N] [--seconds N] [${[...SUITES.keys()].join('|')} …]\n`,
  );
  process.exit(2);
};

const { json, readme, wanted, rounds, seconds } = readArguments();
if (process.getuid?.() !== 0) usage('needs root for network namespaces; run `sudo npm run bench`');
// Every lab and daemon cleans up when the process ends.
process.setMaxListeners(100);
process.exit(await run(wanted));

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        readme: { type: 'boolean', default: false },
        rounds: { type: 'string', default: '5' },
        seconds: { type: 'string', default: '3' },
      },
    });
    const unknown = positionals.filter((name) => !SUITES.has(name));
    if (unknown.length > 0) usage(`no suite "${unknown.join('", "')}"`);
    const numbers = [values.rounds, values.seconds].map(Number);
    if (!numbers.every((number) => Number.isInteger(number) && number > 0)) usage('rounds and seconds are numbers above 0');
    const [rounds = 0, seconds = 0] = numbers;
    return { ...values, rounds, seconds, wanted: positionals.length === 0 ? [...SUITES.keys()] : positionals };
  } catch (problem) {
    return usage(problem instanceof Error ? problem.message : 'not understood');
  }
}

/** The exit code. */
async function run(names: readonly string[]): Promise<number> {
  const options: BenchOptions = { rounds, seconds, say: (text) => void process.stderr.write(`${text}\n`) };
  const figures: Figure[] = [];
  const summary = { passed: 0, failed: 0, skipped: 0 };
  for (const name of names) {
    const suite = SUITES.get(name);
    if (suite === undefined) continue;
    try {
      const found = await suite(options);
      if ('skipped' in found) {
        summary.skipped++;
        process.stderr.write(`bench: ${name} skipped: ${found.skipped}\n`);
        continue;
      }
      for (const figure of found) {
        figures.push(figure);
        process.stdout.write(`${json ? JSON.stringify(figureLine(figure)) : figureText(figure)}\n`);
        if (!hasBar(figure)) continue;
        if (isMet(figure)) summary.passed++;
        else summary.failed++;
      }
    } catch (problem) {
      summary.failed++;
      process.stderr.write(`bench: ${name} could not be measured: ${problem instanceof Error ? problem.stack : problem}\n`);
    }
  }
  if (readme) writeReadme(figures, rounds);
  process.stdout.write(
    `${json ? JSON.stringify({ summary }) : `${summary.passed} met, ${summary.failed} missed, ${summary.skipped} skipped`}\n`,
  );
  return summary.failed === 0 ? 0 : 1;
}
