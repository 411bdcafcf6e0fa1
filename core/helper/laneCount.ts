const mostByDefault = 4;

/**
 * Outbound lanes where the administrator says nothing, and queues of the TUN device: on up to three cores one, since the inbound lane, the kernel
 * and the programs that the traffic is for want theirs; above, half of the cores. A client has one SA, and an SA has one inbound lane:
 * more of those would be idle.
 */
export function defaultLanes(cores: number): number {
  return cores < 4 ? 1 : Math.min(mostByDefault, Math.floor(cores / 2));
}
