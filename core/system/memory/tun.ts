/** A TUN device without a kernel, for tests: what the host sends is put in, what the host would receive is read off. */
import type { BatchTun, PacketBatch } from '../ports.ts';

export class MemoryTun implements BatchTun {
  readonly fd = -1;
  /** Packets written to the device, copies, in order. */
  readonly written: Uint8Array[] = [];
  /** Packets `writeBatch` takes from now on. */
  room = Number.POSITIVE_INFINITY;
  gone = false;
  readonly #waiting: Uint8Array[] = [];

  /** The host routes a packet into the device. */
  inject(...packets: readonly Uint8Array[]): void {
    for (const packet of packets) this.#waiting.push(packet.slice());
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
