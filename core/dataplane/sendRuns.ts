/**
 * ESP packets on their way out: they lie one behind the other in a part of the lane's memory, and packets of one length (the last
 * may be shorter) and one outer TOS make a run, which goes out as one datagram of many segments (udp(7), UDP_SEGMENT).
 */
import type { DatagramBatch } from '../system/ports.ts';
import { datagramBatch } from './datagrams.ts';

/** UDP_MAX_SEGMENTS of every kernel that has UDP_SEGMENT. */
const maxSegments = 64;
/** What UDP over IPv4 carries is 65,507 octets, over IPv6 20 more. */
const maxRunBytes = 65_507;
const maxRuns = 64;

export class SendRuns {
  readonly batch: DatagramBatch = datagramBatch(maxRuns);
  /** Where the next packet goes. */
  cursor: number;
  readonly #base: number;
  readonly #end: number;
  #segments = 0;

  /** The octets from `base` to `end` are its own. */
  constructor(base: number, end: number) {
    this.#base = base;
    this.#end = end;
    this.cursor = base;
  }

  /** Octets waiting to be sent. */
  get pending(): number {
    return this.cursor - this.#base;
  }

  /** Whether a packet of so many octets surely fits, a run of its own included. */
  fits(octets: number): boolean {
    return this.batch.count < maxRuns && this.cursor + octets <= this.#end;
  }

  /** A packet of `length` octets was written at the cursor. */
  add(length: number, tos: number): void {
    const { batch } = this;
    const last = batch.count - 1;
    if (
      last >= 0 &&
      length <= batch.segment[last] &&
      tos === batch.tos[last] &&
      this.#segments < maxSegments &&
      batch.length[last] + length <= maxRunBytes
    ) {
      batch.length[last] += length;
      // A shorter one ends its run: nothing fits behind it.
      this.#segments = length < batch.segment[last] ? maxSegments : this.#segments + 1;
    } else {
      batch.offset[batch.count] = this.cursor;
      batch.length[batch.count] = length;
      batch.segment[batch.count] = length;
      batch.tos[batch.count] = tos;
      batch.count++;
      this.#segments = 1;
    }
    this.cursor += length;
  }

  /** Packets in run `i`. */
  packets(i: number): number {
    return Math.ceil(this.batch.length[i] / this.batch.segment[i]);
  }

  /** Forgets the first runs, which were sent or given up. */
  drop(runs: number): void {
    const { batch } = this;
    batch.offset.copyWithin(0, runs, batch.count);
    batch.length.copyWithin(0, runs, batch.count);
    batch.segment.copyWithin(0, runs, batch.count);
    batch.tos.copyWithin(0, runs, batch.count);
    batch.count -= runs;
  }

  reset(): void {
    this.batch.count = 0;
    this.#segments = 0;
    this.cursor = this.#base;
  }
}
