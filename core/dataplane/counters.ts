/**
 * Counters in memory that the threads share. Every number is a double that exactly one thread writes; on the 64-bit machines
 * Node 24 runs on an aligned store of 8 octets is seen whole. The octets of one direction fill one cache line.
 */
import type { ChildCounters, GlobalDrop } from './contract.ts';

/** SAs at once; an install beyond it is refused. */
export const maxChildren = 1024;

/** IKE messages that may wait for the main thread: far more than an honest peer sends, and 16 MiB at the very most. */
export const maxIkeQueued = 256;

export type LaneName = 'inbound' | 'outbound';

const perChild = 16;
const fields = {
  packetsIn: 0,
  bytesIn: 1,
  lastIn: 2,
  dropsReplay: 3,
  dropsIntegrity: 4,
  dropsSelector: 5,
  dropsMalformed: 6,
  packetsOut: 8,
  bytesOut: 9,
  lastOut: 10,
  dropsExhausted: 11,
  dropsTooBig: 12,
  dropsCongestion: 7,
} as const satisfies Record<keyof ChildCounters, number>;

export type ChildField = keyof typeof fields;

/** The kernel counts its own. */
type LaneDrop = Exclude<GlobalDrop, 'kernel'>;

const drops = {
  'unknown-spi': 0,
  'short-packet': 1,
  'no-policy': 2,
  'not-ip': 3,
  'keepalive-in': 4,
  'tun-full': 5,
  'send-failed': 6,
  'ike-full': 7,
} as const satisfies Record<LaneDrop, number>;
const dropCount = 8;

export class Counters {
  /** What another thread makes its own `Counters` of. */
  readonly shared: SharedArrayBuffer;
  readonly #children: Float64Array;
  readonly #global: Float64Array;
  readonly #queue: Int32Array;

  constructor(shared?: SharedArrayBuffer) {
    const childBytes = maxChildren * perChild * 8;
    const globalBytes = 2 * dropCount * 8;
    this.shared = shared ?? new SharedArrayBuffer(childBytes + globalBytes + 16);
    this.#children = new Float64Array(this.shared, 0, maxChildren * perChild);
    this.#global = new Float64Array(this.shared, childBytes, 2 * dropCount);
    this.#queue = new Int32Array(this.shared, childBytes + globalBytes, 4);
  }

  /** For the thread that owns the field's direction. */
  add(slot: number, field: ChildField, amount: number): void {
    this.#children[slot * perChild + fields[field]] += amount;
  }

  set(slot: number, field: ChildField, value: number): void {
    this.#children[slot * perChild + fields[field]] = value;
  }

  drop(lane: LaneName, reason: LaneDrop, amount = 1): void {
    this.#global[(lane === 'inbound' ? 0 : dropCount) + drops[reason]] += amount;
  }

  /** Before a slot is given to an SA, while no thread knows it. */
  clear(slot: number): void {
    this.#children.fill(0, slot * perChild, (slot + 1) * perChild);
  }

  child(slot: number): ChildCounters {
    const at = (field: ChildField): number => this.#children[slot * perChild + fields[field]];
    return {
      packetsIn: at('packetsIn'),
      bytesIn: at('bytesIn'),
      packetsOut: at('packetsOut'),
      bytesOut: at('bytesOut'),
      lastIn: at('lastIn'),
      lastOut: at('lastOut'),
      dropsReplay: at('dropsReplay'),
      dropsIntegrity: at('dropsIntegrity'),
      dropsSelector: at('dropsSelector'),
      dropsMalformed: at('dropsMalformed'),
      dropsExhausted: at('dropsExhausted'),
      dropsTooBig: at('dropsTooBig'),
      dropsCongestion: at('dropsCongestion'),
    };
  }

  global(): Record<LaneDrop, number> {
    const at = (reason: LaneDrop): number => this.#global[drops[reason]] + this.#global[dropCount + drops[reason]];
    return {
      'unknown-spi': at('unknown-spi'),
      'short-packet': at('short-packet'),
      'no-policy': at('no-policy'),
      'not-ip': at('not-ip'),
      'keepalive-in': at('keepalive-in'),
      'tun-full': at('tun-full'),
      'send-failed': at('send-failed'),
      'ike-full': at('ike-full'),
    };
  }

  /** Any thread: the network says that packets of more octets than this do not get through. Nobody vouches for it. */
  reportMtu(mtu: number): void {
    Atomics.store(this.#queue, 2, mtu);
  }

  /** The last such report, which is then forgotten; 0 when there is none. */
  takeReportedMtu(): number {
    return Atomics.exchange(this.#queue, 2, 0);
  }

  /** Inbound thread: whether one more IKE message may be posted; counts it when so. */
  tryQueueIke(): boolean {
    // Both numbers wrap at 2^32 alike, so their difference stays right.
    if (((Atomics.load(this.#queue, 0) - Atomics.load(this.#queue, 1)) | 0) >= maxIkeQueued) return false;
    Atomics.add(this.#queue, 0, 1);
    return true;
  }

  /** Main thread: one posted message was dealt with. */
  ikeTaken(): void {
    Atomics.add(this.#queue, 1, 1);
  }
}
