/** What a thread of the dataplane does again and again: it waits for its descriptors and serves those that are ready. */
import type { EspBackend } from '../crypto/espCipher.ts';
import { type EventFd, Poller } from '../system/linux/poll.ts';
import type { Command, Report } from './commands.ts';
import type { Counters } from './counters.ts';
import type { InboundLane } from './inboundLane.ts';
import { Moderation } from './moderation.ts';
import type { OutboundLane } from './outboundLane.ts';

/** What the turns ask of a lane; `inboundLoop.ts` and `outboundLoop.ts` adapt the lanes to descriptors. */
export interface LaneLoop {
  /** Descriptors to wait for, in the order `serve` counts them. */
  fds(): number[];
  /** Reads what is at a descriptor, and in its error queue when `reported`; false when there was nothing to read. */
  serve(index: number, reported: boolean): boolean;
  /** All that were ready had their turn, or none was. */
  served(): void;
  /** Packets found since this was asked last. */
  found(): number;
  /** Milliseconds, -1 for ever. */
  timeout(): number;
  afterWait(): void;
  /** Why the command cannot be obeyed, or undefined. */
  obey(command: Command): string | undefined;
}

/** What a lane on descriptors is made with. */
export interface LaneSetup {
  readonly backend: EspBackend;
  readonly counters: Counters;
  /** Packets the replay window spans. */
  readonly replayWindow: number;
  /** Milliseconds of silence towards a peer after which a keepalive goes out. */
  readonly keepaliveInterval: number;
  /** Signalled when the descriptors are other ones. */
  readonly wake: Pick<EventFd, 'signal'>;
  readonly report: (message: Report, transfer?: ArrayBuffer[]) => void;
  /** Inbound, in the middle of a batch: SAs that wait to be installed; true when there was one. */
  readonly obeyInstalls: (loop: LaneLoop) => boolean;
  /** Inbound: runs of datagrams per read. */
  readonly capacity?: number;
}

/** Polls in a row in which a descriptor is said to be closed while nothing can be read off it. */
const maxFutile = 100;

export class LaneTurns {
  readonly #lane: LaneLoop;
  readonly #wakeFd: number;
  readonly #sleep: (microseconds: number) => void;
  readonly #moderation = new Moderation();
  #count = 0;
  #poller: Poller;
  #futile = 0;

  /** `sleep` lets packets gather. */
  constructor(lane: LaneLoop, wakeFd: number, sleep: (microseconds: number) => void) {
    this.#lane = lane;
    this.#wakeFd = wakeFd;
    this.#sleep = sleep;
    this.#poller = this.#newPoller();
  }

  /** The lane has other descriptors, or may have. */
  renew(): void {
    this.#poller = this.#newPoller();
  }

  /** Waits once, and serves what is ready; true when it was woken. Throws when a descriptor was closed under it. */
  turn(): boolean {
    const lane = this.#lane;
    const poller = this.#poller;
    poller.wait(lane.timeout());
    lane.afterWait();
    for (let i = 0; i < this.#count; i++) {
      if (!poller.ready(i + 1)) continue;
      if (lane.serve(i, poller.reported(i + 1))) this.#futile = 0;
      else if (poller.failed(i + 1) && ++this.#futile > maxFutile)
        throw new Error('a descriptor of the lane is not open any more');
    }
    lane.served();
    if (poller.ready(0)) return true;
    const pause = this.#moderation.pauseAfter(lane.found(), performance.now());
    if (pause > 0) this.#sleep(pause);
    return false;
  }

  #newPoller(): Poller {
    const fds = this.#lane.fds();
    this.#count = fds.length;
    return new Poller([this.#wakeFd, ...fds]);
  }
}

/** The cipher has copied the keys; what the message brought is overwritten. */
export function installAndWipe(
  lane: InboundLane | OutboundLane,
  { child }: Command & { readonly kind: 'install' },
): string | undefined {
  const refused = lane.install(child);
  child.keys.encryption.fill(0);
  child.keys.integrity.fill(0);
  return refused;
}
