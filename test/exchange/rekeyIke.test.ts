/** Rekeying of the IKE SA, and everything of RFC 7296 §2.8.2 and §2.25.2 that crosses it. */
import assert from 'node:assert/strict';
import { ChildRequest, IkeRekeyRequest } from '../../core/ike/exchanges/createChild.ts';
import { defaultLifetimes, redundantFor } from '../../core/ike/sa/lifetimes.ts';
import { EXCHANGE, NOTIFY, nameOf } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { each, eachNonce, ikeRekeyed, rekeyed, said } from './rekeying.ts';
import { both, otherOf, Two } from './sessions.ts';
import { proposals, seededRandom } from './world.ts';

each('the IKE SA is rekeyed: all CHILD SAs move, ids begin anew (§1.3.2, §2.18)', (one, other) => {
  const two = new Two({ children: 2 });
  const before = two.children;
  two.rekeyIke(one);
  two.settle();
  two.agree(2);
  assert.deepEqual(two.children, before);
  assert.deepEqual([ikeRekeyed(two, one), ikeRekeyed(two, other)], [['us'], ['peer']]);
  assert.equal(two.side(one).session.current?.role, 'initiator');
  assert.equal(two.side(other).session.current?.role, 'responder');
  two.rekeyChild(other);
  two.settle();
  two.agree(2);
});

each('INVALID_KE_PAYLOAD when the IKE SA is rekeyed (§1.3)', (one, other) => {
  const two = new Two({ [one]: { ike: 'aes128-sha256-x25519-ecp256' }, [other]: { ike: 'aes128-sha256-ecp256' } });
  two.rekeyIke(one);
  two.settle();
  two.agree(1);
  assert.equal(two.side(one).session.current?.suite.ke.keyword, 'ecp256');
});

each('another PRF in the new IKE SA: the old one makes the seed (§2.18)', (one, other) => {
  const two = new Two({ [one]: { ike: 'aes256gcm16-prfsha512-ecp256' }, [other]: { ike: 'aes256gcm16-prfsha512-ecp256' } });
  two.rekeyIke(one);
  two.settle();
  two.agree(1);
  two.rekeyIke(other);
  two.settle();
  two.agree(1);
});

eachNonce('both rekey the IKE SA (§2.8.2, §2.25.2)', true, (two, one, other, loser) => {
  two.rekeyIke(one);
  two.rekeyIke(other);
  two.carry(one);
  two.carry(other);
  two.settle();
  two.agree(1);
  const winner = otherOf(loser);
  assert.deepEqual([ikeRekeyed(two, winner), ikeRekeyed(two, loser)], [['us'], ['peer']]);
  two.pass(2 * redundantFor);
  two.agree(1);
});

eachNonce('both rekey the IKE SA, and answers are lost (§2.8.2)', true, (two, one, other) => {
  two.rekeyIke(one);
  two.rekeyIke(other);
  two.carry(one);
  two.carry(other);
  two.take(one);
  two.take(other);
  two.pass(60_000);
  two.agree(1);
});

each(
  'the DELETE of the IKE SA before the last one is lost: the newest is used once that of the last one has come',
  (one, other) => {
    const two = new Two();
    two.rekeyIke(one);
    two.carry(one);
    two.carry(other);
    two.take(one);
    two.rekeyIke(one);
    two.carry(one);
    two.carry(other);
    two.rekeyChild(other);
    two.side(other).session.tick(two.now);
    assert.equal(said(two, other, /CREATE_CHILD_SA request/), 0, 'whether the peer has it nobody knows');
    two.carry(one);
    two.side(other).session.tick(two.now);
    assert.equal(said(two, other, /CREATE_CHILD_SA request/), 1);
    two.settle();
    two.agree(1);
    assert.deepEqual([rekeyed(two, other), ikeRekeyed(two, other)], [['us'], ['peer', 'peer']]);
  },
);

each('the request of one is slow, and the other has rekeyed the IKE SA meanwhile (§2.8.2, §2.25.2)', (one, other) => {
  const two = new Two();
  two.rekeyIke(one);
  const slow = two.take(one);
  two.rekeyIke(other);
  two.carry(other);
  two.carry(one);
  two.deliver(one, slow);
  assert.match(two.side(other).sent.at(-1) ?? '', /N\(TEMPORARY_FAILURE\)/);
  two.settle();
  two.agree(1);
  assert.deepEqual([ikeRekeyed(two, one), ikeRekeyed(two, other)], [['peer'], ['us']]);
});

each('a refusal is not heard, and its sender uses the IKE SA that it made instead (§2.25.2)', (one, other) => {
  const two = new Two({ children: 2 });
  two.rekeyChild(other);
  two.rekeyIke(one);
  two.carry(one);
  two.carry(other);
  const refusal = two.take(other);
  two.carry(one);
  two.rekeyIke(other);
  two.carry(other);
  two.carry(one);
  const farewell = two.take(other);
  two.deleteChild(other, 1);
  two.carry(other);
  assert.deepEqual(ikeRekeyed(two, one), ['peer'], 'before the old one is deleted');
  two.deliver(other, refusal);
  two.deliver(other, farewell);
  two.settle();
  two.agree(1);
  assert.deepEqual([ikeRekeyed(two, one), ikeRekeyed(two, other)], [['peer'], ['us']]);
});

each('the old IKE SA is deleted before the slow request comes: what the other made takes over (§2.25.2)', (one, other) => {
  const two = new Two();
  two.rekeyIke(one);
  const slow = two.take(one);
  two.rekeyIke(other);
  for (let i = 0; i < 2; i++) {
    two.carry(other);
    two.carry(one);
  }
  two.deliver(one, slow);
  two.settle();
  two.agree(1);
  assert.deepEqual(ikeRekeyed(two, one), ['peer']);
});

each('rekeying the IKE SA crosses its DELETE (§2.25.2)', (one, other) => {
  const two = new Two();
  two.rekeyIke(one);
  two.side(other).session.terminate(two.now);
  two.carry(one);
  assert.match(two.side(other).sent.at(-1) ?? '', /N\(TEMPORARY_FAILURE\)/);
  two.pass(30_000);
  for (const who of both) assert.ok(two.side(who).closed, who);
  for (const who of both) assert.equal(two.side(who).living.size, 0);
});

each('who rekeys the IKE SA leaves: the new one does not stay behind', (one, other) => {
  const two = new Two();
  two.rekeyIke(one);
  const slow = two.take(one);
  two.side(one).session.terminate(two.now);
  two.deliver(one, slow);
  two.pass(30_000);
  for (const who of both) assert.ok(two.side(who).closed, who);
  assert.equal(two.side(other).living.size, 0);
});

each('both delete the IKE SA (§2.25.2)', (one, other) => {
  const two = new Two();
  two.side(one).session.terminate(two.now);
  two.side(other).session.terminate(two.now);
  two.settle();
  for (const who of both) assert.deepEqual(two.side(who).outputs('closed'), [{ kind: 'closed' }]);
});

each(
  'rekeying the IKE SA while the other rekeys a CHILD SA: TEMPORARY_FAILURE, and both are done later (§2.25.1)',
  (one, other) => {
    const two = new Two();
    two.rekeyIke(one);
    two.rekeyChild(other);
    two.carry(one);
    two.carry(other);
    assert.match(two.side(other).sent.at(-1) ?? '', /N\(TEMPORARY_FAILURE\)/);
    assert.match(two.side(one).sent.at(-1) ?? '', /N\(TEMPORARY_FAILURE\)/);
    two.pass(300_000);
    two.agree(1);
    assert.ok(ikeRekeyed(two, one).length > 0);
    assert.ok(rekeyed(two, other).includes('us'));
  },
);

each('rekeying the IKE SA while the other deletes a CHILD SA (§2.25.1)', (one, other) => {
  const two = new Two({ children: 2 });
  two.rekeyIke(one);
  two.deleteChild(other);
  two.carry(one);
  assert.match(two.side(other).sent.at(-1) ?? '', /N\(TEMPORARY_FAILURE\)/);
  two.carry(other);
  assert.match(two.side(one).sent.at(-1) ?? '', /INFORMATIONAL response: D/, 'answered as always (§2.25.2)');
  two.pass(300_000);
  two.agree(1);
  assert.ok(ikeRekeyed(two, one).length > 0);
});

each('ended while the other does not know yet that it rekeyed the IKE SA: it is told in the one before', (one, other) => {
  const two = new Two();
  two.rekeyIke(other);
  two.carry(other);
  two.take(one);
  two.side(one).session.terminate(two.now);
  two.settle();
  assert.equal(two.side(other).closed, true);
  two.pass(60_000);
  assert.equal(two.side(one).closed, true);
});

each('rekeying the IKE SA while the other makes a CHILD SA: TEMPORARY_FAILURE on both sides (§2.25.1, §2.25.2)', (one, other) => {
  const two = new Two();
  two.rekeyIke(one);
  two.side(other).session.want(two.side(other).selectors, two.now);
  two.carry(one);
  two.carry(other);
  assert.match(two.side(other).sent.at(-1) ?? '', /N\(TEMPORARY_FAILURE\)/);
  two.pass(300_000);
  two.agree(2);
});

each('the DELETE of the old IKE SA is lost: the other deletes it itself after a while', (one, other) => {
  const two = new Two();
  two.rekeyIke(one);
  two.carry(one);
  two.carry(other);
  // All that the old IKE SA says is lost.
  const old = two.side(one).outbox.splice(0);
  assert.equal(old.length, 1);
  for (let i = 0; i < 60; i++) {
    two.now += 200;
    two.side(one).session.tick(two.now);
    two.side(one).outbox.length = 0;
  }
  two.pass(2 * redundantFor);
  two.agree(1);
  assert.equal(two.side(other).closed, false);
});

each('a thousand rekeyings in turn', (one, other) => {
  const two = new Two();
  for (let i = 0; i < 250; i++) {
    two.rekeyChild(i % 2 ? one : other);
    two.settle();
    two.rekeyIke(i % 3 ? one : other);
    two.settle();
    two.rekeyChild(one);
    two.rekeyChild(other);
    two.settle();
    two.rekeyIke(other);
    two.rekeyIke(one);
    two.settle();
  }
  two.pass(2 * redundantFor);
  two.agree(1);
});

each('a day with the usual lifetimes: neither SA is ever old', (one, other) => {
  const two = new Two({ [one]: { lifetimes: defaultLifetimes }, [other]: { lifetimes: defaultLifetimes } });
  for (let hour = 0; hour < 24; hour++) {
    two.pass(3_600_000);
    two.agree(1);
  }
  assert.ok(rekeyed(two, one).length > 20);
  assert.ok(ikeRekeyed(two, one).length >= 7);
});

each('a day in which both have the same short limits and no jitter: they collide every time', (one, other) => {
  const lifetimes = {
    ...defaultLifetimes,
    ike: { soft: 600_000, hard: 900_000 },
    child: { soft: 60_000, hard: 120_000 },
    jitter: 0,
  };
  const two = new Two({ [one]: { lifetimes }, [other]: { lifetimes } });
  for (let hour = 0; hour < 24; hour++) {
    two.pass(3_600_000);
    two.pass(2_000);
    two.agree(1);
  }
});

each('a peer that rekeys without end and deletes nothing fills nothing', (one, other) => {
  const two = new Two();
  const refusals: string[] = [];
  const { local, remote } = two.side(one).selectors;
  const ask = (build: () => readonly Payload[]) => {
    const process = (payloads: readonly Payload[]) => {
      for (const payload of payloads) if (payload.kind === 'N') refusals.push(nameOf(NOTIFY, payload.type));
    };
    two.side(one).session.current?.request({ exchange: EXCHANGE.CREATE_CHILD_SA, build, process }, two.now);
    two.settle();
  };
  for (let i = 0; i < 100; i++) {
    const newest = [...two.side(other).living.values()].at(-1);
    assert.ok(newest);
    const request = new ChildRequest({
      ...{ random: seededRandom(`${i}`), proposals: proposals('esp', 'aes128gcm16'), spiIn: 0x7000 + i },
      ...{ localSelectors: local, remoteSelectors: remote, rekeyed: newest.child.spiOut },
    });
    ask(() => request.build());
  }
  assert.equal(two.side(other).living.size, 32);
  assert.ok(refusals.length > 60 && refusals.every((name) => name === 'TEMPORARY_FAILURE'));
  const before = refusals.length;
  for (let i = 0; i < 50; i++) {
    const request = new IkeRekeyRequest({
      ...{
        random: seededRandom(`ike ${i}`),
        proposals: proposals('ike', 'aes128-sha256-x25519'),
        spi: new Uint8Array(8).fill(i + 5),
      },
    });
    ask(() => request.build());
  }
  assert.ok(refusals.length > before + 40, 'the IKE SA that was replaced answers no more than that');
  assert.equal(two.side(other).closed, false);
  two.pass(60_000);
});

each(
  'the usual proposals where nothing came beside the key exchange: those that are left are numbered anew (§3.3.1)',
  (one, other) => {
    const two = new Two({ initiator: { ike: 'default', esp: 'default' }, responder: { ike: 'default', esp: 'default' } });
    two.rekeyIke(one);
    two.settle();
    assert.deepEqual([ikeRekeyed(two, one), ikeRekeyed(two, other)], [['us'], ['peer']]);
    two.rekeyChild(one);
    two.settle();
    assert.deepEqual([rekeyed(two, one), rekeyed(two, other)], [['us'], ['peer']]);
    two.agree(1);
  },
);

each('who answered the rekeying of the IKE SA asks nothing in the new one before the other has it', (one, other) => {
  const two = new Two();
  two.rekeyIke(one);
  two.carry(one);
  // Asked now, while the answer is on its way: whoever gets that first knows no such IKE SA, and would say so (RFC 7296 §2.21.4).
  two.side(other).session.checkLiveness(two.now);
  assert.equal(two.side(other).outbox.length, 1, 'the answer alone');
  two.carry(other);
  two.settle();
  assert.equal(said(two, other, /INFORMATIONAL request: $/), 1, 'and then it does');
  two.agree(1);
});
