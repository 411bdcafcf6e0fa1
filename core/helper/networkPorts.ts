/** The network as this computer's kernel has it, for roaming.ts. */

import { watchNetwork } from '../system/linux/networkWatch.ts';
import { missingOf } from '../system/linux/planCheck.ts';
import { Rtnetlink } from '../system/linux/rtnetlink.ts';
import type { Log } from '../system/log.ts';
import { SOCKET_MARK } from '../system/ports.ts';
import type { NetworkPorts } from './roaming.ts';

/** Where the kernel does not answer the questions, no change is ever seen, and the log says so. */
export function createNetworkPorts(log: Log): NetworkPorts {
  const opened = Rtnetlink.open();
  if (!opened.ok) {
    log('error', 'tunnel', 'changes of the network cannot be seen', { why: opened.error.detail });
    return { watch: () => ({ close: () => {} }), sourceTowards: () => undefined, missing: () => [] };
  }
  const kernel = opened.value;
  return {
    watch(device, onChange) {
      const isOurs = (index: number): boolean => {
        const link = kernel.link(device);
        return link.ok && link.value?.index === index;
      };
      const watched = watchNetwork(onChange, isOurs);
      if (watched.ok) return watched.value;
      log('error', 'tunnel', 'changes of the network cannot be seen', { why: watched.error.detail });
      return { close: () => {} };
    },
    // As our own sockets: past the tunnel.
    sourceTowards: (address) => kernel.sourceTowards(address, SOCKET_MARK),
    missing: (plan) => missingOf(kernel, plan),
  };
}
