import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerWindow, RequestWindow, Retransmission } from '../../../core/ike/sa/window.ts';
import type { Message } from '../../../core/ike/wire/message.ts';

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
  const datagrams = [Uint8Array.of(1, 2, 3), Uint8Array.of(4)];
  window.send({ datagrams }, 'first', 0);
  assert.throws(() => window.send({ datagrams }, 'second', 0), /in flight/);
  assert.equal(window.awaits(1), true);
  assert.equal(window.awaits(0), false);
  assert.equal(window.awaits(2), false);
  assert.equal(window.tick(99), undefined);
  assert.deepEqual(window.tick(100), { datagrams, id: 1, sent: 2, smaller: false });
  assert.equal(window.finish(), 'first');
  assert.equal(window.awaits(1), false, 'a second answer is none');
  assert.equal(window.finish(), undefined);
  assert.equal(window.deadline, undefined);
  window.send({ datagrams }, 'second', 0);
  assert.equal(window.awaits(2), true);
});

test('smaller fragments, once, after three transmissions, with the timers begun anew (RFC 7383 §2.5.2)', () => {
  const window = new RequestWindow<string>(timing, 1);
  const large = [Uint8Array.of(1), Uint8Array.of(2)];
  let made = 0;
  const smaller = () => {
    made++;
    return [Uint8Array.of(3), Uint8Array.of(4), Uint8Array.of(5)];
  };
  window.send({ datagrams: large, smaller }, 'first', 0);
  const seen: string[] = [];
  for (let at = window.deadline ?? 0; ; at = window.deadline ?? 0) {
    const again = window.tick(at);
    assert.ok(again);
    if (again === 'exhausted') break;
    seen.push(`${at} ${again.datagrams.flatMap((bytes) => [...bytes]).join()} ${again.smaller}`);
  }
  const small = '3,4,5';
  assert.deepEqual(seen, [
    '100 1,2 false',
    '300 1,2 false',
    `700 ${small} true`,
    `800 ${small} false`,
    `1000 ${small} false`,
    `1400 ${small} false`,
    `1900 ${small} false`,
  ]);
  assert.equal(made, 1);
});

const header = { messageId: 0 } as Message['header'];

function asking(messageId: number, fragment?: number): Message {
  const skf = { kind: 'SKF', firstInner: 0, fragment: fragment ?? 1, total: 5, body: new Uint8Array(0), bodyOffset: 36 } as const;
  return { header: { ...header, messageId }, payloads: fragment === undefined ? [] : [skf] };
}

test('the peer: next id new, last id from the cache when identical, others ignored', () => {
  const window = new AnswerWindow(0);
  const [first, second] = [Uint8Array.of(1), Uint8Array.of(2)];
  const [answer, next] = [[Uint8Array.of(10)], [Uint8Array.of(20)]];
  const opens = () => true;
  assert.deepEqual(window.answerAgain(), []);
  assert.deepEqual(window.judge(asking(1), first), { kind: 'ignore' });
  assert.deepEqual(window.judge(asking(0xffff_ffff), first), { kind: 'ignore' });
  assert.deepEqual(window.judge(asking(0), first), { kind: 'new' });
  assert.deepEqual(window.judge(asking(0), first), { kind: 'new' }, 'judging alone changes nothing');
  window.answered(first, { datagrams: answer }, opens);
  assert.deepEqual(window.judge(asking(0), Uint8Array.of(1)), { kind: 'repeat' });
  assert.equal(window.answerAgain(), answer);
  assert.deepEqual(window.judge(asking(0), second), { kind: 'ignore' });
  assert.deepEqual(window.judge(asking(1), second), { kind: 'new' });
  window.answered(second, { datagrams: next }, opens);
  assert.deepEqual(window.judge(asking(0), first), { kind: 'ignore' });
  assert.deepEqual(window.judge(asking(1), second), { kind: 'repeat' });
  assert.equal(window.answerAgain(), next);
  assert.equal(window.expectedId, 2);
});

test('of fragments only the first has the answer sent again, and another first must be genuine (RFC 7383 §2.6.1)', () => {
  const window = new AnswerWindow(0);
  const opens = () => false;
  window.answered(Uint8Array.of(1), { datagrams: [] }, opens);
  assert.deepEqual(window.judge(asking(0, 1), Uint8Array.of(1)), { kind: 'repeat' });
  assert.deepEqual(window.judge(asking(0, 1), Uint8Array.of(2)), { kind: 'perhaps-repeat', opens });
  assert.deepEqual(window.judge(asking(0, 2), Uint8Array.of(2)), { kind: 'ignore' });
  assert.deepEqual(window.judge(asking(0), Uint8Array.of(2)), { kind: 'ignore' });
});

test('an answer that is asked for again and again is made of smaller fragments, once (RFC 7383 §2.4)', () => {
  const window = new AnswerWindow(0);
  const [large, small] = [[Uint8Array.of(1)], [Uint8Array.of(2)]];
  let made = 0;
  const smaller = () => {
    made++;
    return small;
  };
  window.answered(Uint8Array.of(1), { datagrams: large, smaller }, () => true);
  const sent = Array.from({ length: 6 }, () => window.answerAgain());
  assert.deepEqual(sent, [large, large, small, small, small, small]);
  assert.equal(made, 1);
});

test('the cache keeps its own copy of the request', () => {
  const window = new AnswerWindow(5);
  const request = Uint8Array.of(1, 2);
  window.answered(request, { datagrams: [] }, () => true);
  request[0] = 7;
  assert.equal(window.judge(asking(5), Uint8Array.of(1, 2)).kind, 'repeat');
});
