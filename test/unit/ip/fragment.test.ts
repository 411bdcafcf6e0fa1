import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Ipv4Fragments } from '../../../core/ip/fragment.ts';
import { getU16, headerIsRight, ipv4Packet, ipv6Packet, reassemble } from './judge.ts';

/** All fragments of the packet; the memory around them is watched. */
function split(packet: Uint8Array, mtu: number): Uint8Array[] {
  const outcomes = [0x00, 0xff].map((filler) => {
    const fragments = new Ipv4Fragments();
    const room = packet.length + 128;
    const bytes = new Uint8Array(2 * room).fill(filler);
    bytes.set(packet, 64);
    const count = fragments.start(bytes, 64, packet.length, mtu);
    assert.equal(fragments.count, count);
    return Array.from({ length: count }, (_, i) => {
      const octets = fragments.packetLength(i);
      assert.equal(fragments.write(i, room + 64), octets);
      const fragment = bytes.slice(room + 64, room + 64 + octets);
      bytes.fill(filler, room + 64, room + 64 + octets);
      assert.deepEqual(bytes.slice(64, 64 + packet.length), packet, 'the packet changed');
      assert.equal(
        bytes.filter((octet, at) => octet !== filler && (at < 64 || at >= 64 + packet.length)).length,
        0,
        'wrote outside',
      );
      return fragment;
    });
  });
  assert.deepEqual(outcomes[1], outcomes[0], 'octets outside the packet were read');
  return outcomes[0];
}

const payloadOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 31 + (i >> 8));

test('RFC 791 §3.2: the pieces make the packet again, with its own identification, TOS, TTL and addresses', () => {
  for (const length of [1, 7, 8, 9, 1280, 1281, 1380, 1381, 1480, 2760, 4000, 8980]) {
    for (const mtu of [28, 68, 576, 1300, 1301, 1307, 1308, 1400]) {
      const packet = ipv4Packet({ tos: 0xb9, id: 0xbeef, payload: payloadOf(length) });
      const fragments = split(packet, mtu);
      assert.deepEqual(reassemble(fragments), { data: payloadOf(length), from: 0, more: false });
      assert.equal(fragments.length, packet.length <= mtu ? 1 : Math.ceil(length / (Math.floor((mtu - 20) / 8) * 8)));
      for (const fragment of fragments) {
        assert.ok(fragment.length <= mtu);
        assert.equal(getU16(fragment, 2), fragment.length);
        assert.ok(headerIsRight(fragment));
        assert.deepEqual([...fragment.subarray(0, 2)], [0x45, 0xb9]);
        assert.equal(getU16(fragment, 4), 0xbeef);
        assert.deepEqual(fragment.subarray(8, 10), packet.subarray(8, 10));
        assert.deepEqual(fragment.subarray(12, 20), packet.subarray(12, 20));
      }
    }
  }
});

test('a packet that fits is one fragment, the same octets', () => {
  for (const flags of [0, 0x2000, 0x20b9, 0x8000]) {
    const packet = ipv4Packet({ flags, options: [0x94, 4, 0, 0], payload: payloadOf(1376) });
    assert.deepEqual(split(packet, 1400), [packet]);
    assert.ok(split(packet, 1399).length === 2);
  }
});

test('fragments are fragmented again: offsets count on, only the last of the last says that nothing follows', () => {
  for (const more of [false, true]) {
    const packet = ipv4Packet({ flags: 0x00b9 | (more ? 0x2000 : 0), payload: payloadOf(1480) });
    const fragments = split(packet, 600);
    assert.equal(fragments.length, 3);
    assert.deepEqual(reassemble(fragments), { data: payloadOf(1480), from: 0xb9 * 8, more });
  }
});

test('RFC 791 §3.1: options with the copied flag go into every fragment, others into the first only', () => {
  const recordRoute = [7, 7, 4, 0, 0, 0, 0];
  const routerAlert = [0x94, 4, 0, 0];
  const streamId = [0x88, 4, 1, 2];
  const strange = [0x9e, 3, 5];
  const cases: readonly (readonly [readonly number[], readonly number[]])[] = [
    [[...recordRoute, 0], []],
    [routerAlert, routerAlert],
    [[1, ...recordRoute, ...routerAlert], routerAlert],
    [
      [...routerAlert, 1, 1, 1, 1, ...streamId],
      [...routerAlert, ...streamId],
    ],
    [
      [...strange, 0],
      [...strange, 0],
    ],
    [
      [...strange, ...strange, 1, 0],
      [...strange, ...strange, 0, 0],
    ],
    [
      [0x82, 2, 0x82, 2],
      [0x82, 2, 0x82, 2],
    ], // options without data
    [[0, 7, 4, 0x94], []], // nothing behind the end of the list
    [Array.from({ length: 10 }, () => routerAlert).flat(), Array.from({ length: 10 }, () => routerAlert).flat()],
  ];
  for (const [options, copied] of cases) {
    const packet = ipv4Packet({ options, payload: payloadOf(2000) });
    const [first, ...rest] = split(packet, 600);
    assert.deepEqual([...first.subarray(20, 20 + options.length)], options);
    assert.ok(rest.length > 0);
    for (const fragment of rest) {
      assert.equal((fragment[0] & 0x0f) * 4, 20 + copied.length);
      assert.deepEqual([...fragment.subarray(20, 20 + copied.length)], copied);
    }
    for (const fragment of [first, ...rest]) {
      assert.ok(headerIsRight(fragment));
      assert.ok(fragment.length <= 600);
    }
    assert.deepEqual(reassemble([first, ...rest]).data, payloadOf(2000));
  }
});

test('what is not fragmented', () => {
  const payload = payloadOf(2000);
  const refused: readonly (readonly [string, Uint8Array, number])[] = [
    ['DF', ipv4Packet({ flags: 0x4000, payload }), 1300],
    ['DF on a fragment', ipv4Packet({ flags: 0x6000, payload }), 1300],
    ['IPv6', ipv6Packet({ payload }), 1300],
    ['no room for a unit', ipv4Packet({ payload }), 27],
    ['no room behind options', ipv4Packet({ options: new Array<number>(40).fill(1), payload }), 67],
    ['an option of length 0', ipv4Packet({ options: [7, 0, 1, 1], payload }), 1300],
    ['an option of length 1', ipv4Packet({ options: [7, 1, 1, 1], payload }), 1300],
    ['an option beyond the header', ipv4Packet({ options: [7, 5, 4, 0], payload }), 1300],
    ['an option without length', ipv4Packet({ options: [1, 1, 1, 7], payload }), 1300],
    ['an offset that no packet has', ipv4Packet({ flags: 0x1fff, payload }), 1300],
    ['a header length below the least', Uint8Array.of(0x44, ...ipv4Packet({ payload }).subarray(1)), 1300],
    ['a header length beyond the packet', Uint8Array.of(0x4f, ...ipv4Packet({ payload: payloadOf(8) }).subarray(1)), 1300],
    ['nothing', new Uint8Array(0), 1300],
    ['less than a header', ipv4Packet().subarray(0, 19), 1300],
  ];
  for (const [name, packet, mtu] of refused) assert.deepEqual(split(packet, mtu), [], name);
});

test('a fragment that was not planned is a mistake of the caller', () => {
  const fragments = new Ipv4Fragments();
  const bytes = new Uint8Array(8000);
  assert.throws(() => fragments.write(0, 0));
  bytes.set(ipv4Packet({ payload: payloadOf(2000) }));
  assert.equal(fragments.start(bytes, 0, 2020, 1300), 2);
  assert.throws(() => fragments.write(2, 4000));
  assert.equal(fragments.start(bytes, 0, 10, 1300), 0);
  assert.throws(() => fragments.write(0, 4000));
});

test('property: any header, any size', () => {
  const packets = fc
    .record({
      options: fc.array(fc.nat(255), { maxLength: 40 }).map((octets) => octets.slice(0, octets.length & ~3)),
      flags: fc.nat(0xffff),
      payload: fc.nat(3000).map(payloadOf),
    })
    .map((fields) => ipv4Packet(fields));
  const noise = fc.uint8Array({ maxLength: 100 });
  fc.assert(
    fc.property(fc.oneof(packets, noise), fc.integer({ min: 0, max: 1500 }), (packet, mtu) => {
      const fragments = split(packet, mtu);
      if (fragments.length === 0) return;
      for (const fragment of fragments) {
        assert.ok(fragment.length <= mtu);
        assert.equal(getU16(fragment, 2), fragment.length);
        assert.ok(headerIsRight(fragment));
      }
      const whole = reassemble(fragments);
      assert.deepEqual(whole.data, packet.subarray((packet[0] & 0x0f) * 4));
      assert.equal(whole.more, (packet[6] & 0x20) !== 0);
      assert.equal(whole.from, (getU16(packet, 6) & 0x1fff) * 8);
    }),
    { seed: 7, numRuns: 1500 },
  );
});
