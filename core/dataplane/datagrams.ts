/** Batches of datagrams in a packet memory, made once per lane. */
import type { DatagramBatch } from '../system/ports.ts';

/** For receiving: `capacity` slots of `stride` octets from `base`. For sending, slots mean nothing. */
export function datagramBatch(capacity: number, base = 0, stride = 0): DatagramBatch {
  return {
    capacity,
    base,
    stride,
    offset: new Uint32Array(capacity),
    length: new Uint32Array(capacity),
    segment: new Uint32Array(capacity),
    tos: new Uint8Array(capacity),
    from: new Uint8Array(28 * capacity),
    count: 0,
  };
}
