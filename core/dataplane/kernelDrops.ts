/**
 * What the kernel dropped at our sockets, told apart: by their filters (earlyDrop.ts), or because their queues were full. It counts both together
 * for a socket, and full queues for all sockets of the host; of what was dropped between two looks, as much is taken to have found a queue
 * full as did on the host. Where another program's queue was full between the same two looks, that is too many.
 */
export class KernelDrops {
  /** Runs of datagrams. */
  filtered = 0;
  full = 0;
  readonly #overflows: () => number;
  #drops = 0;
  #overflowed: number;

  /** `overflows`: full queues of the host, ever. */
  constructor(overflows: () => number) {
    this.#overflows = overflows;
    this.#overflowed = overflows();
  }

  /** `drops` of our sockets, ever. */
  look(drops: number): void {
    const overflowed = this.#overflows();
    const added = drops - this.#drops;
    const full = Math.min(added, Math.max(0, overflowed - this.#overflowed));
    this.full += full;
    this.filtered += added - full;
    this.#drops = drops;
    this.#overflowed = overflowed;
  }
}
