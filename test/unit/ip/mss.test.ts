import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { clampMss } from '../../../core/ip/mss.ts';
import {
  confined,
  getU16,
  headerIsRight,
  ipv4Packet,
  ipv6Packet,
  pseudoOnly,
  setU16,
  tcpSegment,
  transportChecksum,
} from './judge.ts';

const syn = 0x02;
const synAck = 0x12;
const mtu = 1400;
const clamped = { 4: 1360, 6: 1340 } as const;

/** Hop-by-hop options, a routing header, a first fragment and destination options, then TCP. */
const chain = [43, 0, 1, 4, 0, 0, 0, 0, 44, 0, 4, 0, 0, 0, 0, 0, 60, 0, 0, 1, 1, 2, 3, 4, 6, 0, 1, 4, 0, 0, 0, 0];

const carriers: readonly {
  readonly name: string;
  readonly version: 4 | 6;
  readonly header: number;
  wrap(segment: Uint8Array): Uint8Array;
}[] = [
  { name: 'IPv4', version: 4, header: 20, wrap: (payload) => ipv4Packet({ protocol: 6, payload }) },
  {
    name: 'IPv4 with options',
    version: 4,
    header: 28,
    wrap: (payload) => ipv4Packet({ protocol: 6, options: [7, 7, 4, 0, 0, 0, 0, 0], payload }),
  },
  {
    name: 'IPv4, first fragment',
    version: 4,
    header: 20,
    wrap: (payload) => ipv4Packet({ protocol: 6, flags: 0x2000, payload }),
  },
  { name: 'IPv6', version: 6, header: 40, wrap: (payload) => ipv6Packet({ next: 6, payload }) },
  {
    name: 'IPv6 with extensions',
    version: 6,
    header: 40 + chain.length,
    wrap: (payload) => ipv6Packet({ next: 0, extensions: chain, payload }),
  },
];

/** Where the option may stand; `at` is the place of its value among the options. */
const places: readonly { readonly name: string; readonly at: number; options(size: number): readonly number[] }[] = [
  { name: 'alone', at: 2, options: (size) => [2, 4, size >>> 8, size & 0xff] },
  { name: 'at an odd place', at: 3, options: (size) => [1, 2, 4, size >>> 8, size & 0xff, 1, 1, 0] },
  {
    name: 'last of many, as Linux has it',
    at: 2,
    options: (size) => [2, 4, size >>> 8, size & 0xff, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7],
  },
  { name: 'behind others', at: 12, options: (size) => [8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 2, 4, size >>> 8, size & 0xff, 4, 2] },
];

function withChecksum(packet: Uint8Array, header: number): Uint8Array {
  setU16(packet, header + 16, transportChecksum(packet, header, 6, 16));
  return packet;
}

test('SYN and SYN-ACK are clamped, with the checksum that a new packet would have', () => {
  for (const { name, version, header, wrap } of carriers) {
    for (const { name: place, options } of places) {
      for (const flags of [syn, synAck, 0xc2]) {
        for (const size of [clamped[version] + 1, 1460, 8960, 0xffff]) {
          const make = (value: number): Uint8Array => withChecksum(wrap(tcpSegment(flags, options(value))), header);
          const { result, packet } = confined(make(size), (bytes, at) => clampMss(bytes, at, make(size).length, mtu, false));
          assert.equal(result, true, `${name}, ${place}`);
          assert.deepEqual(packet, make(clamped[version]), `${name}, ${place}, ${size}`);
        }
      }
    }
  }
});

test('never enlarged; nothing but SYN is touched', () => {
  for (const { version, header, wrap } of carriers) {
    for (const size of [0, 1, 536, clamped[version] - 1, clamped[version]]) {
      const packet = withChecksum(wrap(tcpSegment(syn, [2, 4, size >>> 8, size & 0xff])), header);
      assert.deepEqual(
        confined(packet, (bytes, at) => clampMss(bytes, at, packet.length, mtu, false)),
        { result: false, packet },
      );
    }
    for (const flags of [0x10, 0x11, 0x18, 0x04, 0x00]) {
      const packet = withChecksum(wrap(tcpSegment(flags, [2, 4, 0x23, 0])), header);
      assert.deepEqual(
        confined(packet, (bytes, at) => clampMss(bytes, at, packet.length, mtu, false)),
        { result: false, packet },
      );
    }
    const without = withChecksum(wrap(tcpSegment(syn, [4, 2, 1, 1])), header);
    assert.deepEqual(
      confined(without, (bytes, at) => clampMss(bytes, at, without.length, mtu, false)),
      { result: false, packet: without },
    );
  }
});

test('a checksum left to others holds the pseudo header only and stays', () => {
  for (const { header, wrap, version } of carriers) {
    const packet = wrap(tcpSegment(syn, [2, 4, 0x23, 0x00]));
    setU16(packet, header + 16, pseudoOnly(packet, header, 6));
    const before = getU16(packet, header + 16);
    assert.equal(clampMss(packet, 0, packet.length, mtu, true), true);
    assert.equal(getU16(packet, header + 22), clamped[version]);
    assert.equal(getU16(packet, header + 16), before);
  }
});

test('a wrong checksum stays wrong', () => {
  const make = (size: number): Uint8Array =>
    withChecksum(ipv4Packet({ protocol: 6, payload: tcpSegment(syn, [2, 4, size >>> 8, size & 0xff]) }), 20);
  const packet = make(1460);
  packet[37] ^= 1;
  clampMss(packet, 0, packet.length, mtu, false);
  const right = make(1360);
  assert.notEqual(getU16(packet, 36), getU16(right, 36));
  right[37] ^= 1;
  assert.deepEqual(packet, right);
});

test('what is not TCP, not the first fragment or not whole is left alone', () => {
  const option = [2, 4, 0x23, 0];
  const segment = tcpSegment(syn, option);
  const alone: readonly Uint8Array[] = [
    ipv4Packet({ protocol: 17, payload: segment }),
    ipv4Packet({ protocol: 6, flags: 0x0001, payload: segment }),
    ipv6Packet({ next: 17, payload: segment }),
    ipv6Packet({ next: 50, payload: segment }),
    ipv6Packet({ next: 44, extensions: [6, 0, 0, 8, 0, 0, 0, 0], payload: segment }), // second fragment
    ipv6Packet({ next: 0, extensions: [6, 9, 0, 0, 0, 0, 0, 0], payload: segment }), // an extension beyond the end
    ipv6Packet({
      next: 0,
      extensions: Array.from({ length: 9 }, (_, i) => [i === 8 ? 6 : 0, 0, 1, 4, 0, 0, 0, 0]).flat(),
      payload: segment,
    }),
    ipv4Packet({ protocol: 6, payload: segment.subarray(0, 13) }),
    ipv4Packet({ protocol: 6, payload: segment.subarray(0, 19) }),
    Uint8Array.of(0x55, ...ipv4Packet({ protocol: 6, payload: segment }).subarray(1)),
    Uint8Array.of(0x44, ...ipv4Packet({ protocol: 6, payload: segment }).subarray(1)),
  ];
  for (const packet of alone) {
    assert.deepEqual(
      confined(packet, (bytes, at) => clampMss(bytes, at, packet.length, mtu, false)),
      { result: false, packet },
    );
  }
});

test('hostile options: cut short, length 0 and 1, beyond the header or the packet', () => {
  const option = [2, 4, 0x23, 0];
  const broken: readonly (readonly number[])[] = [
    [8, 0, ...option, 0, 0],
    [8, 1, ...option, 0, 0],
    [8, 9, ...option, 0, 0],
    [8, 255, ...option, 0, 0],
    [0, 0, 0, 0, ...option], // behind the end of the list
    [1, 1, 1, 2], // kind without length
    [1, 1, 2, 4], // kind and length without value
    [1, 2, 4, 0x23], // half a value
    [2, 3, 0x23, 1],
    [2, 5, 0x23, 0, 1, 1, 1, 1],
    [2, 2, 1, 1],
  ];
  for (const options of broken) {
    const packet = withChecksum(ipv4Packet({ protocol: 6, payload: tcpSegment(syn, options) }), 20);
    assert.deepEqual(
      confined(packet, (bytes, at) => clampMss(bytes, at, packet.length, mtu, false)),
      { result: false, packet },
      `${options}`,
    );
  }
  // A data offset beyond the packet: only what is there is looked at.
  const far = withChecksum(ipv4Packet({ protocol: 6, payload: tcpSegment(syn, [1, 2, 4, 0x23]) }), 20);
  far[32] = 0xf0;
  assert.equal(confined(far, (bytes, at) => clampMss(bytes, at, far.length, mtu, false)).result, false);
  // A data offset inside the fixed header: no options.
  const near = withChecksum(ipv4Packet({ protocol: 6, payload: tcpSegment(syn, option) }), 20);
  near[32] = 0x40;
  assert.equal(confined(near, (bytes, at) => clampMss(bytes, at, near.length, mtu, false)).result, false);
});

test('property: any octets are dealt with inside their bounds, and a clamp leaves checksums as right or wrong as they were', () => {
  const noise = fc.uint8Array({ minLength: 0, maxLength: 120 });
  const seeds = carriers.flatMap(({ header, wrap }) =>
    places.map(({ options }) => withChecksum(wrap(tcpSegment(syn, options(9000))), header)),
  );
  const damaged = fc
    .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat(120))
    .map(([seed, changes, cut]) => {
      const packet = seed.slice();
      for (const [at, value] of changes) packet[at % packet.length] = value;
      return packet.subarray(0, cut < 90 ? packet.length : cut).slice();
    });
  fc.assert(
    fc.property(fc.oneof(noise, damaged), fc.boolean(), (packet, partial) => {
      const after = confined(packet, (bytes, at) => clampMss(bytes, at, packet.length, mtu, partial));
      if (!after.result) assert.deepEqual(after.packet, packet);
      else if (packet[0] === 0x45 && packet.length === getU16(packet, 2) && !partial) {
        const wrongBefore = (0x1fffe + getU16(packet, 36) - transportChecksum(packet, 20, 6, 16)) % 0xffff;
        const wrongAfter = (0x1fffe + getU16(after.packet, 36) - transportChecksum(after.packet, 20, 6, 16)) % 0xffff;
        assert.equal(wrongAfter, wrongBefore);
        if (headerIsRight(packet)) assert.ok(headerIsRight(after.packet));
      }
    }),
    { seed: 5, numRuns: 4000 },
  );
});
