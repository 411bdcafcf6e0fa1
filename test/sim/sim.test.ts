/** The simulator itself: what it once found stays found, the same seed is the same simulation, and the invariants notice bugs. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { mutants } from './mutants.ts';
import { scenarioOf } from './scenario.ts';
import { simulate } from './simulation.ts';

const run = join(import.meta.dirname, 'run.ts');

test('the corpus, with the product’s own cryptography, and some that are random', () => {
  const { stdout, status } = spawnSync(process.execPath, [run, '--genuine', '--json', '--workers', '1', '--count', '20'], {
    encoding: 'utf8',
  });
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.filter(({ ok }) => ok === false),
    [],
  );
  assert.equal(status, 0);
  assert.ok(lines.at(-1).summary.passed > 20);
});

test('the same scenario ends in the same way, to the millisecond', () => {
  for (const seed of [3, 14, 15]) {
    const [first, second] = [simulate(scenarioOf(seed), true), simulate(scenarioOf(seed), true)];
    assert.deepEqual(first.trace, second.trace);
    assert.ok(first.trace.length > 20 && first.counts.opened > 0);
  }
});

for (const [name, { scenario, invariant }] of Object.entries(mutants)) {
  test(`a bug is noticed: ${name}`, () => {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['--import', join(import.meta.dirname, 'mutant.ts'), run, '--corpus', scenario, '--trace'],
      { encoding: 'utf8', env: { ...process.env, SIM_MUTANT: name } },
    );
    assert.equal(status, 1, stderr);
    assert.equal(JSON.parse(stdout.trim().split('\n').at(-1) ?? '').invariant, invariant);
  });
}
