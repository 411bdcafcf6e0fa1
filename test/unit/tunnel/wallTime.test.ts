import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newMemory, startAttempts } from '../../../core/helper/attempts.ts';
import { statusFor } from '../../../core/tunnel/status.ts';
import { createWallTime } from '../../../core/tunnel/wallTime.ts';
import { sampleProfile } from '../helper/sampleProfile.ts';
import { childSa, comesUp, fakeWorld, type Script, scriptedMachine } from './fakes.ts';

const HOUR = 3_600_000;

test('the same each time, until the wall clock is set; it may be slow, or behind by less than a second', () => {
  let wall = 1_700_000_000_000;
  let monotonic = 50_000;
  const wallTime = createWallTime(
    () => wall,
    () => monotonic,
  );
  assert.equal(wallTime(60_000), 1_700_000_010_000);
  for (const [passed, late] of [
    [5_000, 0],
    [1_000, 3],
    [1_000, 900],
    [1_000, -900],
  ] as const) {
    monotonic += passed;
    wall += passed - late;
    assert.equal(wallTime(60_000), 1_700_000_010_000);
    wall += late;
  }
  wall -= HOUR;
  assert.equal(wallTime(60_000), 1_700_000_010_000 - HOUR);
  wall += 2 * HOUR;
  assert.equal(wallTime(60_000), 1_700_000_010_000 + HOUR);
});

test('what is shown of the next try and of new keys goes on counting where somebody sets the clock', async () => {
  let set = 0;
  const now = () => Date.now() + set;
  const fake = fakeWorld();
  let changed = () => {};
  const script: Script = (input, emit) => {
    comesUp(input, emit);
    if (input.kind === 'start') {
      emit({ kind: 'rekey-due', what: 'ike', within: HOUR });
      emit({ kind: 'rekey-due', what: 'child', spiIn: childSa().spiIn, within: HOUR });
    }
    if (input.kind === 'datagram') emit({ kind: 'closed', failure: { code: 'no-address', evidence: 'x' } });
  };
  const attempts = startAttempts(
    {
      ...fake.deps,
      ...{ now, random: () => 0.999, log: () => {}, onChange: () => changed() },
      createMachine: () => scriptedMachine(script),
    },
    {
      owner: 1000,
      profile: sampleProfile({ gateway: '127.0.0.1' }),
      secret: { psk: new Uint8Array(8) },
      memory: newMemory(),
      recall: () => new Uint8Array(8),
      mayRemember: () => true,
      remember: () => {},
    },
  );
  const status = () => statusFor(attempts.facts(), 1000, 0);
  const reaches = (state: string) =>
    new Promise<void>((resolve) => {
      changed = () => {
        if (status().state === state && (state === 'connected' || status().retryAt !== undefined)) resolve();
      };
      changed();
    });
  const about = (at: number | undefined, wanted: number) =>
    assert.ok(at !== undefined && Math.abs(at - now() - wanted) < 2_000, `${at === undefined ? 'never' : at - now()} ms`);

  await reaches('connected');
  for (const by of [0, -HOUR, 3 * HOUR]) {
    set += by;
    about(status().ike?.rekeyAt, HOUR);
    about(status().children[0]?.rekeyAt, HOUR);
  }
  attempts.datagram(new Uint8Array(28), 'natt', { address: '127.0.0.1', port: 4500 });
  await reaches('reconnecting');
  const wait = (status().retryAt ?? 0) - now();
  assert.ok(wait > 20_000);
  for (const by of [-HOUR, 3 * HOUR]) {
    set += by;
    about(status().retryAt, wait);
  }
  await attempts.end();
});
