/**
 * A quick question after a sleep, in either role: what waited in the socket since before the sleep shows that the other was there then. Only
 * an answer to what was asked since shows that it is there now.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLifetimes } from '../../core/ike/sa/lifetimes.ts';
import { both, otherOf, type SideOptions, Two, type Who } from './sessions.ts';

const HOUR = 3_600_000;

function each(what: string, play: (two: Two, sleeper: Who, other: Who) => void): void {
  for (const who of both) test(`${what}: the ${who}`, () => play(new Two(), who, otherOf(who)));
}

const alive = (two: Two, who: Who) => two.side(who).outputs('alive').length;

function wakes(two: Two, who: Who, slept = HOUR): void {
  two.now += slept;
  two.side(who).session.checkLiveness(two.now, true);
}

each('a request of the other waited', (two, sleeper, other) => {
  two.side(other).session.checkLiveness(two.now);
  const waited = two.take(other);
  wakes(two, sleeper);
  two.deliver(other, waited);
  assert.equal(alive(two, sleeper), 0);
  two.settle();
  assert.equal(alive(two, sleeper), 1);
});

each('the answer to a request from before waited: another is asked', (two, sleeper, other) => {
  two.side(sleeper).session.checkLiveness(two.now);
  two.carry(sleeper, true);
  const waited = two.take(other);
  wakes(two, sleeper);
  two.deliver(other, waited);
  assert.equal(alive(two, sleeper), 0);
  // The request from before went out again at once.
  assert.equal(two.side(sleeper).outbox.length, 3);
  two.settle();
  assert.equal(alive(two, sleeper), 1);
});

each('the answer that waited makes a new IKE SA: it is asked there', (two, sleeper, other) => {
  two.rekeyIke(sleeper);
  two.carry(sleeper, true);
  const waited = two.take(other);
  wakes(two, sleeper, 10_000);
  two.deliver(other, waited);
  assert.deepEqual([two.side(sleeper).outputs('ike-rekeyed').length, alive(two, sleeper)], [1, 0]);
  two.settle();
  assert.equal(alive(two, sleeper), 1);
  two.agree(1);
});

each('the other rekeys the IKE SA meanwhile: the question that is in flight is still one', (two, sleeper, other) => {
  wakes(two, sleeper);
  two.rekeyIke(other);
  two.carry(other);
  assert.equal(two.side(sleeper).outputs('ike-rekeyed').length, 1);
  two.carry(sleeper);
  two.carry(other);
  assert.equal(alive(two, sleeper), 1);
  two.settle();
  two.agree(1);
});

each('the other rekeyed the IKE SA, and does not know yet that it did: it is asked in the one before', (two, sleeper, other) => {
  two.rekeyIke(other);
  two.carry(other);
  two.take(sleeper);
  wakes(two, sleeper, 300);
  // INFORMATIONAL request, and its answer
  two.carry(sleeper);
  two.carry(other);
  assert.equal(alive(two, sleeper), 1);
  two.pass(30_000);
  two.agree(1);
});

each('told of one wake-up twice, it asks once; of two, twice', (two, sleeper, other) => {
  wakes(two, sleeper);
  wakes(two, sleeper, 20);
  two.carry(sleeper, true);
  const waited = two.take(other);
  two.deliver(other, waited);
  assert.equal(alive(two, sleeper), 1);
  two.settle();
  wakes(two, sleeper);
  two.carry(sleeper);
  const again = two.take(other);
  wakes(two, sleeper);
  two.deliver(other, again);
  assert.equal(alive(two, sleeper), 1);
  two.settle();
  assert.equal(alive(two, sleeper), 2);
});

/** Of the one who wakes: usual limits, and nothing works without a CHILD SA. */
function client(other: SideOptions = {}): Two {
  return new Two({ initiator: { lifetimes: defaultLifetimes, closeWithoutChild: true }, responder: other });
}

test('asleep past the end of the CHILD SA: another is made in the IKE SA that stands, and nobody logs in again', () => {
  const two = client();
  two.pass(10 * 60_000);
  wakes(two, 'initiator', 75 * 60_000);
  two.pass(1_000);
  two.agree(1);
  assert.deepEqual([two.initiator.closed, two.initiator.outputs('child-refused')], [false, []]);
  // The next one is rekeyed in time.
  two.pass(HOUR);
  two.agree(1);
  assert.deepEqual(
    two.initiator.outputs('child-rekeyed').map(({ by }) => by),
    ['us'],
  );
});

test('asleep past the end of the CHILD SA, and no other is given: the end', () => {
  const two = client({ esp: 'aes256gcm16' });
  two.pass(10 * 60_000);
  wakes(two, 'initiator', 75 * 60_000);
  two.pass(1_000);
  assert.equal(two.initiator.outputs('closed')[0]?.failure?.code, 'expired');
});
