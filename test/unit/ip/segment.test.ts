import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainMemory } from '../../../core/ip/packetMemory.ts';
import { Segmenter, segmentFault } from '../../../core/ip/segment.ts';
import { VirtioHeader } from '../../../core/ip/virtio.ts';
import {
  ACK,
  CWR,
  ECE,
  FIN,
  isIntact,
  joined,
  numbers,
  type PacketSpec,
  PSH,
  packetOf,
  segmented,
  superPacketOf,
  transportAt,
  type Virtio,
} from './judge.ts';

const frameAt = 70_001; // odd on purpose: nothing may depend on alignment
const canary = 0xa5;
const memory = plainMemory(300_000);

/** All packets that the frame becomes, each written into a place surrounded by canaries. */
function segments(packet: Uint8Array, virtio: Virtio): Uint8Array[] | number {
  const header = Object.assign(new VirtioHeader(), virtio);
  const segmenter = new Segmenter();
  memory.bytes.fill(canary);
  memory.bytes.set(packet, frameAt);
  const count = segmenter.begin(memory, frameAt, packet.length, header);
  const out: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const to = 150_000 + (i % 7);
    const end = to + segmenter.packetLength(i) + 500;
    memory.bytes.fill(canary, 149_500, end);
    const length = segmenter.write(i, to);
    assert.equal(length, segmenter.packetLength(i));
    out.push(memory.bytes.slice(to, to + length));
    const around = joined(memory.bytes.subarray(149_500, to), memory.bytes.subarray(to + length, end));
    assert.equal(
      around.findIndex((octet) => octet !== canary),
      -1,
    );
  }
  assert.deepEqual(memory.bytes.subarray(frameAt, frameAt + packet.length), packet);
  return count < 1 ? count : out;
}

function virtioFor(packet: Uint8Array, spec: PacketSpec, gsoSize: number): Virtio {
  const checksumStart = transportAt(packet);
  const gsoType = spec.protocol === 'udp' ? 5 : spec.version === 4 ? 1 : 4;
  return { flags: 1, gsoType, headerLength: 0, gsoSize, checksumStart, checksumOffset: spec.protocol === 'udp' ? 6 : 16 };
}

function octets(pick: (n: number) => number, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => pick(256));
}

const extensions = [
  undefined,
  Uint8Array.from([6, 0, 1, 4, 0, 0, 0, 0]),
  Uint8Array.from([60, 0, 1, 4, 0, 0, 0, 0, 6, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
] as const;

function randomSpec(pick: (n: number) => number, payload: number): PacketSpec {
  const version = pick(2) === 0 ? 4 : 6;
  const protocol = pick(3) === 0 ? 'udp' : 'tcp';
  const extra = version === 6 && protocol === 'tcp' ? extensions[pick(3)] : undefined;
  return {
    version,
    protocol,
    source: octets(pick, version === 4 ? 4 : 16),
    destination: octets(pick, version === 4 ? 4 : 16),
    sourcePort: pick(65536),
    destinationPort: pick(65536),
    payload: octets(pick, payload),
    ttl: pick(256),
    tos: pick(256),
    id: pick(65536),
    dontFragment: pick(2) === 0,
    ...(version === 4 && pick(4) === 0 ? { ipOptions: octets(pick, 4 * pick(11)) } : {}),
    flowLabel: pick(1 << 20),
    ...(extra === undefined ? {} : { extensions: extra }),
    sequence: pick(2) === 0 ? 2 ** 32 - 1 - pick(3000) : pick(2 ** 31),
    acknowledgement: pick(2 ** 31),
    flags: ACK | (pick(2) * PSH) | (pick(2) * FIN) | (pick(2) * CWR) | (pick(2) * ECE),
    window: pick(65536),
    options: octets(pick, 4 * pick(11)),
  };
}

test('random super-packets become what the judge makes of them', () => {
  const pick = numbers(1);
  for (let round = 0; round < 1000; round++) {
    const gsoSize = [1, 7, 536, 1200, 1380, 9000][pick(6)];
    const most = Math.min(60_000, 50 * gsoSize);
    const spec = randomSpec(pick, 1 + pick(pick(3) === 0 ? most : Math.min(most, 4000)));
    const packet = superPacketOf(spec);
    const virtio = virtioFor(packet, spec, gsoSize);
    const expected = segmented(packet, virtio);
    const got = segments(packet, virtio);
    assert.deepEqual(got, expected, `round ${round}`);
    assert.ok(expected.every(isIntact));
    assert.deepEqual(segments(packet, { ...virtio, gsoType: virtio.gsoType | 0x80 }), expected);
  }
});

test('all segments but the last have the same length', () => {
  const spec = randomSpec(numbers(2), 10_001);
  const got = segments(superPacketOf(spec), virtioFor(superPacketOf(spec), spec, 1000));
  assert.ok(typeof got === 'object');
  assert.equal(got.length, 11);
  assert.equal(new Set(got.slice(0, -1).map((packet) => packet.length)).size, 1);
  assert.equal(got[0].length - got[10].length, 999);
});

test('FIN and PSH are on the last segment only, CWR on the first only (RFC 3168 §6.1.2)', () => {
  const spec: PacketSpec = { ...randomSpec(numbers(3), 3000), version: 4, protocol: 'tcp', flags: ACK | PSH | FIN | CWR | ECE };
  const packet = superPacketOf({ ...spec, source: Uint8Array.of(1, 2, 3, 4), destination: Uint8Array.of(5, 6, 7, 8) });
  const got = segments(packet, virtioFor(packet, spec, 1000));
  assert.ok(typeof got === 'object');
  const flags = got.map((one) => one[transportAt(one) + 13]);
  assert.deepEqual(flags, [ACK | ECE | CWR, ACK | ECE, ACK | ECE | PSH | FIN]);
});

test('segments of a frame without a partial checksum get right ones', () => {
  const pick = numbers(4);
  for (let round = 0; round < 100; round++) {
    const spec = randomSpec(pick, 1 + pick(5000));
    const virtio = virtioFor(packetOf(spec), spec, 1000);
    const got = segments(packetOf(spec), { ...virtio, flags: 0, checksumStart: 0, checksumOffset: 0 });
    assert.deepEqual(got, segmented(superPacketOf(spec), virtio));
  }
});

test('a UDP checksum that comes out as 0 is sent as 0xffff (RFC 768)', () => {
  const base: PacketSpec = {
    version: 4,
    protocol: 'udp',
    source: Uint8Array.of(10, 0, 0, 1),
    destination: Uint8Array.of(10, 0, 0, 2),
    sourcePort: 1,
    destinationPort: 2,
    payload: new Uint8Array(2),
  };
  const zeroed = packetOf(base);
  // With its own checksum as payload, everything that is summed comes to 0xffff.
  const spec = { ...base, payload: zeroed.slice(26, 28) };
  const packet = superPacketOf(spec);
  for (const virtio of [virtioFor(packet, spec, 1000), { ...virtioFor(packet, spec, 0), gsoType: 0 }]) {
    const got = segments(packet, virtio);
    assert.ok(typeof got === 'object');
    assert.deepEqual([...got[0].subarray(26, 28)], [0xff, 0xff]);
    assert.ok(isIntact(got[0]));
  }
});

test('a single packet gets its checksum finished, copied or in place', () => {
  const pick = numbers(5);
  for (let round = 0; round < 300; round++) {
    const spec = randomSpec(pick, pick(1400));
    const packet = superPacketOf(spec);
    const virtio = { ...virtioFor(packet, spec, 0), gsoType: 0 };
    assert.deepEqual(segments(packet, virtio), [packetOf(spec)]);
    const header = Object.assign(new VirtioHeader(), virtio);
    const segmenter = new Segmenter();
    memory.bytes.set(packet, frameAt);
    assert.equal(segmenter.begin(memory, frameAt, packet.length, header), 1);
    assert.equal(segmenter.write(0, frameAt), packet.length);
    assert.deepEqual(memory.bytes.slice(frameAt, frameAt + packet.length), packetOf(spec));
  }
});

test('a packet that needs nothing passes as it is, whatever it is', () => {
  const pick = numbers(6);
  const plain: Virtio = { flags: 0, gsoType: 0, headerLength: 0, gsoSize: 0, checksumStart: 0, checksumOffset: 0 };
  for (const length of [1, 19, 20, 1400, 65535]) {
    const packet = octets(pick, length);
    assert.deepEqual(segments(packet, plain), [packet]);
  }
  assert.equal(segments(new Uint8Array(), plain), segmentFault.length);
});

test('what does not fit together is a fault', () => {
  const pick = numbers(7);
  const spec: PacketSpec = {
    ...randomSpec(pick, 3000),
    version: 4,
    protocol: 'tcp',
    source: octets(pick, 4),
    destination: octets(pick, 4),
  };
  const plain = { ...spec, ipOptions: new Uint8Array(), options: new Uint8Array() };
  const packet = superPacketOf(plain);
  const virtio = virtioFor(packet, plain, 1000);
  const changed = (at: number, ...values: number[]): Uint8Array => {
    const out = packet.slice();
    out.set(values, at);
    return out;
  };
  const cases: readonly [string, number, Uint8Array, Virtio][] = [
    ['a kind that nobody asked for (UFO)', segmentFault.virtio, packet, { ...virtio, gsoType: 3 }],
    ['the other version', segmentFault.virtio, packet, { ...virtio, gsoType: 4 }],
    ['segments of nothing', segmentFault.virtio, packet, { ...virtio, gsoSize: 0 }],
    ['the checksum somewhere else', segmentFault.virtio, packet, { ...virtio, checksumStart: 24 }],
    ['the checksum in another field', segmentFault.virtio, packet, { ...virtio, checksumOffset: 6 }],
    ['the other protocol', segmentFault.header, packet, { ...virtio, gsoType: 5 }],
    ['a cut frame', segmentFault.length, packet.slice(0, -1), virtio],
    ['a frame with more behind it', segmentFault.length, joined(packet, Uint8Array.of(0)), virtio],
    ['a header longer than the frame', segmentFault.header, changed(0, 0x4f).slice(0, 40), virtio],
    ['a header below its minimum', segmentFault.header, changed(0, 0x44), virtio],
    ['a TCP header below its minimum', segmentFault.header, changed(32, 0x40), virtio],
    ['a fragment', segmentFault.header, changed(6, 0x20, 0), virtio],
    [
      'a checksum field behind the end',
      segmentFault.virtio,
      packet,
      { ...virtio, gsoType: 0, checksumOffset: packet.length - 21 },
    ],
    [
      'a checksum inside the IP header',
      segmentFault.virtio,
      packet,
      { ...virtio, gsoType: 0, checksumStart: 10, checksumOffset: 0 },
    ],
  ];
  for (const [name, fault, bytes, header] of cases) assert.equal(segments(bytes, header), fault, name);
  const short = superPacketOf({ ...plain, payload: new Uint8Array() });
  const cut = short.slice(0, 39);
  cut.set([0, 39], 2);
  assert.equal(segments(cut, virtio), segmentFault.header, 'half a TCP header');
});

test('a frame outside the memory is a fault', () => {
  const segmenter = new Segmenter();
  assert.equal(segmenter.begin(plainMemory(100), 50, 51, new VirtioHeader()), segmentFault.length);
  assert.equal(segmenter.begin(plainMemory(100), -1, 10, new VirtioHeader()), segmentFault.length);
});

test('fuzz: no frame and no header throws, writes elsewhere or becomes other octets than its length says', () => {
  const pick = numbers(8);
  const segmenter = new Segmenter();
  const header = new VirtioHeader();
  for (let round = 0; round < 30_000; round++) {
    const spec = randomSpec(pick, pick(200));
    const packet = pick(3) === 0 ? octets(pick, pick(120)) : superPacketOf(spec);
    for (let i = pick(4); i > 0 && packet.length > 0; i--) packet[pick(Math.min(60, packet.length))] = pick(256);
    const used = pick(4) === 0 ? packet.slice(0, pick(packet.length + 1)) : packet;
    Object.assign(header, virtioFor(packetOf(spec), spec, 1 + pick(300)));
    if (pick(2) === 0) header.gsoType = pick(6);
    if (pick(3) === 0) header.flags = pick(4);
    if (pick(4) === 0) header.checksumStart = pick(pick(2) === 0 ? 100 : 65536);
    if (pick(4) === 0) header.checksumOffset = pick(pick(2) === 0 ? 100 : 65536);
    if (pick(8) === 0) header.gsoSize = pick(65536);
    // At the very end of the memory: reading on gives undefined and NaN in a header, which the comparison below shows.
    const small = plainMemory(1000 + used.length);
    small.bytes.fill(canary, 0, 1000);
    small.bytes.set(used, 1000);
    const count = segmenter.begin(small, 1000, used.length, header);
    assert.ok(count >= segmentFault.virtio && count !== 0 && count <= Math.max(1, used.length));
    for (let i = 0; i < count; i++) {
      const length = segmenter.packetLength(i);
      assert.ok(length > 0 && length <= used.length);
      assert.equal(segmenter.write(i, 300), length);
      assert.ok(small.bytes.subarray(0, 300).every((octet) => octet === canary));
      assert.ok(small.bytes.subarray(300 + length, 1000).every((octet) => octet === canary));
      small.bytes.fill(canary, 300, 300 + length);
    }
    assert.deepEqual(small.bytes.subarray(1000), used);
  }
});
