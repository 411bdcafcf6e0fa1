/**
 * `npm run bench -- [SUITE…] [--json]`: measures, and holds the figures against their bars. One JSON line per figure:
 * `{"suite","case","value","unit","ratio"?,"bar"?,"ok"}`. Exit 1 when a bar is missed.
 */
import { benchConnect } from './connect.ts';

export interface Figure {
  readonly suite: string;
  readonly case: string;
  readonly value: number;
  readonly unit: string;
  /** At most this. */
  readonly bar?: number;
  readonly ok: boolean;
  readonly detail?: Readonly<Record<string, number | string>>;
}

const suites: ReadonlyMap<string, () => Promise<readonly Figure[]>> = new Map([['connect', benchConnect]]);
const toCome = ['throughput', 'peer', 'null', 'smallpackets', 'latency', 'crypto', 'cpu', 'idle', 'rekey'];

const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const unknown = wanted.filter((name) => !suites.has(name) && !toCome.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`bench: no suite "${unknown.join('", "')}"; there are: ${[...suites.keys()].join(', ')}\n`);
  process.exit(2);
}
const chosen = wanted.length === 0 ? [...suites.keys(), ...toCome] : wanted;
if (process.getuid?.() !== 0) {
  process.stderr.write('bench: needs root for network namespaces; run `sudo npm run bench`\n');
  process.exit(2);
}
let missed = 0;
let met = 0;
for (const name of chosen) {
  const suite = suites.get(name);
  if (suite === undefined) {
    process.stderr.write(`bench: the suite "${name}" is still to come\n`);
    continue;
  }
  for (const figure of await suite()) {
    if (figure.ok) met++;
    else missed++;
    process.stdout.write(`${JSON.stringify(figure)}\n`);
  }
}
process.stdout.write(`${JSON.stringify({ summary: { passed: met, failed: missed, skipped: 0 } })}\n`);
process.exit(missed === 0 ? 0 : 1);
