import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { MAX_FRAGMENTS, MAX_OCTETS, type QueueState, Reassembly } from '../../../core/ike/fragment/reassembly.ts';
import type { PayloadOf } from '../../../core/ike/wire/message.ts';

function skf(fragment: number, total: number, firstInner = fragment === 1 ? 35 : 0): PayloadOf<'SKF'> {
  return { kind: 'SKF', fragment, total, firstInner, body: new Uint8Array(0), bodyOffset: 36 };
}

function give(queue: Reassembly, fragment: number, total: number, chunk: Uint8Array, now = 0): QueueState | string {
  const payload = skf(fragment, total);
  const verdict = queue.judge(7, payload);
  return verdict === 'new' ? queue.add(payload, chunk, Uint8Array.of(fragment), now) : verdict;
}

test('whatever the order, the repetitions and the older sets, the message is that of the largest set', () => {
  const sets = fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(sets, fc.infiniteStream(fc.nat(1000)), fc.nat(40), (totals, dice, repetitions) => {
      const queue = new Reassembly(Infinity);
      const largest = Math.max(...totals);
      const chunk = (fragment: number, total: number) => Uint8Array.of(total, fragment);
      // Of the smaller sets something is missing, as it is when their sender gave them up.
      const all = totals.flatMap((total) =>
        Array.from({ length: total === largest ? total : total - 1 }, (_, index) => ({ fragment: index + 1, total })),
      );
      const drawn = [...all, ...Array.from({ length: repetitions }, () => all[dice.next().value % all.length])];
      const order = drawn.map((one) => ({ one, at: dice.next().value })).sort((a, b) => a.at - b.at);
      let complete = 0;
      for (const { one } of order) {
        const state = give(queue, one.fragment, one.total, chunk(one.fragment, one.total));
        if (typeof state === 'string' || state.kind !== 'complete') continue;
        complete++;
        assert.equal(one.total, largest);
        assert.deepEqual(
          [...state.message.plaintext],
          Array.from({ length: largest }, (_, index) => [largest, index + 1]).flat(),
        );
        assert.equal(state.message.first, 35);
        assert.deepEqual([...state.message.firstFragment], [1]);
        break;
      }
      assert.equal(complete, 1);
    }),
    { numRuns: 500, seed: 7383 },
  );
});

test('what needs no ICV to be refused (RFC 7383 §2.6)', () => {
  const queue = new Reassembly(Infinity);
  const chunk = Uint8Array.of(1);
  assert.deepEqual(give(queue, 1, 4, chunk), { kind: 'waiting' });
  assert.equal(give(queue, 1, 4, chunk), 'fragment repeated');
  assert.equal(give(queue, 2, 3, chunk), 'fragment of a set given up by its sender');
  assert.equal(queue.judge(7, skf(2, 4, 35)), 'payload type in a later fragment');
  assert.deepEqual(give(queue, 3, 5, chunk), { kind: 'waiting' });
  assert.equal(give(queue, 1, 4, chunk), 'fragment of a set given up by its sender');
});

test('fragments of another message are not mixed in, and those of the one before are forgotten', () => {
  const queue = new Reassembly(Infinity);
  give(queue, 1, 2, Uint8Array.of(1));
  const second = skf(2, 2);
  assert.equal(queue.judge(8, second), 'new');
  assert.deepEqual(queue.add(second, Uint8Array.of(2), new Uint8Array(1), 0), { kind: 'waiting' });
});

test('number and octets are bounded (RFC 7383 §5)', () => {
  const queue = new Reassembly(Infinity);
  assert.deepEqual(give(queue, 1, MAX_FRAGMENTS + 1, new Uint8Array(0)), { kind: 'too-large', what: '257 fragments' });
  const half = new Uint8Array(MAX_OCTETS >>> 1);
  assert.deepEqual(give(queue, 1, 3, half), { kind: 'waiting' });
  assert.deepEqual(give(queue, 2, 3, half), { kind: 'waiting' });
  const state = give(queue, 3, 3, new Uint8Array(2));
  assert.equal(typeof state === 'object' && state.kind, 'too-large');
  const exactly = new Reassembly(Infinity);
  give(exactly, 1, 2, half);
  const whole = give(exactly, 2, 2, new Uint8Array(MAX_OCTETS - half.length));
  assert.ok(typeof whole === 'object' && whole.kind === 'complete');
  assert.equal(whole.message.plaintext.length, MAX_OCTETS);
});

test('the time of a set runs from its first fragment, and anew for a larger set', () => {
  const queue = new Reassembly(1000);
  assert.equal(queue.deadline, Infinity);
  give(queue, 1, 3, new Uint8Array(0), 50);
  assert.equal(queue.deadline, 1050);
  give(queue, 2, 3, new Uint8Array(0), 500);
  assert.equal(queue.deadline, 1050);
  give(queue, 1, 4, new Uint8Array(0), 600);
  assert.equal(queue.deadline, 1600);
  queue.clear();
  assert.equal(queue.deadline, Infinity);
  assert.deepEqual(give(queue, 2, 3, new Uint8Array(0), 700), { kind: 'waiting' }, 'nothing of it is left');
});
