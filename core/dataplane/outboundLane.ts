/**
 * TUN to UDP: the inner header is read, the newest SA whose selectors cover the packet seals it in place, and runs of packets for
 * one peer go out together. A packet that no SA covers is dropped, never sent in clear.
 */
import type { EspBackend } from '../crypto/espCipher.ts';
import type { Random } from '../crypto/types.ts';
import { OutboundSa } from '../esp/outbound.ts';
import { nextHeaderIpv4, nextHeaderIpv6 } from '../esp/packet.ts';
import { InnerHeader } from '../ip/header.ts';
import { packSockaddr } from '../system/linux/sockaddr.ts';
import type { BatchTun, BatchUdp, PacketBatch } from '../system/ports.ts';
import { append, newBatch, viewOf } from './batch.ts';
import type { LaneChild } from './commands.ts';
import type { Counters } from './counters.ts';
import { SelectorSet } from './selectors.ts';

export interface OutboundLaneOptions {
  readonly backend: EspBackend;
  readonly counters: Counters;
  readonly random: Random;
  /** Milliseconds of silence towards a peer after which a keepalive goes out. */
  readonly keepaliveInterval: number;
  /** `Date.now`, for counters. */
  readonly clock: () => number;
  /** Milliseconds of a clock that never goes back, for keepalives. */
  readonly monotonic: () => number;
  /** Packets per read. */
  readonly capacity?: number;
}

/** Room for SPI, sequence number and the longest IV in front: 24 octets; for padding, trailer and the longest ICV behind: 49. */
const headroom = 64;
const tailroom = 64;
/** The largest MTU the monitor gives a TUN. */
const maxInner = 9000;
const slotBytes = headroom + maxInner + tailroom + 88; // 9216
const defaultCapacity = 64;

export class OutboundLane {
  tun: BatchTun | undefined;
  /** The `natt` sockets by family: ESP is only ever sent in UDP (RFC 3948). */
  socket4: BatchUdp | undefined;
  socket6: BatchUdp | undefined;
  readonly #options: OutboundLaneOptions;
  readonly #counters: Counters;
  /** Newest first, so that a rekeyed SA takes over when its successor is in place. */
  #policies: readonly Policy[] = [];
  readonly #peers = new Map<string, Peer>();
  readonly #in: PacketBatch;
  readonly #out: PacketBatch;
  readonly #keepalive = newBatch(1, 64, 0);
  readonly #inner = new InnerHeader();

  constructor(options: OutboundLaneOptions) {
    this.#options = options;
    this.#counters = options.counters;
    this.#in = newBatch(options.capacity ?? defaultCapacity, slotBytes, headroom);
    this.#out = viewOf(this.#in);
    this.#keepalive.buffer[0] = 0xff; // RFC 3948 §2.3
    append(this.#keepalive, 0, 1);
  }

  /** Why not, or undefined when the SA is in place. */
  install(child: LaneChild): string | undefined {
    const sockaddr = packSockaddr(child.remote);
    if (sockaddr === undefined) return `not an address to send to: ${child.remote.address}`;
    const cipher = this.#options.backend.cipher(child, child.keys);
    if (cipher === undefined) return `no cipher for ${child.encr.name} with these keys`;
    const policy: Policy = {
      spiIn: child.spiIn,
      sa: new OutboundSa({ spi: child.spi, cipher, esn: child.esn, random: this.#options.random }),
      local: new SelectorSet(child.localSelectors),
      remote: new SelectorSet(child.remoteSelectors),
      peer: this.#peer(child, sockaddr),
      keepalive: child.keepalive ? (child.keepaliveInterval ?? this.#options.keepaliveInterval) : 0,
      slot: child.slot,
    };
    this.#policies = [policy, ...this.#policies];
    return undefined;
  }

  remove(spiIn: number): void {
    for (const { sa } of this.#policies.filter((policy) => policy.spiIn === spiIn)) sa.destroy();
    this.#policies = this.#policies.filter((policy) => policy.spiIn !== spiIn);
    for (const [key, peer] of this.#peers) {
      if (!this.#policies.some((policy) => policy.peer === peer)) this.#peers.delete(key);
    }
  }

  clear(): void {
    for (const { spiIn } of this.#policies) this.remove(spiIn);
    this.#in.buffer.fill(0);
  }

  /** Reads one batch from the TUN and sends it; the number of packets, -1 when the device is gone. */
  forward(): number {
    const count = this.tun?.readBatch(this.#in) ?? 0;
    if (count <= 0) return count;
    const now = this.#options.clock();
    let peer: Peer | undefined;
    for (let i = 0; i < count; i++) {
      const policy = this.#policyFor(i);
      if (policy === undefined) continue;
      const length = this.#seal(policy, i, now);
      if (length === 0) continue;
      if (peer !== undefined && peer !== policy.peer) this.#flush(peer);
      peer = policy.peer;
      append(this.#out, this.#in.offset[i] - policy.sa.headBytes, length);
    }
    if (peer !== undefined) this.#flush(peer);
    return count;
  }

  /** Milliseconds until the next keepalive may be due; -1 when none will be. */
  timeout(): number {
    const now = this.#options.monotonic();
    let least = -1;
    for (const { peer, keepalive } of this.#policies) {
      if (keepalive === 0) continue;
      const left = Math.max(0, Math.ceil(peer.lastSent + keepalive - now));
      if (least < 0 || left < least) least = left;
    }
    return least;
  }

  /** Sends the keepalives that are due (RFC 3948 §4: when nothing else was sent to the peer for the interval). */
  keepAlive(): void {
    const now = this.#options.monotonic();
    for (const { peer, keepalive } of this.#policies) {
      if (keepalive === 0 || now - peer.lastSent < keepalive) continue;
      // The attempt counts, sent or not: a network that is down is asked once per interval, not in a loop.
      peer.lastSent = now;
      const sent = this.#socketFor(peer)?.sendBatch(this.#keepalive, peer.sockaddr) ?? 0;
      if (sent === 0) this.#counters.drop('outbound', 'send-failed');
    }
  }

  #policyFor(i: number): Policy | undefined {
    const inner = this.#inner;
    const length = this.#in.length[i];
    if (length > maxInner || inner.read(this.#in.buffer, this.#in.offset[i], length) !== undefined) {
      this.#counters.drop('outbound', 'not-ip');
      return undefined;
    }
    const policies = this.#policies;
    for (let p = 0; p < policies.length; p++) {
      if (policies[p].remote.covers(inner, 'destination') && policies[p].local.covers(inner, 'source')) return policies[p];
    }
    this.#counters.drop('outbound', 'no-policy');
    return undefined;
  }

  /** Length of the ESP packet, 0 when the SA is used up. */
  #seal({ sa, slot }: Policy, i: number, now: number): number {
    const inner = this.#inner;
    const nextHeader = inner.version === 4 ? nextHeaderIpv4 : nextHeaderIpv6;
    const length = sa.seal(this.#in.buffer, this.#in.offset[i], inner.totalLength, nextHeader);
    if (length === 0) {
      this.#counters.add(slot, 'dropsExhausted', 1);
      return 0;
    }
    this.#counters.add(slot, 'packetsOut', 1);
    this.#counters.add(slot, 'bytesOut', inner.totalLength);
    this.#counters.set(slot, 'lastOut', now);
    return length;
  }

  #flush(peer: Peer): void {
    const socket = this.#socketFor(peer);
    const out = this.#out;
    while (out.count > 0) {
      const sent = socket?.sendBatch(out, peer.sockaddr) ?? 0;
      if (sent > 0) peer.lastSent = this.#options.monotonic();
      if (sent >= out.count) break;
      // A full queue refuses what follows too; any other refusal is about this one packet (EMSGSIZE, EPERM, …).
      const full = socket === undefined || socket.lastError === 'EAGAIN' || socket.lastError === 'ENOBUFS';
      const lost = full ? out.count - sent : 1;
      this.#counters.drop('outbound', 'send-failed', lost);
      out.offset.copyWithin(0, sent + lost, out.count);
      out.length.copyWithin(0, sent + lost, out.count);
      out.count -= sent + lost;
    }
    out.count = 0;
  }

  #socketFor(peer: Peer): BatchUdp | undefined {
    return peer.family === 4 ? this.socket4 : this.socket6;
  }

  #peer({ remote }: LaneChild, sockaddr: Uint8Array): Peer {
    const key = `${remote.address} ${remote.port}`;
    const known = this.#peers.get(key);
    if (known !== undefined) return known;
    const family = remote.address.includes(':') ? 6 : 4;
    const peer: Peer = { family, sockaddr, lastSent: this.#options.monotonic() };
    this.#peers.set(key, peer);
    return peer;
  }
}

/** Where packets go, shared by all SAs with that peer. */
interface Peer {
  readonly family: 4 | 6;
  readonly sockaddr: Uint8Array;
  /** By the monotonic clock. */
  lastSent: number;
}

interface Policy {
  readonly spiIn: number;
  readonly sa: OutboundSa;
  readonly local: SelectorSet;
  readonly remote: SelectorSet;
  readonly peer: Peer;
  /** Milliseconds of silence after which a keepalive goes out; 0 is never. */
  readonly keepalive: number;
  readonly slot: number;
}
