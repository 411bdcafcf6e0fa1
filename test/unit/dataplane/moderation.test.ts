import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Moderation } from '../../../core/dataplane/moderation.ts';

/** Pauses over a while of looks, each of which finds so many packets. */
function pauses(packets: number, apart: number, looks = 200): number[] {
  const moderation = new Moderation();
  return Array.from({ length: looks }, (_, i) => moderation.pauseAfter(packets, 1_000 + i * apart));
}

test('a stream that comes one by one is let gather, once it is known as one', () => {
  const found = pauses(1, 0.02); // 50 packets per millisecond
  assert.equal(found[0], 0);
  assert.ok(found.slice(150).every((pause) => pause > 0 && pause < 1_000));
});

test('pings, small streams and packets that come in plenty never wait', () => {
  assert.ok(pauses(1, 10).every((pause) => pause === 0));
  assert.ok(pauses(1, 0.1).every((pause) => pause === 0)); // 10 per millisecond
  assert.ok(pauses(45, 0.05).every((pause) => pause === 0));
  assert.ok(pauses(0, 0.01).every((pause) => pause === 0));
});

test('a stream that ends leaves nothing behind', () => {
  const moderation = new Moderation();
  for (let i = 0; i < 200; i++) moderation.pauseAfter(1, 1_000 + i * 0.02);
  assert.equal(moderation.pauseAfter(1, 2_000), 0);
});
