/** What may change about the ways to the gateway while a session lasts: whether there are any, and where its names lead. */
import type { Profile } from '../profile/model.ts';
import { type LookUp, learn, namesOf } from './gatewayNames.ts';
import type { Memory } from './reach.ts';
import type { NetworkPorts } from './roaming.ts';

/** How often the names of the gateways are looked up while it is up, milliseconds: where they lead can hardly be asked once it is lost. */
const NAMES_EVERY = 600_000;

export interface WaysPorts {
  readonly network: NetworkPorts;
  readonly lookUp: (name: string) => ReturnType<LookUp>;
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

  /** Only what makes a difference to the gateway: our own device and routes come and go too. */
  function ways(): string {
    const known = [...memory.addresses.values()].flat();
    if (known.length === 0) return 'unknown';
    return known
      .map(({ address }) => network.sourceTowards(address) ?? '')
      .join(' ')
      .trim();
  }

  async function refresh(name: string): Promise<void> {
    const found = await lookUp(name);
    if (!stopped && found.ok && learn(memory.addresses, name, found.value, isUp())) onNames();
  }

  const watch = network.watch('', () => {
    const now = ways();
    if (now === before) return;
    before = now;
    onWays(now !== '');
  });
  const names = setInterval(() => {
    if (isUp()) for (const name of namesOf(profile)) void refresh(name);
  }, NAMES_EVERY);

  return {
    stop() {
      stopped = true;
      watch.close();
      clearInterval(names);
    },
  };
}
