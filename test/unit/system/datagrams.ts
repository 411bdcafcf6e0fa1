/** Batches of datagrams for tests of UDP sockets. */
import type { PacketMemory } from '../../../core/ip/packetMemory.ts';
import type { DatagramBatch } from '../../../core/system/ports.ts';

/** Something to send: octets one by one, in datagrams of `segment` where that is not 0. */
export interface Entry {
  readonly bytes: Uint8Array;
  readonly segment?: number;
  readonly tos?: number;
}

/** Lays the entries out one behind the other from the batch's base on. */
export function fillDatagrams(memory: PacketMemory, batch: DatagramBatch, entries: readonly Entry[]): void {
  let at = batch.base;
  for (const [i, { bytes, segment = 0, tos = 0 }] of entries.entries()) {
    memory.bytes.set(bytes, at);
    batch.offset[i] = at;
    batch.length[i] = bytes.length;
    batch.segment[i] = segment;
    batch.tos[i] = tos;
    at += bytes.length;
  }
  batch.count = entries.length;
}

/** The datagrams of a received batch, one by one. */
export function datagramsOf(memory: PacketMemory, batch: DatagramBatch): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let i = 0; i < batch.count; i++) {
    const size = batch.segment[i] === 0 ? Math.max(1, batch.length[i]) : batch.segment[i];
    for (let at = 0; at < batch.length[i]; at += size) {
      const from = batch.offset[i] + at;
      found.push(memory.bytes.slice(from, from + Math.min(size, batch.length[i] - at)));
    }
  }
  return found;
}

/** Octets that differ from place to place. */
export function pattern(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >>> 8) * 13 + seed) & 0xff);
}

/** `bytes` cut every `size` octets. */
export function cut(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.slice(i * size, (i + 1) * size));
}
