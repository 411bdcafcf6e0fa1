/**
 * `npm run interop -- [--json] [--workers N] [FILTER]`: our helper and command line against real strongSwan in the lab. A case whose name holds
 * FILTER runs; all of them without. `--workers`: so many labs side by side. One JSON line per case and a summary; progress on standard error.
 * Exit 0 when all passed.
 */
import { fork } from 'node:child_process';
import { auth } from './cases/auth.ts';
import { bulk, gigabyte } from './cases/bulk.ts';
import { captures } from './cases/captures.ts';
import { eap } from './cases/eap.ts';
import { endurance } from './cases/endurance.ts';
import { exchanges } from './cases/exchanges.ts';
import { fragmentation } from './cases/fragmentation.ts';
import { lifetimes } from './cases/lifetimes.ts';
import { lives } from './cases/lives.ts';
import { matrix } from './cases/matrix.ts';
import { mobike } from './cases/mobike.ts';
import { others, othersLeftOut } from './cases/others.ts';
import { paths } from './cases/paths.ts';
import { ppk } from './cases/ppk.ts';
import { refusals } from './cases/refusals.ts';
import { rekeys } from './cases/rekey.ts';
import { revocation } from './cases/revocation.ts';
import { weather } from './cases/weather.ts';
import { type Case, World } from './world.ts';

const { json, filter, workers } = readOptions(process.argv.slice(2));

/** They count what is lost, or say how long it took: one at a time. */
const counting: readonly Case[] = [...paths, ...rekeys, ...lifetimes, ...endurance, ...mobike, ...weather, ...bulk];
/** These mostly wait, and may beside another. */
const waiting: readonly Case[] = [
  ...[...lives, ...matrix, ...refusals, ...exchanges, ...ppk, ...fragmentation],
  ...[...auth, ...eap, ...revocation, ...captures, ...others],
];
const named = gigabyte.filter(({ name }) => filter.startsWith('bulk/') && name.includes(filter));
const all = [...counting, ...waiting];
const leftOut = othersLeftOut.filter(({ name }) => name.includes(filter));
const wanted = [...all.filter(({ name }) => name.includes(filter)), ...named];
if (wanted.length === 0 && leftOut.length === 0) {
  process.stderr.write(`interop: no case has "${filter}" in its name; there are:\n${all.map(({ name }) => name).join('\n')}\n`);
  process.exit(2);
}

if (process.getuid?.() !== 0) {
  process.stderr.write('interop: needs root for network namespaces; run `sudo npm run interop`\n');
  process.exit(2);
}
if (process.send) await serve();
else process.exit((await campaign()) ? 0 : 1);

/** In processes of their own, for a lab is of one process; each takes the next case when it is done with one. */
async function campaign(): Promise<boolean> {
  for (const why of new Set(leftOut.map((one) => one.why))) process.stderr.write(`interop: cases left out: ${why}\n`);
  const started = Date.now();
  const isWaiting = (index: number) => waiting.includes(wanted[index] as Case);
  const queues = [[...wanted.keys()].filter((index) => !isWaiting(index)), [...wanted.keys()].filter(isWaiting)];
  let failed = 0;
  /** The first takes those that count, and helps with the others afterwards. */
  const work = (worker: number) =>
    new Promise<void>((resolve, reject) => {
      const child = fork(import.meta.filename, process.argv.slice(2));
      child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
      child.on('message', (done: Done | 'ready') => {
        if (done !== 'ready') {
          if (!done.outcome.ok) failed++;
          report(wanted[done.index]?.name ?? '', done);
        }
        const next = (worker === 0 ? queues[0]?.shift() : undefined) ?? queues[1]?.shift();
        if (next === undefined) child.disconnect();
        else child.send(next);
      });
    });
  await Promise.all(Array.from({ length: Math.min(workers, wanted.length) }, (_, worker) => work(worker)));
  const seconds = Math.round((Date.now() - started) / 1000);
  const summary = { suite: 'interop', passed: wanted.length - failed, failed, skipped: leftOut.length, seconds };
  process.stdout.write(
    json
      ? `${JSON.stringify({ summary })}\n`
      : `${summary.passed} passed, ${failed} failed, ${leftOut.length} skipped in ${seconds} s\n`,
  );
  return failed === 0;
}

/** One of the processes. */
async function serve(): Promise<void> {
  const world = await World.create();
  const over = Promise.withResolvers<void>();
  process.on('disconnect', over.resolve);
  process.on('message', async (index: number) => {
    const each = wanted[index];
    if (!each) return;
    const began = Date.now();
    const outcome = await runCase(world, each);
    if (process.connected) process.send?.({ index, outcome, seconds: Math.round((Date.now() - began) / 100) / 10 });
  });
  process.send?.('ready');
  await over.promise;
  await world.close();
  process.exit(0);
}

interface Done {
  readonly index: number;
  readonly outcome: Outcome;
  readonly seconds: number;
}

interface Outcome {
  readonly ok: boolean;
  readonly detail: string;
}

async function runCase(world: World, each: Case): Promise<Outcome> {
  const logFrom = world.gateway.logSize();
  let outcome: Outcome;
  try {
    await world.prepare(each.nat ?? true);
    outcome = { ok: true, detail: await each.run(world) };
  } catch (error) {
    outcome = {
      ok: false,
      detail: `${message(error)} | gateway: ${tail(world.gateway.log(logFrom))} | ours: ${await ourLog(world)}`,
    };
  }
  try {
    const left = await world.tidy();
    if (left.length > 0) outcome = { ok: false, detail: `${outcome.detail} | left behind: ${left.join('; ')}` };
  } catch (error) {
    outcome = { ok: false, detail: `${outcome.detail} | tidying: ${message(error)}` };
  }
  return outcome;
}

function report(name: string, { index, outcome: { ok, detail }, seconds }: Done): void {
  const [suite = '', ...rest] = name.split('/');
  if (json) process.stdout.write(`${JSON.stringify({ suite: `interop-${suite}`, case: rest.join('/'), ok, seconds, detail })}\n`);
  process.stderr.write(
    `${String(index + 1).padStart(3)}/${wanted.length} ${ok ? 'ok    ' : 'FAILED'} ${name} (${seconds} s): ${detail}\n`,
  );
}

function readOptions(argv: readonly string[]): { readonly json: boolean; readonly filter: string; readonly workers: number } {
  let json = false;
  let workers = 1;
  const filters: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (word === '--json') json = true;
    else if (word === '--workers') workers = Number(argv[++at]);
    else if (word.startsWith('--')) refuse(`there is no "${word}"`);
    else filters.push(word);
  }
  if (!Number.isInteger(workers) || workers < 1 || workers > 8) refuse('--workers is a number from 1 to 8');
  if (filters.length > 1) refuse('one FILTER at most');
  return { json, filter: filters[0] ?? '', workers };
}

function refuse(why: string): never {
  process.stderr.write(`interop: ${why}; npm run interop -- [--json] [--workers N] [FILTER]\n`);
  process.exit(2);
}

async function ourLog(world: World): Promise<string> {
  const lines = await world.client.log(15).catch(() => []);
  const text = lines.map((line) => `${line.level} ${line.area} ${line.text} ${JSON.stringify(line.fields ?? {})}`).join('\n');
  return `${text}\n${world.client.output
    .split('\n')
    .filter((l) => /fault|Error| {4}at/.test(l))
    .slice(0, 12)
    .join('\n')}`;
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function tail(text: string): string {
  return text.trimEnd().split('\n').slice(-12).join('\n');
}
