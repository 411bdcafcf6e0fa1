/**
 * UDP to TUN. The kernel hands over runs of datagrams; each is dealt with on its own, in the order in which they came. The order of
 * steps for every datagram, each only when the one before let it pass; nothing before step 5 changes anything but a drop counter:
 *
 *  1. what it is: on the `ike` channel IKE; on `natt` IKE behind four zero octets, a NAT keepalive, or ESP (RFC 3948 §2)
 *  2. the SPI names an SA of ours
 *  3. the length holds header, IV, whole blocks and ICV          \
 *  4. the sequence number is new and in or right of the window    |
 *  5. the ICV matches; the payload is decrypted                   |  core/esp/inbound.ts
 *  6. the sequence number is marked                               |
 *  7. the padding is 1, 2, 3, …; the next header is 4 or 41      /
 *  8. the inner header is one of that version and its total length is there; what lies behind it is cut off (TFC, RFC 4303 §2.7)
 *  9. source in the remote and destination in the local selectors (RFC 4303 §3.4.4, RFC 4301 §5.2)
 * 10. congestion that the outer header tells of is brought in (RFC 6040); a SYN's maximum segment size is clamped
 * 11. counted; answers to our own probes of the path go to the main thread, and nowhere else
 * 12. joined with its neighbours where their checksums are right (core/ip/coalesce.ts), and written to the TUN
 */
import type { EspBackend } from '../crypto/espCipher.ts';
import { InboundSa } from '../esp/inbound.ts';
import { nextHeaderIpv4, readU32 } from '../esp/packet.ts';
import type { Channel } from '../ike/sa/contract.ts';
import { Coalescer } from '../ip/coalesce.ts';
import { type EchoSession, isEchoReply } from '../ip/echo.ts';
import { applyOuterEcn, ecnDrop, ecnKeep } from '../ip/ecn.ts';
import { InnerHeader } from '../ip/header.ts';
import { clampMss } from '../ip/mss.ts';
import type { PacketMemory } from '../ip/packetMemory.ts';
import { packetMemory } from '../ip/simdMemory.ts';
import type { DatagramBatch, Tun, UdpSocket } from '../system/ports.ts';
import type { LaneChild } from './commands.ts';
import type { ChildField, Counters } from './counters.ts';
import { datagramBatch } from './datagrams.ts';
import { type Flood, mostSas } from './earlyDrop.ts';
import { FloodWatch } from './floodWatch.ts';
import { type LimitKind, LimitWatch } from './limits.ts';
import { SelectorSet } from './selectors.ts';

export interface InboundLaneOptions {
  readonly backend: EspBackend;
  readonly counters: Counters;
  /** Packets the replay window spans, unless the child wants another. */
  readonly window: number;
  /** Takes an IKE message: its own copy of the octets, and the slot (28 octets, valid during the call) it came from. */
  readonly onIke: (bytes: Uint8Array<ArrayBuffer>, channel: Channel, from: Uint8Array) => void;
  /** Takes an answer to a probe of the path: its own copy of the first octets. */
  readonly onEcho?: (spiIn: number, packet: Uint8Array<ArrayBuffer>) => void;
  /** Datagrams that are nobody's, forged or replayed come in numbers. A few times a second while they do. */
  readonly onFlood?: (flood: Flood) => void;
  /** The SA has carried so much. */
  readonly onLimit?: (spiIn: number, which: LimitKind) => void;
  /** A packet of an SA that is not there: whether one was installed just now. It may call `install`. */
  readonly onUnknown?: () => boolean;
  /** `Date.now`, for counters. */
  readonly clock: () => number;
  /** Milliseconds of a clock that never goes back, for all that is so many in a while. */
  readonly monotonic: () => number;
  /** Runs of datagrams per read. */
  readonly capacity?: number;
}

/** The largest run of datagrams, or IKE message; odd many cache lines, so that slots do not share cache sets. */
const slotBytes = 65_536 + 64;
/** Octets in front of the first slot. */
const base = 64;
const defaultCapacity = 32;
/** Packets that wait to be written together. */
const maxPackets = 1024;
/** Octets of an answer that are looked at, and answers of one second: far more than there are probes. */
const echoBytes = 128;
const maxEchoes = 64;
const tcp = 6;
/** RFC 7296 §3.1 */
const ikeHeaderBytes = 28;
/** IKE messages of SAs that we never sent anything of: so many in a second, which is more than an office full of people sends. */
const strangersPerSecond = 1_000;
/** Packets in a row that were not genuine: in a flood the next run is then believed only when one of its first few is. */
const forgedInARow = 8;
/** So many are those few; and so many packets of each read are opened in a flood although their numbers are not to be expected. */
const tried = 4;

export class InboundLane {
  readonly #options: InboundLaneOptions;
  readonly #counters: Counters;
  readonly #sas = new Map<number, Entry>();
  readonly #memory: PacketMemory;
  readonly #batch: DatagramBatch;
  readonly #inner = new InnerHeader();
  readonly #coalescer: Coalescer;
  /** Packets that were proven to be a peer's, and those that were nobody's or forged: so far. */
  genuine = 0;
  astray = 0;
  #tun: Tun | undefined;
  /** The SA whose packets were admitted and are not opened yet, and TOS of their outer headers. */
  #pending: Entry | undefined;
  readonly #tos = new Uint8Array(128);
  /** By `clock` and by `monotonic`. */
  #now = 0;
  #time = 0;
  #found = 0;
  /** The SA whose packets are not looked at for the rest of this run: its first ones were forged, as were those before. */
  #forged: Entry | undefined;
  readonly #flood = new FloodWatch();
  /** Packets of this read whose number is far from all that came on their SA. */
  #far = 0;
  #strangerSecond = 0;
  #strangers = 0;
  #echoSecond = 0;
  #echoes = 0;

  constructor(options: InboundLaneOptions) {
    this.#options = options;
    this.#counters = options.counters;
    const capacity = options.capacity ?? defaultCapacity;
    this.#memory = packetMemory(base + capacity * slotBytes);
    this.#batch = datagramBatch(capacity, base, slotBytes);
    this.#coalescer = new Coalescer(this.#memory, maxPackets);
  }

  /** Where inner packets go; none for the time being when undefined. */
  set tun(tun: Tun | undefined) {
    this.#tun = tun;
    if (tun !== undefined) this.#coalescer.features = tun.features;
  }

  /** Why not, or undefined when the SA is in place. */
  install(child: LaneChild): string | undefined {
    const cipher = this.#options.backend.cipher(child, child.keys);
    if (cipher === undefined) return `no cipher for ${child.encr.name} with these keys`;
    this.#sas.set(child.spiIn, {
      sa: new InboundSa({ spi: child.spi, cipher, esn: child.esn, window: child.replayWindow ?? this.#options.window }),
      local: new SelectorSet(child.localSelectors),
      remote: new SelectorSet(child.remoteSelectors),
      mtu: child.mtu,
      session: child.session,
      spiIn: child.spiIn,
      slot: child.slot,
      limit: child.limits && new LimitWatch(child.limits, this.#counters, child.slot, 'inbound'),
      forged: 0,
    });
    return undefined;
  }

  /** The peer's address changed: probes of the new way have another mark. Packets are taken from wherever they come. */
  changePath(spiIn: number, session: EchoSession | undefined): void {
    const entry = this.#sas.get(spiIn);
    if (entry !== undefined) entry.session = session;
  }

  remove(spiIn: number): void {
    this.#sas.get(spiIn)?.sa.destroy();
    this.#sas.delete(spiIn);
  }

  clear(): void {
    for (const spi of [...this.#sas.keys()]) this.remove(spi);
    this.#memory.bytes.fill(0); // decrypted packets
  }

  /** Reads one batch from the socket and deals with all of it; the number of runs. */
  receive(socket: UdpSocket, channel: Channel): number {
    const batch = this.#batch;
    const count = socket.receive(this.#memory, batch);
    if (count === 0) return 0;
    this.#now = this.#options.clock();
    this.#time = this.#options.monotonic();
    this.#flood.begin(this.#time);
    this.#far = 0;
    for (let i = 0; i < count; i++) this.#run(i, channel);
    this.#open();
    this.#flush();
    if (this.#flood.takeDue()) this.#tellFlood();
    return count;
  }

  /** Datagrams since this was asked last. */
  takeFound(): number {
    const found = this.#found;
    this.#found = 0;
    return found;
  }

  /** A run of datagrams of one length (the last may be shorter), ESP and IKE mixed as they came. */
  #run(i: number, channel: Channel): void {
    const { offset, length, segment } = this.#batch;
    const end = offset[i] + length[i];
    const step = segment[i] === 0 ? length[i] : segment[i];
    if (step < length[i] && this.#isBad(offset[i], channel)) this.#flood.badRun(step);
    let at = offset[i];
    do {
      this.#datagram(i, at, Math.min(step, end - at), channel);
      at += step;
    } while (at < end);
    this.#forged = undefined;
  }

  /** Whether the datagram is one that the kernel is to drop in a flood (earlyDrop.ts). */
  #isBad(offset: number, channel: Channel): boolean {
    if (channel === 'ike') return !this.#knowsIke(offset);
    const { bytes } = this.#memory;
    const spi = readU32(bytes, offset);
    if (spi === 0) return !this.#knowsIke(offset + 4);
    const entry = this.#sas.get(spi);
    return entry === undefined || !entry.sa.isNear(readU32(bytes, offset + 4));
  }

  #tellFlood(): void {
    const sas = [...this.#sas.values()].slice(0, mostSas).map(({ spiIn, sa }) => ({ spi: spiIn, first: sa.firstNumber }));
    this.#options.onFlood?.({ sizes: [...this.#flood.sizes], sas });
  }

  #datagram(i: number, offset: number, length: number, channel: Channel): void {
    this.#found++;
    const { bytes } = this.#memory;
    if (channel === 'ike') {
      this.#ike(i, offset, length, channel);
    } else if (length === 1 && bytes[offset] === 0xff) {
      this.#counters.drop('inbound', 'keepalive-in'); // RFC 3948 §2.3: ignored
    } else if (length < 8) {
      this.astray++;
      this.#counters.drop('inbound', 'short-packet');
    } else {
      const spi = readU32(bytes, offset);
      if (spi === 0)
        this.#ike(i, offset + 4, length - 4, channel); // RFC 3948 §2.2: the non-ESP marker
      else this.#esp(spi, offset, length, this.#batch.tos[i]);
    }
  }

  #ike(i: number, offset: number, length: number, channel: Channel): void {
    if (length < ikeHeaderBytes) {
      this.#counters.drop('inbound', 'short-packet');
      this.#flood.bad();
    } else if (!this.#mayQueueIke(offset, length)) {
      this.#counters.drop('inbound', 'ike-full');
    } else {
      const bytes = this.#memory.bytes.slice(offset, offset + length);
      this.#options.onIke(bytes, channel, this.#batch.from.subarray(28 * i, 28 * (i + 1)));
    }
  }

  /** Those whom we talk to have the queue of the main thread; strangers a share of it that does not keep it busy. */
  #mayQueueIke(offset: number, length: number): boolean {
    if (!this.#knowsIke(offset)) {
      const second = Math.floor(this.#time / 1000);
      if (second !== this.#strangerSecond) {
        this.#strangerSecond = second;
        this.#strangers = 0;
      }
      if (this.#strangers >= strangersPerSecond) {
        this.#flood.bad();
        return false;
      }
      this.#strangers++;
    }
    return this.#counters.tryQueueIke(length);
  }

  #knowsIke(offset: number): boolean {
    const { bytes } = this.#memory;
    return this.#counters.knowsIke(readU32(bytes, offset), readU32(bytes, offset + 4));
  }

  #esp(spi: number, offset: number, length: number, tos: number): void {
    // The peer may send on a new SA before this thread has looked at its commands, where it is waiting.
    const entry = this.#sas.get(spi) ?? (this.#options.onUnknown?.() ? this.#sas.get(spi) : undefined);
    if (entry === undefined) {
      this.astray++;
      this.#counters.drop('inbound', 'unknown-spi');
      this.#flood.bad();
      return;
    }
    const flooded = this.#flood.on;
    const far = flooded && !entry.sa.isNear(readU32(this.#memory.bytes, offset + 4));
    if (far && ++this.#far > tried) {
      this.#count(entry, entry.sa.isReplay(readU32(this.#memory.bytes, offset + 4)) ? 'dropsReplay' : 'dropsIntegrity');
      return;
    }
    if (entry === this.#forged && !far) {
      this.#count(entry, 'dropsIntegrity');
      return;
    }
    if (entry !== this.#pending || entry.sa.full || far) {
      this.#open();
      this.#pending = entry;
    }
    const refused = entry.sa.admit(this.#memory.bytes, offset, length);
    if (refused === undefined) this.#tos[entry.sa.admitted - 1] = tos;
    else this.#count(entry, dropOf[refused]);
    if (far) {
      // Nothing follows from it for those that have near numbers.
      const { forged } = entry;
      this.#open();
      if (entry.forged > 0) entry.forged = forged;
    } else if (flooded && entry.forged >= forgedInARow && entry.sa.admitted >= tried) {
      this.#open();
      if (entry.forged >= forgedInARow) this.#forged = entry;
    }
  }

  /** A packet that is dropped. */
  #count({ slot }: Entry, reason: ChildField): void {
    this.#counters.add(slot, reason, 1);
    if (reason === 'dropsIntegrity' || reason === 'dropsReplay') this.#flood.bad();
  }

  /** Steps 5 to 12 for all that were admitted. */
  #open(): void {
    const entry = this.#pending;
    if (entry === undefined) return;
    this.#pending = undefined;
    const { sa } = entry;
    sa.open(this.#memory.bytes);
    for (let i = 0; i < sa.admitted; i++) {
      const reason = this.#deliver(entry, i);
      if (reason !== undefined) this.#count(entry, reason);
    }
    sa.clear();
    const crossed = entry.limit?.crossed();
    if (crossed !== undefined) this.#options.onLimit?.(entry.spiIn, crossed);
  }

  /** One packet of them; what to count it under when it is dropped. */
  #deliver(entry: Entry, i: number): ChildField | undefined {
    const { sa, local, remote, slot } = entry;
    const { bytes } = this.#memory;
    const verdict = sa.take(bytes, i);
    entry.forged = verdict === 'integrity' ? entry.forged + 1 : 0;
    if (verdict !== 'ok' && verdict !== 'dummy') {
      this.astray++;
      return dropOf[verdict];
    }
    this.genuine++;
    const counters = this.#counters;
    counters.set(slot, 'lastIn', this.#now);
    if (verdict === 'dummy') return undefined; // RFC 4303 §2.6: dropped without complaint; the peer is there all the same
    const inner = this.#inner;
    const fault = inner.read(bytes, sa.innerOffset, sa.innerLength);
    if (fault !== undefined || inner.version !== (sa.nextHeader === nextHeaderIpv4 ? 4 : 6)) return 'dropsMalformed';
    if (!remote.covers(inner, 'source') || !local.covers(inner, 'destination')) return 'dropsSelector';
    const ecn = applyOuterEcn(bytes, sa.innerOffset, this.#tos[i]);
    if (ecn !== ecnKeep) {
      if (ecn === ecnDrop) return 'dropsCongestion';
      counters.add(slot, 'ecnUnusual', 1); // RFC 6040 §4.2: SHOULD be logged
    }
    const path = counters.path(slot);
    clampMss(bytes, sa.innerOffset, inner.totalLength, path === 0 ? entry.mtu : Math.abs(path), false);
    counters.add(slot, 'packetsIn', 1);
    counters.add(slot, 'bytesIn', inner.totalLength);
    if (inner.protocol !== tcp && this.#isEcho(entry, sa.innerOffset, inner.totalLength)) return undefined;
    if (!this.#coalescer.add(sa.innerOffset, inner.totalLength)) {
      this.#flush();
      this.#coalescer.add(sa.innerOffset, inner.totalLength);
    }
    return undefined;
  }

  /** Whether it answers a probe of ours; the main thread then has it. */
  #isEcho({ session, spiIn, slot }: Entry, at: number, length: number): boolean {
    const { bytes } = this.#memory;
    if (session === undefined || !isEchoReply(bytes, at, length, session.identifier, session.token)) return false;
    this.#counters.add(slot, 'echoesIn', 1);
    const second = Math.floor(this.#time / 1000);
    this.#echoes = second === this.#echoSecond ? this.#echoes + 1 : 1;
    this.#echoSecond = second;
    if (this.#echoes <= maxEchoes) this.#options.onEcho?.(spiIn, bytes.slice(at, at + Math.min(length, echoBytes)));
    return true;
  }

  #flush(): void {
    const coalescer = this.#coalescer;
    let lost = this.#tun !== undefined && coalescer.flush(this.#tun) ? 0 : coalescer.clear();
    lost += coalescer.takeRefused();
    if (lost > 0) this.#counters.drop('inbound', 'tun-full', lost);
  }
}

const dropOf = { malformed: 'dropsMalformed', replay: 'dropsReplay', integrity: 'dropsIntegrity' } as const;

interface Entry {
  readonly sa: InboundSa;
  readonly local: SelectorSet;
  readonly remote: SelectorSet;
  /** Octets of the largest inner packet, while nothing else is known of the path. */
  readonly mtu: number;
  session: EchoSession | undefined;
  readonly spiIn: number;
  readonly slot: number;
  readonly limit: LimitWatch | undefined;
  /** Packets in a row, up to the last one, whose ICV was wrong. */
  forged: number;
}
