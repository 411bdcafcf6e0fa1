/** Rekeying of CHILD SAs, and everything of RFC 7296 §2.8.1 and §2.25.1 that crosses it. */
import assert from 'node:assert/strict';
import { withSpi } from '../../core/ike/negotiation.ts';
import { defaultLifetimes, redundantFor } from '../../core/ike/sa/lifetimes.ts';
import { EXCHANGE, NOTIFY, PROTOCOL } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { notifyAbout } from '../../core/ike/wire/payloads.ts';
import { spiBytes } from '../../core/ike/wire/spi.ts';
import { selector } from '../gateway/fixtures.ts';
import { each, eachNonce, ikeRekeyed, rekeyed, said } from './rekeying.ts';
import { both, otherOf, Two, unlimited, type Who } from './sessions.ts';
import { proposals } from './world.ts';

each('a CHILD SA is rekeyed: the new one is there before the old one goes (§2.8)', (one, other) => {
  const two = new Two();
  const [old] = two.children;
  two.rekeyChild(one);
  two.carry(one);
  assert.equal(two.side(other).living.size, 2);
  assert.equal([...two.side(other).living.values()].at(-1)?.standby, true, 'it does not send before the other can receive');
  two.carry(other);
  assert.equal(two.side(one).living.size, 2);
  two.settle();
  two.agree(1);
  assert.notEqual(two.children[0], old);
  for (const who of both) assert.equal(two.side(who).leaving.size, 1, 'what is under way is still taken');
  assert.deepEqual([rekeyed(two, one), rekeyed(two, other)], [['us'], ['peer']]);
});

each('a CHILD SA is rekeyed with a key exchange of its own (§1.3.3)', (one, other) => {
  const two = new Two({ [one]: { esp: 'aes128gcm16-x25519' }, [other]: { esp: 'aes128gcm16-x25519' } });
  two.rekeyChild(one);
  two.settle();
  two.agree(1);
  assert.match(two.side(one).sent[0], /N\(REKEY_SA\) SA NONCE KE TSi TSr/);
});

each('another group is wanted: INVALID_KE_PAYLOAD, and asked again with it (§1.3)', (one, other) => {
  const two = new Two({ [one]: { esp: 'aes128gcm16-x25519-ecp256' }, [other]: { esp: 'aes128gcm16-ecp256' } });
  two.rekeyChild(one);
  two.settle();
  two.agree(1);
  assert.equal(said(two, one, /CREATE_CHILD_SA request/), 2);
  assert.equal(two.side(one).living.values().next().value?.child.ke?.keyword, 'ecp256');
});

each('that of the IKE SA comes first, whatever we like best: it is known to be taken (§1.3)', (one, other) => {
  const two = new Two({ [one]: { esp: 'aes128gcm16-ecp256-x25519' }, [other]: { esp: 'aes128gcm16-x25519' } });
  two.rekeyChild(one);
  two.settle();
  two.agree(1);
  assert.equal(said(two, one, /CREATE_CHILD_SA request/), 1);
  assert.equal(two.side(one).living.values().next().value?.child.ke?.keyword, 'x25519');
  // The same of the IKE SA itself.
  const ike = new Two({ [one]: { ike: 'aes128-sha256-ecp256-x25519' }, [other]: { ike: 'aes128-sha256-x25519' } });
  ike.rekeyIke(one);
  ike.settle();
  ike.agree(1);
  assert.equal(said(ike, one, /CREATE_CHILD_SA request/), 1);
});

// IKE_AUTH does not show it. Libreswan and others do so by default, and a profile that names no group has no tunnel after an hour.
each('the peer insists on a key exchange, and our proposals name none (§1.2): we ask with one, and take one', (one, other) => {
  const two = new Two({ [one]: { esp: 'aes128gcm16' }, [other]: { esp: 'aes128gcm16-x25519' } });
  // SA without KE → NO_PROPOSAL_CHOSEN → SA with KE
  two.rekeyChild(one);
  two.settle();
  two.agree(1);
  assert.deepEqual(
    two.side(one).sent.filter((line) => /CREATE_CHILD_SA request/.test(line)),
    ['', 'KE '].map((ke) => `CREATE_CHILD_SA request: N(REKEY_SA) SA NONCE ${ke}TSi TSr`),
  );
  assert.deepEqual(two.side(one).outputs('rekey-failed'), []);
  assert.equal(two.side(one).living.values().next().value?.child.ke?.keyword, 'x25519');
  // It is remembered.
  two.rekeyChild(one);
  two.settle();
  two.agree(1);
  assert.equal(said(two, one, /CREATE_CHILD_SA request/), 3);
  two.rekeyChild(other);
  two.settle();
  two.agree(1);
  assert.equal(said(two, other, /CREATE_CHILD_SA request/), 1);
  assert.equal(two.side(one).living.values().next().value?.child.ke?.keyword, 'x25519');
});

each('one more CHILD SA where the peer insists on a key exchange', (one, other) => {
  const two = new Two({ [one]: { esp: 'aes128gcm16' }, [other]: { esp: 'aes128gcm16-x25519' } });
  two.side(one).session.want(two.side(one).selectors, two.now);
  two.settle();
  two.agree(2);
  assert.equal(said(two, one, /CREATE_CHILD_SA request/), 2);
});

each('a key exchange that only one side insists on (§3.3.3)', (one, other) => {
  const two = new Two({ [one]: { esp: 'aes128gcm16-x25519-modpnone' }, [other]: { esp: 'aes128gcm16' } });
  two.rekeyChild(one);
  two.settle();
  two.agree(1);
  two.rekeyChild(other);
  two.settle();
  two.agree(1);
});

each('no proposal in common: the old one stays, it is tried again, and ends when its time is over', (one, other) => {
  const lifetimes = { ...unlimited, child: { soft: 60_000, hard: 600_000 } };
  const two = new Two({ [one]: { lifetimes, closeWithoutChild: true }, [other]: { esp: 'aes256gcm16' } });
  two.pass(500_000);
  const failures = two.side(one).outputs('rekey-failed');
  assert.ok(failures.length >= 5 && failures.length < 20, `${failures.length} times`);
  assert.deepEqual(failures[0].evidence, 'NO_PROPOSAL_CHOSEN');
  two.agree(1);
  two.pass(200_000);
  assert.equal(two.side(one).outputs('closed')[0]?.failure?.code, 'expired');
  assert.ok(two.side(other).closed);
});

each('when it will be rekeyed is said, and held; a refusal says when it is tried again', (one, other) => {
  const lifetimes = { ...unlimited, child: { soft: 60_000, hard: 600_000 }, ike: { soft: 200_000, hard: 600_000 } };
  const two = new Two({ [one]: { lifetimes }, [other]: { esp: 'aes256gcm16' } });
  assert.deepEqual(two.side(other).outputs('rekey-due'), [], 'who never does says nothing');
  const [ike, child] = two.side(one).outputs('rekey-due');
  assert.deepEqual([ike?.what, child?.what], ['ike', 'child']);
  for (const [due, soft] of [
    [ike, 200_000],
    [child, 60_000],
  ] as const)
    assert.ok(due && due.within <= soft && due.within >= soft * (1 - defaultLifetimes.jitter), `${due?.within} of ${soft}`);
  assert.equal(child?.what === 'child' && child.spiIn, two.spiIn(one));
  two.pass((child?.within ?? 0) - 5);
  assert.equal(said(two, one, /CREATE_CHILD_SA request/), 0);
  two.pass(10);
  assert.equal(said(two, one, /CREATE_CHILD_SA request/), 2, 'without a key exchange and with one');
  const [{ retryIn }] = two.side(one).outputs('rekey-failed');
  assert.equal(two.side(one).outputs('rekey-due').at(-1)?.within, retryIn);
  two.pass(150_000);
  assert.equal(two.side(one).outputs('ike-rekeyed').length, 1);
  assert.equal(
    two
      .side(one)
      .outputs('rekey-due')
      .filter(({ what }) => what === 'ike').length,
    2,
    'the new one has a time of its own',
  );
});

eachNonce('both rekey the same CHILD SA (§2.8.1, §2.25.1)', false, (two, one, other, loser) => {
  two.rekeyChild(one);
  two.rekeyChild(other);
  two.carry(one);
  two.carry(other);
  two.settle();
  two.agree(1);
  const winner = otherOf(loser);
  // Whoever made the redundant one deletes that, the other the old one.
  assert.equal(said(two, loser, /INFORMATIONAL request: D/), 1);
  assert.equal(said(two, winner, /INFORMATIONAL request: D/), 1);
  assert.deepEqual(rekeyed(two, winner), ['peer', 'us']);
});

eachNonce('both rekey the same CHILD SA, and answers are lost (§2.8.1)', false, (two, one, other) => {
  two.rekeyChild(one);
  two.rekeyChild(other);
  two.carry(one);
  two.carry(other);
  two.take(one);
  two.take(other);
  two.pass(60_000);
  two.agree(1);
});

each('the request of one is slow, and the other has rekeyed meanwhile (§2.8.1)', (one, other) => {
  const two = new Two();
  two.rekeyChild(one);
  const slow = two.take(one);
  two.rekeyChild(other);
  two.carry(other);
  two.carry(one);
  // The other knows of no collision and deletes the old one; then the slow request comes.
  two.deliver(one, slow);
  assert.match(two.side(other).sent.at(-1) ?? '', /N\(TEMPORARY_FAILURE\)/);
  two.settle();
  two.agree(1);
  assert.deepEqual(rekeyed(two, other), ['us']);
});

each('the request of one is slower than all of the rekeying of the other (§2.8.1, §2.25.1)', (one, other) => {
  const two = new Two();
  two.rekeyChild(one);
  const slow = two.take(one);
  two.rekeyChild(other);
  for (let i = 0; i < 2; i++) {
    two.carry(other);
    two.carry(one);
  }
  two.deliver(one, slow);
  assert.match(two.side(other).sent.at(-1) ?? '', /N\(CHILD_SA_NOT_FOUND\)/);
  two.settle();
  two.agree(1);
});

each('rekeying crosses the DELETE of the same CHILD SA (§2.25.1)', (one, other) => {
  const two = new Two();
  two.rekeyChild(one);
  two.deleteChild(other);
  two.carry(one);
  assert.match(two.side(other).sent.at(-1) ?? '', /N\(TEMPORARY_FAILURE\)/);
  two.carry(other);
  assert.match(two.side(one).sent.at(-1) ?? '', /INFORMATIONAL response: D/, 'it is answered as always');
  two.settle();
  two.agree(0);
});

each('the DELETE comes after the new one was made (§2.25.1)', (one, other) => {
  const two = new Two();
  two.rekeyChild(one);
  two.carry(one);
  two.deleteChild(other);
  two.settle();
  two.agree(1);
});

each('both delete the same CHILD SA (§1.4.1, §2.25.1)', (one, other) => {
  const two = new Two();
  two.deleteChild(one);
  two.deleteChild(other);
  two.settle();
  two.agree(0);
});

each(
  'a CHILD SA is rekeyed that the other does not have: CHILD_SA_NOT_FOUND, and one is made from scratch (§2.25.1)',
  (one, other) => {
    const two = new Two();
    two.side(other).session.current?.forgetChild(two.spiIn(other));
    two.rekeyChild(one);
    two.settle();
    two.agree(1);
    assert.match(two.side(one).sent[1], /CREATE_CHILD_SA request: SA NONCE TSi TSr/);
  },
);

each('CHILD_SA_NOT_FOUND names the SPI that was asked for (§2.25.1)', (one, other) => {
  const two = new Two();
  const answers: (readonly Payload[])[] = [];
  const spi = spiBytes(0xdead_beef);
  two.side(one).session.current?.request(
    {
      exchange: EXCHANGE.CREATE_CHILD_SA,
      build: () => [
        notifyAbout(PROTOCOL.ESP, spi, NOTIFY.REKEY_SA),
        { kind: 'SA', proposals: withSpi(proposals('esp', 'aes128gcm16'), spi) },
        { kind: 'NONCE', data: new Uint8Array(32) },
        { kind: 'TSi', selectors: two.side(one).selectors.local, unknownTypes: 0 },
        { kind: 'TSr', selectors: two.side(one).selectors.remote, unknownTypes: 0 },
      ],
      process: (payloads) => answers.push(payloads),
    },
    two.now,
  );
  two.settle();
  assert.deepEqual(answers, [[notifyAbout(PROTOCOL.ESP, spi, NOTIFY.CHILD_SA_NOT_FOUND)]]);
  two.agree(1);
  assert.equal(two.side(other).closed, false);
});

each('one of two CHILD SAs is rekeyed, the other stays', (one) => {
  const two = new Two({ children: 2 });
  const [, second] = two.children;
  two.rekeyChild(one, 0);
  two.settle();
  two.agree(2);
  assert.ok(two.children.includes(second));
});

each('each side rekeys another CHILD SA at the same time', (one, other) => {
  const two = new Two({ children: 2 });
  two.rekeyChild(one, 0);
  two.rekeyChild(other, 1);
  two.carry(one);
  two.carry(other);
  two.settle();
  two.agree(2);
});

each('one rekeys a CHILD SA while the other deletes another', (one, other) => {
  const two = new Two({ children: 2 });
  two.rekeyChild(one, 0);
  two.deleteChild(other, 1);
  two.carry(one);
  two.carry(other);
  two.settle();
  two.agree(1);
});

// Gateways that rekey without N(REKEY_SA) do so: one more, then DELETE of the first.
each('one more for the very same traffic: who answers sends on the first until the other has the answer (§2.8)', (one, other) => {
  const two = new Two();
  const standby = (who: Who) => [...two.side(who).living.values()].map((carried) => carried.standby);
  two.side(one).session.want(two.side(one).selectors, two.now);
  two.settle();
  assert.deepEqual(
    [standby(one), standby(other)],
    [
      [false, false],
      [false, true],
    ],
  );
  two.deleteChild(one, 0);
  two.settle();
  two.agree(1);
  // Of other traffic there is nothing that would go another way meanwhile.
  const inner = [selector('10.10.7.0/24')];
  const wanted = two.side(one).selectors;
  two.side(one).session.want(one === 'initiator' ? { ...wanted, remote: inner } : { ...wanted, local: inner }, two.now);
  two.settle();
  assert.deepEqual(standby(other), [false, false]);
});

each('one more CHILD SA (§1.3.1), also while the other rekeys', (one, other) => {
  const two = new Two();
  two.side(one).session.want(two.side(one).selectors, two.now);
  two.rekeyChild(other);
  two.carry(one);
  two.carry(other);
  two.settle();
  two.agree(2);
});

each('a CHILD SA for what the other does not allow: TS_UNACCEPTABLE (§2.9)', (one, other) => {
  const two = new Two();
  const { local, remote } = two.side(one).selectors;
  two.side(one).session.want({ local: remote, remote: local }, two.now);
  two.settle();
  two.agree(1);
  assert.match(two.side(other).sent[0], /N\(TS_UNACCEPTABLE\)/);
  const told = two.side(one).said.filter((output) => output.kind === 'child-refused');
  assert.deepEqual(
    told.map(({ evidence, remoteSelectors }) => [evidence, remoteSelectors]),
    [['TS_UNACCEPTABLE', local]],
  );
});

each('the old one is not deleted by who replaced it: the other does, after a while', (one, other) => {
  const two = new Two();
  two.rekeyChild(one);
  two.carry(one);
  two.carry(other);
  // Its DELETE, and all that it repeats, is lost until the IKE SA would be given up: it is the other that acts.
  const until = two.now + redundantFor;
  while (two.now < until) {
    two.now += 500;
    for (const who of both) two.side(who).session.tick(two.now);
    if (two.side(one).closed) break;
    two.side(one).outbox.length = 0;
  }
  assert.equal(said(two, other, /INFORMATIONAL request: D/) > 0 || two.side(one).closed, true);
});

each('a soft limit of octets rekeys, a hard one ends (RFC 4301 §4.4.2.1)', (one) => {
  const two = new Two({ [one]: { closeWithoutChild: true } });
  two.side(one).session.limit(two.spiIn(one), 'soft', two.now);
  two.settle();
  two.agree(1);
  assert.deepEqual(rekeyed(two, one), ['us']);
  two.side(one).session.limit(two.spiIn(one), 'hard', two.now);
  two.settle();
  assert.equal(two.side(one).outputs('closed')[0]?.failure?.code, 'expired');
});

each('a CHILD SA expires while the IKE SA is being rekeyed: its DELETE goes in the new one (§2.18)', (one, other) => {
  const two = new Two({ children: 2 });
  two.rekeyIke(one);
  two.side(one).session.limit(two.spiIn(one), 'hard', two.now);
  two.settle();
  two.agree(1);
  assert.deepEqual([ikeRekeyed(two, one), ikeRekeyed(two, other)], [['us'], ['peer']]);
});

each('a rehearsal right after connecting (`rehearse`)', (one) => {
  const two = new Two({ [one]: { lifetimes: { ...unlimited, rehearse: true } } });
  two.pass(1_000);
  two.agree(1);
  assert.deepEqual(rekeyed(two, one), ['us']);
  two.pass(3_600_000);
  assert.deepEqual(rekeyed(two, one), ['us'], 'once');
});

eachNonce(
  'both rekey, and the old SA is deleted before our answer has come: packets under way are taken',
  false,
  (two, one, other, loser) => {
    two.rekeyChild(one);
    two.rekeyChild(other);
    two.carry(one);
    two.carry(other);
    two.carry(one);
    const late = two.take(other);
    // The one whose SA is redundant does not delete the old one.
    if (loser === one) two.carry(other);
    assert.equal(two.side(one).leaving.size, loser === one ? 1 : 0);
    two.deliver(other, late);
    two.settle();
    two.agree(1);
  },
);

each('the new SA is rekeyed before the answer that tells of it has come: not yet (§2.25)', (one, other) => {
  const two = new Two();
  two.rekeyChild(one);
  two.carry(one);
  const late = two.take(other);
  two.rekeyChild(other, 1);
  two.carry(other);
  assert.equal(said(two, one, /CREATE_CHILD_SA response: N\(TEMPORARY_FAILURE\)/), 1);
  two.settle();
  two.deliver(other, late);
  two.settle();
  two.agree(1);
  two.pass(30_000);
  two.agree(1);
  assert.deepEqual(rekeyed(two, other), ['peer', 'us']);
});

each('the old SA is deleted before the answer that tells of the new one has come: no reason to end (§2.25.1)', (one, other) => {
  const two = new Two({ [one]: { closeWithoutChild: true } });
  two.rekeyChild(one);
  two.carry(one);
  const late = two.take(other);
  two.now += redundantFor + 1;
  two.side(other).session.tick(two.now);
  two.carry(other);
  assert.equal(two.side(one).living.size, 0);
  two.settle();
  two.deliver(other, late);
  two.settle();
  two.agree(1);
  assert.deepEqual([two.side(one).closed, two.side(other).closed], [false, false]);
});

each(
  'the new SA is deleted before the answer that tells of it has come: the old one is deleted too, and another made',
  (one, other) => {
    const two = new Two({ [one]: { closeWithoutChild: true } });
    const old = two.spiIn(one);
    two.rekeyChild(one);
    two.carry(one);
    const late = two.take(other);
    // INFORMATIONAL request: D, and its answer
    two.deleteChild(other, 1);
    two.carry(other);
    two.carry(one);
    assert.deepEqual([two.side(one).living.size, two.spiIn(one)], [1, old]);
    two.deliver(other, late);
    two.settle();
    two.agree(1);
    assert.notEqual(two.spiIn(one), old);
    assert.deepEqual(
      both.map((who) => two.side(who).leaving.size),
      [1, 1],
      'packets under way are taken',
    );
    assert.equal(said(two, one, /INFORMATIONAL request: D/), 1);
  },
);

each('the SA that is rekeyed is deleted, and nothing comes in its place: that was the end', (one, other) => {
  const two = new Two({ [one]: { closeWithoutChild: true } });
  two.rekeyChild(one);
  two.deleteChild(other);
  two.carry(other);
  assert.equal(two.side(one).living.size, 0);
  assert.equal(two.side(one).session.current?.state, 'established', 'perhaps it does');
  two.settle();
  assert.equal(two.side(one).outputs('closed')[0]?.failure?.code, 'closed-by-gateway');
  assert.ok(two.side(other).closed);
});

each('the hard limit of an IKE SA that is closing wakes nobody', (one) => {
  const two = new Two({ [one]: { lifetimes: { ...unlimited, ike: { soft: Number.POSITIVE_INFINITY, hard: 1_000 } } } });
  two.now = 900;
  two.side(one).session.terminate(two.now);
  two.now = 1_001;
  two.side(one).session.tick(two.now);
  assert.ok((two.side(one).session.deadline() ?? 0) > two.now);
});
