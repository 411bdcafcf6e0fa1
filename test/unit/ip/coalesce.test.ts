import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Coalescer } from '../../../core/ip/coalesce.ts';
import { plainMemory } from '../../../core/ip/packetMemory.ts';
import { Segmenter } from '../../../core/ip/segment.ts';
import { VirtioHeader } from '../../../core/ip/virtio.ts';
import { allFeatures, coalesce, received } from './coalesced.ts';
import {
  ACK,
  CWR,
  ECE,
  FIN,
  isIntact,
  type PacketSpec,
  PSH,
  packetOf,
  RST,
  SYN,
  superPacketOf,
  transportAt,
  URG,
} from './judge.ts';

const tcp4: PacketSpec = {
  version: 4,
  protocol: 'tcp',
  source: Uint8Array.of(198, 51, 100, 1),
  destination: Uint8Array.of(10, 7, 0, 2),
  sourcePort: 443,
  destinationPort: 50_000,
  payload: new Uint8Array(1000).fill(7),
  sequence: 5000,
  acknowledgement: 77,
  flags: ACK,
  id: 65_535,
  options: Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2),
};
const v6 = { version: 6, source: new Uint8Array(16).fill(0x20), destination: new Uint8Array(16).fill(0xfd) } as const;
const tcp6: PacketSpec = { ...tcp4, ...v6 };
const udp4: PacketSpec = { ...tcp4, protocol: 'udp' };
const udp6: PacketSpec = { ...udp4, ...v6 };

type Change = Partial<PacketSpec>;

/** A run of segments: sequence and identification go on, and the changes are applied to the second one only. */
function run(base: PacketSpec, count: number, change: Change = {}): Uint8Array[] {
  const step = base.payload.length;
  return Array.from({ length: count }, (_, i) => {
    const spec = { ...base, sequence: ((base.sequence ?? 0) + i * step) % 2 ** 32, id: ((base.id ?? 0) + i) % 65_536 };
    return packetOf(i === 1 ? { ...spec, ...change } : spec);
  });
}

/** Octets of payload of the packets in each frame, for what comes out; and that it is what went in. */
function pieces(packets: readonly Uint8Array[], features = allFeatures): number[] {
  const frames = coalesce(packets, features);
  assert.deepEqual(received(frames), packets);
  return frames.map((frame) => frame.pieces);
}

const short = { payload: new Uint8Array(999) };
const other = Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 2);

test('segments in order become one super-packet', () => {
  for (const base of [tcp4, tcp6, udp4, udp6]) {
    assert.deepEqual(pieces(run(base, 3)), [3]);
    assert.deepEqual(pieces(run({ ...base, payload: new Uint8Array(1) }, 5)), [5]);
    assert.deepEqual(pieces(run({ ...base, payload: new Uint8Array(1) }, 130)), [64, 64, 2]);
    assert.deepEqual(pieces(run({ ...base, payload: new Uint8Array(1400) }, 100)), [46, 46, 8]);
    assert.deepEqual(pieces(run({ ...base, tos: 0xb9, ttl: 1, flags: ACK | ECE }, 3)), [3]);
  }
  assert.deepEqual(pieces(run({ ...tcp4, sequence: 2 ** 32 - 1000 }, 3)), [3]);
  assert.deepEqual(pieces(run({ ...tcp4, sequence: 2 ** 31 - 1500 }, 3)), [3]);
  assert.deepEqual(pieces(run({ ...tcp6, options: new Uint8Array() }, 3)), [3]);
});

test('a super-packet is as large as an IPv4 packet can be, not larger', () => {
  const large = { ...tcp4, options: new Uint8Array(), payload: new Uint8Array(32_748) };
  const second = { ...large, sequence: 5000 + 32_748, id: 0 };
  assert.deepEqual(pieces([packetOf(large), packetOf(second)]), [1, 1]);
  assert.deepEqual(pieces([packetOf(large), packetOf({ ...second, payload: new Uint8Array(32_747) })]), [2]);
});

/** What the second of three packets has otherwise, and the frames that come of it. */
const differences: readonly [string, readonly PacketSpec[], Change, readonly number[]][] = [
  ['a shorter payload ends it', [tcp4, tcp6, udp4, udp6], short, [2, 1]],
  ['a longer payload starts anew', [udp4, udp6], { payload: new Uint8Array(1001) }, [1, 2]],
  ['PSH ends it', [tcp4, tcp6], { flags: ACK | PSH }, [2, 1]],
  ['FIN ends it', [tcp4, tcp6], { flags: ACK | FIN }, [2, 1]],
  ['another sequence number', [tcp4, tcp6], { sequence: 5999 }, [1, 1, 1]],
  ['another acknowledgement', [tcp4, tcp6], { acknowledgement: 78 }, [1, 1, 1]],
  ['another window', [tcp4, tcp6], { window: 999 }, [1, 1, 1]],
  ['another urgent pointer', [tcp4, tcp6], { urgent: 1 }, [1, 1, 1]],
  ['other options', [tcp4, tcp6], { options: other }, [1, 1, 1]],
  ['fewer options', [tcp4, tcp6], { options: other.subarray(0, 8) }, [1, 1, 1]],
  ['ECE', [tcp4, tcp6], { flags: ACK | ECE }, [1, 1, 1]],
  ['CWR', [tcp4, tcp6], { flags: ACK | CWR }, [1, 1, 1]],
  ['URG', [tcp4, tcp6], { flags: ACK | URG }, [1, 1, 1]],
  ['RST', [tcp4, tcp6], { flags: ACK | RST }, [1, 1, 1]],
  ['SYN', [tcp4, tcp6], { flags: ACK | SYN }, [1, 1, 1]],
  ['no ACK', [tcp4, tcp6], { flags: 0 }, [1, 1, 1]],
  ['no payload', [tcp4, tcp6, udp4, udp6], { payload: new Uint8Array() }, [1, 1, 1]],
  ['a FIN alone', [tcp4, tcp6], { payload: new Uint8Array(), flags: ACK | FIN }, [1, 1, 1]],
  ['another TTL', [tcp4, tcp6, udp4, udp6], { ttl: 63 }, [1, 1, 1]],
  ['another DSCP', [tcp4, tcp6, udp4, udp6], { tos: 0x20 }, [1, 1, 1]],
  ['congestion experienced', [tcp4, tcp6, udp4, udp6], { tos: 3 }, [1, 1, 1]],
  ['another flow label', [tcp6, udp6], { flowLabel: 1 }, [1, 1, 1]],
  ['no DF', [tcp4, udp4], { dontFragment: false }, [1, 1, 1]],
  ['IPv4 options', [tcp4, udp4], { ipOptions: Uint8Array.of(1, 1, 1, 0) }, [1, 1, 1]],
  ['extension headers', [tcp6], { extensions: Uint8Array.of(6, 0, 1, 4, 0, 0, 0, 0) }, [1, 1, 1]],
];

test('what differs does not join, and nothing overtakes it', () => {
  for (const [name, bases, change, expected] of differences) {
    for (const base of bases) {
      assert.deepEqual(pieces(run(base, 3, change)), expected, `${name}: ${base.protocol}${base.version}`);
    }
  }
});

test('other flows are other super-packets, in the order in which they began', () => {
  const changes: readonly Change[] = [
    { sourcePort: 444 },
    { destinationPort: 50_001 },
    { source: Uint8Array.of(198, 51, 100, 2) },
    { destination: Uint8Array.of(10, 7, 1, 2) },
    { protocol: 'udp' },
    v6,
  ];
  for (const change of changes) {
    const a = run(tcp4, 3);
    const b = run({ ...tcp4, ...change }, 3);
    const frames = coalesce([a[0], b[0], b[1], a[1], b[2], a[2]]);
    assert.deepEqual(received(frames), [...a, ...b]);
  }
  for (let octet = 0; octet < 16; octet++) {
    for (const field of ['source', 'destination'] as const) {
      const address = tcp6[field].slice();
      address[octet] ^= 1;
      assert.equal(coalesce([...run(tcp6, 1), run({ ...tcp6, [field]: address }, 2)[1]]).length, 2);
    }
  }
});

test('sixteen flows are open at a time; the one not used for longest closes', () => {
  const flow = (i: number): Uint8Array[] => run({ ...tcp4, sourcePort: i }, 2);
  const most = Array.from({ length: 16 }, (_, i) => i);
  const both = coalesce([...most.map((i) => flow(i)[0]), ...most.map((i) => flow(i)[1])]);
  assert.deepEqual(received(both), most.flatMap(flow));
  assert.equal(both.length, 16);
  const frames = coalesce([...[...most, 16].map((i) => flow(i)[0]), ...[...most, 16].map((i) => flow(i)[1])]);
  assert.equal(frames.length, 34, 'each comes just after it was closed');
  const used = coalesce([...most.map((i) => flow(i)[0]), flow(0)[1], flow(16)[0], flow(1)[1], flow(2)[1]]);
  assert.deepEqual(
    used.map((frame) => frame.pieces),
    [2, ...Array.from({ length: 18 }, () => 1)],
    'one more closes flow 1, whose next closes flow 2',
  );
});

test('a bad checksum reaches the host as it came, and ends what it cannot join', () => {
  for (const base of [tcp4, tcp6, udp4, udp6]) {
    const packets = run(base, 3);
    for (const at of [transportAt(packets[1]), packets[1].length - 1, ...(base.version === 4 ? [4, 8, 10] : [])]) {
      const broken = packets.map((packet) => packet.slice());
      broken[1][at] ^= 0x10;
      assert.ok(!isIntact(broken[1]));
      const frames = coalesce(broken);
      assert.ok(frames.some((frame) => frame.virtio.flags === 0 && Buffer.compare(frame.packet, broken[1]) === 0));
      // Where it was the port that broke, it is a packet of another flow.
      if (at !== transportAt(packets[1])) assert.deepEqual(received(frames), broken);
    }
  }
});

test('a first packet with a bad checksum starts nothing', () => {
  for (const base of [tcp4, tcp6, udp4, udp6]) {
    const packets = run(base, 3);
    packets[0][packets[0].length - 1] ^= 1;
    assert.deepEqual(pieces(packets), [1, 2]);
    assert.deepEqual(
      coalesce(packets.slice(0, 2)).map((frame) => frame.virtio.flags),
      [0, 2],
    );
  }
});

test('a UDP datagram without a checksum is alone', () => {
  const packets = run(udp4, 3);
  packets[1].fill(0, 26, 28);
  assert.deepEqual(pieces(packets), [1, 1, 1]);
});

test('a fragment, and what has no ports to see, is not overtaken by anything between its addresses', () => {
  for (const base of [tcp4, udp4, tcp6, udp6]) {
    const packets = run(base, 3);
    const odd = packets[1].slice();
    if (base.version === 4) odd.set([0x20, 0], 6);
    else odd[6] = 44;
    assert.deepEqual(received(coalesce([packets[0], odd, packets[1], packets[2]])), [packets[0], odd, packets[1], packets[2]]);
    const elsewhere = odd.slice();
    elsewhere[base.version === 4 ? 15 : 23] ^= 1;
    assert.equal(coalesce([packets[0], elsewhere, packets[1], packets[2]]).length, 2);
  }
});

test('IPv4 identifications go on by one without DF, and mean nothing with it (RFC 6864 §4.1)', () => {
  const df = run(tcp4, 3, { id: 4711 });
  const [frame, ...more] = coalesce(df);
  assert.deepEqual(more, []);
  const expected = run(tcp4, 3); // as segmentation numbers them
  assert.deepEqual(received([frame]), expected);
  const without = { ...tcp4, dontFragment: false };
  assert.deepEqual(pieces(run(without, 3)), [3]);
  assert.deepEqual(pieces(run(without, 3, { id: 4711 })), [1, 1, 1]);
});

test('without the feature nothing is joined, without headers nothing is added', () => {
  for (const [features, expected] of [
    [{ headers: true, tcp: false, udp: false }, [1, 1, 1, 1]],
    [{ headers: false, tcp: true, udp: true }, [1, 1, 1, 1]],
    [{ headers: true, tcp: true, udp: false }, [2, 1, 1]],
    [{ headers: true, tcp: false, udp: true }, [1, 1, 2]],
  ] as const) {
    assert.deepEqual(pieces([...run(tcp4, 2), ...run(udp4, 2)], features), expected);
  }
});

test('what is segmented and coalesced is the super-packet again', () => {
  for (const [base, gsoType] of [
    [tcp4, 1],
    [tcp6, 4],
    [udp4, 5],
    [udp6, 5],
  ] as const) {
    for (const flags of [ACK, ACK | PSH, ACK | FIN | PSH]) {
      for (const octets of [2001, 30_000, 60_000]) {
        const packet = superPacketOf({ ...base, flags, payload: Uint8Array.from({ length: octets }, (_, i) => i * 31) });
        const virtio = Object.assign(new VirtioHeader(), {
          flags: 1,
          gsoType,
          gsoSize: 1000,
          checksumStart: transportAt(packet),
        });
        virtio.checksumOffset = base.protocol === 'tcp' ? 16 : 6;
        const memory = plainMemory(300_000);
        memory.bytes.set(packet, 16);
        const segmenter = new Segmenter();
        const count = segmenter.begin(memory, 16, packet.length, virtio);
        const segments = Array.from({ length: count }, (_, i) =>
          memory.bytes.slice(100_000, 100_000 + segmenter.write(i, 100_000)),
        );
        const [frame, ...more] = coalesce(segments);
        assert.deepEqual(more, []);
        assert.deepEqual(frame.packet, packet);
        assert.deepEqual(frame.virtio, { ...virtio, headerLength: transportAt(packet) + (base.protocol === 'tcp' ? 32 : 8) });
      }
    }
  }
});

test('a sink without room gets the same frame again, and clear forgets the rest', () => {
  const memory = plainMemory(20_000);
  const coalescer = new Coalescer(memory, 20);
  coalescer.features = allFeatures;
  const packets = [...run(tcp4, 3), ...run({ ...tcp4, sourcePort: 1 }, 3), ...run({ ...tcp4, sourcePort: 2 }, 3)];
  packets.forEach((packet, i) => {
    memory.bytes.set(packet, 32 + 1100 * i);
    coalescer.add(32 + 1100 * i, packet.length);
  });
  const seen: string[] = [];
  let room = 1;
  const sink = {
    write(_: unknown, pieces: { readonly offset: Uint32Array; readonly length: Uint32Array; readonly count: number }): boolean {
      const parts = Array.from({ length: pieces.count }, (_, i) =>
        memory.bytes.slice(pieces.offset[i], pieces.offset[i] + pieces.length[i]),
      );
      seen.push(Buffer.concat(parts).toString('hex'));
      return room-- > 0;
    },
  };
  assert.equal(coalescer.flush(sink), false);
  room = 1;
  assert.equal(coalescer.flush(sink), false);
  assert.equal(seen.length, 4);
  assert.equal(seen[1], seen[2]);
  assert.equal(new Set(seen).size, 3);
  assert.equal(coalescer.clear(), 3);
  assert.equal(coalescer.clear(), 0);
  assert.equal(coalescer.flush(sink), true);
  assert.equal(seen.length, 4);
});
