/** How limits become the two of an SA, and which of them are for the lanes to watch. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byKeyword } from '../../../core/crypto/transforms.ts';
import { afterSleep, defaultLifetimes, lifetime, limitsOf, usualTiming } from '../../../core/ike/sa/lifetimes.ts';

const never = { soft: Number.POSITIVE_INFINITY, hard: Number.POSITIVE_INFINITY };

test('the hard limit is two fifths after the soft one, and never too near for a rekeying on a bad road', () => {
  assert.deepEqual(lifetime(3_000_000, 'time'), { soft: 3_000_000, hard: 4_200_000 });
  assert.deepEqual(lifetime(10_000, 'time'), { soft: 10_000, hard: 30_000 });
  assert.deepEqual(lifetime(1_000_000_000, 'octets'), { soft: 1_000_000_000, hard: 1_400_000_000 });
  assert.deepEqual(lifetime(100_000, 'octets'), { soft: 100_000, hard: 100_000 + 64 * 2 ** 20 });
  assert.deepEqual(lifetime(100, 'packets'), { soft: 100, hard: 100 + 65_536 });
});

test('0 is never', () => {
  for (const what of ['time', 'octets', 'packets'] as const) assert.deepEqual(lifetime(0, what), never);
});

test('without extended sequence numbers packets have a limit whatever the profile says (RFC 4303 §3.3.3)', () => {
  const [short, long] = ['noesn', 'esn'].map((keyword) => {
    const esn = byKeyword(keyword);
    assert.ok(esn && 'id' in esn);
    return { esn } as Parameters<typeof limitsOf>[0];
  });
  assert.ok(short && long);
  assert.deepEqual(limitsOf(long, defaultLifetimes), {});
  assert.ok((limitsOf(short, defaultLifetimes).packets?.hard ?? Infinity) < 2 ** 32);
  const wide = { ...defaultLifetimes, packets: lifetime(1e12, 'packets'), octets: lifetime(5e6, 'octets') };
  assert.equal(limitsOf(short, wide).packets?.soft, 3 * 2 ** 30);
  assert.equal(limitsOf(long, wide).packets?.soft, 1e12);
  assert.equal(limitsOf(long, wide).octets?.soft, 5e6);
});

test('a silent gateway: given up after 35 s; after a sleep when the third sending had time for its answer', () => {
  const { retransmitFirst, retransmitFactor, retransmitMax, retransmitTries, livenessAfter, establishWithin } = usualTiming;
  const pauses = [retransmitFirst];
  while (pauses.length <= retransmitTries) pauses.push(Math.min((pauses.at(-1) ?? 0) * retransmitFactor, retransmitMax));
  const sum = (some: readonly number[]) => some.reduce((before, one) => before + one, 0);
  assert.equal(Math.round(sum(pauses) / 1_000), 35);
  const third = sum(pauses.slice(0, 2));
  assert.ok(afterSleep.quick >= third + 250 && afterSleep.quick < sum(pauses.slice(0, 3)));
  assert.ok(afterSleep.patient >= sum(pauses) && establishWithin >= sum(pauses) && livenessAfter <= 30_000);
});
