/** A TUN device without a kernel, for tests: what the host sends is put in, what the host would receive is read off. */
import type { PacketMemory } from '../../ip/packetMemory.ts';
import type { BatchTun, PacketBatch, Pieces, Tun, TunFeatures } from '../ports.ts';

export class MemoryTun implements BatchTun, Tun {
  readonly fd = -1;
  readonly features: TunFeatures;
  /** Packets written to the device, copies, in order. */
  readonly written: Uint8Array[] = [];
  /** Packets the device takes from now on. */
  room = Number.POSITIVE_INFINITY;
  gone = false;
  readonly #waiting: Uint8Array[] = [];

  constructor(features: TunFeatures = { headers: false, tcp: false, udp: false }) {
    this.features = features;
  }

  /** The host routes a packet into the device; with its virtio header where `features.headers`. */
  inject(...packets: readonly Uint8Array[]): void {
    for (const packet of packets) this.#waiting.push(packet.slice());
  }

  read(memory: PacketMemory, at: number, room: number): number {
    if (this.gone) return -1;
    const packet = this.#waiting.shift();
    if (packet === undefined) return 0;
    const length = Math.min(packet.length, room);
    memory.bytes.set(packet.subarray(0, length), at);
    return length;
  }

  write(memory: PacketMemory, pieces: Pieces): boolean {
    if (this.room <= 0) return false;
    this.room -= 1;
    const { offset, length, count } = pieces;
    const parts = Array.from({ length: count }, (_, i) => memory.bytes.subarray(offset[i], offset[i] + length[i]));
    this.written.push(Uint8Array.from(parts.flatMap((part) => [...part])));
    return true;
  }

  readBatch(batch: PacketBatch): number {
    batch.count = 0;
    if (this.gone) return -1;
    while (batch.count < batch.capacity) {
      const packet = this.#waiting.shift();
      if (packet === undefined) break;
      putInto(batch, packet.subarray(0, batch.stride - batch.headroom));
    }
    return batch.count;
  }

  writeBatch(batch: PacketBatch): number {
    const taken = Math.min(batch.count, this.room);
    for (let i = 0; i < taken; i++) this.written.push(batch.buffer.slice(batch.offset[i], batch.offset[i] + batch.length[i]));
    this.room -= taken;
    return taken;
  }
}

/** Puts a packet into the next slot, the way a read does. */
export function putInto(batch: PacketBatch, packet: Uint8Array): void {
  const i = batch.count;
  const offset = i * batch.stride + batch.headroom;
  batch.buffer.set(packet, offset);
  batch.offset[i] = offset;
  batch.length[i] = packet.length;
  batch.count = i + 1;
}
