/** One SA after the other, limits that ask for the next one, and a peer that is somewhere else now. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../../core/bytes/bytes.ts';
import type { LaneChild } from '../../../core/dataplane/commands.ts';
import { readU32 } from '../../../core/esp/packet.ts';
import { SharedSequence } from '../../../core/esp/sharedSequence.ts';
import { unpackSockaddr } from '../../../core/system/linux/sockaddr.ts';
import {
  inbound,
  inner,
  laneChild,
  mirrored,
  type OutboundFixture,
  outbound,
  outboundLanes,
  selector,
  sentDatagrams,
} from './fixtures.ts';

const suite = 'aes256gcm16';
const old = laneChild(suite, { spiIn: 0x1001, slot: 0 });
const fresh = laneChild(suite, { spiIn: 0x2001, slot: 1, replaces: 0x1001 });
const packets = (count: number, length = 60) => Array.from({ length: count }, () => inner('10.0.0.1', '10.1.2.3', { length }));

function send(fixture: OutboundFixture, count = 1, length = 60): readonly number[] {
  fixture.tun.inject(...packets(count, length));
  while (fixture.lane.forward() > 0);
  return sentDatagrams(fixture.udp).map(({ bytes }) => readU32(bytes, 0));
}

test('who asked for the rekeying sends on the new SA at once', () => {
  const fixture = outbound(old, fresh);
  assert.deepEqual(send(fixture), [0x2001]);
});

test('who answered it waits for the peer (RFC 7296 §2.8): for a packet on the new SA', () => {
  const fixture = outbound(old, { ...fresh, standby: true });
  assert.deepEqual(send(fixture), [0x1001]);
  fixture.counters.set(1, 'lastIn', 5);
  assert.deepEqual(send(fixture), [0x2001]);
  fixture.lane.remove(0x1001);
  assert.deepEqual(send(fixture), [0x2001]);
});

test('… or for the end of the old one; several may wait, the newest in front of nobody', () => {
  const third = laneChild(suite, { spiIn: 0x3001, slot: 2, replaces: 0x2001, standby: true });
  const fixture = outbound(old, { ...fresh, standby: true }, third);
  assert.deepEqual(send(fixture), [0x1001]);
  fixture.lane.remove(0x1001);
  assert.deepEqual(send(fixture), [0x2001]);
  fixture.lane.remove(0x2001);
  assert.deepEqual(send(fixture), [0x3001]);
});

test('an SA that waits for one that is gone already does not wait', () => {
  assert.deepEqual(send(outbound({ ...fresh, standby: true })), [0x2001]);
});

test('it stands behind the one it replaces, not behind everybody: another SA for the same packets changes nothing', () => {
  const other = laneChild(suite, { spiIn: 0x4001, slot: 3 });
  const fixture = outbound(other, old, { ...fresh, standby: true });
  fixture.lane.remove(0x1001);
  assert.deepEqual(send(fixture), [0x2001]);
});

for (const standby of [false, true]) {
  const asked = standby ? 'the peer' : 'we';
  test(`RFC 4301 §4.4.1: where networks overlap a rekeying leaves the order as it was, whoever asked for it: ${asked}`, () => {
    const wide = (spiIn: number, change: Partial<LaneChild> = {}): LaneChild =>
      laneChild(suite, { spiIn, slot: spiIn & 15, remoteSelectors: [selector('10.0.0.0/8')], ...change });
    const fixture = outbound(wide(0x1001), laneChild(suite, { spiIn: 0x4002, slot: 2 }), wide(0x1003, { remoteSelectors: [] }));
    const both = (): readonly number[] => {
      fixture.tun.inject(inner('10.0.0.1', '10.1.2.3'), inner('10.0.0.1', '10.9.2.3'));
      while (fixture.lane.forward() > 0);
      return sentDatagrams(fixture.udp).map(({ bytes }) => readU32(bytes, 0));
    };
    assert.deepEqual(both(), [0x4002, 0x1001]);
    // And once more, while the one before is still there.
    for (const [before, after] of [
      [0x1001, 0x1004],
      [0x1004, 0x1005],
    ]) {
      assert.equal(fixture.lane.install(wide(after, { replaces: before, standby })), undefined);
      if (standby) assert.deepEqual(both(), [0x4002, before]);
      fixture.counters.set(after & 15, 'lastIn', 5);
      assert.deepEqual(both(), [0x4002, after]);
    }
    for (const gone of [0x1001, 0x1004]) fixture.lane.remove(gone);
    assert.deepEqual(both(), [0x4002, 0x1005]);
    fixture.lane.remove(0x4002);
    assert.deepEqual(both(), [0x1005, 0x1005]);
  });
}

test('we replace one that waits: ours sends at once, and what waited waits for nobody when the first is gone', () => {
  const ours = laneChild(suite, { spiIn: 0x3001, slot: 2, replaces: 0x2001 });
  const fixture = outbound(old, { ...fresh, standby: true }, ours);
  assert.deepEqual(send(fixture), [0x3001]);
  fixture.counters.set(1, 'lastIn', 5);
  assert.deepEqual(send(fixture), [0x3001]);
  fixture.lane.remove(0x3001);
  assert.deepEqual(send(fixture), [0x2001]);
});

test('the successor of one that waits is used first: it sends', () => {
  const third = laneChild(suite, { spiIn: 0x3001, slot: 2, replaces: 0x2001, standby: true });
  const fixture = outbound(old, { ...fresh, standby: true }, third);
  fixture.counters.set(2, 'lastIn', 5);
  assert.deepEqual(send(fixture), [0x3001]);
  for (const gone of [0x1001, 0x2001]) fixture.lane.remove(gone);
  assert.deepEqual(send(fixture), [0x3001]);
});

test('a probe of the path goes out on the SA that sends', () => {
  const fixture = outbound(old, { ...fresh, standby: true });
  fixture.lane.probe(0x2001, inner('10.0.0.1', '10.1.2.3', { protocol: 1 }));
  assert.deepEqual(
    sentDatagrams(fixture.udp).map(({ bytes }) => readU32(bytes, 0)),
    [0x1001],
  );
});

test('… which is the one that waited, once there is none to wait for: not that of other networks in front of it', () => {
  const far = laneChild(suite, { spiIn: 0x4001, slot: 3, remoteSelectors: [selector('10.3.0.0/16')] });
  const fixture = outbound(old, far, { ...fresh, standby: true });
  fixture.lane.remove(0x1001);
  fixture.lane.probe(0x2001, inner('10.0.0.1', '10.1.2.3', { protocol: 1 }));
  assert.deepEqual(
    sentDatagrams(fixture.udp).map(({ bytes }) => readU32(bytes, 0)),
    [0x2001],
  );
});

test('a packet of an SA whose installation still waits is not lost', () => {
  const from = outbound(fresh);
  const to = inbound(mirrored(old));
  to.late.push(mirrored(fresh));
  const sent = packets(3);
  from.tun.inject(...sent);
  while (from.lane.forward() > 0);
  for (const { bytes, segment } of from.udp.sent) to.udp.arrive(bytes, { segment });
  while (to.lane.receive(to.udp, 'natt') > 0);
  assert.deepEqual(to.tun.written.map(toHex), sent.map(toHex));
  assert.equal(to.counters.global()['unknown-spi'], 0);
});

test('limits: soft is told once, hard once, and then nothing leaves any more', () => {
  const limits = { packets: { soft: 10, hard: 20 } };
  const fixture = outbound(laneChild(suite, { limits }));
  send(fixture, 9);
  assert.deepEqual(fixture.limits, []);
  send(fixture, 1);
  assert.deepEqual(fixture.limits, ['4097 soft']);
  send(fixture, 9);
  assert.deepEqual(fixture.limits, ['4097 soft']);
  assert.equal(send(fixture, 1).length, 1);
  assert.deepEqual(fixture.limits, ['4097 soft', '4097 hard']);
  assert.deepEqual(send(fixture, 5), []);
  fixture.lane.probe(4097, inner('10.0.0.1', '10.1.2.3', { protocol: 1 }));
  assert.deepEqual(sentDatagrams(fixture.udp), []);
  assert.deepEqual(fixture.limits, ['4097 soft', '4097 hard']);
  const { packetsOut, dropsExhausted } = fixture.counters.child(0);
  assert.deepEqual([packetsOut, dropsExhausted], [20, 5]);
});

test('limits in octets; a batch that crosses both tells of the hard one; a successor carries on', () => {
  const limits = { octets: { soft: 1000, hard: 2000 }, packets: { soft: 1e9, hard: 1e9 } };
  const fixture = outbound({ ...old, limits });
  send(fixture, 40, 100);
  assert.deepEqual(fixture.limits, ['4097 hard']);
  assert.deepEqual(send(fixture, 1), []);
  assert.equal(fixture.lane.install({ ...fresh, limits }), undefined);
  assert.deepEqual(send(fixture, 1), [0x2001]);
});

test('limits hold for all lanes of the SA together', () => {
  const child = laneChild(suite, { limits: { packets: { soft: 10, hard: 20 } } });
  const lanes = outboundLanes(2, SharedSequence.memory(), child);
  for (const lane of lanes) send(lane, 6);
  assert.deepEqual([lanes[0].limits, lanes[1].limits], [[], ['4097 soft']]);
  send(lanes[0], 8);
  assert.deepEqual(lanes[0].limits, ['4097 hard']);
  assert.deepEqual(send(lanes[0], 1), []);
});

test('limits of what comes in are told, and nothing is dropped', () => {
  const from = outbound(old);
  const to = inbound({ ...mirrored(old), limits: { packets: { soft: 3, hard: 6 } } });
  for (const expected of [[], ['4097 soft'], ['4097 soft', '4097 hard'], ['4097 soft', '4097 hard']]) {
    from.tun.inject(...packets(2));
    while (from.lane.forward() > 0);
    for (const { bytes, segment } of from.udp.sent.splice(0)) to.udp.arrive(bytes, { segment });
    while (to.lane.receive(to.udp, 'natt') > 0);
    assert.deepEqual(to.limits, expected);
  }
  assert.equal(to.tun.written.length, 8);
});

test('a peer at another address, of another family: packets and keepalives go there from then on', () => {
  const fixture = outbound({ ...old, keepalive: true });
  const { lane, udp, udp6, time } = fixture;
  assert.equal(send(fixture).length, 1);
  assert.equal(lane.changePath(0x1001, { address: '2001:db8::9', port: 61_000 }, true), undefined);
  fixture.tun.inject(...packets(1));
  while (lane.forward() > 0);
  time.now += 20_000;
  lane.keepAlive();
  assert.equal(udp.sent.length, 0);
  const out = sentDatagrams(udp6);
  assert.deepEqual(
    out.map(({ bytes, to }) => [bytes.length === 1, unpackSockaddr(to)]),
    [false, true].map((keepalive) => [keepalive, { address: '2001:db8::9', port: 61_000 }]),
  );
  assert.deepEqual([out[0].bytes[7]], [2], 'sequence numbers go on');
  lane.changePath(0x1001, { address: '192.0.2.1', port: 4500 }, false);
  assert.equal(lane.timeout(), -1, 'not behind a NAT any more');
  assert.equal(send(fixture).length, 1);
  assert.match(lane.changePath(0x1001, { address: 'vpn.office.test', port: 4500 }, false) ?? '', /not an address/);
  assert.equal(lane.changePath(0x9999, { address: '192.0.2.1', port: 4500 }, false), undefined, 'removed meanwhile');
});
