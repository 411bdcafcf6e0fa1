/** Frames without DF whose segments are too large, against the slow implementation: what is put together again is what a device would have sent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Segmenter } from '../../../core/ip/segment.ts';
import { SegmentFragments } from '../../../core/ip/segmentFragments.ts';
import { packetMemory } from '../../../core/ip/simdMemory.ts';
import { VirtioHeader } from '../../../core/ip/virtio.ts';
import { ACK, getU16, headerIsRight, numbers, type PacketSpec, reassemble, segmented, superPacketOf } from './judge.ts';

const frameAt = 101;
const aside = 70_001;
const out = 140_001;
const memory = packetMemory(300_000);
const segmenter = new Segmenter();
const fragments = new SegmentFragments(memory, aside, segmenter);

/** What is planned for the frame, and what was written. */
function cut(packet: Uint8Array, gsoSize: number, udp: boolean, mtu: number): readonly Uint8Array[] {
  const virtio = { flags: 1, gsoType: udp ? 5 : 1, headerLength: 0, gsoSize, checksumStart: 20, checksumOffset: udp ? 6 : 16 };
  memory.bytes.set(packet, frameAt);
  const segments = segmenter.begin(memory, frameAt, packet.length, Object.assign(new VirtioHeader(), virtio));
  const count = fragments.start(frameAt, segments, mtu);
  const written = Array.from({ length: count }, (_, i) => {
    const octets = fragments.write(i, out);
    assert.ok(octets <= fragments.packetLength() && octets <= mtu);
    return memory.bytes.slice(out, out + octets);
  });
  if (count > 0) assert.deepEqual(whole(written), segmented(packet, virtio), `${packet.length} by ${gsoSize} in ${mtu}`);
  return written;
}

/** The packets whose fragments these are, in order. */
function whole(all: readonly Uint8Array[]): readonly Uint8Array[] {
  const packets: Uint8Array[][] = [];
  for (const fragment of all) {
    assert.ok(headerIsRight(fragment));
    if ((getU16(fragment, 6) & 0x1fff) === 0) packets.push([]);
    packets.at(-1)?.push(fragment);
  }
  return packets.map((parts) => {
    const { data, from, more } = reassemble(parts);
    assert.deepEqual([from, more], [0, false]);
    assert.ok(parts.every((part) => getU16(part, 4) === getU16(parts[0], 4)));
    const [first] = parts;
    const packet = new Uint8Array(20 + data.length);
    packet.set(first.subarray(0, 20));
    packet.set(data, 20);
    packet.set([packet.length >> 8, packet.length & 0xff], 2);
    packet.set([0, 0], 6);
    let sum = 0;
    for (let at = 0; at < 20; at += 2) if (at !== 10) sum += getU16(packet, at);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    packet.set([(~sum >>> 8) & 0xff, ~sum & 0xff], 10);
    return packet;
  });
}

function frame(payload: number, change: Partial<PacketSpec> = {}): Uint8Array {
  const pick = numbers(payload + 1);
  const address = (last: number): Uint8Array => Uint8Array.of(10, 0, 0, last);
  return superPacketOf({
    ...{ version: 4, protocol: 'tcp', source: address(1), destination: address(2), sourcePort: 1000, destinationPort: 443 },
    payload: Uint8Array.from({ length: payload }, () => pick(256)),
    ...{ id: 0xfffe, dontFragment: false, flags: ACK, sequence: 0xffff_ff00, window: 500, ...change },
  });
}

test('every segment is cut, the last one as far as it must be, in the order of their octets', () => {
  for (const udp of [false, true]) {
    const protocol = udp ? 'udp' : 'tcp';
    for (const mtu of [68, 514, 1300, 1307]) {
      for (const gsoSize of [512, 1360, 9000, 30_000])
        for (const payload of [gsoSize, gsoSize + 1, 2 * gsoSize, 2 * gsoSize + gsoSize / 2])
          if (payload < 65_000 && gsoSize + 28 > mtu) assert.ok(cut(frame(payload, { protocol }), gsoSize, udp, mtu).length > 1);
    }
  }
  // The largest frame there is.
  assert.equal(cut(frame(65_495), 1360, false, 1300).length, 2 * 48 + 1);
});

test('DF, and a path without room, cut nothing', () => {
  assert.deepEqual(cut(frame(5000, { dontFragment: true }), 1360, false, 1300), []);
  assert.deepEqual(cut(frame(5000), 1360, false, 27), []);
});
