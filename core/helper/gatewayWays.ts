/** What may change about the ways to the gateway while a session lasts: whether there are any, and where its names lead. */
import type { Profile } from '../profile/model.ts';
import { type LookUp, learn, namesOf } from './gatewayNames.ts';
import type { Memory } from './reach.ts';
import type { NetworkPorts } from './roaming.ts';

/**
 * Where no address that is known can be reached, the names are asked anew: a network of IPv6 only has addresses of its own for gateways that
 * have none (RFC 6147). With each change of the network so often, as name servers are known a little later than addresses; milliseconds between.
 */
const SEEK = { times: 3, every: 5_000 } as const;

/** How often the names of the gateways are looked up while it is up, milliseconds: where they lead can hardly be asked once it is lost. */
const NAMES_EVERY = 600_000;

export interface WaysPorts {
  readonly network: NetworkPorts;
  /** `wanted` as of `LookUp`: it may be asked past the tunnel. */
  readonly lookUp: LookUp;
  /** Nothing is lost and nothing sleeps: names are to be had. */
  readonly isUp: () => boolean;
  /** The ways are others now; `usable`: there is one. */
  readonly onWays: (usable: boolean) => void;
  /** The names lead elsewhere. */
  readonly onNames: () => void;
}

export function watchWays(ports: WaysPorts, profile: Profile, memory: Memory): { stop(): void } {
  const { network, lookUp, isUp, onWays, onNames } = ports;
  let stopped = false;
  let before = ways();
  let seeking = false;
  let left = 0;
  let again: NodeJS.Timeout | undefined;

  /** Only what makes a difference to the gateway: our own device and routes come and go too, and names have other addresses each time. */
  function ways(): string {
    const known = [...memory.addresses.values()].flat();
    if (known.length === 0) return 'unknown';
    const sources = known.map(({ address }) => network.sourceTowards(address)).filter((source) => source !== undefined);
    return [...new Set(sources)].sort().join(' ');
  }

  function look(): void {
    const now = ways();
    if (now === before) return;
    before = now;
    onWays(now !== '');
  }

  async function refresh(name: string, inside: () => boolean, wanted: () => boolean): Promise<void> {
    const found = await lookUp(name, wanted);
    if (!stopped && found.ok && learn(memory.addresses, name, found.value, inside())) onNames();
  }

  const nowhere = () => !stopped && before === '';

  async function seek(): Promise<void> {
    clearTimeout(again);
    if (seeking || left === 0) return;
    seeking = true;
    left -= 1;
    // What was known stays: it is good in the next network.
    await Promise.all(namesOf(profile).map((name) => refresh(name, () => true, nowhere)));
    seeking = false;
    if (stopped) return;
    look();
    if (nowhere()) again = setTimeout(() => void seek(), SEEK.every);
  }

  const watch = network.watch('', () => {
    look();
    if (!nowhere()) return;
    left = SEEK.times;
    void seek();
  });
  const names = setInterval(() => {
    if (isUp()) for (const name of namesOf(profile)) void refresh(name, isUp, () => false);
  }, NAMES_EVERY);

  return {
    stop() {
      stopped = true;
      watch.close();
      clearInterval(names);
      clearTimeout(again);
    },
  };
}
