/** What an outbound lane does about sizes: packets larger than the tunnel carries, signs of a black hole, and probes of the path. */

import type { OutboundSa } from '../esp/outbound.ts';
import { nextHeaderIpv4, nextHeaderIpv6 } from '../esp/packet.ts';
import type { InnerHeader } from '../ip/header.ts';
import { TooBigMessages } from '../ip/icmp.ts';
import type { PacketMemory } from '../ip/packetMemory.ts';
import { virtioHeaderBytes } from '../ip/virtio.ts';
import type { Pieces, Tun } from '../system/ports.ts';
import type { Counters } from './counters.ts';
import type { SendRuns } from './sendRuns.ts';

export interface OutboundSizesOptions {
  readonly memory: PacketMemory;
  /** Where messages to the host are written, room for a virtio header in front. */
  readonly messageAt: number;
  readonly counters: Counters;
  readonly monotonic: () => number;
  readonly onDoubt?: (spiIn: number, silent: boolean) => void;
}

/** An SA whose path is watched. */
export interface Watched {
  readonly spiIn: number;
  readonly slot: number;
  /** When it was looked whether anything comes back, by a clock that never goes back, and how much had. */
  lookedAt: number;
  arrivals: number;
}

/** RFC 8200 §5: what every IPv6 link carries, ours too. */
const leastMtu6 = 1280;
/** Milliseconds between two looks at whether anything comes back. */
const silenceInterval = 2000;
/** Packets between two looks that may come without anybody having got a large one: a ping, a name that is looked up. */
const fewArrivals = 8;

export class OutboundSizes {
  readonly #options: OutboundSizesOptions;
  readonly #tooBig = new TooBigMessages();
  readonly #message: Pieces = { offset: new Uint32Array(1), length: new Uint32Array(1), count: 1 };

  constructor(options: OutboundSizesOptions) {
    this.#options = options;
  }

  /**
   * Packets of more than half the size go out: at two looks in a row, with next to nothing that came in between, they may be in a black hole.
   * That others come proves nothing, for they may be of somebody who sends no large ones.
   */
  watch(watched: Watched, octets: number, mtu: number, now: number): void {
    if (now - watched.lookedAt < silenceInterval || octets <= mtu >> 1) return;
    const arrivals = this.#options.counters.arrivals(watched.slot);
    if (watched.arrivals >= 0) this.#options.onDoubt?.(watched.spiIn, arrivals - watched.arrivals <= fewArrivals);
    watched.arrivals = arrivals;
    watched.lookedAt = now;
  }

  /** RFC 8200 §5: an IPv6 host believes no smaller MTU, so a link that carries less fragments below IPv6: outside. */
  isLeast(inner: InnerHeader, octets: number): boolean {
    return inner.version === 6 && octets <= leastMtu6;
  }

  /** Drops the `count` packets that are made of what is at `at`, and tells the host what the tunnel carries. */
  refuse(
    tun: Tun | undefined,
    slot: number,
    { totalLength, version }: InnerHeader,
    at: number,
    mtu: number,
    count: number,
  ): void {
    const { memory, messageAt, counters, monotonic } = this.#options;
    counters.add(slot, 'dropsTooBig', count);
    const told = version === 6 ? Math.max(mtu, leastMtu6) : mtu;
    const octets = this.#tooBig.write(memory, at, totalLength, told, messageAt, monotonic());
    if (octets === 0 || tun === undefined) return;
    const header = tun.features.headers ? virtioHeaderBytes : 0;
    memory.bytes.fill(0, messageAt - header, messageAt);
    this.#message.offset[0] = messageAt - header;
    this.#message.length[0] = octets + header;
    tun.write(memory, this.#message);
  }

  /** Frames this inner packet as it is at the end of the runs; whether there was a sequence number for it. */
  addProbe(sa: OutboundSa, packet: Uint8Array, { version }: InnerHeader, runs: SendRuns): boolean {
    const { bytes } = this.#options.memory;
    const to = runs.cursor + sa.headBytes;
    bytes.set(packet, to);
    const wire = sa.frame(bytes, to, packet.length, version === 4 ? nextHeaderIpv4 : nextHeaderIpv6);
    if (wire > 0) runs.add(wire, 0);
    return wire > 0;
  }
}
