/** Several outbound lanes of one SA, here in one thread; `sharedSequence.test.ts` and `test/host/lanes.test.ts` have real ones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../../core/bytes/bytes.ts';
import { readU32 } from '../../../core/esp/packet.ts';
import { SharedSequence } from '../../../core/esp/sharedSequence.ts';
import {
  inbound,
  inner,
  laneChild,
  mirrored,
  type OutboundFixture,
  outbound,
  outboundLanes,
  outboundThatWaits,
  sentDatagrams,
} from './fixtures.ts';

const sequences = ({ udp }: OutboundFixture): number[] => sentDatagrams(udp).map(({ bytes }) => readU32(bytes, 4));
const packets = (count: number, length = 60) => Array.from({ length: count }, () => inner('10.0.0.1', '10.1.2.3', { length }));

test('numbers go on from lane to lane, across 2^32 with ESN, and the peer takes all', () => {
  const child = laneChild('aes256gcm16-esn');
  const start = { high: 2, low: 0xffff_ff80 };
  const lanes = outboundLanes(3, SharedSequence.memory(start), child);
  const all: number[] = [];
  for (let round = 0; round < 30; round++) {
    const fixture = lanes[(round * 7) % 3];
    fixture.tun.inject(...packets(1 + (round % 13)));
    fixture.lane.forward();
    all.push(...sequences(fixture));
  }
  assert.deepEqual(
    all,
    all.map((_, i) => (start.low + 1 + i) >>> 0),
  );
  assert.ok(all.includes(0));
  const { packetsOut, bytesOut } = lanes[1].counters.child(0);
  assert.deepEqual([packetsOut, bytesOut], [all.length, 60 * all.length]); // of all lanes
});

test('more packets than are sealed in one go: each sending has its own numbers, what arrives is what was sent', () => {
  const child = laneChild('chacha20poly1305');
  const [from] = outboundLanes(2, SharedSequence.memory(), child);
  const to = inbound(mirrored(child));
  const sent = Array.from({ length: 250 }, (_, i) => inner('10.0.0.1', '10.1.2.3', { length: 40 + (i % 5) }));
  from.tun.inject(...sent);
  while (from.lane.forward() > 0);
  for (const { bytes, segment } of from.udp.sent) to.udp.arrive(bytes, { segment });
  while (to.lane.receive(to.udp, 'natt') > 0);
  assert.deepEqual(to.tun.written.map(toHex), sent.map(toHex));
  assert.deepEqual(
    sequences(from),
    sent.map((_, i) => i + 1),
  );
});

test('the last numbers: what has none is not sent, and counted as that alone', () => {
  const [one, other] = outboundLanes(2, SharedSequence.memory({ high: 0, low: 0xffff_ffff - 10 }), laneChild('aes128gcm16'));
  const carry = (fixture: OutboundFixture, count: number): number[] => {
    fixture.tun.inject(...packets(count));
    fixture.lane.forward();
    return sequences(fixture);
  };
  assert.equal(carry(one, 6).length, 6);
  assert.deepEqual(carry(other, 5), []);
  assert.deepEqual(carry(other, 4), [0xffff_fffc, 0xffff_fffd, 0xffff_fffe, 0xffff_ffff]);
  for (let i = 0; i < 3; i++) assert.deepEqual([...carry(one, 1), ...carry(other, 130)], []);
  const { packetsOut, bytesOut, dropsExhausted } = one.counters.child(0);
  assert.deepEqual([packetsOut, bytesOut, dropsExhausted], [10, 600, 5 + 3 * 131]);
});

test('a lane with several queues takes four sendings’ worth of each, or one that had to wait', () => {
  const sending = Math.ceil(65_536 / 8036);
  const large = outbound(laneChild('aes256gcm16'));
  large.tun.inject(...packets(100, 8000));
  assert.equal(large.lane.forward(true), 4 * sending);
  const slow = outboundThatWaits(laneChild('aes256gcm16'));
  slow.udp.refuse.set(1, 'EAGAIN');
  slow.tun.inject(...packets(100, 8000));
  assert.deepEqual([slow.lane.forward(true), slow.lane.forward(true)], [sending, 4 * sending]);
  const small = outbound(laneChild('aes256gcm16'));
  small.tun.inject(...packets(100));
  assert.deepEqual([small.lane.forward(true), small.lane.forward(true)], [64, 36]);
  assert.equal(sequences(small).length, 0);
  small.lane.sendRest(); // of all queues in one go
  assert.equal(sequences(small).length, 100);
});

test('a keepalive goes out when no lane sent anything (RFC 3948 §4)', () => {
  const child = laneChild('aes256gcm16', { keepalive: true });
  const [first, second] = outboundLanes(2, SharedSequence.memory(), child);
  const later = (milliseconds: number): number => {
    first.time.now += milliseconds;
    for (const { lane } of [first, second]) lane.keepAlive();
    return first.udp.sent.splice(0).length + second.udp.sent.splice(0).length;
  };
  assert.equal(later(15_000), 0);
  second.tun.inject(...packets(1));
  second.lane.forward();
  second.udp.sent.length = 0;
  assert.equal(later(6000), 0); // 6 s since the other lane's
  assert.equal(first.lane.timeout(), 14_000);
  assert.equal(second.lane.timeout(), -1);
  assert.equal(later(14_000), 1);
});
