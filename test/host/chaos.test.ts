import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chaos, type Round } from './chaos.ts';

/** A taste of the acceptance test; `node test/host/chaos.ts --rounds 50 --json` is the whole of it. */
test('kill -9 at random moments: the host is clean or correctly connected within 5 s', { timeout: 170_000 }, async () => {
  const rounds: Round[] = [];
  await chaos(6, 13, (round) => rounds.push(round));
  assert.equal(rounds.length, 6);
  assert.deepEqual(
    rounds.filter(({ ok }) => !ok),
    [],
  );
  // The seed is chosen so that each of the three dies, monitor and engine also while they change the host.
  assert.deepEqual([...new Set(rounds.map(({ victim }) => victim))].sort(), ['cli', 'engine', 'monitor']);
});
