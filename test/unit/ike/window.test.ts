import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerWindow, RequestWindow, Retransmission } from '../../../core/ike/sa/window.ts';

const timing = { retransmitFirst: 100, retransmitFactor: 2, retransmitMax: 500, retransmitTries: 4 };

test('pauses grow by the factor up to the limit, then it is given up', () => {
  const one = new Retransmission(timing, 1000);
  const seen: string[] = [];
  for (let guard = 0; guard < 20; guard++) {
    const at = one.deadline;
    assert.equal(one.tick(at - 1), 'wait');
    const verdict = one.tick(at);
    seen.push(`${at} ${verdict}`);
    if (verdict === 'exhausted') break;
  }
  assert.deepEqual(seen, ['1100 again', '1300 again', '1700 again', '2200 again', '2700 exhausted']);
  assert.equal(one.sent, 5);
});

test('a late tick repeats once, not as often as it was due', () => {
  const one = new Retransmission(timing, 0);
  assert.equal(one.tick(100_000), 'again');
  assert.equal(one.tick(100_000), 'wait');
  assert.equal(one.deadline, 100_200);
});

test('one request at a time; ids count up; the same bytes again', () => {
  const window = new RequestWindow<string>(timing, 1);
  const bytes = Uint8Array.of(1, 2, 3);
  window.send(bytes, 'first', 0);
  assert.throws(() => window.send(bytes, 'second', 0), /in flight/);
  assert.equal(window.awaits(1), true);
  assert.equal(window.awaits(0), false);
  assert.equal(window.awaits(2), false);
  assert.equal(window.tick(99), undefined);
  const again = window.tick(100);
  assert.ok(again && again !== 'exhausted');
  assert.equal(again.bytes, bytes);
  assert.deepEqual([again.id, again.sent], [1, 2]);
  assert.equal(window.finish(), 'first');
  assert.equal(window.awaits(1), false, 'a second answer is none');
  assert.equal(window.finish(), undefined);
  assert.equal(window.deadline, undefined);
  window.send(bytes, 'second', 0);
  assert.equal(window.awaits(2), true);
});

test('the peer: next id new, last id from the cache when identical, others ignored', () => {
  const window = new AnswerWindow(0);
  const [first, second] = [Uint8Array.of(1), Uint8Array.of(2)];
  const [answer, next] = [Uint8Array.of(10), Uint8Array.of(20)];
  assert.deepEqual(window.judge(1, first), { kind: 'ignore' });
  assert.deepEqual(window.judge(0xffff_ffff, first), { kind: 'ignore' });
  assert.deepEqual(window.judge(0, first), { kind: 'new' });
  assert.deepEqual(window.judge(0, first), { kind: 'new' }, 'judging alone changes nothing');
  window.answered(first, answer);
  assert.deepEqual(window.judge(0, Uint8Array.of(1)), { kind: 'repeat', answer });
  assert.deepEqual(window.judge(0, second), { kind: 'ignore' });
  assert.deepEqual(window.judge(1, second), { kind: 'new' });
  window.answered(second, next);
  assert.deepEqual(window.judge(0, first), { kind: 'ignore' });
  assert.deepEqual(window.judge(1, second), { kind: 'repeat', answer: next });
  assert.equal(window.expectedId, 2);
});

test('the cache keeps its own copy of the request', () => {
  const window = new AnswerWindow(5);
  const request = Uint8Array.of(1, 2);
  window.answered(request, Uint8Array.of(9));
  request[0] = 7;
  assert.equal(window.judge(5, Uint8Array.of(1, 2)).kind, 'repeat');
});
