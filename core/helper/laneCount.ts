/** From so many cores on a second one is worth its memory. */
const coresForTwo = 16;

/**
 * Outbound lanes where the administrator says nothing, and queues of the TUN device. One carries more than any road to an office has
 * (README: 7 Gbit/s, both ends on two cores), and each further one costs 27 MB for as long as the helper runs: engine and monitor have
 * 139 MB with one, 168 with two, 221 with four. A client has one SA, and an SA has one inbound lane: more of those would be idle.
 */
export function defaultLanes(cores: number): number {
  return cores < coresForTwo ? 1 : 2;
}
