/**
 * When a lane lets packets gather for a moment before it looks again. To be woken costs as much as ten packets; a lane that is woken for each
 * packet of a stream, because whoever sends it sends them one by one, spends most of its time on that. The same is done by network cards
 * ("interrupt moderation"). A lane that finds many packets at once, or few in a while, never waits.
 */

/** Packets in a millisecond that make a stream: about 150 Mbit/s of full ones. */
const streamRate = 15;
/** Milliseconds over which packets are counted. */
const window = 2;
/** So many at once need no gathering; less than an inbound lane reads at once, so that one with more waiting never waits. */
const enough = 24;
/** Microseconds of a wait: two packets' worth at the least rate of a stream, a tenth of what a queue under load costs a ping. */
const pause = 120;

export class Moderation {
  #since = 0;
  #packets = 0;
  #streaming = false;

  /** After a look that found so many packets: microseconds to wait before the next one, 0 for none. `now` is in milliseconds. */
  pauseAfter(packets: number, now: number): number {
    this.#packets += packets;
    const elapsed = now - this.#since;
    if (elapsed >= window) {
      this.#streaming = this.#packets >= streamRate * elapsed;
      this.#since = now;
      this.#packets = 0;
    }
    return this.#streaming && packets > 0 && packets < enough ? pause : 0;
  }
}
