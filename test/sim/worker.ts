/** The work of one process: simulates the seeds that it is told to, and shrinks what fails. */
import { type Scenario, scenarioOf } from './scenario.ts';
import { shrink } from './shrink.ts';
import { type Outcome, simulate } from './simulation.ts';

export interface Job {
  readonly from: number;
  readonly count: number;
}

export interface Done {
  readonly job: Job;
  readonly totals: Totals;
  readonly failures: readonly Failure[];
}

export interface Totals {
  scenarios: number;
  /** Milliseconds of virtual time. */
  virtual: number;
  ikeRekeyed: number;
  childRekeyed: number;
  closed: number;
  opened: number;
}

export interface Failure {
  readonly seed: number;
  readonly violation: NonNullable<Outcome['violation']>;
  /** Shrunk, for the first few. */
  readonly scenario: Scenario;
}

/** What fails again and again need not be shrunk again and again. */
const MOST_SHRUNK = 3;
let shrunk = 0;

export function noTotals(): Totals {
  return { scenarios: 0, virtual: 0, ikeRekeyed: 0, childRekeyed: 0, closed: 0, opened: 0 };
}

export function addTotals(sum: Totals, more: Totals): void {
  for (const name of Object.keys(sum) as (keyof Totals)[]) sum[name] += more[name];
}

export function totalsOf({ counts, lasted }: Outcome): Totals {
  const { ikeRekeyed, childRekeyed, closed, opened } = counts;
  return { scenarios: 1, virtual: lasted, ikeRekeyed, childRekeyed, closed, opened };
}

function work(job: Job): Done {
  const totals = noTotals();
  const failures: Failure[] = [];
  for (let seed = job.from; seed < job.from + job.count; seed++) {
    const scenario = scenarioOf(seed);
    const outcome = simulate(scenario);
    const { violation } = outcome;
    addTotals(totals, totalsOf(outcome));
    if (violation)
      failures.push({ seed, violation, scenario: shrunk++ < MOST_SHRUNK ? shrink(scenario, violation.invariant) : scenario });
  }
  return { job, totals, failures };
}

/** Works for the process that started this one, until that hangs up. */
export function serve(): void {
  process.on('message', (job: Job) => process.send?.(work(job)));
  process.on('disconnect', () => process.exit(0));
  process.send?.('ready');
}
