/** Reports of ICMP from a lane's sockets. */
import { lesserMtu } from '../system/linux/udpVectors.ts';
import type { UdpSocket } from '../system/ports.ts';
import type { LaneSetup } from './laneTurns.ts';

/** Milliseconds between two reports of the path's MTU. */
const reportInterval = 250;

/** Addresses in one report of the path's MTU. */
const mostRemotes = 64;

/** What the network says of the path, on its way to the main thread: the least of what is new, a few times a second at most. */
export class PathReports {
  readonly #report: LaneSetup['report'];
  readonly #least = new Map<string, number>();
  #then = Number.NEGATIVE_INFINITY;

  constructor(report: LaneSetup['report']) {
    this.#report = report;
  }

  /** Empties the error queue of the socket. What is held back goes with the next report: one that holds comes again. */
  take(socket: UdpSocket): void {
    for (const [remote, mtu] of socket.reportedMtus()) {
      const held = this.#least.get(remote);
      // Whoever forges them has any number of addresses; those that we talk to are few.
      if (held !== undefined || this.#least.size < mostRemotes) this.#least.set(remote, lesserMtu(held, mtu));
    }
    const now = performance.now();
    if (this.#least.size === 0 || now - this.#then < reportInterval) return;
    this.#then = now;
    for (const [remote, mtu] of this.#least) this.#report({ kind: 'path-mtu', remote, mtu });
    this.#least.clear();
  }
}
