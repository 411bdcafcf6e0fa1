/** What the lanes do with what is known of the path, and what they tell of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../../core/bytes/address.ts';
import { concat, toHex } from '../../../core/bytes/bytes.ts';
import type { LaneChild } from '../../../core/dataplane/commands.ts';
import { readU32 } from '../../../core/esp/packet.ts';
import { type Echo, echoRequest } from '../../../core/ip/echo.ts';
import { MemoryTun } from '../../../core/system/memory/tun.ts';
import { superPacketOf } from '../ip/judge.ts';
import {
  type InboundFixture,
  inbound,
  inner,
  laneChild,
  mirrored,
  type OutboundFixture,
  outbound,
  selector,
} from './fixtures.ts';

const child = laneChild('aes256gcm16', { mtu: 1400 });
const small = (length: number): Uint8Array => inner('10.0.0.1', '10.1.2.3', { length });
const small6 = (length: number): Uint8Array => inner('fd00::1', 'fd01::7', { length });

function forward(fixture: OutboundFixture, ...packets: readonly Uint8Array[]): OutboundFixture['udp']['sent'] {
  fixture.tun.inject(...packets);
  while (fixture.lane.forward() > 0);
  return fixture.udp.sent.splice(0);
}

/** What the far end has of it. */
function carried(sent: OutboundFixture['udp']['sent'], far: InboundFixture = inbound(mirrored(child))): readonly Uint8Array[] {
  for (const { bytes, segment } of sent) far.udp.arrive(bytes, { segment });
  while (far.lane.receive(far.udp, 'natt') > 0);
  return far.tun.written;
}

test('the MTU in force is what the main thread says last, for the next frame already', () => {
  const fixture = outbound(child);
  assert.equal(carried(forward(fixture, small(1400))).length, 1);
  fixture.counters.setPath(0, 1000, false);
  const fragments = carried(forward(fixture, small(1400)));
  assert.deepEqual(
    fragments.map(({ length }) => length),
    [996, 424],
  );
  fixture.counters.setPath(0, 1400, false);
  assert.equal(carried(forward(fixture, small(1400))).length, 1);
  fixture.counters.clear(0);
  assert.equal(fixture.counters.path(0), 0);
});

test('RFC 4301 §8.2.1: of a frame of many segments each is fragmented without DF, and the host hears nothing; with DF it does', () => {
  const fixture = outbound(child);
  const tun = new MemoryTun({ headers: true, tcp: true, udp: true });
  fixture.lane.tun = tun;
  fixture.counters.setPath(0, 1300, false);
  const carry = (dontFragment: boolean): readonly Uint8Array[] => {
    const packet = superPacketOf({
      ...{ version: 4, protocol: 'tcp', source: Uint8Array.of(10, 0, 0, 1), destination: Uint8Array.of(10, 1, 2, 3) },
      ...{ sourcePort: 1000, destinationPort: 443, payload: new Uint8Array(40_000).fill(7), dontFragment },
    });
    const virtio = Uint8Array.of(1, 1, 40, 0, 1360 & 255, 1360 >> 8, 20, 0, 16, 0);
    tun.inject(concat(virtio, packet));
    while (fixture.lane.forward() > 0);
    return carried(fixture.udp.sent.splice(0));
  };
  const segments = Math.ceil(40_000 / 1360);
  const lengths = carry(false).map(({ length }) => length);
  assert.deepEqual(lengths.slice(0, 4), [1300, 120, 1300, 120]);
  assert.equal(lengths.length, 2 * segments - 1);
  const { packetsOut, dropsTooBig } = fixture.counters.child(0);
  assert.deepEqual([packetsOut, dropsTooBig, tun.written.length], [lengths.length, 0, 0]);
  assert.deepEqual(carry(true), []);
  assert.deepEqual([fixture.counters.child(0).dropsTooBig, tun.written.length], [segments, 1]);
});

test('RFC 8200 §5: an IPv6 packet of up to 1280 octets is never refused, it goes without DF; larger ones hear of no less', () => {
  const fixture = outbound(child);
  fixture.counters.setPath(0, 800, false);
  const [sent] = forward(fixture, small6(1280));
  assert.equal(sent.divisible, true);
  assert.deepEqual(carried([sent]).map(toHex), [toHex(small6(1280))]);
  const [fits] = forward(fixture, small6(800));
  assert.equal(fits.divisible, undefined);
  assert.equal(fixture.counters.child(0).dropsTooBig, 0);

  assert.equal(forward(fixture, small6(1281)).length, 0);
  assert.equal(fixture.counters.child(0).dropsTooBig, 1);
  const told = fixture.tun.written.at(-1) ?? new Uint8Array();
  assert.deepEqual([told[40], (told[46] << 8) | told[47]], [2, 1280]);
});

test('where the path carries less than the floor everything goes without DF, fragments too', () => {
  const fixture = outbound(child);
  fixture.counters.setPath(0, 500, true);
  const sent = forward(fixture, small(300), small(900), small6(600));
  assert.ok(sent.every(({ divisible }) => divisible === true));
  assert.equal(carried(sent).length, 4);
  fixture.counters.setPath(0, 500, false);
  assert.equal(forward(fixture, small(300))[0].divisible, undefined);
});

test('a probe goes as it is, whatever the MTU, with DF; not beyond the selectors, and not on an SA that is gone', () => {
  const fixture = outbound(child);
  fixture.counters.setPath(0, 500, true);
  fixture.lane.probe(child.spiIn, small(1400));
  const [sent] = fixture.udp.sent.splice(0);
  assert.equal(sent.divisible, undefined);
  assert.deepEqual(carried([sent]).map(toHex), [toHex(small(1400))]);
  assert.deepEqual([fixture.counters.child(0).packetsOut, fixture.counters.child(0).bytesOut], [1, 1400]);

  fixture.lane.probe(child.spiIn, inner('10.0.0.1', '10.2.0.1'));
  fixture.lane.probe(child.spiIn, inner('10.0.0.9', '10.1.2.3'));
  fixture.lane.probe(child.spiIn, new Uint8Array(30));
  fixture.lane.probe(child.spiIn + 1, small(100));
  assert.equal(fixture.udp.sent.length, 0);
});

test('a probe goes on another SA to the same place where the one that is named does not cover it, and on none to another', () => {
  const other = (spiIn: number, networks: string, change: Partial<LaneChild> = {}): LaneChild =>
    laneChild('aes256gcm16', { spiIn, slot: spiIn, remoteSelectors: [selector(networks)], ...change });
  const fixture = outbound(
    other(1, '10.1.0.0/16'),
    other(2, '10.1.0.0/16', { replaces: 1, standby: true }),
    other(3, '10.2.0.0/16'),
    other(4, '10.3.0.0/16', { remote: { address: '192.0.2.9', port: 4500 } }),
  );
  const spis = (spiIn: number, target: string): readonly number[] => {
    fixture.lane.probe(spiIn, inner('10.0.0.1', target, { length: 1400 }));
    return fixture.udp.sent.splice(0).map(({ bytes }) => readU32(bytes, 0));
  };
  assert.deepEqual(spis(3, '10.1.2.3'), [1]);
  assert.deepEqual(spis(3, '10.2.2.3'), [3]);
  assert.deepEqual(spis(3, '10.3.2.3'), []);
  assert.deepEqual(spis(4, '10.1.2.3'), []);
  assert.deepEqual([fixture.counters.child(1).packetsOut, fixture.counters.child(3).packetsOut], [1, 1]);
});

test('a packet that the device does not carry is told and lost, and the next one goes', () => {
  const fixture = outbound(child);
  fixture.udp.refuse.set(0, 'EMSGSIZE');
  fixture.lane.probe(child.spiIn, small(1400));
  assert.deepEqual(fixture.tooLong, [fixture.udp]);
  assert.equal(forward(fixture, small(1300)).length, 1);
  assert.equal(fixture.tooLong.length, 1);
});

test('large packets for two seconds are told, and whether next to nothing comes back; small ones are no reason', () => {
  const fixture = outbound(child);
  const after = (milliseconds: number, length: number): string[] => {
    fixture.time.now += milliseconds;
    forward(fixture, small(length));
    return fixture.doubts.splice(0);
  };
  assert.deepEqual(after(0, 1400), []);
  assert.deepEqual(after(1999, 1400), []);
  assert.deepEqual(after(1, 1400), [`${child.spiIn} silent`]);
  assert.deepEqual(after(500, 1400), []);
  // A ping each second, a name that is looked up.
  fixture.counters.add(0, 'packetsIn', 8);
  assert.deepEqual(after(5000, 1400), [`${child.spiIn} silent`]);
  fixture.counters.add(0, 'packetsIn', 9);
  assert.deepEqual(after(5000, 1400), [`${child.spiIn}`]);
  assert.deepEqual(after(5000, 100), []);
  assert.deepEqual(after(1, 1400), [`${child.spiIn} silent`]);
  // A computer whose hardware has local time, then NTP.
  fixture.time.setBack = 7_200_000;
  assert.deepEqual(after(2000, 1400), [`${child.spiIn} silent`]);
});

const session = { identifier: 0x1234, token: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) };

/** What the far end answers to an echo of ours, of so many octets. */
function answer(octets: number, change: Partial<Echo> = {}): Uint8Array {
  const address = (text: string): Uint8Array => parseAddress(text) ?? new Uint8Array();
  const token = concat(session.token, new Uint8Array(8));
  // From them to us: the request with the type of a reply is one for what the lane looks at.
  const echo = { source: address('10.1.2.3'), target: address('10.0.0.1'), sequence: 1, ...session, token, ...change };
  const packet = echoRequest(echo, octets);
  packet[20] = 0;
  return packet;
}

function arrivals(fixture: InboundFixture, ...packets: readonly Uint8Array[]): InboundFixture {
  // The far end is a lane too, which sends from the office's network to us.
  const far = outbound(mirrored(laneChild('aes256gcm16', { mtu: 9000 })));
  for (const { bytes, segment } of forward(far, ...packets)) fixture.udp.arrive(bytes, { segment });
  while (fixture.lane.receive(fixture.udp, 'natt') > 0);
  return fixture;
}

test('answers to our probes go to the main thread, cut short, and not to the device; pings of the user do', () => {
  const fixture = inbound({ ...child, session });
  const ours = answer(1400);
  const others = [answer(100, { identifier: 7 }), answer(100, { token: new Uint8Array(16) })];
  const { echoes, tun, counters } = arrivals(fixture, others[0], ours, others[1]);
  assert.deepEqual(
    echoes.map(({ spiIn, packet }) => [spiIn, toHex(packet)]),
    [[child.spiIn, toHex(ours.slice(0, 128))]],
  );
  assert.deepEqual(tun.written.map(toHex), others.map(toHex));
  assert.deepEqual([counters.child(0).packetsIn, counters.arrivals(0)], [3, 2]);
  assert.ok(counters.child(0).lastIn > 0);
  // Without probes nothing is ours.
  assert.equal(arrivals(inbound(child), ours).tun.written.length, 1);
});

test('a flood of answers is bounded', () => {
  const { echoes, tun } = arrivals(inbound({ ...child, session }), ...Array.from({ length: 200 }, () => answer(100)));
  assert.equal(echoes.length, 64);
  assert.equal(tun.written.length, 0);
});

test('RFC 6040 §4.2: congestion marks that no tunnel sends are counted, and the packet passes', () => {
  const far = outbound(mirrored(child));
  const fixture = inbound(child);
  const packet = inner('10.1.2.3', '10.0.0.1', { length: 100 }); // Not-ECT inside
  for (const { bytes } of forward(far, packet)) fixture.udp.arrive(bytes, { tos: 1 });
  while (fixture.lane.receive(fixture.udp, 'natt') > 0);
  assert.deepEqual([fixture.counters.child(0).ecnUnusual, fixture.counters.child(0).packetsIn], [1, 1]);
});

test('a SYN that comes is clamped to what the path carries', () => {
  const fixture = inbound(child);
  fixture.counters.setPath(0, 1000, false);
  const syn = inner('10.1.2.3', '10.0.0.1', { length: 44, protocol: 6 });
  syn.set([0x60, 0x02], 32);
  syn.set([2, 4, 0x05, 0xb4], 40);
  const [written] = arrivals(fixture, syn).tun.written;
  assert.equal((written[42] << 8) | written[43], 960);
});
