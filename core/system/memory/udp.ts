/** A UDP socket without a kernel, for tests. */
import type { BatchUdp, DatagramAddresses, PacketBatch } from '../ports.ts';
import { putInto } from './tun.ts';

const slotBytes = 28;

export class MemoryUdp implements BatchUdp {
  readonly fd = -1;
  lastError = '';
  /** Datagrams sent, copies, in order, with the destination's slot. */
  readonly sent: { readonly bytes: Uint8Array; readonly to: Uint8Array }[] = [];
  /** Number of the datagrams, counted from 0 over the life of the socket, that the kernel refuses, and its errno. */
  readonly refuse = new Map<number, string>();
  #offered = 0;
  readonly #waiting: { readonly bytes: Uint8Array; readonly from: Uint8Array }[] = [];

  /** A datagram arrives; `from` is a slot of 28 octets. */
  arrive(bytes: Uint8Array, from: Uint8Array = new Uint8Array(slotBytes)): void {
    this.#waiting.push({ bytes: bytes.slice(), from: from.slice() });
  }

  receiveBatch(batch: PacketBatch, from: DatagramAddresses): number {
    batch.count = 0;
    while (batch.count < batch.capacity) {
      const datagram = this.#waiting.shift();
      if (datagram === undefined) break;
      from.sockaddr.set(datagram.from, batch.count * slotBytes);
      const fits = datagram.bytes.length <= batch.stride - batch.headroom;
      putInto(batch, fits ? datagram.bytes : new Uint8Array(0));
    }
    return batch.count;
  }

  sendBatch(batch: PacketBatch, to: Uint8Array): number {
    this.lastError = '';
    for (let i = 0; i < batch.count; i++) {
      const error = this.refuse.get(this.#offered++);
      if (error !== undefined) {
        this.lastError = error;
        return i;
      }
      const bytes = batch.buffer.slice(batch.offset[i], batch.offset[i] + batch.length[i]);
      this.sent.push({ bytes, to: to.slice() });
    }
    return batch.count;
  }
}
