/**
 * Counters in memory that the threads share. Every number is a double that exactly one thread writes; on the 64-bit machines
 * Node 24 runs on an aligned store of 8 octets is seen whole. The octets of one direction fill one cache line. Each lane of a direction
 * writes a block of its own; who reads adds them up.
 */
import type { ChildCounters, GlobalDrop } from './contract.ts';

/** SAs at once; an install beyond it is refused. */
export const maxChildren = 1024;

/**
 * Octets of IKE messages that may wait for the main thread: far more than an honest peer sends. Somebody who sees our messages can put a thousand
 * forged fragments in front of the genuine ones in a moment, which are then to wait, and not to be lost.
 */
export const maxIkeQueued = 2 ** 21;
/** What a message costs besides. */
const ikeOverhead = 256;

export type LaneName = 'inbound' | 'outbound';

const perChild = 24;
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
  ecnUnusual: 16,
  /** Of `packetsIn`, answers to probes of our own. */
  echoesIn: 17,
} as const satisfies Record<keyof ChildCounters | 'echoesIn', number>;

export type ChildField = keyof typeof fields;

/** The kernel counts its own. */
type LaneDrop = Exclude<GlobalDrop, 'kernel' | 'queue-full'>;

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
const globalAt = maxChildren * perChild;

/** Doubles of one block. */
const perLane = maxChildren * perChild + 2 * dropCount;
/** IKE SAs that are remembered: those of now and some that came before. */
export const knownIke = 32;
/** Of what any thread writes: two counts, then what the main thread remembers. */
const queueBytes = 16 + 8 * knownIke + 16;
/** And of the paths, which the main thread writes. */
const headBytes = queueBytes + maxChildren * 8;

export class Counters {
  /** What another thread makes its own `Counters` of. */
  readonly shared: SharedArrayBuffer;
  /** Where this lane counts, and where all do. */
  readonly #mine: Float64Array;
  readonly #blocks: readonly Float64Array[];
  readonly #queue: Int32Array;
  /** Pairs of halves of SPIs, and behind them which pair is written next. */
  readonly #known: Uint32Array;
  readonly #paths: Float64Array;

  /** `shared` is the memory of another `Counters`, or how many lanes a direction has; `lane` is which of them counts here. */
  constructor(shared: SharedArrayBuffer | number = 1, lane = 0) {
    this.shared = typeof shared === 'number' ? new SharedArrayBuffer(headBytes + shared * perLane * 8) : shared;
    const lanes = (this.shared.byteLength - headBytes) / (perLane * 8);
    this.#queue = new Int32Array(this.shared, 0, 4);
    this.#known = new Uint32Array(this.shared, 16, 2 * knownIke + 1);
    this.#paths = new Float64Array(this.shared, queueBytes, maxChildren);
    this.#blocks = Array.from({ length: lanes }, (_, i) => new Float64Array(this.shared, headBytes + i * perLane * 8, perLane));
    this.#mine = this.#blocks[lane];
  }

  /** For the thread that owns the field's direction. */
  add(slot: number, field: ChildField, amount: number): void {
    this.#mine[slot * perChild + fields[field]] += amount;
  }

  set(slot: number, field: ChildField, value: number): void {
    this.#mine[slot * perChild + fields[field]] = value;
  }

  drop(lane: LaneName, reason: LaneDrop, amount = 1): void {
    this.#mine[globalAt + (lane === 'inbound' ? 0 : dropCount) + drops[reason]] += amount;
  }

  /** Before a slot is given to an SA, while no thread knows it. */
  clear(slot: number): void {
    for (const block of this.#blocks) block.fill(0, slot * perChild, (slot + 1) * perChild);
    this.#paths[slot] = 0;
  }

  child(slot: number): ChildCounters {
    const at = (field: ChildField): number => this.#sum(slot * perChild + fields[field]);
    return {
      packetsIn: at('packetsIn'),
      bytesIn: at('bytesIn'),
      packetsOut: at('packetsOut'),
      bytesOut: at('bytesOut'),
      lastIn: this.#latest(slot, 'lastIn'),
      lastOut: this.lastOut(slot),
      dropsReplay: at('dropsReplay'),
      dropsIntegrity: at('dropsIntegrity'),
      dropsSelector: at('dropsSelector'),
      dropsMalformed: at('dropsMalformed'),
      dropsExhausted: at('dropsExhausted'),
      dropsTooBig: at('dropsTooBig'),
      dropsCongestion: at('dropsCongestion'),
      ecnUnusual: at('ecnUnusual'),
    };
  }

  /** Packets that came in because of somebody else's traffic. */
  arrivals(slot: number): number {
    return this.#sum(slot * perChild + fields.packetsIn) - this.#sum(slot * perChild + fields.echoesIn);
  }

  /** Of all lanes. */
  carried(slot: number, field: 'packetsIn' | 'bytesIn' | 'packetsOut' | 'bytesOut'): number {
    return this.#sum(slot * perChild + fields[field]);
  }

  /** Whether anything genuine ever came in on the SA. */
  isUsed(slot: number): boolean {
    return this.#latest(slot, 'lastIn') > 0;
  }

  /** When any lane last sent something on the SA. */
  lastOut(slot: number): number {
    return this.#latest(slot, 'lastOut');
  }

  global(): Record<LaneDrop, number> {
    const at = (reason: LaneDrop): number =>
      this.#sum(globalAt + drops[reason]) + this.#sum(globalAt + dropCount + drops[reason]);
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

  /** Main thread: octets of the largest inner packet of the SA from now on, and whether what is made of it goes without DF. */
  setPath(slot: number, innerMtu: number, fragmentOutside: boolean): void {
    this.#paths[slot] = fragmentOutside ? -innerMtu : innerMtu;
  }

  /** That size, negative where it goes without DF; 0 where it is what the SA was installed with. */
  path(slot: number): number {
    return this.#paths[slot];
  }

  /** Main thread: messages of this IKE SA are sent or expected; halves of the initiator's SPI. The last few are kept. */
  rememberIke(high: number, low: number): void {
    if ((high === 0 && low === 0) || this.knowsIke(high, low)) return;
    const known = this.#known;
    const next = known[2 * knownIke] % knownIke;
    known[2 * next] = high;
    known[2 * next + 1] = low;
    known[2 * knownIke] = next + 1;
  }

  /** Whether the IKE SA is one of those. */
  knowsIke(high: number, low: number): boolean {
    const known = this.#known;
    if (high === 0 && low === 0) return false; // RFC 7296 §3.1: it is nobody's; unused places hold it
    for (let i = 0; i < knownIke; i++) if (known[2 * i] === high && known[2 * i + 1] === low) return true;
    return false;
  }

  /** Inbound thread: whether an IKE message of so many octets may be posted too; counts it when so. */
  tryQueueIke(octets: number): boolean {
    // Both numbers wrap at 2^32 alike, so their difference stays right.
    if (((Atomics.load(this.#queue, 0) - Atomics.load(this.#queue, 1)) | 0) >= maxIkeQueued) return false;
    Atomics.add(this.#queue, 0, octets + ikeOverhead);
    return true;
  }

  /** Main thread: a posted message of so many octets was dealt with. */
  ikeTaken(octets: number): void {
    Atomics.add(this.#queue, 1, octets + ikeOverhead);
  }

  #sum(at: number): number {
    let sum = 0;
    for (const block of this.#blocks) sum += block[at];
    return sum;
  }

  #latest(slot: number, field: 'lastIn' | 'lastOut'): number {
    let latest = 0;
    for (const block of this.#blocks) latest = Math.max(latest, block[slot * perChild + fields[field]]);
    return latest;
  }
}
