import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { maxIcmpBytes, TooBigMessages } from '../../../core/ip/icmp.ts';
import { plainMemory } from '../../../core/ip/packetMemory.ts';
import { getU16, headerIsRight, internetChecksum, ipv4Packet, ipv6Packet, tcpSegment, transportChecksum } from './judge.ts';

const slot = 70_000;

/** What is written about the packet; the memory around both is watched. */
function about(packet: Uint8Array, mtu = 1300, messages = new TooBigMessages(), now = 0): Uint8Array {
  const from = 64;
  const to = slot;
  const outcomes = [0x00, 0xff].map((filler) => {
    const memory = plainMemory(slot + maxIcmpBytes + 64);
    memory.bytes.fill(filler);
    memory.bytes.set(packet, from);
    const octets = (filler === 0 ? messages : new TooBigMessages()).write(memory, from, packet.length, mtu, to, now);
    assert.ok(octets <= maxIcmpBytes);
    assert.deepEqual(memory.bytes.slice(from, from + packet.length), packet, 'the packet changed');
    const message = memory.bytes.slice(to, to + octets);
    memory.bytes.fill(filler, to, to + octets);
    memory.bytes.fill(filler, from, from + packet.length);
    assert.ok(
      memory.bytes.every((octet) => octet === filler),
      'an octet outside changed',
    );
    return message;
  });
  if (outcomes[0].length > 0) assert.deepEqual(outcomes[1], outcomes[0], 'octets outside the packet were read');
  return outcomes[0];
}

const big = Uint8Array.from({ length: 1372 }, (_, i) => i * 7);

test('RFC 792, RFC 1191 §4: fragmentation needed, from the destination, quoting 548 octets (RFC 1812 §4.3.2.3)', () => {
  for (const payload of [tcpSegment(0x10, [], [...big]), big.subarray(0, 1371), big.subarray(0, 500), big.subarray(0, 501)]) {
    const packet = ipv4Packet({ protocol: payload.length > 1380 ? 6 : 17, flags: 0x4000, tos: 0x2e, payload });
    const message = about(packet, 1300);
    const quoted = Math.min(548, packet.length);
    assert.equal(message.length, 28 + quoted);
    assert.equal(message[0], 0x45);
    assert.equal(getU16(message, 2), message.length);
    assert.ok(headerIsRight(message));
    assert.equal(message[9], 1);
    assert.deepEqual([...message.subarray(12, 16)], [10, 1, 2, 3]);
    assert.deepEqual([...message.subarray(16, 20)], [10, 0, 0, 1]);
    assert.deepEqual([...message.subarray(20, 22)], [3, 4]);
    assert.equal(internetChecksum(message.subarray(20)), 0);
    assert.equal(getU16(message, 24), 0);
    assert.equal(getU16(message, 26), 1300);
    assert.deepEqual(message.subarray(28), packet.subarray(0, quoted));
  }
});

test('RFC 4443 §3.2: packet too big, quoting as much as fits into 1280 octets', () => {
  for (const payload of [big, big.subarray(0, 1281), big.subarray(0, 500), big.subarray(0, 501)]) {
    const packet = ipv6Packet({ trafficClass: 0x2e, flowLabel: 0x12345, payload });
    const message = about(packet, 1301);
    const quoted = Math.min(1232, packet.length);
    assert.equal(message.length, 48 + quoted);
    assert.equal(message[0] >>> 4, 6);
    assert.equal(getU16(message, 4), 8 + quoted);
    assert.equal(message[6], 58);
    assert.deepEqual(message.subarray(8, 24), packet.subarray(24, 40));
    assert.deepEqual(message.subarray(24, 40), packet.subarray(8, 24));
    assert.deepEqual([...message.subarray(40, 42)], [2, 0]);
    assert.equal(getU16(message, 42), transportChecksum(message, 40, 58, 2));
    assert.deepEqual([...message.subarray(44, 48)], [0, 0, 1301 >>> 8, 1301 & 0xff]);
    assert.deepEqual(message.subarray(48), packet.subarray(0, quoted));
  }
});

test('a packet of many segments (TSO) is quoted by its beginning', () => {
  const packet = ipv4Packet({ protocol: 6, flags: 0x4000, payload: tcpSegment(0x18, [], [...new Uint8Array(64_000)]) });
  assert.equal(about(packet).length, 576);
});

test('RFC 1122 §3.2.2, RFC 4443 §2.4(e): about what nothing is said', () => {
  const icmp = (type: number): Uint8Array => Uint8Array.of(type, 0, 0, 0, ...big);
  const silent: readonly (readonly [string, Uint8Array])[] = [
    ...[3, 4, 5, 11, 12].map((type) => [`ICMP ${type}`, ipv4Packet({ protocol: 1, payload: icmp(type) })] as const),
    ['ICMP without a type', ipv4Packet({ protocol: 1 })],
    ...[1, 2, 3, 4, 100, 127, 137].map((type) => [`ICMPv6 ${type}`, ipv6Packet({ next: 58, payload: icmp(type) })] as const),
    ['ICMPv6 without a type', ipv6Packet({ next: 58 })],
    ['ICMPv6 error behind extensions', ipv6Packet({ next: 60, extensions: [58, 0, 1, 4, 0, 0, 0, 0], payload: icmp(1) })],
    ['second fragment', ipv4Packet({ flags: 0x0001, payload: big })],
    ['last fragment', ipv4Packet({ flags: 0x00b9, payload: big })],
    ['second fragment of IPv6', ipv6Packet({ next: 44, extensions: [17, 0, 0, 9, 0, 0, 0, 1], payload: big })],
    ...[
      [0, 0, 0, 0],
      [127, 0, 0, 1],
      [224, 0, 0, 1],
      [239, 255, 255, 255],
      [240, 0, 0, 1],
      [255, 255, 255, 255],
    ].flatMap(
      (address) =>
        [
          [`from ${address}`, ipv4Packet({ source: address, payload: big })],
          [`to ${address}`, ipv4Packet({ destination: address, payload: big })],
        ] as const,
    ),
    ...[
      new Array<number>(16).fill(0),
      [...new Array<number>(15).fill(0), 1],
      [0xff, 2, ...new Array<number>(14).fill(0)],
    ].flatMap(
      (address) =>
        [
          [`from ${address}`, ipv6Packet({ source: address, payload: big })],
          [`to ${address}`, ipv6Packet({ destination: address, payload: big })],
        ] as const,
    ),
    ['no packet', new Uint8Array(0)],
    ['one octet', Uint8Array.of(0x45)],
    ['a header cut short', ipv4Packet().subarray(0, 19)],
    ['a header length beyond the packet', Uint8Array.of(0x4f, ...ipv4Packet().subarray(1))],
    ['a header length below the least', Uint8Array.of(0x44, ...ipv4Packet().subarray(1))],
    ['a version that is none', Uint8Array.of(0x50, ...ipv4Packet().subarray(1))],
    ['an IPv6 header cut short', ipv6Packet().subarray(0, 39)],
  ];
  for (const [name, packet] of silent) assert.equal(about(packet).length, 0, name);
});

test('what is no error or a first fragment is told of', () => {
  for (const type of [0, 8, 13, 17])
    assert.ok(about(ipv4Packet({ protocol: 1, payload: Uint8Array.of(type, ...big) })).length > 0);
  for (const type of [128, 129, 135]) assert.ok(about(ipv6Packet({ next: 58, payload: Uint8Array.of(type, ...big) })).length > 0);
  assert.ok(about(ipv4Packet({ flags: 0x2000, payload: big })).length > 0);
  assert.ok(about(ipv6Packet({ next: 44, extensions: [17, 0, 0, 1, 0, 0, 0, 1], payload: big })).length > 0);
  assert.ok(about(ipv6Packet({ next: 50, payload: big })).length > 0);
});

test('bounded: a burst of 20, then one every 10 ms, and a clock that goes back earns nothing', () => {
  const messages = new TooBigMessages();
  const packet = ipv4Packet({ flags: 0x4000, payload: big });
  const memory = plainMemory(8192);
  memory.bytes.set(packet, 0);
  const written = (now: number, times: number): number => {
    let count = 0;
    for (let i = 0; i < times; i++) if (messages.write(memory, 0, packet.length, 1300, 4096, now) > 0) count++;
    return count;
  };
  assert.equal(written(1000, 100), 20);
  assert.equal(written(1009, 100), 0);
  assert.equal(written(1010, 100), 1);
  assert.equal(written(1040, 100), 3);
  assert.equal(written(500, 100), 0);
  assert.equal(written(520, 100), 2);
  assert.equal(written(1e9, 100), 20);
  // What nothing may be said about costs nothing.
  const silent = ipv4Packet({ flags: 1, payload: big });
  memory.bytes.set(silent, 0);
  assert.equal(written(2e9, 1000), 0);
  memory.bytes.set(packet, 0);
  assert.equal(written(2e9, 100), 20);
});

test('property: whatever it is about, a message is whole, right and not about an error', () => {
  const noise = fc.uint8Array({ maxLength: 80 });
  const headers = fc.constantFrom(
    ipv4Packet({ payload: big }),
    ipv4Packet({ protocol: 1, payload: big }),
    ipv6Packet({ next: 0, extensions: [43, 0, 1, 4, 0, 0, 0, 0, 58, 0, 0, 0, 0, 0, 0, 0], payload: big }),
  );
  const damaged = fc
    .tuple(headers, fc.array(fc.tuple(fc.nat(63), fc.nat(255)), { maxLength: 4 }), fc.nat(1500))
    .map(([header, changes, cut]) => {
      const packet = header.slice(0, Math.min(header.length, cut));
      for (const [at, value] of changes) if (at < packet.length) packet[at] = value;
      return packet;
    });
  fc.assert(
    fc.property(fc.oneof(noise, damaged), (packet) => {
      const message = about(packet);
      if (message.length === 0) return;
      assert.equal(message[0] >>> 4, packet[0] >>> 4);
      if (message[0] === 0x45) {
        assert.ok(headerIsRight(message));
        assert.equal(internetChecksum(message.subarray(20)), 0);
        assert.ok(message.length <= 576);
      } else {
        assert.equal(getU16(message, 42), transportChecksum(message, 40, 58, 2));
      }
      assert.equal(about(message).length, 0, 'an answer to the answer');
    }),
    { seed: 6, numRuns: 500 },
  );
});
