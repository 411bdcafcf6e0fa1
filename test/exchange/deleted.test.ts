/** The peer deletes one CHILD SA of several, on purpose: the others stay, and it is asked for again, with pauses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { selectorsText } from '../../core/ike/selectors.ts';
import { EXCHANGE, PROTOCOL } from '../../core/ike/wire/constants.ts';
import { deleteChildSas } from '../../core/ike/wire/payloads.ts';
import { spiBytes } from '../../core/ike/wire/spi.ts';
import { selector } from '../gateway/fixtures.ts';
import { Two } from './sessions.ts';

const networks = ['10.10.0.0/16', '10.10.5.0/24'] as const;

/** Two CHILD SAs, each with a network of its own. */
function several(): Two {
  const two = new Two({ initiator: { closeWithoutChild: true } });
  two.initiator.session.want({ local: two.initiator.selectors.local, remote: [selector(networks[1])] }, two.now);
  two.settle();
  two.agree(2);
  assert.deepEqual(reached(two), networks);
  return two;
}

function reached(two: Two): readonly string[] {
  return [...two.initiator.living.values()].map(({ child }) => selectorsText(child.remoteSelectors)).sort();
}

function asked(two: Two): number {
  return two.initiator.sent.filter((line) => line.startsWith('CREATE_CHILD_SA request: SA')).length;
}

/** The network of what it tells that there is none of. */
function missing(two: Two): readonly string[] {
  return two.initiator.outputs('child-refused').map(({ remoteSelectors, evidence }) => {
    assert.equal(evidence, 'deleted by the gateway');
    return selectorsText(remoteSelectors);
  });
}

for (const [index, network] of networks.entries())
  test(`it deletes CHILD SA ${index + 1} of two: told at once, asked for again a moment later`, () => {
    const two = several();
    const before = asked(two);
    // INFORMATIONAL request: D
    two.deleteChild('responder', index);
    two.settle();
    two.agree(1);
    assert.deepEqual(missing(two), [network]);
    two.pass(900);
    assert.equal(asked(two), before, 'not at once: it may be about to delete the others too');
    // CREATE_CHILD_SA request: SA N TSi TSr
    two.pass(2_500);
    two.agree(2);
    assert.deepEqual(reached(two), networks);
    two.pass(3_600_000);
    assert.equal(asked(two), before + 1);
  });

test('it deletes it as often as it is made: asked for later and later, once in a minute or so in the end', () => {
  const two = several();
  const times: number[] = [];
  for (let round = 0; round < 12; round++) {
    two.deleteChild('responder', 1);
    two.settle();
    const from = two.now;
    while (two.initiator.living.size < 2) two.pass(100);
    times.push(two.now - from);
  }
  for (const [round, pause] of times.entries()) {
    const usual = Math.min(60_000, 2_000 * 2 ** round);
    assert.ok(pause >= usual * 0.5 && pause <= usual * 1.5 + 200, `pause ${round + 1}: ${pause}`);
  }
});

test('it deletes what nobody used for a minute (inactivity): asked for again as soon as the first time', () => {
  const two = several();
  for (let round = 0; round < 6; round++) {
    two.pass(60_000);
    two.deleteChild('responder', 1);
    two.settle();
    two.agree(1);
    two.pass(3_500);
    two.agree(2);
  }
});

test('it makes one more for the same traffic and deletes that: ours stays ours, and is asked for again when it is deleted', () => {
  const two = several();
  const same = [...two.responder.living.values()][1]?.child;
  assert.ok(same);
  two.responder.session.want({ local: same.localSelectors, remote: same.remoteSelectors }, two.now);
  two.settle();
  two.agree(3);
  two.deleteChild('responder', 2);
  two.settle();
  two.pass(60_000);
  two.deleteChild('responder', 1);
  two.settle();
  assert.deepEqual(missing(two), [networks[1]]);
  two.pass(3_500);
  two.agree(2);
  assert.deepEqual(reached(two), networks);
});

test('it deletes both, one after the other: the session ends, as with the last one', () => {
  const two = several();
  two.deleteChild('responder', 1);
  two.settle();
  two.deleteChild('responder', 0);
  two.settle();
  assert.deepEqual(
    two.initiator.outputs('closed').map(({ failure }) => failure?.code),
    ['closed-by-gateway'],
  );
  assert.equal(two.initiator.closed, true);
});

test('it deletes both in one message: the same', () => {
  const two = several();
  const spis = [...two.responder.living.keys()].map(spiBytes);
  const nothing = () => {};
  const exchange = { exchange: EXCHANGE.INFORMATIONAL, build: () => [deleteChildSas(PROTOCOL.ESP, spis)], process: nothing };
  two.responder.session.current?.request(exchange, two.now);
  two.settle();
  assert.deepEqual(
    two.initiator.outputs('closed').map(({ failure }) => failure?.code),
    ['closed-by-gateway'],
  );
});

test('it deletes the last while the other is asked for again: both come back', () => {
  const two = several();
  two.deleteChild('responder', 1);
  two.settle();
  // CREATE_CHILD_SA request, on its way while the other is deleted
  while (two.initiator.outbox.length === 0) {
    two.now += 10;
    two.initiator.session.tick(two.now);
  }
  two.deleteChild('responder', 0);
  two.carry('responder');
  two.settle();
  assert.equal(two.initiator.closed, false);
  assert.deepEqual(reached(two), [networks[1]]);
  two.pass(3_500);
  two.agree(2);
  assert.deepEqual(reached(two), networks);
});

test('what it made of its own accord it may delete: nobody asks for that', () => {
  const two = several();
  const before = asked(two);
  two.responder.session.want({ local: [selector('10.10.7.0/24')], remote: two.responder.selectors.remote }, two.now);
  two.settle();
  two.agree(3);
  two.deleteChild('responder', 2);
  two.pass(600_000);
  two.agree(2);
  assert.deepEqual([asked(two), missing(two)], [before, []]);
});

test('it makes another for the same network and deletes the first: that one counts as ours', () => {
  const two = several();
  const before = asked(two);
  two.responder.session.want({ local: [selector(networks[1])], remote: two.responder.selectors.remote }, two.now);
  two.settle();
  two.deleteChild('responder', 1);
  two.pass(600_000);
  two.agree(2);
  assert.deepEqual([reached(two), asked(two), missing(two)], [networks, before, []]);
  two.deleteChild('responder', 1);
  two.pass(3_500);
  two.agree(2);
  assert.deepEqual([reached(two), asked(two)], [networks, before + 1]);
});

test('it makes another for the same network in the pause: nobody asks any more', () => {
  const two = several();
  const before = asked(two);
  two.deleteChild('responder', 1);
  two.settle();
  two.responder.session.want({ local: [selector(networks[1])], remote: two.responder.selectors.remote }, two.now);
  two.pass(600_000);
  two.agree(2);
  assert.deepEqual([reached(two), asked(two)], [networks, before]);
});

test('it deletes what we are rekeying, and refuses that: asked for again', () => {
  const two = several();
  two.rekeyChild('initiator', 1);
  two.deleteChild('responder', 1);
  // INFORMATIONAL request: D, before the CREATE_CHILD_SA request is there
  two.carry('responder');
  two.settle();
  two.agree(1);
  assert.deepEqual(missing(two), [networks[1]]);
  assert.deepEqual(two.initiator.outputs('rekey-failed'), []);
  two.pass(3_500);
  two.agree(2);
  assert.deepEqual(reached(two), networks);
});

test('what was rekeyed meanwhile is the same one', () => {
  const two = several();
  for (const who of ['initiator', 'responder'] as const) {
    two.rekeyChild(who, 1);
    two.settle();
  }
  const index = [...two.responder.living.values()].findIndex(({ child }) => selectorsText(child.localSelectors) === networks[1]);
  two.deleteChild('responder', index);
  two.settle();
  two.agree(1);
  two.pass(3_500);
  two.agree(2);
  assert.deepEqual(reached(two), networks);
});
