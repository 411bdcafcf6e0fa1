import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ReplayWindow } from '../../../core/esp/replay.ts';

const space = 1n << 32n;

/** RFC 4303 appendix A2 by the book: a set of numbers, unbounded integers, nothing clever. */
class Model {
  top = 0n;
  readonly seen = new Set<bigint>();
  readonly size: bigint;
  readonly esn: boolean;

  constructor(size: number, esn: boolean, start = 0n) {
    this.size = BigInt(size);
    this.esn = esn;
    this.top = start;
    if (start > 0n) this.seen.add(start);
  }

  /** The number a low half stands for; undefined when it must be refused. */
  accept(low: number): bigint | undefined {
    const sequence = this.sequenceOf(BigInt(low));
    if (sequence <= 0n || sequence >= space * space || sequence <= this.top - this.size || this.seen.has(sequence))
      return undefined;
    return sequence;
  }

  mark(sequence: bigint): void {
    this.seen.add(sequence);
    if (sequence > this.top) this.top = sequence;
  }

  sequenceOf(low: bigint): bigint {
    if (!this.esn) return low;
    const bottom = this.top - this.size + 1n;
    // Of the numbers with this low half, the one in [bottom, bottom + 2^32).
    const offset = (((low - bottom) % space) + space) % space;
    return bottom + offset;
  }
}

function windowAt(size: number, esn: boolean, start: bigint): ReplayWindow {
  const window = new ReplayWindow(size, esn, { high: Number(start >> 32n), low: Number(start & (space - 1n)) });
  if (start > 0n) window.mark(Number(start >> 32n), Number(start & (space - 1n)));
  return window;
}

/** What the window does with a packet whose ICV is right. */
function receive(window: ReplayWindow, low: number): boolean {
  const high = window.locate(low);
  if (high < 0) return false;
  window.mark(high, low);
  return true;
}

test('the first number is 1, and number 0 is never taken', () => {
  for (const esn of [false, true]) {
    const window = new ReplayWindow(64, esn);
    assert.equal(window.locate(0), -1);
    assert.equal(receive(window, 1), true);
    assert.equal(window.locate(0), -1);
    assert.equal(window.locate(1), -1);
  }
});

test('both edges of the window', () => {
  for (const size of [64, 65, 1000, 1024, 4095, 4096]) {
    for (const esn of [false, true]) {
      const window = new ReplayWindow(size, esn);
      const top = 10_000;
      assert.ok(receive(window, top));
      // Bottom is T - W + 1 (RFC 4303 appendix A2). With ESN what lies left of it belongs to the next 2^32.
      assert.equal(window.locate(top - size + 1), 0);
      assert.equal(window.locate(top - size), esn ? 1 : -1);
      assert.ok(receive(window, top - size + 1));
      assert.equal(window.locate(top - size + 1), -1);
      assert.equal(window.locate(top), -1);
    }
  }
});

test('locating alone changes nothing: a forgery far ahead does not move the window', () => {
  const window = new ReplayWindow(64, false);
  assert.ok(receive(window, 100));
  assert.equal(window.locate(0xffffffff), 0);
  assert.equal(window.topLow, 100);
  assert.equal(window.locate(99), 0);
  assert.equal(window.locate(100), -1);
});

test('a jump larger than the ring, and one of exactly its length, forget all old marks', () => {
  for (const jump of [64, 95, 96, 127, 128, 129, 160, 5000, 0x7fffffff]) {
    const window = new ReplayWindow(64, false);
    for (let n = 1; n <= 128; n++) assert.ok(receive(window, n));
    assert.ok(receive(window, 128 + jump), `${jump}`);
    for (let n = 128 + jump - 63; n < 128 + jump; n++) assert.equal(window.locate(n) === 0, n > 128, `${jump}: ${n}`);
  }
});

test('without ESN the last number is 2^32 - 1 and nothing comes after it', () => {
  const window = windowAt(64, false, space - 10n);
  assert.ok(receive(window, 0xffffffff));
  for (const low of [0, 1, 63, 0xffffffff, 0xffffffff - 64]) assert.equal(window.locate(low), -1);
  assert.equal(window.locate(0xfffffffe), 0);
});

test('with ESN the high half follows across 2^32, both ways (RFC 4303 appendix A2.2, cases A and B)', () => {
  const window = windowAt(64, true, space - 2n);
  assert.equal(window.locate(0xffffffff), 0); // case A, in front of the top
  assert.equal(window.locate(0), 1); // left of the bottom in this subspace: the next one
  assert.ok(receive(window, 3));
  assert.deepEqual([window.topHigh, window.topLow], [1, 3]);
  assert.equal(window.locate(0xffffffff), 0); // case B: the window spans both subspaces
  assert.ok(receive(window, 0xffffffff));
  assert.equal(window.locate(0xffffffff), -1);
  assert.equal(window.locate(0xfffffffe), -1); // seen before the wrap
  assert.equal(window.locate(0), 1);
  assert.equal(window.locate(3), -1);
  assert.equal(window.locate(4), 1);
  assert.ok(receive(window, 63)); // T = W - 1: case A again, the bottom is number 0 of this subspace
  assert.equal(window.locate(0), 1);
  assert.equal(window.locate(0xffffffff), 1);
});

test('with ESN a number from before the first packet and one after the last are refused', () => {
  assert.equal(new ReplayWindow(64, true).locate(0xffffffff), -1);
  const atEnd = windowAt(64, true, space * space - 3n);
  assert.equal(atEnd.locate(0xffffffff), 0xffffffff);
  assert.equal(atEnd.locate(0), -1);
});

test('sizes outside 64 to 4096 are a programming mistake', () => {
  for (const size of [0, 63, 4097, 64.5, Number.NaN]) assert.throws(() => new ReplayWindow(size, false), RangeError);
});

test('property: agrees with the model for any numbers, sizes and starting points, forgeries included', () => {
  const start = fc.oneof(
    fc.constant(0n),
    fc.bigInt({ min: 1n, max: 10_000n }),
    fc.bigInt({ min: space - 6000n, max: space + 6000n }),
    fc.bigInt({ min: space * 7n - 100n, max: space * 7n + 100n }),
  );
  const step = fc.record({
    // Mostly around the top, sometimes anywhere.
    delta: fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: -5000, max: 200 }) },
      { weight: 1, arbitrary: fc.integer({ min: -0x7fffffff, max: 0x7fffffff }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 5000 }) },
    ),
    genuine: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 64, max: 4096 }),
      fc.boolean(),
      start,
      fc.array(step, { maxLength: 300 }),
      (size, esn, from, steps) => {
        const begin = esn ? from : from % space;
        const window = windowAt(size, esn, begin);
        const model = new Model(size, esn, begin);
        for (const { delta, genuine } of steps) {
          const low = Number(BigInt.asUintN(32, model.top + BigInt(delta)));
          const expected = model.accept(low);
          const high = window.locate(low);
          assert.equal(high, expected === undefined ? -1 : Number(expected >> 32n), `low ${low} top ${model.top}`);
          if (expected !== undefined && genuine) {
            model.mark(expected);
            window.mark(high, low);
          }
        }
      },
    ),
    { seed: 20261120, numRuns: 400 },
  );
});

test('property: whatever is lost, repeated and reordered inside the window, each packet is accepted exactly once', () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.integer({ min: 64, max: 512 }),
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      (esn, size, stream) => {
        const chance = (): number => stream.next().value ?? 0;
        const first = esn ? space - 500n : 1n;
        const window = windowAt(size, esn, first - 1n);
        // Delays below the window's size: nothing genuine falls out on the left.
        const arrivals: { readonly at: number; readonly sequence: bigint }[] = [];
        for (let i = 0; i < 1000; i++) {
          if (chance() < 0.1) continue;
          const copies = chance() < 0.2 ? 3 : 1;
          for (let copy = 0; copy < copies; copy++) arrivals.push({ at: i + chance() * (size - 1), sequence: first + BigInt(i) });
        }
        arrivals.sort((a, b) => a.at - b.at);
        const accepted = new Map<bigint, number>();
        for (const { sequence } of arrivals) {
          if (receive(window, Number(sequence & (space - 1n)))) accepted.set(sequence, (accepted.get(sequence) ?? 0) + 1);
        }
        assert.deepEqual([...new Set(accepted.values())], [1]);
        assert.equal(accepted.size, new Set(arrivals.map(({ sequence }) => sequence)).size);
      },
    ),
    { seed: 20261121, numRuns: 40 },
  );
});
