/** The ten steps at the head of inboundLane.ts, one after the other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat, toHex } from '../../../core/bytes/bytes.ts';
import { nodeEspBackend } from '../../../core/crypto/node/esp.ts';
import type { LaneChild } from '../../../core/dataplane/commands.ts';
import type { ChildCounters, GlobalDrop } from '../../../core/dataplane/contract.ts';
import { maxIkeQueued } from '../../../core/dataplane/counters.ts';
import { OutboundSa } from '../../../core/esp/outbound.ts';
import { readU32, writeU32 } from '../../../core/esp/packet.ts';
import { MemoryTun } from '../../../core/system/memory/tun.ts';
import { sealOne } from '../esp/one.ts';
import { keysFor, octets } from '../esp/suites.ts';
import { packetOf } from '../ip/judge.ts';
import { type InboundFixture, inbound, inner, laneChild } from './fixtures.ts';

const child = laneChild('aes256gcm16');
/** From the remote network to us. */
const good = inner('10.1.2.3', '10.0.0.1', { length: 61 });

/** What the peer sends; `nextHeader` follows the inner version unless said. */
function peer(of: LaneChild = child, start = { high: 0, low: 0 }): (packet: Uint8Array, nextHeader?: number) => Uint8Array {
  const cipher = nodeEspBackend.cipher(of, keysFor(of, of.spi));
  assert.ok(cipher);
  const sa = new OutboundSa({ spi: of.spi, cipher, esn: of.esn, random: (n) => octets(n, 5), start });
  return (packet, nextHeader = packet[0] >>> 4 === 4 ? 4 : 41) => {
    const buffer = new Uint8Array(sa.headBytes + packet.length + sa.tailBytes);
    buffer.set(packet, sa.headBytes);
    return buffer.slice(0, sealOne(sa, buffer, sa.headBytes, packet.length, nextHeader));
  };
}

/** Lets the datagrams arrive on `natt` and tells what came of it: only the counters that are not zero. */
function arrive(
  fixture: InboundFixture,
  ...datagrams: readonly Uint8Array[]
): { readonly counts: Record<string, number>; readonly tun: readonly string[] } {
  for (const datagram of datagrams) fixture.udp.arrive(datagram);
  while (fixture.lane.receive(fixture.udp, 'natt') > 0);
  const all: Partial<ChildCounters> & Partial<Record<GlobalDrop, number>> = {
    ...fixture.counters.child(0),
    ...fixture.counters.global(),
  };
  const counts = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== 0));
  return { counts, tun: fixture.tun.written.map(toHex) };
}

const time = 1_700_000_000_000;
const delivered = { packetsIn: 1, bytesIn: good.length, lastIn: time };

test('a good packet reaches the TUN as it was and is counted', () => {
  assert.deepEqual(arrive(inbound(child), peer()(good)), { counts: delivered, tun: [toHex(good)] });
});

test('step 1: keepalives, short datagrams, IKE behind the marker', () => {
  const fixture = inbound(child);
  const message = octets(40, 3);
  const from = octets(28, 9);
  fixture.udp.arrive(concat(new Uint8Array(4), message), from);
  const { counts } = arrive(
    fixture,
    Uint8Array.of(0xff),
    Uint8Array.of(0xfe),
    new Uint8Array(0),
    new Uint8Array(7),
    new Uint8Array(31),
  );
  assert.deepEqual(counts, { 'keepalive-in': 1, 'short-packet': 4 });
  assert.deepEqual(fixture.ike, [{ bytes: message, channel: 'natt', from }]);
});

test('step 1: on the ike channel everything is IKE, also what looks like a marker or a keepalive', () => {
  const fixture = inbound(child);
  const message = concat(new Uint8Array(4), octets(40, 3));
  fixture.udp.arrive(message);
  fixture.udp.arrive(Uint8Array.of(0xff));
  fixture.udp.arrive(peer()(good));
  fixture.lane.receive(fixture.udp, 'ike');
  assert.equal(toHex(fixture.ike[0].bytes), toHex(message));
  assert.equal(fixture.ike.length, 2);
  assert.equal(fixture.counters.global()['short-packet'], 1);
  assert.equal(fixture.counters.global()['keepalive-in'], 0);
  assert.equal(fixture.tun.written.length, 0);
});

test('step 1: IKE messages are copies of their own, so the next batch does not write over them', () => {
  const fixture = inbound(child);
  for (let i = 0; i < 20; i++) fixture.udp.arrive(concat(new Uint8Array(4), octets(40, i + 1)));
  while (fixture.lane.receive(fixture.udp, 'natt') > 0);
  for (const [i, { bytes }] of fixture.ike.entries()) {
    assert.equal(toHex(bytes), toHex(octets(40, i + 1)));
    assert.equal(bytes.buffer.byteLength, 40);
  }
});

test('step 1: the queue of IKE messages is bounded, and goes on once the main thread takes some', () => {
  const fixture = inbound(child);
  const message = concat(new Uint8Array(4), octets(1_000, 3));
  fixture.counters.rememberIke(readU32(message, 4), readU32(message, 8));
  const most = Math.ceil(maxIkeQueued / (1_000 + 256));
  assert.ok(most > 1_500, 'a thousand forged fragments, and genuine ones behind them');
  for (let i = 0; i < most + 5; i++) {
    fixture.udp.arrive(message);
    arrive(fixture);
  }
  assert.deepEqual(arrive(fixture).counts, { 'ike-full': 5 });
  assert.equal(fixture.ike.length, most);
  fixture.counters.ikeTaken(1_000);
  assert.deepEqual(arrive(fixture, message, message).counts, { 'ike-full': 6 });
  assert.equal(fixture.ike.length, most + 1);
});

test('step 2: an SPI that is not ours; the reserved ones too', () => {
  const fixture = inbound(child);
  const packet = peer()(good);
  for (const spi of [1, 255, 256, child.spi + 1, 0xffffffff]) {
    writeU32(packet, 0, spi);
    fixture.udp.arrive(packet);
  }
  assert.deepEqual(arrive(fixture), { counts: { 'unknown-spi': 5 }, tun: [] });
});

test('step 3: too short, or not whole blocks', () => {
  const packet = peer()(good);
  for (let length = 8; length < 8 + 8 + 16 + 2; length++) {
    assert.deepEqual(arrive(inbound(child), packet.subarray(0, length)), { counts: { dropsMalformed: 1 }, tun: [] });
  }
  assert.deepEqual(arrive(inbound(child), packet.subarray(0, packet.length - 1)).counts, { dropsMalformed: 1 });
});

test('steps 4 and 6: each packet once, in any order; left of the window never', () => {
  const fixture = inbound(child);
  const seal = peer();
  const packets = Array.from({ length: 100 }, () => seal(good));
  arrive(fixture, packets[10], packets[5], packets[10], packets[5]);
  arrive(fixture, packets[99], packets[10], packets[35], packets[36]);
  const { packetsIn, dropsReplay } = fixture.counters.child(0);
  assert.deepEqual([packetsIn, dropsReplay], [4, 4]);
  assert.equal(fixture.tun.written.length, 4);
});

test('step 5: a forged packet changes nothing, neither the window nor the time of the last one', () => {
  const fixture = inbound(child);
  const seal = peer();
  const packets = [seal(good), seal(good)];
  const forged = packets[1].slice();
  writeU32(forged, 4, 0x7fffffff);
  assert.deepEqual(arrive(fixture, forged), { counts: { dropsIntegrity: 1 }, tun: [] });
  assert.deepEqual(arrive(fixture, ...packets).counts, {
    ...delivered,
    packetsIn: 2,
    bytesIn: 2 * good.length,
    dropsIntegrity: 1,
  });
});

test('step 7: next headers other than 4, 41 and 59; a dummy is silent and shows that the peer lives', () => {
  assert.deepEqual(arrive(inbound(child), peer()(good, 17)).counts, { dropsMalformed: 1 });
  assert.deepEqual(arrive(inbound(child), peer()(good, 59)), { counts: { lastIn: time }, tun: [] });
});

test('step 8: the inner version must be the one the next header says', () => {
  assert.deepEqual(arrive(inbound(child), peer()(good, 41)), { counts: { lastIn: time, dropsMalformed: 1 }, tun: [] });
  const six = inner('fd01::5', 'fd00::1');
  assert.deepEqual(arrive(inbound(child), peer()(six, 4)).counts, { lastIn: time, dropsMalformed: 1 });
  assert.deepEqual(arrive(inbound(child), peer()(six)).tun, [toHex(six)]);
});

test('step 8: what is no IP packet, is cut off, or is empty', () => {
  const cut = good.slice(0, 40);
  const noVersion = good.slice();
  noVersion[0] = 0x75;
  for (const [packet, nextHeader] of [
    [cut, 4],
    [noVersion, 4],
    [new Uint8Array(0), 4],
    [good.slice(0, 19), 4],
  ] as const) {
    assert.deepEqual(arrive(inbound(child), peer()(packet, nextHeader)), {
      counts: { lastIn: time, dropsMalformed: 1 },
      tun: [],
    });
  }
});

test('step 8: octets behind the inner packet are TFC padding and are cut off (RFC 4303 §2.7)', () => {
  assert.deepEqual(arrive(inbound(child), peer()(concat(good, new Uint8Array(700)))), { counts: delivered, tun: [toHex(good)] });
  const six = inner('fd01::5', 'fd00::1');
  assert.deepEqual(arrive(inbound(child), peer()(concat(six, new Uint8Array(33).fill(0x45)))).tun, [toHex(six)]);
});

test('step 9: a source outside TSr, a destination that is not ours', () => {
  for (const [source, destination] of [
    ['10.2.0.1', '10.0.0.1'],
    ['10.0.0.1', '10.1.2.3'],
    ['10.1.2.3', '10.0.0.2'],
    ['fd02::1', 'fd00::1'],
    ['fd01::1', 'fd00::2'],
  ] as const) {
    const result = arrive(inbound(child), peer()(inner(source, destination)));
    assert.deepEqual(result, { counts: { lastIn: time, dropsSelector: 1 }, tun: [] }, `${source} ${destination}`);
  }
});

test('step 10: a TUN that takes no more, or none at all', () => {
  const full = inbound(child);
  full.tun.room = 1;
  const seal = peer();
  assert.equal(arrive(full, seal(good), seal(good), seal(good)).counts['tun-full'], 2);
  const none = inbound(child);
  none.lane.tun = undefined;
  assert.deepEqual(arrive(none, peer()(good)).counts, { ...delivered, 'tun-full': 1 });
});

test('step 10: what the TUN finds malformed is counted, each packet of a super-packet, and the others pass', () => {
  for (const headers of [false, true]) {
    const { lane, counters, udp } = inbound(child);
    const tun = new MemoryTun({ headers, tcp: headers, udp: headers });
    lane.tun = tun;
    const seal = peer();
    const datagram = (sourcePort: number): Uint8Array =>
      packetOf({
        ...{ version: 4, protocol: 'udp', dontFragment: true, payload: new Uint8Array(100) },
        ...{ source: Uint8Array.of(10, 1, 2, 3), destination: Uint8Array.of(10, 0, 0, 1), sourcePort, destinationPort: 9 },
      });
    // The three of port 5 are one super-packet where there are headers.
    tun.malformed = (frame) => frame[(headers ? 10 : 0) + 21] === 5;
    for (const port of [5, 6, 5, 5, 6]) udp.arrive(seal(datagram(port)));
    lane.receive(udp, 'natt');
    assert.equal(counters.global()['tun-full'], 3);
    assert.equal(tun.written.length, headers ? 1 : 2);
    assert.equal(counters.child(0).packetsIn, 5);
  }
});

test('a batch mixes everything, and only the good packets come out, in order', () => {
  const second = laneChild('aes128-sha1-esn', { spiIn: 0x2002, slot: 1 });
  const fixture = inbound(child, second);
  const [a, b] = [peer(), peer(second)];
  const packets = Array.from({ length: 12 }, (_, i) => inner('10.1.2.3', '10.0.0.1', { length: 28 + i }));
  const result = arrive(
    fixture,
    ...packets.flatMap((packet, i) => [
      i % 2 === 0 ? a(packet) : b(packet),
      Uint8Array.of(0xff),
      octets(60, i + 1),
      octets(3, 1),
    ]),
  );
  assert.deepEqual(result.tun, packets.map(toHex));
  assert.deepEqual([fixture.counters.child(0).packetsIn, fixture.counters.child(1).packetsIn], [6, 6]);
});

test('property: lost, repeated and reordered packets, forgeries between them: each that arrives is delivered exactly once', () => {
  const shuffled = fc.array(fc.record({ packet: fc.nat(59), forged: fc.boolean() }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(fc.constantFrom('aes128gcm16', 'chacha20poly1305-esn', 'aes128-sha256'), shuffled, (suite, arrivals) => {
      const sa = laneChild(suite);
      const fixture = inbound(sa);
      const seal = peer(sa);
      // 60 packets fit into the window of 64, so no order makes one too old.
      const packets = Array.from({ length: 60 }, (_, i) => seal(inner('10.1.2.3', '10.0.0.1', { length: 40 + i })));
      for (const { packet, forged } of arrivals) {
        const bytes = packets[packet].slice();
        if (forged) bytes[bytes.length - 1 - (packet % 12)] ^= 4;
        fixture.udp.arrive(bytes);
      }
      while (fixture.lane.receive(fixture.udp, 'natt') > 0);
      const genuine = new Set(arrivals.filter(({ forged }) => !forged).map(({ packet }) => 40 + packet));
      const lengths = fixture.tun.written.map(({ length }) => length);
      assert.deepEqual([...lengths].sort(), [...genuine].sort());
      const { packetsIn, dropsReplay, dropsIntegrity } = fixture.counters.child(0);
      assert.equal(packetsIn + dropsReplay + dropsIntegrity, arrivals.length);
    }),
    { seed: 20261122, numRuns: 60 },
  );
});

test('a removed SA is unknown; clear removes all', () => {
  const fixture = inbound(child);
  const seal = peer();
  fixture.lane.remove(child.spiIn);
  fixture.lane.remove(child.spiIn);
  assert.deepEqual(arrive(fixture, seal(good)).counts, { 'unknown-spi': 1 });
  assert.equal(fixture.lane.install(laneChild('aes256gcm16')), undefined);
  fixture.lane.clear();
  assert.deepEqual(arrive(fixture, seal(good)).counts, { 'unknown-spi': 2 });
});

test('keys that do not fit the transforms are refused', () => {
  assert.match(
    inbound().lane.install({ ...child, keys: { encryption: new Uint8Array(3), integrity: new Uint8Array(0) } }) ?? '',
    /no cipher/,
  );
});

test('a flood of strangers’ IKE messages has a bound of its own; those we talk to are heard all the same', () => {
  const fixture = inbound(child);
  const stranger = concat(new Uint8Array(4), octets(40, 3));
  const ours = concat(new Uint8Array(4), octets(40, 77));
  fixture.counters.rememberIke(readU32(ours, 4), readU32(ours, 8));
  for (let i = 0; i < 1_100; i++) {
    fixture.udp.arrive(stranger);
    while (fixture.lane.receive(fixture.udp, 'natt') > 0) fixture.counters.ikeTaken(40);
  }
  assert.equal(fixture.ike.length, 1_000);
  assert.deepEqual(arrive(fixture, ours).counts, { 'ike-full': 100 });
  assert.equal(toHex(fixture.ike[1_000].bytes), toHex(ours.subarray(4)));
});

const forge = (packet: Uint8Array, number?: number): Uint8Array => {
  const forged = packet.slice();
  forged[forged.length - 1] ^= 1;
  if (number !== undefined) writeU32(forged, 4, number);
  return forged;
};
const runOf = (fixture: InboundFixture, ...parts: readonly Uint8Array[]): void =>
  fixture.udp.arrive(concat(...parts), { segment: parts[0].length });
const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

test('in a flood a run of forgeries with numbers to be expected costs a few openings; genuine packets end that, IKE among them is heard', () => {
  const fixture = inbound(child);
  const seal = peer();
  const packets = times(60, () => seal(good));
  const ike = concat(new Uint8Array(4), octets(packets[0].length - 4, 5));
  for (let i = 0; i < 50; i++) runOf(fixture, ...times(10, () => forge(packets[0])));
  arrive(fixture);
  // Four forgeries, and the rest of the run is not looked at: genuine ones in it are lost, the message is not.
  runOf(fixture, ...packets.slice(20, 24).map((packet) => forge(packet)), ...packets.slice(24, 30), ike);
  assert.deepEqual(arrive(fixture).counts, { dropsIntegrity: 510 });
  assert.equal(fixture.ike.length, 1);
  // One that is genuine among the first few, and all of the run is looked at, and of the next.
  runOf(fixture, forge(packets[30]), packets[31], ...packets.slice(32, 40));
  runOf(fixture, ...packets.slice(40, 45).map((packet) => forge(packet)), ...packets.slice(45, 50));
  arrive(fixture);
  const { packetsIn, dropsIntegrity } = fixture.counters.child(0);
  assert.deepEqual([packetsIn, dropsIntegrity], [14, 516]);
});

test('messages of strangers beyond their bound, and what is no message, are a flood; those we talk to never are', () => {
  const flooded = (datagram: Uint8Array, channel: 'ike' | 'natt', known = false): InboundFixture => {
    const fixture = inbound(child);
    const at = channel === 'natt' ? 4 : 0;
    if (known) fixture.counters.rememberIke(readU32(datagram, at), readU32(datagram, at + 4));
    for (let i = 0; i < 1_600; i++) {
      fixture.udp.arrive(datagram);
      if (i % 8 === 7) while (fixture.lane.receive(fixture.udp, channel) > 0);
    }
    return fixture;
  };
  const message = concat(new Uint8Array(4), octets(40, 3));
  assert.equal(flooded(message, 'natt').floods.length, 1);
  assert.equal(flooded(octets(40, 3), 'ike').floods.length, 1);
  assert.equal(flooded(new Uint8Array(20), 'natt').floods.length, 1);
  assert.equal(flooded(new Uint8Array(60), 'natt', true).floods.length, 1, 'zeros are no SPI');
  assert.equal(flooded(message, 'natt', true).floods.length, 0);
  assert.equal(flooded(octets(40, 3), 'ike', true).floods.length, 0);
});

test('the size of a run that begins with a message of a stranger is told, and of one that begins with one that we know is not', () => {
  for (const known of [false, true]) {
    const fixture = inbound(child);
    const message = concat(new Uint8Array(4), octets(296, 3));
    if (known) fixture.counters.rememberIke(readU32(message, 4), readU32(message, 8));
    runOf(fixture, ...times(4, () => message));
    for (let i = 0; i < 130; i++) runOf(fixture, ...times(4, () => octets(70, 9)));
    arrive(fixture);
    assert.deepEqual(fixture.floods[0]?.sizes, known ? [70] : [70, 300]);
  }
});

test('on port 500 too', () => {
  const fixture = inbound(child);
  const known = octets(80, 3);
  fixture.counters.rememberIke(readU32(known, 0), readU32(known, 4));
  for (let i = 0; i < 500; i++) {
    runOf(fixture, ...times(4, () => octets(70, 9)));
    runOf(fixture, ...times(4, () => known));
    while (fixture.lane.receive(fixture.udp, 'ike') > 0);
  }
  assert.deepEqual(fixture.floods[0]?.sizes, [70]);
});

test('without a flood each packet of each run is looked at', () => {
  const fixture = inbound(child);
  const seal = peer();
  const packets = times(30, () => seal(good));
  for (let i = 0; i < 10; i++) runOf(fixture, ...packets.slice(0, 9).map((packet) => forge(packet)), packets[i]);
  arrive(fixture);
  assert.deepEqual([fixture.counters.child(0).packetsIn, fixture.floods], [10, []]);
});

test('in a flood of numbers that are not to be expected none of it is opened but a few of each read, and no genuine packet among it is lost', () => {
  for (const suite of ['aes256gcm16', 'aes256gcm16-esn']) {
    const sa = laneChild(suite);
    const fixture = inbound(sa);
    const seal = peer(sa);
    const packets = times(100, () => seal(good));
    const forged = (i: number): Uint8Array => forge(packets[0], 0x70000000 + i);
    for (let i = 0; i < 20; i++) runOf(fixture, ...times(40, forged));
    arrive(fixture);
    assert.deepEqual(fixture.counters.child(0).dropsIntegrity, 800);
    for (let i = 0; i < 100; i++) runOf(fixture, ...times(40, (at) => (at === 20 + (i % 20) ? packets[i] : forged(at))));
    arrive(fixture);
    const { packetsIn, dropsIntegrity } = fixture.counters.child(0);
    assert.deepEqual([packetsIn, dropsIntegrity], [100, 4_700]);
  }
});

test('in a flood of replays they are counted as such, and a peer whose numbers jumped is heard again', () => {
  const fixture = inbound(child);
  const seal = peer();
  const first = seal(good);
  const [, ...later] = times(100, () => seal(good));
  arrive(fixture, first, ...later);
  for (let i = 0; i < 100; i++) runOf(fixture, ...times(10, () => first));
  arrive(fixture);
  assert.equal(fixture.counters.child(0).dropsReplay, 1_000);
  const jumped = peer(child, { high: 0, low: 2 ** 30 });
  for (let i = 0; i < 3; i++) arrive(fixture, jumped(good));
  assert.deepEqual([fixture.counters.child(0).packetsIn, fixture.counters.child(0).dropsReplay], [103, 1_000]);
});

test('a flood is over after a second, though the wall’s clock was set back in it', () => {
  const fixture = inbound(child);
  const first = peer()(good);
  arrive(fixture, first);
  for (let i = 0; i < 100; i++) runOf(fixture, ...times(10, (at) => octets(100, i + at + 1)));
  arrive(fixture);
  // Of numbers that are not to be expected those behind the first few are not looked at in a flood.
  const jumped = peer(child, { high: 0, low: 2 ** 30 });
  const hidden = (): number => {
    runOf(fixture, ...times(10, (i) => forge(first, 0x70000000 + i)), jumped(good));
    arrive(fixture);
    return fixture.counters.child(0).packetsIn - 1;
  };
  assert.equal(hidden(), 0);
  fixture.time.now += 1_100;
  fixture.time.setBack = 7_200_000;
  assert.equal(hidden(), 1);
});

test('a flood is told of twice a second while it goes on: its sizes, the latest first, and the windows', () => {
  const fixture = inbound(child);
  const seal = peer();
  arrive(fixture, ...times(100, () => seal(good)));
  const flood = (size: number, runs: number): void => {
    for (let i = 0; i < runs; i++) fixture.udp.arrive(octets(4 * size, i + 1), { segment: size });
    arrive(fixture);
  };
  const reorder = (): void => {
    const packets = times(20, () => seal(good));
    runOf(fixture, ...packets.slice(10));
    runOf(fixture, ...packets.slice(0, 10), packets[15]);
    arrive(fixture);
  };
  for (let i = 0; i < 200; i++) {
    fixture.time.now += 1;
    reorder();
  }
  fixture.time.now += 100;
  flood(100, 100);
  assert.equal(fixture.floods.length, 0);
  fixture.time.now += 100;
  flood(100, 130);
  const expected = { sizes: [100], sas: [{ spi: child.spi, first: 4_100 - 63 }] };
  assert.deepEqual(fixture.floods, [expected]);
  flood(100, 200);
  assert.equal(fixture.floods.length, 1);
  fixture.time.now += 500;
  flood(50, 200);
  flood(70, 200);
  assert.equal(fixture.floods.length, 2);
  fixture.time.now += 500;
  flood(50, 200);
  assert.deepEqual(fixture.floods[2]?.sizes, [50, 70]);
  fixture.time.now += 500;
  for (let i = 0; i < 20; i++) reorder();
  assert.equal(fixture.floods.length, 3);
});
