/**
 * What the chart draws: octets per second in both directions, kept in buckets of fixed number. Pure: instants come from outside.
 *
 * The helper publishes counters about twice a second, never exactly; a difference is therefore spread over the buckets that its
 * time covers, so that jitter of publishing does not look like jitter of traffic. A bucket that no difference covers is a gap.
 */
import type { ChildStatus, Status } from '../../../core/rpc/contract.ts';
import { isUp } from '../../../core/tunnel/states.ts';

export type Range = 'minutes' | 'hour' | 'session';

export const RANGE_MS: Readonly<Record<Exclude<Range, 'session'>, number>> = { minutes: 300_000, hour: 3_600_000 };

/** Longer silence than this between two samples is not known to be silence of the traffic. */
const LONGEST_STEP = 10_000;
/** Closer samples are put together: their difference says little. */
const SHORTEST_STEP = 200;
const BUCKETS = 600;
const MAX_MARKS = 100;

export interface Mark {
  readonly at: number;
  readonly kind: 'connected' | 'disconnected' | 'rekeyed' | 'moved';
}

/** Columns, as uPlot takes them: seconds since the epoch, and octets per second or null where nothing is known. */
export interface Columns {
  readonly at: number[];
  readonly up: (number | null)[];
  readonly down: (number | null)[];
}

export class Track {
  readonly #growing: boolean;
  readonly #shortest: number;
  #bucketMs: number;
  readonly #up = new Float64Array(BUCKETS);
  readonly #down = new Float64Array(BUCKETS);
  /** Milliseconds of each bucket that a difference covers. */
  readonly #covered = new Float64Array(BUCKETS);
  /** Numbers of the oldest and the newest bucket; a bucket's number is its instant by its length. */
  #first = 0;
  #last = -1;

  /** A growing track never forgets: when it is full its buckets become twice as long. */
  constructor(bucketMs: number, growing: boolean) {
    this.#bucketMs = bucketMs;
    this.#shortest = bucketMs;
    this.#growing = growing;
  }

  get bucketMs(): number {
    return this.#bucketMs;
  }

  clear(): void {
    this.#bucketMs = this.#shortest;
    this.#first = 0;
    this.#last = -1;
  }

  /** Octets that went between two instants. */
  add(from: number, to: number, up: number, down: number): void {
    const whole = to - from;
    if (whole <= 0) return;
    this.#makeRoom(from, to);
    for (let at = from; at < to; ) {
      const number = Math.floor(at / this.#bucketMs);
      const end = Math.min(to, (number + 1) * this.#bucketMs);
      const share = (end - at) / whole;
      if (number >= this.#first) {
        const slot = number % BUCKETS;
        this.#up[slot] = (this.#up[slot] ?? 0) + up * share;
        this.#down[slot] = (this.#down[slot] ?? 0) + down * share;
        this.#covered[slot] = (this.#covered[slot] ?? 0) + (end - at);
      }
      at = end;
    }
  }

  /** Writes what lies between the instants into `into`, whose arrays are used again and again. */
  read(from: number, to: number, into: Columns): void {
    const first = Math.max(this.#first, Math.floor(from / this.#bucketMs));
    const last = Math.min(this.#last, Math.floor(to / this.#bucketMs));
    let length = 0;
    for (let number = first; number <= last; number++) {
      const slot = number % BUCKETS;
      const covered = this.#covered[slot] ?? 0;
      into.at[length] = ((number + 0.5) * this.#bucketMs) / 1000;
      into.up[length] = covered > 0 ? ((this.#up[slot] ?? 0) * 1000) / covered : null;
      into.down[length] = covered > 0 ? ((this.#down[slot] ?? 0) * 1000) / covered : null;
      length++;
    }
    into.at.length = length;
    into.up.length = length;
    into.down.length = length;
  }

  #makeRoom(from: number, to: number): void {
    if (this.#last < this.#first) {
      this.#first = Math.floor(from / this.#bucketMs);
      this.#last = this.#first - 1;
    }
    while (this.#growing && Math.floor(to / this.#bucketMs) - this.#first >= BUCKETS) this.#merge();
    const wanted = Math.floor(to / this.#bucketMs);
    // What is forgotten need not be emptied twice.
    for (let number = Math.max(this.#last + 1, wanted - BUCKETS + 1); number <= wanted; number++) this.#empty(number % BUCKETS);
    this.#last = Math.max(this.#last, wanted);
    this.#first = Math.max(this.#first, this.#last - BUCKETS + 1);
  }

  #merge(): void {
    const [up, down, covered] = [this.#up.slice(), this.#down.slice(), this.#covered.slice()];
    const [first, last] = [this.#first, this.#last];
    this.#bucketMs *= 2;
    this.#first = Math.floor(first / 2);
    this.#last = Math.floor(last / 2);
    for (let number = this.#first; number <= this.#last; number++) this.#empty(number % BUCKETS);
    for (let number = first; number <= last; number++) {
      const [slot, half] = [number % BUCKETS, Math.floor(number / 2) % BUCKETS];
      this.#up[half] = (this.#up[half] ?? 0) + (up[slot] ?? 0);
      this.#down[half] = (this.#down[half] ?? 0) + (down[slot] ?? 0);
      this.#covered[half] = (this.#covered[half] ?? 0) + (covered[slot] ?? 0);
    }
  }

  #empty(slot: number): void {
    this.#up[slot] = 0;
    this.#down[slot] = 0;
    this.#covered[slot] = 0;
  }
}

interface Sample {
  readonly at: number;
  readonly counters: ReadonlyMap<string, Pick<ChildStatus, 'bytesIn' | 'bytesOut'>>;
}

/** Follows the status for as long as the window lives, whatever view is open. */
export class Throughput {
  readonly #tracks: Readonly<Record<Range, Track>> = {
    minutes: new Track(RANGE_MS.minutes / BUCKETS, false),
    hour: new Track(RANGE_MS.hour / BUCKETS, false),
    session: new Track(RANGE_MS.minutes / BUCKETS, true),
  };
  #sample: Sample | undefined;
  #ike: string | undefined;
  #path: string | undefined;
  #marks: Mark[] = [];
  #sessionStart: number | undefined;
  #sessionEnd: number | undefined;

  get marks(): readonly Mark[] {
    return this.#marks;
  }

  /** When the session began that is on, or was last. */
  get sessionStart(): number | undefined {
    return this.#sessionStart;
  }

  /** True once anything can be drawn. */
  get any(): boolean {
    return this.#sessionStart !== undefined;
  }

  /** A status as it arrives, or undefined when the helper is not there to tell. */
  take(status: Status | undefined, now: number): void {
    if (!status || !isUp(status.state)) {
      // Without the helper nobody knows whether the session has ended.
      if (status && this.#sessionStart !== undefined && this.#sessionEnd === undefined) {
        this.#sessionEnd = now;
        this.#mark('disconnected', now);
      }
      this.#sample = undefined;
      return;
    }
    this.#sessionEnd = undefined;
    this.#takeMarks(status, now);
    const before = this.#sample;
    const counters = new Map(status.children.map((child) => [child.spiIn, child]));
    if (!before || now - before.at > LONGEST_STEP || now < before.at) {
      this.#sample = { at: now, counters };
      return;
    }
    if (now - before.at < SHORTEST_STEP) return;
    let [up, down] = [0, 0];
    for (const [spi, child] of counters) {
      const earlier = before.counters.get(spi);
      up += Math.max(0, child.bytesOut - (earlier?.bytesOut ?? 0));
      down += Math.max(0, child.bytesIn - (earlier?.bytesIn ?? 0));
    }
    for (const track of Object.values(this.#tracks)) track.add(before.at, now, up, down);
    this.#sample = { at: now, counters };
  }

  /** What `range` shows at `now`; returns the interval in milliseconds. */
  read(range: Range, now: number, into: Columns): { readonly from: number; readonly to: number } {
    const track = this.#tracks[range];
    const to = range === 'session' ? (this.#sessionEnd ?? now) : now;
    const from = range === 'session' ? (this.#sessionStart ?? now) : now - RANGE_MS[range];
    track.read(from, to, into);
    // A session of seconds is not stretched over the whole width.
    return { from: Math.min(from, to - 30_000), to };
  }

  #takeMarks(status: Status, now: number): void {
    const ike = status.ike && `${status.ike.spiI} ${status.children.map(({ spiIn }) => spiIn).join(' ')}`;
    const path = status.gateway && `${status.local?.address} ${status.gateway.address}`;
    if (!this.#sample) {
      if (status.since !== this.#sessionStart) {
        this.#sessionStart = status.since;
        this.#tracks.session.clear();
        this.#mark('connected', status.since);
      }
    } else {
      if (ike !== undefined && this.#ike !== undefined && ike !== this.#ike) this.#mark('rekeyed', now);
      if (path !== undefined && this.#path !== undefined && path !== this.#path) this.#mark('moved', now);
    }
    this.#ike = ike;
    this.#path = path;
  }

  #mark(kind: Mark['kind'], at: number): void {
    this.#marks = [...this.#marks.slice(1 - MAX_MARKS), { kind, at }];
  }
}

export interface Summary {
  readonly highestUp: number;
  readonly highestDown: number;
  /** Times that nothing is known of, between the first and the last known one. */
  readonly gaps: number;
  readonly known: boolean;
}

/** The chart in numbers, for those who cannot see it. */
export function summarize({ up, down }: Pick<Columns, 'up' | 'down'>): Summary {
  let [highestUp, highestDown, gaps] = [0, 0, 0];
  let known = false;
  let open = false;
  for (let i = 0; i < up.length; i++) {
    const [upwards, downwards] = [up[i] ?? null, down[i] ?? null];
    if (upwards === null || downwards === null) {
      open ||= known;
      continue;
    }
    if (open) gaps++;
    open = false;
    known = true;
    highestUp = Math.max(highestUp, upwards);
    highestDown = Math.max(highestDown, downwards);
  }
  return { highestUp, highestDown, gaps, known };
}

/** Averages over `count` equal parts of the span; null where nothing is known. */
export function slices(
  columns: Columns,
  from: number,
  to: number,
  count: number,
): readonly { readonly until: number; readonly up: number | null; readonly down: number | null }[] {
  const length = (to - from) / count;
  return Array.from({ length: count }, (_, index) => {
    const until = from + (index + 1) * length;
    let [known, up, down] = [0, 0, 0];
    for (let i = 0; i < columns.at.length; i++) {
      const at = (columns.at[i] ?? 0) * 1000;
      const value = columns.up[i] ?? null;
      if (value === null || at > until || at <= until - length) continue;
      known++;
      up += value;
      down += columns.down[i] ?? 0;
    }
    return known === 0 ? { until, up: null, down: null } : { until, up: up / known, down: down / known };
  });
}

/** The scale's end: 1, 2 or 5 times a power of ten, at least a kilobyte a second, so that it changes rarely. */
export function scaleEnd(highest: number): number {
  if (!(highest > 1000)) return 1000;
  const power = 10 ** Math.floor(Math.log10(highest));
  for (const step of [1, 2, 5]) if (highest <= step * power) return step * power;
  return 10 * power;
}

/** The unit that numbers up to `highest` octets per second are best read in. */
export function rateUnit(highest: number): { readonly unit: 'B/s' | 'kB/s' | 'MB/s' | 'GB/s'; readonly divisor: number } {
  if (highest >= 1e9) return { unit: 'GB/s', divisor: 1e9 };
  if (highest >= 1e6) return { unit: 'MB/s', divisor: 1e6 };
  if (highest >= 1e3) return { unit: 'kB/s', divisor: 1e3 };
  return { unit: 'B/s', divisor: 1 };
}
