import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createLineStore } from '../../../core/helper/lineStore.ts';
import { createLogRing } from '../../../core/helper/logRing.ts';

test('keeps the newest lines, whole and in order, whatever their lengths', () => {
  const lines = fc.array(fc.record({ length: fc.nat({ max: 40 }), level: fc.nat({ max: 3 }), owner: fc.constantFrom(-1, 7) }), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(lines, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 16, max: 200 }), (given, capacity, size) => {
      const store = createLineStore(capacity, size);
      const added: { readonly number: number; readonly octets: Buffer; readonly level: number }[] = [];
      for (const { length, level, owner } of given) {
        const octets = Buffer.alloc(length, added.length & 0xff);
        added.push({ number: store.next(), octets, level });
        store.add(octets, level, owner);
        const kept = [...store.backwards(() => true)].map((line) => Buffer.from(line));
        // What is there is a run of the newest, but for those that are too long to keep.
        const fitting = added.filter((line) => line.octets.length > 0 && line.octets.length <= size / 4).reverse();
        assert.deepEqual(
          kept,
          fitting.slice(0, kept.length).map((line) => line.octets),
        );
        assert.ok(kept.length <= capacity);
        const newest = added.at(-1);
        if (newest && newest.octets.length > 0 && newest.octets.length <= size / 4) assert.ok(kept.length > 0);
      }
      assert.deepEqual(
        [...store.backwards((level) => level >= 2)].length,
        [...store.backwards(() => true)].length - [...store.backwards((level) => level < 2)].length,
      );
    }),
    { numRuns: 300, seed: 3 },
  );
});

test('a hundred thousand lines are read page by page, none twice and none missed, in bounded memory', () => {
  const logs = createLogRing({ capacity: 100_000, now: () => 1, write: () => {}, writeLevel: 'error' });
  const before = process.memoryUsage();
  for (let i = 0; i < 130_000; i++) {
    logs.logFor(i % 3 === 0 ? 1000 : 1001)(i % 2 === 0 ? 'debug' : 'info', 'ike', `line ${i} of many`, { spi: 'a'.repeat(40) });
  }
  const after = process.memoryUsage();
  assert.ok(after.rss - before.rss < 120 * 1024 * 1024, `grew by ${after.rss - before.rss}`);
  const pages: number[][] = [];
  let cursor: number | undefined;
  for (;;) {
    const page = logs.read(0, 100_000, 'debug', 1_000_000, cursor).map(({ seq }) => seq);
    const [oldest] = page;
    if (oldest === undefined) break;
    pages.unshift(page);
    cursor = oldest;
  }
  assert.deepEqual(
    pages.flat(),
    Array.from({ length: 100_000 }, (_, i) => i + 30_000),
  );
  assert.ok(pages.length > 5);
  const mine = logs.read(1000, 100_000, 'info', 1_000_000);
  assert.ok(mine.length > 1000 && mine.every(({ text, level }) => Number(text.split(' ')[1]) % 3 === 0 && level === 'info'));
});

test('a log that outgrows its octets drops the oldest', () => {
  const logs = createLogRing({ capacity: 1000, octets: 2_000, now: () => 1, write: () => {}, writeLevel: 'error' });
  for (let i = 0; i < 100; i++) logs.log('info', 'x', `line ${i}`);
  const texts = logs.read(0, 1000, 'info', 1e6).map(({ text }) => text);
  assert.ok(texts.length > 10 && texts.length < 60);
  assert.equal(texts.at(-1), 'line 99');
});
