/** Packets put through a `Coalescer`, what it writes, and what the judge makes of that. */
import assert from 'node:assert/strict';
import { Coalescer, type FrameFeatures } from '../../../core/ip/coalesce.ts';
import { type PacketMemory, plainMemory } from '../../../core/ip/packetMemory.ts';
import { isIntact, joined, segmented, type Virtio, virtioOf } from './judge.ts';

export const allFeatures: FrameFeatures = { headers: true, tcp: true, udp: true };

export interface WrittenFrame {
  readonly virtio: Virtio;
  /** Without the virtio header. */
  readonly packet: Uint8Array;
  readonly pieces: number;
}

const canary = 0xa5;
/** Free octets around every packet; the caller of `add` guarantees 16 in front. */
const gap = 17;

/** Writes the packets side by side, coalesces them and checks that no octet changed that is not part of a frame's headers. */
export function coalesce(
  packets: readonly Uint8Array[],
  features = allFeatures,
  memoryOf: (octets: number) => PacketMemory = plainMemory,
): WrittenFrame[] {
  const { memory, places } = placed(packets, memoryOf);
  const coalescer = new Coalescer(memory, packets.length);
  coalescer.features = features;
  const before = memory.bytes.slice();
  packets.forEach((packet, i) => {
    assert.ok(coalescer.add(places[i], packet.length));
  });
  assert.equal(coalescer.add(places[0], packets[0].length), false, 'there was no more room');
  assert.equal(Buffer.compare(memory.bytes, before), 0, 'nothing changes before flush');
  const frames: WrittenFrame[] = [];
  const headers = new Set<number>();
  assert.ok(
    coalescer.flush({
      write(from, pieces) {
        assert.equal(from, memory);
        const all = joined(
          ...Array.from({ length: pieces.count }, (_, i) => octetsOf(memory, pieces.offset[i], pieces.length[i])),
        );
        const skip = features.headers ? 10 : 0;
        const virtio = features.headers ? virtioOf(all) : virtioOf(new Uint8Array(10));
        const first = places.indexOf(pieces.offset[0] + skip);
        assert.ok(first >= 0);
        // Its virtio header, and its own headers where it became more than it was.
        if (features.headers) for (let i = -10; i < (pieces.count > 1 ? 60 : 0); i++) headers.add(places[first] + i);
        frames.push({ virtio, packet: all.subarray(skip), pieces: pieces.count });
        return true;
      },
    }),
  );
  for (let i = 0; i < before.length; i++) {
    if (memory.bytes[i] !== before[i]) assert.ok(headers.has(i), `octet ${i} changed`);
  }
  return frames;
}

/** The packets of the frames as the host, or who it forwards them to, gets them. */
export function received(frames: readonly WrittenFrame[]): Uint8Array[] {
  return frames.flatMap((frame) => {
    const { virtio, packet, pieces } = frame;
    assert.ok(pieces <= 64 && packet.length <= 65_535);
    if (virtio.gsoType === 0) {
      assert.equal(pieces, 1);
      assert.ok(virtio.flags === 0 || (virtio.flags === 2 && isIntact(packet)));
      return [packet];
    }
    assert.equal(virtio.flags, 1);
    const out = segmented(packet, virtio);
    assert.equal(out.length, pieces);
    assert.ok(out.length > 1);
    return out;
  });
}

function placed(
  packets: readonly Uint8Array[],
  memoryOf: (octets: number) => PacketMemory,
): { memory: PacketMemory; places: number[] } {
  const memory = memoryOf(packets.reduce((octets, packet) => octets + packet.length + gap, gap));
  memory.bytes.fill(canary);
  let at = gap;
  const places = packets.map((packet) => {
    memory.bytes.set(packet, at);
    at += packet.length + gap;
    return at - packet.length - gap;
  });
  return { memory, places };
}

function octetsOf(memory: PacketMemory, at: number, length: number): Uint8Array {
  assert.ok(at >= 0 && at + length <= memory.bytes.length);
  return memory.bytes.slice(at, at + length);
}
