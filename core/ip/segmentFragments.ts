/**
 * Fragments of all segments of a frame without DF that are larger than the tunnel carries (RFC 4301 §8.2.1 case 2: fragmented and forwarded, and
 * the host is told nothing, for it may not listen). One segment at a time is written aside, complete, and cut from there.
 */
import { Ipv4Fragments } from './fragment.ts';
import type { PacketMemory } from './packetMemory.ts';
import type { Segmenter } from './segment.ts';

/** One per lane, used again for every frame. */
export class SegmentFragments {
  readonly #memory: PacketMemory;
  readonly #aside: number;
  readonly #segmenter: Segmenter;
  readonly #fragments = new Ipv4Fragments();
  /** Where segments are cut. */
  #at = 0;
  #mtu = 0;
  /** Fragments of every segment but the last, which may have fewer. */
  #each = 0;
  /** The segment that lies there. */
  #segment = 0;

  /** `aside` is room for the largest segment, which nothing else uses. */
  constructor(memory: PacketMemory, aside: number, segmenter: Segmenter) {
    this.#memory = memory;
    this.#aside = aside;
    this.#segmenter = segmenter;
  }

  /**
   * Plans the `segments` packets that the segmenter makes of the frame at `at`. The number of fragments of at most `mtu` octets; 0 when they may
   * not or cannot be fragmented. The frame must stay as it is until all are written; one that is a single packet is finished in place.
   */
  start(at: number, segments: number, mtu: number): number {
    this.#at = segments === 1 ? at : this.#aside;
    this.#mtu = mtu;
    this.#each = this.#cut(0);
    if (segments === 1 || this.#each === 0) return this.#each;
    return (segments - 1) * this.#each + this.#cut(segments - 1);
  }

  /** No fragment has more. */
  packetLength(): number {
    return this.#mtu;
  }

  /** Writes fragment `index` at `to` and returns its octets; all in order, from 0. */
  write(index: number, to: number): number {
    const part = index % this.#each;
    const segment = (index - part) / this.#each;
    if (segment !== this.#segment) this.#cut(segment);
    return this.#fragments.write(part, to);
  }

  #cut(segment: number): number {
    this.#segment = segment;
    const length = this.#segmenter.write(segment, this.#at);
    return this.#fragments.start(this.#memory.bytes, this.#at, length, this.#mtu);
  }
}
