/** NAT keepalives: one octet to a peer to whom nothing was sent for a while (RFC 3948 §2.3, §4). */
import type { Endpoint } from '../ike/sa/contract.ts';
import type { PacketMemory } from '../ip/packetMemory.ts';
import type { UdpSocket } from '../system/ports.ts';
import type { Counters } from './counters.ts';
import { datagramBatch } from './datagrams.ts';

/** Where packets go, shared by all SAs with that peer. */
export interface Peer {
  readonly family: 4 | 6;
  readonly sockaddr: Uint8Array;
  /** Where it is reached by TCP. */
  readonly stream: Endpoint | undefined;
  /** By the monotonic clock. */
  lastSent: number;
}

/** An SA that keeps the mapping of its peer's address alive. */
export interface Kept {
  readonly peer: Peer;
  /** Milliseconds of silence after which one goes out; 0 is never. */
  readonly keepaliveInterval: number;
  readonly keepalive: boolean;
  readonly slot: number;
}

export interface KeepalivesOptions {
  readonly memory: PacketMemory;
  /** An octet of it that is the keepalive's. */
  readonly at: number;
  readonly counters: Counters;
  readonly clock: () => number;
  readonly monotonic: () => number;
}

export class Keepalives {
  readonly #options: KeepalivesOptions;
  readonly #batch = datagramBatch(1);

  constructor(options: KeepalivesOptions) {
    this.#options = options;
    options.memory.bytes[options.at] = 0xff; // RFC 3948 §2.3
    this.#batch.offset[0] = options.at;
    this.#batch.length[0] = 1;
    this.#batch.count = 1;
  }

  /** Milliseconds until the next one may be due; -1 when none will be. */
  timeout(all: readonly Kept[]): number {
    const now = this.#options.monotonic();
    let least = -1;
    for (const { peer, keepalive, keepaliveInterval } of all) {
      if (!keepalive || keepaliveInterval === 0) continue;
      const left = Math.max(0, Math.ceil(peer.lastSent + keepaliveInterval - now));
      if (least < 0 || left < least) least = left;
    }
    return least;
  }

  /** Sends those that are due (RFC 3948 §4: when nothing else was sent to the peer for the interval). */
  send(all: readonly Kept[], socketFor: (peer: Peer) => UdpSocket | undefined): void {
    const { memory, counters, clock, monotonic } = this.#options;
    const now = monotonic();
    for (const { peer, keepalive, keepaliveInterval, slot } of all) {
      if (!keepalive || keepaliveInterval === 0 || now - peer.lastSent < keepaliveInterval) continue;
      const silence = clock() - counters.lastOut(slot);
      if (silence >= 0 && silence < keepaliveInterval) {
        peer.lastSent = now - silence; // another lane's
        continue;
      }
      // The attempt counts, sent or not: a network that is down is asked once per interval, not in a loop.
      peer.lastSent = now;
      if ((socketFor(peer)?.send(memory, this.#batch, peer.sockaddr) ?? 0) === 0) counters.drop('outbound', 'send-failed');
    }
  }
}
