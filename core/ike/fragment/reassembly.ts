/**
 * The reassembling queue of one message (RFC 7383 §2.6). A fragment is judged before its ICV is looked at, and stored only when it
 * was genuine, so a stranger fills nothing. What the peer itself may fill is bounded in number, octets and, for requests, time.
 *
 *   const verdict = queue.judge(id, skf, now);      // 'new', or why it is dropped
 *   const state = queue.add(skf, chunk, bytes, now) // its ICV was good
 */
import { concat } from '../../bytes/bytes.ts';
import type { PayloadOf } from '../wire/message.ts';

/** A message of 64 KiB in packets of 576 octets has some 130. */
export const MAX_FRAGMENTS = 256;
/** RFC 7383 §5: not more than 64 KB, since no IKE message is longer before it is fragmented. */
export const MAX_OCTETS = 0xffff;

/** All fragments of a message, merged. */
export interface Reassembled {
  /** Type of the first inner payload, which the first fragment alone names (RFC 7383 §2.5). */
  readonly first: number;
  readonly plaintext: Uint8Array;
  /** The first fragment as it came: repetitions of the message are known by it (§2.6.1). */
  readonly firstFragment: Uint8Array;
  readonly fragments: number;
  /** Of all datagrams, and of the longest. */
  readonly octets: number;
  readonly longest: number;
}

export type QueueState =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'complete'; readonly message: Reassembled }
  /** More than is taken. RFC 7383 §5: an attack or a broken sender; the connection should be dropped. */
  | { readonly kind: 'too-large'; readonly what: string };

export class Reassembly {
  /** How long an incomplete set is kept, milliseconds; Infinity where the exchange itself has its end. */
  readonly #keepFor: number;
  /** What is inside each fragment, by its number. */
  readonly #chunks = new Map<number, Uint8Array>();
  #id = -1;
  #total = 0;
  #octets = 0;
  #until = Infinity;
  #first: { readonly inner: number; readonly bytes: Uint8Array } | undefined;
  #bytes = 0;
  #longest = 0;

  constructor(keepFor: number) {
    this.#keepFor = keepFor;
  }

  /** When the set is given up. */
  get deadline(): number {
    return this.#until;
  }

  /** RFC 7383 §2.6: the tests that need no ICV. `id` is the one whose turn it is; fragments of another are forgotten. */
  judge(id: number, { fragment, total, firstInner }: PayloadOf<'SKF'>): 'new' | string {
    if (id !== this.#id) {
      this.clear();
      this.#id = id;
    }
    // The parser has seen to it that 0 < fragment <= total. RFC 7383 §2.5: the others have no payload type to name.
    if (fragment > 1 && firstInner !== 0) return 'payload type in a later fragment';
    if (total < this.#total) return 'fragment of a set given up by its sender';
    if (total === this.#total && this.#chunks.has(fragment)) return 'fragment repeated';
    return 'new';
  }

  /** A genuine fragment that was judged `new`; chunk and bytes are the queue's own from now on. */
  add({ fragment, total, firstInner }: PayloadOf<'SKF'>, chunk: Uint8Array, bytes: Uint8Array, now: number): QueueState {
    if (total > MAX_FRAGMENTS) return { kind: 'too-large', what: `${total} fragments` };
    // RFC 7383 §2.6: a greater total is a newer set, made of smaller fragments; those of the older are of no use.
    if (total > this.#total) {
      this.#drop();
      this.#total = total;
      this.#until = now + this.#keepFor;
    }
    this.#octets += chunk.length;
    if (this.#octets > MAX_OCTETS) return { kind: 'too-large', what: `more than ${MAX_OCTETS} octets in fragments` };
    this.#chunks.set(fragment, chunk);
    this.#bytes += bytes.length;
    this.#longest = Math.max(this.#longest, bytes.length);
    if (fragment === 1) this.#first = { inner: firstInner, bytes };
    if (this.#chunks.size < total || !this.#first) return { kind: 'waiting' };
    const message: Reassembled = {
      first: this.#first.inner,
      plaintext: concat(...Array.from({ length: total }, (_, index) => this.#chunks.get(index + 1) ?? new Uint8Array(0))),
      firstFragment: this.#first.bytes,
      fragments: total,
      octets: this.#bytes,
      longest: this.#longest,
    };
    this.clear();
    return { kind: 'complete', message };
  }

  /** The message came another way, or is not wanted any more. */
  clear(): void {
    this.#drop();
    this.#id = -1;
  }

  #drop(): void {
    this.#chunks.clear();
    this.#total = 0;
    this.#octets = 0;
    this.#first = undefined;
    this.#bytes = 0;
    this.#longest = 0;
    this.#until = Infinity;
  }
}
