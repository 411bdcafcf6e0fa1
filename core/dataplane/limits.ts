/** The limits of one direction of an SA, looked at once for each batch of packets, so that a packet costs nothing. */
import type { TrafficLimits } from '../ike/sa/contract.ts';
import type { Counters, LaneName } from './counters.ts';

export type LimitKind = 'soft' | 'hard';

export class LimitWatch {
  /** The hard limit was crossed, by one batch of packets at most and in each lane. */
  spent = false;
  readonly #limits: TrafficLimits;
  readonly #counters: Counters;
  readonly #slot: number;
  readonly #lane: LaneName;
  /** What is looked for. */
  #next: LimitKind = 'soft';

  constructor(limits: TrafficLimits, counters: Counters, slot: number, lane: LaneName) {
    this.#limits = limits;
    this.#counters = counters;
    this.#slot = slot;
    this.#lane = lane;
  }

  /** The limit that was crossed since this was asked last, by all lanes of the direction together; each once. */
  crossed(): LimitKind | undefined {
    if (this.spent || !this.#reached(this.#next)) return undefined;
    if (this.#reached('hard')) {
      this.spent = true;
      return 'hard';
    }
    this.#next = 'hard';
    return 'soft';
  }

  #reached(which: LimitKind): boolean {
    const { packets, octets } = this.#limits;
    const inbound = this.#lane === 'inbound';
    if (packets !== undefined && this.#counters.carried(this.#slot, inbound ? 'packetsIn' : 'packetsOut') >= packets[which])
      return true;
    return octets !== undefined && this.#counters.carried(this.#slot, inbound ? 'bytesIn' : 'bytesOut') >= octets[which];
  }
}
