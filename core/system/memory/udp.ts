/** A UDP socket without a kernel, for tests. */
import type { PacketMemory } from '../../ip/packetMemory.ts';
import type { DatagramBatch, UdpFeatures, UdpSocket } from '../ports.ts';

const slotBytes = 28;

/** One entry sent: a datagram, or with `segment` several of them. */
export interface SentEntry {
  readonly bytes: Uint8Array;
  readonly to: Uint8Array;
  readonly segment: number;
  readonly tos: number;
  /** Without DF. */
  readonly divisible?: boolean;
}

/** How a datagram arrives: from a slot of 28 octets, several in one (`segment`), with a TOS. */
export interface Arrival {
  readonly from?: Uint8Array;
  readonly segment?: number;
  readonly tos?: number;
}

export class MemoryUdp implements UdpSocket {
  readonly fd = -1;
  /** The test takes `segmentation` away as a network device would. */
  features: UdpFeatures;
  lastError = '';
  /** Entries sent, copies, in order, with the destination's slot. */
  readonly sent: SentEntry[] = [];
  /** Number of the entries, counted from 0 over the life of the socket, that the kernel refuses, and its errno. */
  readonly refuse = new Map<number, string>();
  /** What the error queue says next; the queue is then empty. */
  mtus: ReadonlyMap<string, number> = new Map();
  #offered = 0;
  readonly #waiting: { readonly bytes: Uint8Array; readonly from: Uint8Array; readonly segment: number; readonly tos: number }[] =
    [];

  constructor(features: UdpFeatures = { segmentation: true, coalescing: true }) {
    this.features = features;
  }

  /** A datagram arrives, or several of one sender in one slot; a bare slot is `from`. */
  arrive(bytes: Uint8Array, arrival: Arrival | Uint8Array = {}): void {
    const {
      from = new Uint8Array(slotBytes),
      segment = 0,
      tos = 0,
    } = arrival instanceof Uint8Array ? { from: arrival } : arrival;
    this.#waiting.push({ bytes: bytes.slice(), from: from.slice(), segment, tos });
  }

  receive(memory: PacketMemory, batch: DatagramBatch): number {
    batch.count = 0;
    while (batch.count < batch.capacity) {
      const datagram = this.#waiting.shift();
      if (datagram === undefined) break;
      const i = batch.count++;
      const fits = datagram.bytes.length <= batch.stride;
      batch.offset[i] = batch.base + i * batch.stride;
      batch.length[i] = fits ? datagram.bytes.length : 0;
      batch.segment[i] = datagram.segment < datagram.bytes.length ? datagram.segment : 0;
      batch.tos[i] = datagram.tos;
      if (fits) memory.bytes.set(datagram.bytes, batch.offset[i]);
      batch.from.set(datagram.from, i * slotBytes);
    }
    return batch.count;
  }

  send(memory: PacketMemory, batch: DatagramBatch, to: Uint8Array): number {
    return this.#send(memory, batch, to, false);
  }

  sendDivisible(memory: PacketMemory, batch: DatagramBatch, to: Uint8Array): number {
    return this.#send(memory, batch, to, true);
  }

  #send(memory: PacketMemory, batch: DatagramBatch, to: Uint8Array, divisible: boolean): number {
    this.lastError = '';
    for (let i = 0; i < batch.count; i++) {
      const error = this.refuse.get(this.#offered++);
      if (error !== undefined) {
        this.lastError = error;
        return i;
      }
      const bytes = memory.bytes.slice(batch.offset[i], batch.offset[i] + batch.length[i]);
      this.sent.push({ bytes, to: to.slice(), segment: batch.segment[i], tos: batch.tos[i], ...(divisible && { divisible }) });
    }
    return batch.count;
  }

  reportedMtus(): ReadonlyMap<string, number> {
    const told = this.mtus;
    this.mtus = new Map();
    return told;
  }
}
