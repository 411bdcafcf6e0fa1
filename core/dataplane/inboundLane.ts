/**
 * UDP to TUN. The order for every datagram, each step only when the one before let it pass; nothing before step 5 changes
 * anything but a drop counter:
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
 * 10. counted, and written to the TUN
 */
import type { EspBackend } from '../crypto/espCipher.ts';
import { InboundSa } from '../esp/inbound.ts';
import { nextHeaderIpv4, readU32 } from '../esp/packet.ts';
import type { Channel } from '../ike/sa/contract.ts';
import { InnerHeader } from '../ip/header.ts';
import type { BatchTun, BatchUdp, PacketBatch } from '../system/ports.ts';
import { append, newBatch, viewOf } from './batch.ts';
import type { LaneChild } from './commands.ts';
import type { ChildField, Counters } from './counters.ts';
import { SelectorSet } from './selectors.ts';

export interface InboundLaneOptions {
  readonly backend: EspBackend;
  readonly counters: Counters;
  /** Packets the replay window spans. */
  readonly window: number;
  /** Takes an IKE message: its own copy of the octets, and the slot (28 octets, valid during the call) it came from. */
  readonly onIke: (bytes: Uint8Array<ArrayBuffer>, channel: Channel, from: Uint8Array) => void;
  /** `Date.now`. */
  readonly clock: () => number;
  /** Packets per read. */
  readonly capacity?: number;
}

/** The largest UDP payload; an IKE message may be as long. Odd many cache lines, so that slots do not share cache sets. */
const slotBytes = 65_536 + 64;
const defaultCapacity = 64;
/** RFC 7296 §3.1 */
const ikeHeaderBytes = 28;

export class InboundLane {
  tun: BatchTun | undefined;
  readonly #options: InboundLaneOptions;
  readonly #counters: Counters;
  readonly #sas = new Map<number, Entry>();
  readonly #in: PacketBatch;
  readonly #out: PacketBatch;
  readonly #from: { readonly sockaddr: Uint8Array };
  readonly #inner = new InnerHeader();
  #now = 0;

  constructor(options: InboundLaneOptions) {
    this.#options = options;
    this.#counters = options.counters;
    const capacity = options.capacity ?? defaultCapacity;
    this.#in = newBatch(capacity, slotBytes, 0);
    this.#out = viewOf(this.#in);
    this.#from = { sockaddr: new Uint8Array(28 * capacity) };
  }

  /** Why not, or undefined when the SA is in place. */
  install(child: LaneChild): string | undefined {
    const cipher = this.#options.backend.cipher(child, child.keys);
    if (cipher === undefined) return `no cipher for ${child.encr.name} with these keys`;
    this.#sas.set(child.spiIn, {
      sa: new InboundSa({ spi: child.spi, cipher, esn: child.esn, window: this.#options.window }),
      local: new SelectorSet(child.localSelectors),
      remote: new SelectorSet(child.remoteSelectors),
      slot: child.slot,
    });
    return undefined;
  }

  remove(spiIn: number): void {
    this.#sas.get(spiIn)?.sa.destroy();
    this.#sas.delete(spiIn);
  }

  clear(): void {
    for (const spi of [...this.#sas.keys()]) this.remove(spi);
    this.#in.buffer.fill(0); // decrypted packets
  }

  /** Reads one batch from the socket and deals with all of it; the number of datagrams. */
  receive(socket: BatchUdp, channel: Channel): number {
    const count = socket.receiveBatch(this.#in, this.#from);
    if (count === 0) return 0;
    this.#now = this.#options.clock();
    this.#out.count = 0;
    for (let i = 0; i < count; i++) this.#datagram(i, channel);
    this.#flush();
    return count;
  }

  #datagram(i: number, channel: Channel): void {
    const { buffer } = this.#in;
    const offset = this.#in.offset[i];
    const length = this.#in.length[i];
    if (channel === 'ike') {
      this.#ike(i, offset, length, channel);
    } else if (length === 1 && buffer[offset] === 0xff) {
      this.#counters.drop('inbound', 'keepalive-in'); // RFC 3948 §2.3: ignored
    } else if (length < 8) {
      this.#counters.drop('inbound', 'short-packet');
    } else {
      const spi = readU32(buffer, offset);
      if (spi === 0)
        this.#ike(i, offset + 4, length - 4, channel); // RFC 3948 §2.2: the non-ESP marker
      else this.#esp(spi, offset, length);
    }
  }

  #ike(i: number, offset: number, length: number, channel: Channel): void {
    if (length < ikeHeaderBytes) {
      this.#counters.drop('inbound', 'short-packet');
    } else if (!this.#counters.tryQueueIke()) {
      this.#counters.drop('inbound', 'ike-full');
    } else {
      const bytes = this.#in.buffer.slice(offset, offset + length);
      this.#options.onIke(bytes, channel, this.#from.sockaddr.subarray(28 * i, 28 * (i + 1)));
    }
  }

  #esp(spi: number, offset: number, length: number): void {
    const entry = this.#sas.get(spi);
    if (entry === undefined) {
      this.#counters.drop('inbound', 'unknown-spi');
      return;
    }
    const reason = this.#open(entry, offset, length);
    if (reason !== undefined) this.#counters.add(entry.slot, reason, 1);
  }

  /** Steps 3 to 10 for one packet; what to count it under when it is dropped. */
  #open({ sa, local, remote, slot }: Entry, offset: number, length: number): ChildField | undefined {
    const { buffer } = this.#in;
    const verdict = sa.open(buffer, offset, length);
    if (verdict !== 'ok' && verdict !== 'dummy') return dropOf[verdict];
    const counters = this.#counters;
    counters.set(slot, 'lastIn', this.#now);
    if (verdict === 'dummy') return undefined; // RFC 4303 §2.6: dropped without complaint; the peer is there all the same
    const inner = this.#inner;
    const fault = inner.read(buffer, sa.innerOffset, sa.innerLength);
    if (fault !== undefined || inner.version !== (sa.nextHeader === nextHeaderIpv4 ? 4 : 6)) return 'dropsMalformed';
    if (!remote.covers(inner, 'source') || !local.covers(inner, 'destination')) return 'dropsSelector';
    counters.add(slot, 'packetsIn', 1);
    counters.add(slot, 'bytesIn', inner.totalLength);
    append(this.#out, sa.innerOffset, inner.totalLength);
    return undefined;
  }

  #flush(): void {
    if (this.#out.count === 0) return;
    const taken = this.tun?.writeBatch(this.#out) ?? 0;
    if (taken < this.#out.count) this.#counters.drop('inbound', 'tun-full', this.#out.count - taken);
  }
}

const dropOf = { malformed: 'dropsMalformed', replay: 'dropsReplay', integrity: 'dropsIntegrity' } as const;

interface Entry {
  readonly sa: InboundSa;
  readonly local: SelectorSet;
  readonly remote: SelectorSet;
  readonly slot: number;
}
