/**
 * TUN to UDP. The host hands out frames of up to 64 KiB; the SA whose selectors cover the frame is found once, then each of its
 * segments is written, complete, where it will be sent from, sealed in place, and runs of ESP packets for one peer go out in one system
 * call. A frame that no SA covers is dropped, never sent in clear.
 */
import type { EspBackend } from '../crypto/espCipher.ts';
import type { Random } from '../crypto/types.ts';
import { OutboundSa } from '../esp/outbound.ts';
import { nextHeaderIpv4, nextHeaderIpv6 } from '../esp/packet.ts';
import type { Endpoint } from '../ike/sa/contract.ts';
import { outerMask, outerOctet } from '../ip/ecn.ts';
import { InnerHeader } from '../ip/header.ts';
import { clampMss } from '../ip/mss.ts';
import type { PacketMemory } from '../ip/packetMemory.ts';
import { Segmenter } from '../ip/segment.ts';
import { SegmentFragments } from '../ip/segmentFragments.ts';
import { packetMemory } from '../ip/simdMemory.ts';
import { needsChecksum, VirtioHeader, virtioHeaderBytes } from '../ip/virtio.ts';
import { packSockaddr } from '../system/linux/sockaddr.ts';
import type { Tun, UdpSocket } from '../system/ports.ts';
import type { LaneChild } from './commands.ts';
import type { Counters } from './counters.ts';
import { Keepalives, type Kept, type Peer } from './keepalives.ts';
import { type LimitKind, LimitWatch } from './limits.ts';
import { OutboundPolicies, type Selecting } from './outboundPolicies.ts';
import { OutboundSizes, type Watched } from './outboundSizes.ts';
import { SelectorSet } from './selectors.ts';
import { SendRuns } from './sendRuns.ts';

export interface OutboundLaneOptions {
  readonly backend: EspBackend;
  readonly counters: Counters;
  readonly random: Random;
  /** Milliseconds of silence towards a peer after which a keepalive goes out. */
  readonly keepaliveInterval: number;
  /** `Date.now`, for counters. */
  readonly clock: () => number;
  /** Milliseconds of a clock that never goes back, for keepalives and what is watched. */
  readonly monotonic: () => number;
  /** The kernel says of a packet that the device does not carry it; the error queue says what it does. */
  readonly onTooLong?: (socket: UdpSocket) => void;
  /** Large packets go out on the SA: whether they arrive may be looked at. `silent`: next to nothing came back. */
  readonly onDoubt?: (spiIn: number, silent: boolean) => void;
  /** The SA has carried so much. */
  readonly onLimit?: (spiIn: number, which: LimitKind) => void;
  /** The TCP connection to a peer that is reached by one, while there is one. */
  readonly streamTo?: (peer: Endpoint) => UdpSocket | undefined;
  /** Waits, not long, until the socket's queue has room again; false when it has none. Absent: it never has. */
  readonly awaitRoom?: (socket: UdpSocket) => boolean;
}

/** The frame at hand: virtio header and the largest IP packet. */
const frameAt = 64;
const frameRoom = virtioHeaderBytes + 65_535;
const keepaliveAt = 0;
/** Where messages to the host are written, a virtio header in front. */
const icmpAt = frameAt + 65_600;
/** Room for the ESP packets of two of the largest frames, so that one more always fits when `flushAt` is not reached. */
const runsAt = 67_072;
const runsEnd = runsAt + 4 * 65_536;
/** Room for the largest segment of a frame, which is cut into fragments there. */
const asideAt = runsEnd;
const memoryEnd = asideAt + 65_536;
const flushAt = 65_536;
/** Room for SPI, sequence number and the longest IV in front (24), for padding, trailer and the longest ICV behind (49). */
const overhead = 80;
/** Waits for room in a row that bring nothing. */
const maxWaits = 16;
/** Frames between two looks at commands and keepalives. */
const maxFrames = 256;
/** Small ones, of one queue of several. */
const maxFramesBrief = 64;
/** Of large ones: 256 KiB are 0.4 ms at 5 Gbit/s, and another wait for all queues costs a hundredth of that. */
const maxSendingsBrief = 4;

export class OutboundLane {
  /** The device, or the queue of it that has its turn. */
  tun: Tun | undefined;
  /** The `natt` sockets by family: ESP is only ever sent in UDP (RFC 3948). */
  socket4: UdpSocket | undefined;
  socket6: UdpSocket | undefined;
  readonly #options: OutboundLaneOptions;
  readonly #counters: Counters;
  readonly #memory: PacketMemory = packetMemory(memoryEnd);
  readonly #policies = new OutboundPolicies<Policy>();
  readonly #peers = new Map<string, Peer>();
  readonly #runs = new SendRuns(runsAt, runsEnd);
  /** Whose runs they are. */
  #policy: Policy | undefined;
  /** Whether they go without DF. */
  #divisible = false;
  /** Inner octets of the runs. */
  #octets = 0;
  /** The socket had no room meanwhile; and none came. */
  #waited = false;
  #stuck = false;
  readonly #keepalives: Keepalives;
  readonly #sizes: OutboundSizes;
  readonly #inner = new InnerHeader();
  readonly #virtio = new VirtioHeader();
  readonly #segmenter = new Segmenter();
  readonly #fragments = new SegmentFragments(this.#memory, asideAt, this.#segmenter);
  /** By `clock` and by `monotonic`. */
  #now = 0;
  #time = 0;
  #found = 0;

  constructor(options: OutboundLaneOptions) {
    this.#options = options;
    this.#counters = options.counters;
    const { counters, clock, monotonic, onDoubt } = options;
    this.#keepalives = new Keepalives({ memory: this.#memory, at: keepaliveAt, counters, clock, monotonic });
    this.#sizes = new OutboundSizes({ memory: this.#memory, messageAt: icmpAt, counters, monotonic, onDoubt });
  }

  /** Why not, or undefined when the SA is in place. */
  install(child: LaneChild): string | undefined {
    const sockaddr = packSockaddr(child.remote);
    if (sockaddr === undefined) return `not an address to send to: ${child.remote.address}`;
    const cipher = this.#options.backend.cipher(child, child.keys);
    if (cipher === undefined) return `no cipher for ${child.encr.name} with these keys`;
    const policy: Policy = {
      spiIn: child.spiIn,
      sa: new OutboundSa({ spi: child.spi, cipher, esn: child.esn, random: this.#options.random, shared: child.sequence }),
      local: new SelectorSet(child.localSelectors),
      remote: new SelectorSet(child.remoteSelectors),
      peer: this.#peerOf(child.remote, sockaddr),
      innerMtu: child.mtu,
      lookedAt: Number.NEGATIVE_INFINITY,
      arrivals: -1,
      tosMask: outerMask(child.dscp ?? 'copy'),
      keepaliveInterval: child.keepaliveInterval ?? this.#options.keepaliveInterval,
      keepalive: child.keepalive,
      slot: child.slot,
      limit: child.limits && new LimitWatch(child.limits, this.#counters, child.slot, 'outbound'),
    };
    // RFC 7296 §2.8: who answered a rekeying goes on with the old SA until the new one is used, or the old one removed.
    this.#policies.add(policy, child.replaces, child.standby === true);
    return undefined;
  }

  /** Why not, or undefined when its packets go there. What was framed before is on its way to the old place. */
  changePath(spiIn: number, remote: Endpoint, keepalive: boolean): string | undefined {
    const sockaddr = packSockaddr(remote);
    if (sockaddr === undefined) return `not an address to send to: ${remote.address}`;
    this.#flush();
    const policy = this.#policies.all.find((candidate) => candidate.spiIn === spiIn);
    if (policy === undefined) return undefined;
    policy.peer = this.#peerOf(remote, sockaddr);
    policy.keepalive = keepalive;
    this.#forgetPeers();
    return undefined;
  }

  remove(spiIn: number): void {
    this.#policies.remove(spiIn)?.sa.destroy();
    this.#forgetPeers();
  }

  clear(): void {
    for (const { spiIn } of this.#policies.all) this.remove(spiIn);
    this.#memory.bytes.fill(0, frameAt);
  }

  /**
   * Reads frames from the TUN until there is none, or many, and sends them; how many, -1 when the device is gone. A socket that got no room ends
   * it too: a command may wait that shows another way. With `brief` a few sendings are enough, and one that waited for room: other queues
   * wait for their turn. What is left then goes out with `sendRest`.
   */
  forward(brief = false): number {
    const { tun } = this;
    if (tun === undefined) return 0;
    this.#now = this.#options.clock();
    this.#time = this.#options.monotonic();
    this.#policies.relieve(this.#isUsed);
    const most = brief ? maxFramesBrief : maxFrames;
    let frames = 0;
    let sendings = 0;
    this.#waited = false;
    this.#stuck = false;
    while (frames < most) {
      const length = tun.read(this.#memory, frameAt, frameRoom);
      if (length <= 0) {
        if (length < 0 && frames === 0) return -1;
        break;
      }
      frames++;
      if (tun.features.headers) this.#headed(length);
      else this.#headless(length);
      if (this.#runs.pending >= flushAt) this.#flush();
      // Where packets of two SAs come in turn, each is a sending.
      else if (!this.#stuck) continue;
      if (this.#stuck) break;
      if (brief && (++sendings === maxSendingsBrief || this.#waited)) break;
    }
    if (!brief) this.#flush();
    return frames;
  }

  /** After the last queue had its turn. */
  sendRest(): void {
    this.#flush();
  }

  /** Packets to send since this was asked last. */
  takeFound(): number {
    const found = this.#found;
    this.#found = 0;
    return found;
  }

  /** Milliseconds until the next keepalive may be due; -1 when none will be. */
  timeout(): number {
    return this.#keepalives.timeout(this.#policies.all);
  }

  /** Sends the keepalives that are due. */
  keepAlive(): void {
    this.#keepalives.send(this.#policies.all, this.#socketFor);
  }

  /** Seals this inner packet as it is, with DF, where the SA, or another to the same place, may carry it. */
  probe(spiIn: number, packet: Uint8Array): void {
    if (this.#inner.read(packet, 0, packet.length) !== undefined) return;
    const policy = this.#policies.coveringFor(spiIn, this.#inner, ({ peer }, named) => peer === named.peer);
    if (policy === undefined || policy.limit?.spent) return;
    this.#turnTo(policy, false);
    if (!this.#sizes.addProbe(policy.sa, packet, this.#inner, this.#runs)) return;
    this.#octets += packet.length;
    this.#counters.add(policy.slot, 'packetsOut', 1);
    this.#counters.add(policy.slot, 'bytesOut', packet.length);
    this.#flush();
  }

  /** A frame behind a virtio header. */
  #headed(length: number): void {
    this.#virtio.read(this.#memory.bytes, frameAt);
    this.#frame(frameAt + virtioHeaderBytes, length - virtioHeaderBytes);
  }

  #headless(length: number): void {
    this.#virtio.clear();
    this.#frame(frameAt, length);
  }

  #frame(at: number, length: number): void {
    const inner = this.#inner;
    if (inner.read(this.#memory.bytes, at, length) !== undefined) {
      this.#counters.drop('outbound', 'not-ip');
      return;
    }
    const policy = this.#policies.covering(this.#inner);
    if (policy === undefined) {
      this.#counters.drop('outbound', 'no-policy');
      return;
    }
    const { bytes } = this.#memory;
    const path = this.#counters.path(policy.slot);
    const mtu = path === 0 ? policy.innerMtu : Math.abs(path);
    clampMss(bytes, at, inner.totalLength, mtu, (this.#virtio.flags & needsChecksum) !== 0);
    // What lies behind the packet by its own header is not sent.
    const count = this.#segmenter.begin(this.#memory, at, inner.totalLength, this.#virtio);
    if (count < 0) this.#counters.drop('outbound', 'not-ip');
    else if (this.#segmenter.packetLength(0) > mtu) this.#sendTooLarge(policy, at, mtu, count, path < 0);
    else {
      this.#sizes.watch(policy, this.#segmenter.packetLength(0), mtu, this.#time);
      this.#send(policy, at, this.#segmenter, count, path < 0);
    }
  }

  #sendTooLarge(policy: Policy, at: number, mtu: number, count: number, divisible: boolean): void {
    const inner = this.#inner;
    const segmenter = this.#segmenter;
    if (this.#sizes.isLeast(inner, segmenter.packetLength(0))) {
      this.#send(policy, at, segmenter, count, true);
      return;
    }
    const fragments = this.#fragments.start(at, count, mtu);
    if (fragments > 0) this.#send(policy, at, this.#fragments, fragments, divisible);
    else this.#sizes.refuse(this.tun, policy.slot, inner, at, mtu, count);
  }

  /** Frames `count` packets, which `source` writes one by one; the inner packet they come from is at `at`. */
  #send(policy: Policy, at: number, source: PacketSource, count: number, divisible: boolean): void {
    const runs = this.#runs;
    const { sa, slot } = policy;
    if (policy.limit?.spent) {
      this.#counters.add(slot, 'dropsExhausted', count);
      return;
    }
    const { bytes } = this.#memory;
    const nextHeader = this.#inner.version === 4 ? nextHeaderIpv4 : nextHeaderIpv6;
    const tos = outerOctet(bytes, at, policy.tosMask);
    if (policy !== this.#policy || divisible !== this.#divisible) this.#turnTo(policy, divisible);
    let octets = 0;
    let sealed = 0;
    for (let i = 0; i < count; i++) {
      if (!runs.fits(source.packetLength(i) + overhead) || sa.full) this.#flush();
      const to = runs.cursor + sa.headBytes;
      const length = source.write(i, to);
      const wire = sa.frame(bytes, to, length, nextHeader);
      if (wire === 0) break; // sequence numbers used up
      runs.add(wire, tos);
      octets += length;
      this.#octets += length;
      sealed++;
    }
    this.#found += count;
    const counters = this.#counters;
    if (sealed < count) counters.add(slot, 'dropsExhausted', count - sealed);
    if (sealed === 0) return;
    counters.add(slot, 'packetsOut', sealed);
    counters.add(slot, 'bytesOut', octets);
    counters.set(slot, 'lastOut', this.#now);
  }

  /** What waits is sent; the runs are this SA's from now on. */
  #turnTo(policy: Policy, divisible: boolean): void {
    this.#flush();
    this.#policy = policy;
    this.#divisible = divisible;
  }

  #flush(): void {
    const runs = this.#runs;
    const policy = this.#policy;
    if (policy === undefined || runs.batch.count === 0) return;
    const { sa, peer, limit } = policy;
    if (sa.seal(this.#memory.bytes)) {
      sa.awaitTurn();
      this.#sendRuns(peer);
      sa.passTurn();
    } else this.#exhausted(policy);
    runs.reset();
    this.#octets = 0;
    const crossed = limit?.crossed();
    if (crossed !== undefined) this.#options.onLimit?.(policy.spiIn, crossed);
  }

  #sendRuns(peer: Peer): void {
    const runs = this.#runs;
    const socket = this.#socketFor(peer);
    let waits = 0;
    while (runs.batch.count > 0) {
      const sent = socket === undefined ? 0 : this.#sendBatch(socket, peer);
      if (sent > 0) {
        peer.lastSent = this.#options.monotonic();
        runs.drop(sent);
        waits = 0;
      }
      if (runs.batch.count === 0) break;
      // A full queue is waited for, so that the device's queue holds the host back; any other refusal is about this one run.
      const full = socket === undefined || socket.lastError === 'EAGAIN' || socket.lastError === 'ENOBUFS';
      if (socket?.lastError === 'EMSGSIZE') this.#options.onTooLong?.(socket);
      this.#waited ||= full;
      // A socket that says it has room and takes nothing must not keep the lane from its commands.
      if (full && socket !== undefined && ++waits <= maxWaits && this.#options.awaitRoom?.(socket)) continue;
      this.#stuck ||= full;
      this.#giveUp(full ? runs.batch.count : 1);
    }
  }

  #sendBatch(socket: UdpSocket, { sockaddr }: Peer): number {
    const { batch } = this.#runs;
    return this.#divisible ? socket.sendDivisible(this.#memory, batch, sockaddr) : socket.send(this.#memory, batch, sockaddr);
  }

  /** What waits has no numbers and is in clear: nobody gets it. */
  #exhausted({ slot }: Policy): void {
    let packets = 0;
    for (let i = 0; i < this.#runs.batch.count; i++) packets += this.#runs.packets(i);
    this.#counters.add(slot, 'dropsExhausted', packets);
    this.#counters.add(slot, 'packetsOut', -packets);
    this.#counters.add(slot, 'bytesOut', -this.#octets);
  }

  #giveUp(count: number): void {
    let packets = 0;
    for (let i = 0; i < count; i++) packets += this.#runs.packets(i);
    this.#counters.drop('outbound', 'send-failed', packets);
    this.#runs.drop(count);
  }

  readonly #isUsed = ({ slot }: Policy): boolean => this.#counters.isUsed(slot);

  readonly #socketFor = (peer: Peer): UdpSocket | undefined => {
    // RFC 9329 §5: what belongs in a connection goes nowhere else, not even while there is none.
    if (peer.stream !== undefined) return this.#options.streamTo?.(peer.stream);
    return peer.family === 4 ? this.socket4 : this.socket6;
  };

  #forgetPeers(): void {
    for (const [key, peer] of this.#peers) {
      if (!this.#policies.all.some((policy) => policy.peer === peer)) this.#peers.delete(key);
    }
  }

  #peerOf(remote: Endpoint, sockaddr: Uint8Array): Peer {
    const { transport } = remote;
    const key = `${transport ?? 'udp'} ${remote.address} ${remote.port}`;
    const known = this.#peers.get(key);
    if (known !== undefined) return known;
    const family = remote.address.includes(':') ? 6 : 4;
    const stream = transport && remote;
    const peer: Peer = { family, sockaddr, stream, lastSent: this.#options.monotonic() };
    this.#peers.set(key, peer);
    return peer;
  }
}

/** Writes packets where they will be sealed. */
interface PacketSource {
  /** At least what `write` will return. */
  packetLength(i: number): number;
  /** Octets of packet `i`, now at `to`. */
  write(i: number, to: number): number;
}

interface Policy extends Watched, Kept, Selecting {
  readonly sa: OutboundSa;
  peer: Peer;
  /** Octets of the largest inner packet, while nothing else is known of the path. */
  readonly innerMtu: number;
  /** What of the inner TOS octet goes out. */
  readonly tosMask: number;
  keepalive: boolean;
  readonly limit: LimitWatch | undefined;
}
