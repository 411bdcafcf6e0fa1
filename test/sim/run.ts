/**
 * `npm run sim -- [--seed N] [--count N] [--json] [--genuine] [--workers N]`: the corpus, then `count` random scenarios from seed N on, in as many
 * processes as there are cores. With --json a line for each scenario of the corpus and each that failed, and a last `{"summary"}` line. Exit 1
 * when one failed; its line has the seed and the scenario as it was shrunk. `--seed N --trace` shows what happens in one of them, and
 * `--corpus NAME --trace` in one of the corpus. `--genuine` computes with the product's own cryptography, which takes several times as long.
 * `--record FILE` writes down what is done, and goes on where the same run was interrupted.
 */
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import type { Done, Failure, Job, Totals } from './worker.ts';

interface Options {
  readonly seed: number;
  readonly count: number;
  readonly workers: number;
  readonly json: boolean;
  readonly genuine: boolean;
  readonly trace: boolean;
  readonly corpus: string | undefined;
  readonly record: string | undefined;
}

/** Seeds that a process is given at a time. */
const PORTION = 100;
/** Between words about how far it is. */
const PROGRESS = 10_000;
const numbers = { seed: 1, count: 20_000, workers: availableParallelism() };

const options = readOptions(process.argv.slice(2));
if (!options.genuine) await import('./cheap.ts');
// From here on only: what is imported before would have the product's own cryptography.
if (process.send) (await import('./worker.ts')).serve();
else if (options.trace) await show(options);
else process.exitCode = (await campaign(options)) ? 0 : 1;

async function campaign({ seed, count, workers, json, genuine, record: path }: Options): Promise<boolean> {
  const { addTotals, noTotals, totalsOf } = await import('./worker.ts');
  const { readCorpus } = await import('./corpus.ts');
  const { openRecord } = await import('./record.ts');
  const { simulate } = await import('./simulation.ts');
  const record = path === undefined ? undefined : openRecord(path, { seed, count, genuine });
  if (typeof record === 'string') refuse(record);
  const startedAt = performance.now() - 1000 * (record?.done.at(-1)?.seconds ?? 0);
  const seconds = () => (performance.now() - startedAt) / 1000;
  const totals = noTotals();
  let failed = 0;
  for (const { name, was, scenario } of readCorpus()) {
    const outcome = simulate(scenario);
    addTotals(totals, totalsOf(outcome));
    if (outcome.violation) failed++;
    say(json, { case: `corpus ${name}`, ok: !outcome.violation, detail: { was, ...outcome.violation } });
  }
  let simulated = 0;
  const take = (done: Done) => {
    addTotals(totals, done.totals);
    failed += done.failures.length;
    simulated += done.job.count;
    if (simulated % PROGRESS === 0) process.stderr.write(`${simulated} of ${count}, ${failed} failed\n`);
    for (const failure of done.failures) report(json, failure);
  };
  for (const done of record?.done ?? []) take(done);
  const recorded = new Set(record?.done.map(({ job }) => job.from));
  const jobs = portionsOf(seed, count).filter(({ from }) => !recorded.has(from));
  await allJobs(jobs, { workers, genuine }, (done) => {
    record?.add({ ...done, seconds: seconds() });
    take(done);
  });
  summarize(json, totals, failed, seconds(), seed);
  return failed === 0;
}

function portionsOf(seed: number, count: number): readonly Job[] {
  return Array.from({ length: Math.ceil(count / PORTION) }, (_, index) => ({
    from: seed + index * PORTION,
    count: Math.min(PORTION, count - index * PORTION),
  }));
}

function allJobs(
  jobs: readonly Job[],
  { workers, genuine }: Pick<Options, 'workers' | 'genuine'>,
  take: (done: Done) => void,
): Promise<unknown> {
  const left = [...jobs];
  const work = () =>
    new Promise<void>((resolve, reject) => {
      const child = fork(import.meta.filename, genuine ? ['--genuine'] : []);
      child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
      child.on('message', (message: Done | 'ready') => {
        if (message !== 'ready') take(message);
        const job = left.shift();
        if (job) child.send(job);
        else child.disconnect();
      });
    });
  return Promise.all(Array.from({ length: Math.max(1, Math.min(workers, jobs.length)) }, work));
}

async function show({ seed, corpus }: Options): Promise<void> {
  const { readCorpus } = await import('./corpus.ts');
  const { scenarioOf } = await import('./scenario.ts');
  const { simulate } = await import('./simulation.ts');
  const remembered = readCorpus().find(({ name }) => name === corpus);
  const scenario = remembered?.scenario ?? scenarioOf(seed);
  const { trace, violation } = simulate(scenario, true);
  process.stdout.write(
    `${[JSON.stringify(scenario), ...trace, violation ? JSON.stringify(violation) : 'all well'].join('\n')}\n`,
  );
  if (violation) process.exitCode = 1;
}

interface Line {
  readonly case: string;
  readonly ok: boolean;
  readonly detail: Readonly<Record<string, string | number>>;
}

function report(json: boolean, { seed, violation, scenario }: Failure): void {
  say(json, { case: `seed ${seed}`, ok: false, detail: { ...violation, scenario: JSON.stringify(scenario) } });
}

function say(json: boolean, line: Line): void {
  const words = Object.entries(line.detail).map(([name, value]) => `${name} ${value}`);
  process.stdout.write(
    json
      ? `${JSON.stringify({ suite: 'sim', ...line })}\n`
      : `${line.ok ? 'ok    ' : 'FAILED'} ${line.case}: ${words.join(', ')}\n`,
  );
}

function summarize(json: boolean, totals: Totals, failed: number, seconds: number, seed: number): void {
  const { scenarios, virtual, ikeRekeyed, childRekeyed, closed, opened } = totals;
  const hours = Math.round(virtual / 3_600_000);
  const perSecond = Math.round(scenarios / seconds);
  const summary = {
    suite: 'sim',
    passed: scenarios - failed,
    failed,
    skipped: 0,
    seed,
    seconds: Math.round(seconds),
    perSecond,
    hours,
  };
  const more = { ikeRekeyed, childRekeyed, connections: closed, packets: opened };
  process.stdout.write(
    json
      ? `${JSON.stringify({ summary: { ...summary, ...more } })}\n`
      : `${hours} hours of virtual time, ${ikeRekeyed} IKE SAs and ${childRekeyed} CHILD SAs rekeyed, ${closed} connections ended, ${opened} packets opened\n` +
          `${summary.passed} passed, ${failed} failed; ${perSecond} scenarios/s in ${summary.seconds} s\n`,
  );
}

function readOptions(argv: readonly string[]): Options {
  const given = new Map<string, string>();
  for (let at = 0; at < argv.length; at++) {
    const [name, value] = argv[at].split('=', 2);
    const takes = ['--seed', '--count', '--workers', '--corpus', '--record'].includes(name);
    if (!takes && !['--json', '--genuine', '--trace'].includes(name)) refuse(`there is no "${name}"`);
    given.set(name, takes ? (value ?? argv[++at] ?? '') : '');
  }
  const whole = (name: keyof typeof numbers) => {
    const text = given.get(`--${name}`);
    const value = text === undefined ? numbers[name] : Number(text);
    return Number.isInteger(value) && value >= 0 && text !== '' ? value : refuse(`"${text}" is not a number for --${name}`);
  };
  return {
    ...{ seed: whole('seed'), count: whole('count'), workers: whole('workers'), corpus: given.get('--corpus') },
    record: given.get('--record'),
    ...{ json: given.has('--json'), genuine: given.has('--genuine'), trace: given.has('--trace') },
  };
}

function refuse(why: string): never {
  process.stderr.write(`sim: ${why}\n`);
  process.exit(2);
}
