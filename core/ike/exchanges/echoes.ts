/**
 * Answers to what was repeated before it was answered. A responder refuses each repetition of the first message, and the one that was changed
 * since is in flight by then: such a refusal is of the past.
 */

/** What is known of the request in flight: how often it was sent, when first, and the time; milliseconds. */
export interface Sendings {
  readonly sent: number;
  readonly firstAt: number;
  readonly now: number;
}

/** Added to twice the round trip, in which answers to an earlier request may still come; milliseconds. */
const SLACK = 500;

export class Echoes {
  #until = Number.NEGATIVE_INFINITY;
  #count = 0;
  readonly #taken = new Set<string>();

  /** Another request takes the place of this one. `worked`: milliseconds since the answer came. */
  expect({ sent, firstAt, now }: Sendings, worked = 0): void {
    this.#count = sent - 1;
    this.#taken.clear();
    // The round trip was at most the time since this request was first sent.
    this.#until = now + worked + 2 * (now - firstAt) + SLACK;
  }

  /** One may still come. */
  may(now: number): boolean {
    return now < this.#until;
  }

  /**
   * Such an answer, `what` it says, is one of the past: the earlier request was repeated often enough for it, or the network brings the same
   * answer twice. Of a COOKIE that was not asked for before: a gateway that makes a new one every second answers repetitions with others.
   */
  take(what: string, now: number): boolean {
    if (!this.may(now)) return false;
    if (this.#taken.has(what)) return true;
    if (this.#count <= 0) return false;
    this.#count--;
    this.#taken.add(what);
    return true;
  }
}
