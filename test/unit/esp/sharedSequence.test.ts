import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { SharedSequence } from '../../../core/esp/sharedSequence.ts';
import type { ThreadStart } from './sequenceThread.ts';

const entry = new URL('./sequenceThread.ts', import.meta.url);
const two32 = 0x1_0000_0000;

interface Range {
  readonly first: number;
  readonly count: number;
}

/** Runs the threads to their end; the ranges in the order in which they were sent, and how many did not wait for their turn. */
async function race(threads: number, ranges: number, esn: boolean, memory: SharedArrayBuffer, patience: number) {
  const log = new SharedArrayBuffer(4 + 12 * threads * ranges);
  const gate = new SharedArrayBuffer(16);
  const words = new Int32Array(gate);
  const workers = Array.from({ length: threads }, (_, i) => {
    const workerData: ThreadStart = { memory, esn, seed: 7 + i, ranges, log, gate, patience };
    return new Worker(entry, { workerData });
  });
  const ends = workers.map((worker) => once(worker, 'message'));
  while (Atomics.load(words, 0) < threads) await new Promise((resolve) => setTimeout(resolve, 1));
  Atomics.store(words, 1, 1);
  Atomics.notify(words, 1);
  const late = (await Promise.all(ends)).reduce((sum, [one]) => sum + Number(one), 0);
  const entries = new Uint32Array(log);
  const sent: Range[] = Array.from({ length: entries[0] }, (_, i) => ({
    first: entries[1 + 3 * i] * two32 + entries[2 + 3 * i],
    count: entries[3 + 3 * i],
  }));
  return { sent, late };
}

/** Every number once and in order, from the one after `start`; the last number. */
function checkOrder(sent: readonly Range[], start: number): number {
  let next = start + 1;
  for (const { first, count } of sent) {
    assert.equal(first, next);
    next += count;
  }
  return next - 1;
}

test('threads of one SA: every number once, sent in order, across the end of the lower half (ESN)', async () => {
  const start = { high: 6, low: 0xffff_0000 };
  const { sent, late } = await race(3, 1500, true, SharedSequence.memory(start), 60_000);
  assert.equal(sent.length, 4500);
  assert.equal(late, 0);
  const last = checkOrder(sent, start.high * two32 + start.low);
  assert.ok(last > 7 * two32, 'crossed');
});

test('without ESN the threads stop below 2^32, all together at one number', async () => {
  const low = two32 - 20_000;
  const { sent } = await race(3, 1500, false, SharedSequence.memory({ high: 0, low }), 60_000);
  assert.ok(sent.length < 4500);
  const last = checkOrder(sent, low);
  assert.ok(last < two32 && last > two32 - 1 - 128, String(last));
});

test('the numbers of an SA end at 2^32 - 1, with ESN at 2^64 - 1, and are not taken again', () => {
  for (const esn of [false, true]) {
    const memory = SharedSequence.memory({ high: esn ? 0xffff_ffff : 0, low: 0xffff_fff0 });
    const [one, other] = [new SharedSequence(memory, esn), new SharedSequence(memory, esn)];
    assert.equal(one.take(8), true);
    assert.deepEqual([one.high, one.low], [esn ? 0xffff_ffff : 0, 0xffff_fff1]);
    assert.equal(other.take(8), false); // one too many
    assert.equal(other.take(7), true);
    assert.deepEqual([other.high, other.low], [esn ? 0xffff_ffff : 0, 0xffff_fff9]);
    for (let i = 0; i < 1000; i++) assert.equal(one.take(1) || other.take(128), false);
  }
});

test('a range that nobody sends is waited for once; whoever comes back late sends at once', () => {
  const memory = SharedSequence.memory();
  const [lost, one, other] = [0, 1, 2].map(() => new SharedSequence(memory, false));
  assert.ok(lost.take(10) && one.take(10) && other.take(10));
  assert.equal(one.awaitTurn(5), false);
  assert.equal(other.awaitTurn(5), false); // the one before has not sent yet
  one.passTurn();
  assert.equal(other.awaitTurn(0), true);
  other.passTurn();
  assert.equal(lost.awaitTurn(0), true);
  lost.passTurn(); // moves nothing back
  assert.ok(one.take(1));
  assert.equal(one.awaitTurn(0), true);
});
