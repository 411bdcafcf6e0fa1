/** A thread that sends on an SA of several: `sharedSequence.test.ts` starts some. Every range it sends is written into a log that all share. */
import { parentPort, workerData } from 'node:worker_threads';
import { SharedSequence } from '../../../core/esp/sharedSequence.ts';

export interface ThreadStart {
  readonly memory: SharedArrayBuffer;
  readonly esn: boolean;
  readonly seed: number;
  readonly ranges: number;
  /** Word 0: how many entries there are. Then three words each: high half, low half, count. */
  readonly log: SharedArrayBuffer;
  /** Words: threads that are ready; go. */
  readonly gate: SharedArrayBuffer;
  readonly patience: number;
}

const { memory, esn, seed, ranges, log, gate, patience }: ThreadStart = workerData;
const sequence = new SharedSequence(memory, esn);
const entries = new Uint32Array(log);
const words = new Int32Array(gate);
let state = seed;
const random = (below: number): number => {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return (state >>> 8) % below;
};
const linger = (): void => {
  if (random(8) === 0) Atomics.wait(words, 2, 0, random(3) * 0.2);
  for (let i = random(2000); i > 0; i--) Atomics.load(words, 2);
};

Atomics.add(words, 0, 1);
Atomics.notify(words, 0);
Atomics.wait(words, 1, 0);
let late = 0;
for (let i = 0; i < ranges; i++) {
  const count = 1 + random(128);
  if (!sequence.take(count)) break;
  const { high, low } = sequence;
  linger(); // sealing
  if (!sequence.awaitTurn(patience)) late++;
  const at = 1 + 3 * entries[0];
  entries.set([high, low, count], at);
  linger(); // sending
  entries[0]++; // not atomic: the turn is all that keeps the others away
  sequence.passTurn();
}
parentPort?.postMessage(late);
