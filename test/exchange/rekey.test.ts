/** Rekeying, and everything of RFC 7296 §2.8 and §2.25 that crosses it; each case is begun by either side. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChildRequest, IkeRekeyRequest } from '../../core/ike/exchanges/createChild.ts';
import { withSpi } from '../../core/ike/negotiation.ts';
import { defaultLifetimes, redundantFor } from '../../core/ike/sa/lifetimes.ts';
import { EXCHANGE, NOTIFY, nameOf, PROTOCOL } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { notifyAbout } from '../../core/ike/wire/payloads.ts';
import { spiBytes } from '../../core/ike/wire/spi.ts';
import { both, otherOf, Two, unlimited, type Who } from './sessions.ts';
import { proposals, seededRandom } from './world.ts';

/** One case for each side that may start it. */
function each(what: string, play: (one: Who, other: Who) => void): void {
  for (const who of both) test(`${what}; the ${who} starts`, () => play(who, otherOf(who)));
}

/** The same with the lowest nonce in the exchange of either side: the SA of that one is redundant. */
function eachNonce(what: string, ike: boolean, play: (two: Two, one: Who, other: Who, loser: Who) => void): void {
  for (const loser of both) {
    each(`${what}, the ${loser}'s is redundant`, (one, other) => {
      const draws = (who: Who) => {
        // As who asks: nonce, then key pair; as who answers: key pair, then nonce.
        const [asking, answering] = who === loser ? [0x10, 0x60] : [0x70, 0x50];
        return { draws: ike ? [asking, undefined, undefined, answering] : [asking, answering] };
      };
      play(new Two({ initiator: draws('initiator'), responder: draws('responder') }), one, other, loser);
    });
  }
}

const rekeyed = (two: Two, who: Who) =>
  two
    .side(who)
    .outputs('child-rekeyed')
    .map(({ by }) => by);
const ikeRekeyed = (two: Two, who: Who) =>
  two
    .side(who)
    .outputs('ike-rekeyed')
    .map(({ by }) => by);
const said = (two: Two, who: Who, pattern: RegExp) => two.side(who).sent.filter((line) => pattern.test(line)).length;

// --- CHILD SAs ---------------------------------------------------------------------------------------------------------------------

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

// --- the IKE SA --------------------------------------------------------------------------------------------------------------------

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
