/**
 * Where this computer is: looks, when the network changes, from which address packets would go to each address of the gateway, and tells the
 * IKE machine, which decides (core/ike/sa/mobike.ts).
 */
import type { Channel, Endpoint, Path } from '../ike/sa/contract.ts';
import type { Log } from '../system/log.ts';
import type { HostPlan } from '../system/ports.ts';

export interface NetworkPorts {
  /** Calls when the network may have changed; `addresses`: one came or went, and not at the tunnel's own device. */
  readonly watch: (device: string, onChange: (news: { readonly addresses: boolean }) => void) => { close(): void };
  /** The address that our packets to there would come from; undefined where there is no way. */
  readonly sourceTowards: (address: string) => string | undefined;
  /** What of the plan is not in place any more, in words. */
  readonly missing: (plan: HostPlan) => readonly string[];
}

export interface RoamingPorts {
  readonly network: Pick<NetworkPorts, 'watch' | 'sourceTowards'>;
  /** Ports of our sockets of this family; undefined where there are none to be had. */
  readonly sockets: (family: 4 | 6) => Promise<Readonly<Record<Channel, number>> | undefined>;
  /** Addresses that the gateway's name stands for. They may be other machines, so they count only where nothing else is left. */
  readonly named: () => readonly string[];
  readonly tell: (paths: readonly Path[]) => void;
  readonly log: Log;
}

export interface Roaming {
  /** Other addresses of the gateway than the first. */
  peerAddresses(addresses: readonly string[]): void;
  /** `named` has others. */
  namesChanged(): void;
  stop(): void;
}

/** `path` is the one in use, `device` the tunnel's; `gatewayPorts` are those of UDP, the same at all addresses of the gateway. */
export function startRoaming(
  { network, sockets, named, tell, log }: RoamingPorts,
  device: string,
  path: { readonly local: Endpoint; readonly remote: Endpoint },
  gatewayPorts: Readonly<Record<Channel, number>>,
): Roaming {
  const first = path.remote.address;
  let others: readonly string[] = [];
  // Over TCP nothing was said of ways over UDP yet.
  let told = path.remote.transport === 'tcp' ? '' : `${path.local.address} ${first}`;
  /** The kernel has told a way: where it never does, that there is none is not known either. */
  let found = false;
  let stopped = false;
  let looking: Promise<void> = Promise.resolve();

  /** One after the other: opening sockets takes a moment. */
  function look(evenSame: boolean): void {
    looking = looking.then(() => lookNow(evenSame)).catch((fault) => log('error', 'tunnel', `roaming: ${String(fault)}`));
  }

  async function pathsTo(addresses: readonly string[]): Promise<readonly Path[]> {
    const paths: Path[] = [];
    for (const address of addresses) {
      const local = stopped ? undefined : network.sourceTowards(address);
      const ports = local === undefined ? undefined : await sockets(address.includes(':') ? 6 : 4);
      if (local !== undefined && ports)
        paths.push({ local: { address: local, ports }, remote: { address, ports: gatewayPorts } });
    }
    return paths;
  }

  async function lookNow(evenSame: boolean): Promise<void> {
    const known = await pathsTo([first, ...others]);
    const paths = known.length > 0 ? known : await pathsTo(named());
    const text = paths.map(({ local, remote }) => `${local.address} ${remote.address}`).join(', ');
    found ||= paths.length > 0;
    if (stopped || !found || (text === told && !evenSame)) return;
    if (text !== told) log('info', 'tunnel', 'ways to the gateway', { now: text === '' ? 'none' : text });
    told = text;
    tell(paths);
  }

  const watch = network.watch(device, ({ addresses }) => look(addresses));
  // It may have changed while the session was made.
  look(false);
  return {
    peerAddresses(addresses) {
      // A gateway tells of all that it has, those of its inner networks too: whoever came by a public one tries the public ones first.
      const later = addresses.filter((address) => address !== first && isPrivate(address) && !isPrivate(first));
      others = [...addresses.filter((address) => address !== first && !later.includes(address)), ...later];
      look(false);
    },
    namesChanged: () => look(false),
    stop() {
      stopped = true;
      watch.close();
    },
  };
}

/** RFC 1918, RFC 6598, RFC 4193. */
function isPrivate(address: string): boolean {
  return /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd])/.test(address);
}
