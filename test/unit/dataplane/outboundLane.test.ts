import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, toHex } from '../../../core/bytes/bytes.ts';
import { readU32 } from '../../../core/esp/packet.ts';
import { packSockaddr } from '../../../core/system/linux/sockaddr.ts';
import { allSuites, suiteName } from '../esp/suites.ts';
import {
  inbound,
  inner,
  laneChild,
  mirrored,
  type OutboundFixture,
  outbound,
  outboundThatWaits,
  selector,
  sentDatagrams,
} from './fixtures.ts';

const child = laneChild('aes256gcm16');
const good = inner('10.0.0.1', '10.1.2.3');

function forwardAll({ lane }: OutboundFixture): void {
  while (lane.forward() > 0);
}

test('every suite: what one end reads off its TUN, the other writes to its own', () => {
  for (const suite of allSuites) {
    const sa = laneChild(suiteName(suite));
    const from = outbound(sa);
    const to = inbound(mirrored(sa));
    // More than one batch, all lengths of padding, both families.
    const packets = Array.from({ length: 19 }, (_, i) =>
      i % 3 === 0 ? inner('fd00::1', 'fd01::7', { length: 48 + i }) : inner('10.0.0.1', '10.1.2.3', { length: 28 + i }),
    );
    from.tun.inject(...packets);
    forwardAll(from);
    for (const { bytes, segment } of from.udp.sent) to.udp.arrive(bytes, { segment });
    while (to.lane.receive(to.udp, 'natt') > 0);
    assert.deepEqual(to.tun.written.map(toHex), packets.map(toHex), suiteName(suite));
    const octets = packets.reduce((sum, packet) => sum + packet.length, 0);
    const { packetsOut, bytesOut, lastOut } = from.counters.child(0);
    assert.deepEqual([packetsOut, bytesOut, lastOut], [19, octets, from.time.now]);
    assert.deepEqual([to.counters.child(0).packetsIn, to.counters.child(0).bytesIn], [19, octets]);
  }
});

test('the largest packet a TUN can give passes unharmed among others', () => {
  const from = outbound(laneChild('aes256-sha512'));
  const to = inbound(mirrored(laneChild('aes256-sha512')));
  const packets = [8999, 9000, 20, 9000, 8998].map((length) => inner('10.0.0.1', '10.1.2.3', { length: Math.max(length, 24) }));
  from.tun.inject(...packets);
  forwardAll(from);
  for (const { bytes, segment } of from.udp.sent) to.udp.arrive(bytes, { segment });
  while (to.lane.receive(to.udp, 'natt') > 0);
  assert.deepEqual(to.tun.written.map(toHex), packets.map(toHex));
});

test('what no SA covers is dropped and counted, never sent', () => {
  const fixture = outbound(child);
  fixture.tun.inject(
    inner('10.0.0.2', '10.1.2.3'), // not our address
    inner('10.0.0.1', '10.2.0.1'), // not their network
    inner('fd00::1', 'fd02::1'),
    good.slice(0, 30), // shorter than it says
    Uint8Array.of(0x05, ...good.slice(1)),
    new Uint8Array(1),
  );
  forwardAll(fixture);
  assert.deepEqual([fixture.counters.global()['no-policy'], fixture.counters.global()['not-ip']], [3, 3]);
  assert.equal(fixture.udp.sent.length, 0);
  assert.equal(outbound().lane.forward(), 0);
});

test('octets behind the inner packet are not sent', () => {
  const fixture = outbound(child);
  fixture.tun.inject(good, concat(good, new Uint8Array(100)));
  forwardAll(fixture);
  const [first, second] = sentDatagrams(fixture.udp);
  assert.equal(first.bytes.length, second.bytes.length);
});

test('many SAs: each packet by its destination, to its own peer, runs together and in order', () => {
  const sas = Array.from({ length: 5 }, (_, i) =>
    laneChild('aes128gcm16', {
      spiIn: 0x3000 + i,
      slot: i,
      localSelectors: [selector('10.0.0.0/8')],
      remoteSelectors: [selector(`172.16.${i}.0/24`)],
      remote: i === 4 ? { address: '2001:db8::4', port: 4500 } : { address: `192.0.2.${i}`, port: 1024 + i },
    }),
  );
  const fixture = outbound(...sas);
  const order = [0, 0, 1, 4, 1, 1, 3, 0, 2, 2, 4];
  fixture.tun.inject(...order.map((i) => inner('10.0.0.1', `172.16.${i}.9`)));
  forwardAll(fixture);
  const sent = sentDatagrams(fixture.udp).map(({ bytes, to }) => [readU32(bytes, 0) - 0x3000, toHex(to)]);
  const slot = (i: number): string => toHex(packSockaddr(sas[i].remote) ?? new Uint8Array(0));
  assert.deepEqual(
    sent,
    order.filter((i) => i !== 4).map((i) => [i, slot(i)]),
  );
  assert.deepEqual(
    sentDatagrams(fixture.udp6).map(({ bytes }) => readU32(bytes, 0)),
    [0x3004, 0x3004],
  );
  assert.deepEqual(
    sas.map((_, i) => fixture.counters.child(i).packetsOut),
    [3, 3, 2, 1, 2],
  );
});

test('the newest SA that covers a packet is used; after its removal the older one again', () => {
  const fixture = outbound(laneChild('aes128gcm16', { spiIn: 1000 }), laneChild('aes128gcm16', { spiIn: 2000 }));
  const spis = (): number[] => {
    fixture.tun.inject(good);
    forwardAll(fixture);
    return sentDatagrams(fixture.udp).map(({ bytes }) => readU32(bytes, 0));
  };
  assert.deepEqual(spis(), [2000]);
  fixture.lane.remove(2000);
  assert.deepEqual(spis(), [1000]);
  fixture.lane.clear();
  assert.deepEqual(spis(), []);
});

test('packets of one length are one run, a shorter one ends it, a longer one or 64 packets begin the next', () => {
  const fixture = outbound(child);
  const lengths = [1400, 1400, 900, 900, 1400, ...new Array(130).fill(60)];
  fixture.tun.inject(...lengths.map((length) => inner('10.0.0.1', '10.1.2.3', { length })));
  forwardAll(fixture);
  const runs = fixture.udp.sent.map(({ bytes, segment }) => [segment, Math.ceil(bytes.length / segment)]);
  assert.deepEqual(runs, [
    [1436, 3],
    [936, 1],
    [1436, 2],
    [96, 64],
    [96, 64],
    [96, 1],
  ]);
  const sequence = sentDatagrams(fixture.udp).map(({ bytes }) => readU32(bytes, 4));
  assert.deepEqual(
    sequence,
    lengths.map((_, i) => i + 1),
  );
});

test('a refused run costs only itself; a full queue all that waits; room that comes costs nothing', () => {
  const longer = (): Uint8Array[] => Array.from({ length: 6 }, (_, i) => inner('10.0.0.1', '10.1.2.3', { length: 60 + 8 * i }));
  const sequences = ({ udp }: OutboundFixture): number[] => sentDatagrams(udp).map(({ bytes }) => readU32(bytes, 4));
  const fixture = outbound(child);
  fixture.udp.refuse.set(1, 'EMSGSIZE');
  fixture.tun.inject(...longer());
  forwardAll(fixture);
  assert.deepEqual(sequences(fixture), [1, 3, 4, 5, 6]);
  assert.equal(fixture.counters.global()['send-failed'], 1);

  const full = outbound(child);
  full.udp.refuse.set(2, 'EAGAIN');
  full.tun.inject(...longer());
  forwardAll(full);
  assert.deepEqual(sequences(full), [1, 2]);
  assert.equal(full.counters.global()['send-failed'], 4);

  const waiting = outboundThatWaits(child);
  waiting.udp.refuse.set(2, 'EAGAIN');
  waiting.udp.refuse.set(3, 'ENOBUFS');
  waiting.tun.inject(...longer());
  forwardAll(waiting);
  assert.deepEqual(sequences(waiting), [1, 2, 3, 4, 5, 6]);
  assert.equal(waiting.counters.global()['send-failed'], 0);

  const none = outbound(child);
  none.lane.socket4 = undefined;
  none.tun.inject(good, good);
  forwardAll(none);
  assert.equal(none.counters.global()['send-failed'], 2);
});

test('keepalives: one octet 0xFF after the interval of silence, not before, one per peer (RFC 3948 §2.3, §4)', () => {
  const one = laneChild('aes128gcm16', { spiIn: 1, keepalive: true });
  const same = laneChild('aes128gcm16', { spiIn: 2, keepalive: true });
  const other = laneChild('aes128gcm16', { spiIn: 3, remote: { address: '192.0.2.9', port: 4500 } });
  const fixture = outbound(one, same, other);
  const { lane, time, udp } = fixture;
  assert.equal(lane.timeout(), 20_000);
  time.now += 19_999;
  lane.keepAlive();
  assert.equal(udp.sent.length, 0);
  assert.equal(lane.timeout(), 1);
  time.now += 1;
  lane.keepAlive();
  assert.deepEqual(
    udp.sent.splice(0).map(({ bytes, to }) => [toHex(bytes), toHex(to)]),
    [['ff', toHex(packSockaddr(one.remote) ?? new Uint8Array(0))]],
  );
  assert.equal(lane.timeout(), 20_000);
  // Traffic puts it off.
  time.now += 15_000;
  lane.remove(3);
  fixture.tun.inject(good);
  forwardAll(fixture);
  udp.sent.splice(0);
  assert.equal(lane.timeout(), 20_000);
  time.now += 5_000;
  lane.keepAlive();
  assert.equal(udp.sent.length, 0);
  lane.clear();
  assert.equal(lane.timeout(), -1);
});

test('a keepalive that cannot be sent is tried again only after another interval', () => {
  const fixture = outbound(laneChild('aes128gcm16', { keepalive: true }));
  fixture.udp.refuse.set(0, 'ENETUNREACH');
  fixture.time.now += 20_000;
  fixture.lane.keepAlive();
  assert.equal(fixture.counters.global()['send-failed'], 1);
  assert.equal(fixture.lane.timeout(), 20_000);
});

test('an SA may want an interval of its own, or none', () => {
  assert.equal(outbound({ ...laneChild('aes128gcm16', { keepalive: true }), keepaliveInterval: 5_000 }).lane.timeout(), 5_000);
  assert.equal(outbound({ ...laneChild('aes128gcm16', { keepalive: true }), keepaliveInterval: 0 }).lane.timeout(), -1);
  assert.equal(outbound({ ...laneChild('aes128gcm16', { keepalive: false }), keepaliveInterval: 5_000 }).lane.timeout(), -1);
});

test('a device that is gone', () => {
  const fixture = outbound(child);
  fixture.tun.gone = true;
  assert.equal(fixture.lane.forward(), -1);
});

test('an address that is none, and keys that do not fit, are refused', () => {
  const { lane } = outbound();
  assert.match(lane.install({ ...child, remote: { address: 'vpn.office.test', port: 4500 } }) ?? '', /not an address/);
  assert.match(
    lane.install({ ...child, keys: { encryption: new Uint8Array(3), integrity: new Uint8Array(0) } }) ?? '',
    /no cipher/,
  );
});

test('a socket without room is waited for once: then commands are looked at, which may show another way', () => {
  const fixture = outbound(child);
  for (let offer = 0; offer < 100; offer++) fixture.udp.refuse.set(offer, 'EAGAIN');
  const large = inner('10.0.0.1', '10.1.2.3', { length: 8000 });
  fixture.tun.inject(...Array.from({ length: 90 }, () => large));
  // Of 64 KiB each.
  assert.deepEqual([fixture.lane.forward(), fixture.lane.forward()], [9, 9]);
  assert.equal(fixture.counters.global()['send-failed'], 18);
});

test('the same with packets of two SAs in turn, each of which is a sending', () => {
  const other = laneChild('aes128gcm16', { spiIn: 3, slot: 1, remoteSelectors: [selector('10.3.0.0/16')] });
  const fixture = outbound(child, other);
  for (let offer = 0; offer < 1000; offer++) fixture.udp.refuse.set(offer, 'EAGAIN');
  fixture.tun.inject(...Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? good : inner('10.0.0.1', '10.3.2.3'))));
  assert.equal(fixture.lane.forward(), 2);
  assert.equal(fixture.counters.global()['send-failed'], 2);
});

test('a socket that says it has room and takes nothing does not keep the lane', () => {
  const fixture = outboundThatWaits(child);
  for (let offer = 0; offer < 100; offer++) fixture.udp.refuse.set(offer, 'EAGAIN');
  fixture.tun.inject(good);
  forwardAll(fixture);
  assert.equal(fixture.counters.global()['send-failed'], 1);
});
