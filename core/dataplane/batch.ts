/** Packet batches: one buffer, many packets. */
import type { PacketBatch } from '../system/ports.ts';

/** Capacity in packets; `stride` octets per slot, of which a read leaves `headroom` free in front. */
export function newBatch(capacity: number, stride: number, headroom: number): PacketBatch {
  return { ...batchOver(new Uint8Array(capacity * stride), capacity), stride, headroom };
}

/** A batch that only points into another one's buffer, for packets picked out of it without a copy. */
export function viewOf(batch: PacketBatch): PacketBatch {
  return batchOver(batch.buffer, batch.capacity);
}

export function append(batch: PacketBatch, offset: number, length: number): void {
  batch.offset[batch.count] = offset;
  batch.length[batch.count] = length;
  batch.count++;
}

function batchOver(buffer: Uint8Array, capacity: number): PacketBatch {
  return {
    buffer,
    capacity,
    stride: 0,
    headroom: 0,
    offset: new Uint32Array(capacity),
    length: new Uint32Array(capacity),
    count: 0,
  };
}
