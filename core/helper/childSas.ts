/** The CHILD SAs of one connection as the dataplane carries them: put in place, moved, counted, taken out, and told of. */
import type { ChildCounters, Dataplane, GlobalDrop } from '../dataplane/contract.ts';
import type { ChildSa, Configuration, Endpoint } from '../ike/sa/contract.ts';
import { selectorText } from '../ike/wire/selectorText.ts';
import type { Profile } from '../profile/model.ts';
import type { Warning } from '../rpc/contract.ts';
import type { Log } from '../system/log.ts';
import type { ChildFacts } from '../tunnel/status.ts';
import { echoRoutes } from './echoRoutes.ts';
import { interfaceMtu } from './gatewayPath.ts';

export interface ChildSasDeps {
  readonly dataplane: Pick<
    Dataplane,
    | 'installChild'
    | 'changePath'
    | 'removeChild'
    | 'probeThrough'
    | 'pathMtu'
    | 'counters'
    | 'lastCounters'
    | 'globalCounters'
    | 'backendOf'
  >;
  readonly log: Log;
  /** Date.now() milliseconds. */
  readonly now: () => number;
}

/** The ways outside. */
export interface OutsidePath {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** A NAT is in front of us. */
  readonly natLocal: boolean;
}

export class ChildSas {
  readonly #deps: ChildSasDeps;
  readonly #profile: Profile;
  readonly #living = new Map<number, Omit<ChildFacts, 'counters'>>();
  /** Those that send no more but may still receive for a while: what they had carried when it was last looked, and that it is in `#carried`. */
  readonly #leaving = new Map<number, { octets: Octets; readonly counted: Promise<void> }>();
  /** Carried by those that are gone. */
  #carried: Octets = { in: 0, out: 0 };
  /** Of connections before. */
  readonly #dropsBefore: Readonly<Record<GlobalDrop, number>>;
  /** Packets that had come in on each. */
  #packetsSeen: ReadonlyMap<number, number> = new Map();
  /** Networks that the gateway makes no CHILD SA for, and what it said. */
  readonly #refused = new Map<string, string>();

  constructor(deps: ChildSasDeps, profile: Profile) {
    this.#deps = deps;
    this.#profile = profile;
    this.#dropsBefore = deps.dataplane.globalCounters();
  }

  /** By their inbound SPIs, the oldest first. */
  get spis(): readonly number[] {
    return [...this.#living.keys()];
  }

  /** Resolves when the dataplane has it; rejects with what went wrong. */
  install(child: ChildSa, how: { readonly replaces?: number; readonly standby?: true }): Promise<unknown> {
    const { dataplane, now } = this.#deps;
    const { spiIn, spiOut, encr, integ, esn } = child;
    const installed = dataplane.installChild(child, {
      keepaliveInterval: this.#profile.natKeepalive * 1000,
      replayWindow: this.#profile.replayWindow,
      ...(how.replaces !== undefined && { replaces: how.replaces }),
      ...(how.standby && { standby: true }),
      ...this.#mtus(child),
    });
    this.#refused.delete(networksText(child));
    this.#living.set(spiIn, {
      sa: { spiIn, spiOut, encr, integ, esn },
      localSelectors: child.localSelectors.map(selectorText),
      remoteSelectors: child.remoteSelectors.map(selectorText),
      installedAt: now(),
    });
    return installed;
  }

  /** There is none for these networks, though the profile wants one. */
  refused(wanted: Pick<ChildSa, 'remoteSelectors'> & { readonly evidence: string }): void {
    this.#refused.set(networksText(wanted), wanted.evidence);
  }

  warnings(): readonly Warning[] {
    if (this.#refused.size === 0) return [];
    const subject = [...this.#refused].map(([networks, evidence]) => `${networks} (${evidence})`).join('; ');
    return [{ code: 'network-refused', subject }];
  }

  /** It will be rekeyed at this instant of the clock that never goes back. */
  due(spiIn: number, at: number): void {
    const child = this.#living.get(spiIn);
    if (child) this.#living.set(spiIn, { ...child, rekeyAt: at });
  }

  move(path: OutsidePath): void {
    const { dataplane, log } = this.#deps;
    const { local, remote, natLocal } = path;
    const keepalive = natLocal && remote.transport !== 'tcp';
    const way = { local, remote, keepalive, ...this.#mtus(path) };
    for (const spiIn of this.spis)
      dataplane.changePath(spiIn, way).catch((fault) => log('error', 'tunnel', `moving: ${String(fault)}`));
  }

  /** Asks through it how large packets may be; one that takes its place goes on with what is known. */
  probe(spiIn: number | undefined, configuration: Configuration | undefined): void {
    if (spiIn !== undefined && configuration) this.#deps.dataplane.probeThrough(spiIn, echoRoutes(configuration));
  }

  /** Before it is removed: it is none of the connection's any more; what it carried, and what it still takes in its grace, counts. */
  forget(spiIn: number): void {
    if (!this.#living.delete(spiIn)) return;
    const octets = octetsOf(this.#deps.dataplane.counters(spiIn)) ?? { in: 0, out: 0 };
    const counted = this.#deps.dataplane.lastCounters(spiIn).then((last) => {
      this.#leaving.delete(spiIn);
      this.#carried = plus(this.#carried, octetsOf(last) ?? octets);
    });
    this.#leaving.set(spiIn, { octets, counted });
  }

  async removeAll(): Promise<void> {
    for (const spiIn of this.spis) this.forget(spiIn);
    for (const [spiIn, { counted }] of [...this.#leaving]) {
      await this.#deps.dataplane.removeChild(spiIn).catch(() => {});
      await counted;
    }
  }

  /** Since the last call, on any of them: one that is gone takes nothing from what came on the others. */
  trafficArrived(): boolean {
    const before = this.#packetsSeen;
    const all = [...this.spis, ...this.#leaving.keys()];
    this.#packetsSeen = new Map(all.map((spiIn) => [spiIn, this.#deps.dataplane.counters(spiIn)?.packetsIn ?? 0]));
    return all.some((spiIn) => (this.#packetsSeen.get(spiIn) ?? 0) > (before.get(spiIn) ?? 0));
  }

  facts(wallTime: (instant: number) => number): {
    readonly children: readonly ChildFacts[];
    readonly octets: Octets;
  } {
    const { dataplane } = this.#deps;
    const children = [...this.#living.values()].map((child) => ({
      ...child,
      ...(child.rekeyAt !== undefined && { rekeyAt: wallTime(child.rekeyAt) }),
      counters: dataplane.counters(child.sa.spiIn),
      backend: dataplane.backendOf(child.sa.spiIn),
      path: this.#pathOf(child.sa.spiIn),
    }));
    const living = children.map(({ counters }) => octetsOf(counters) ?? { in: 0, out: 0 });
    return { children, octets: [this.#carried, ...living, ...this.#left()].reduce(plus) };
  }

  /** Of those that leave. Between its end and the last word on it the dataplane knows no counters: what was seen before must do. */
  #left(): readonly Octets[] {
    for (const [spiIn, leaving] of this.#leaving)
      leaving.octets = octetsOf(this.#deps.dataplane.counters(spiIn)) ?? leaving.octets;
    return [...this.#leaving.values()].map(({ octets }) => octets);
  }

  /** Packets of no SA, since the connection began. */
  drops(): Readonly<Record<GlobalDrop, number>> {
    const now = { ...this.#deps.dataplane.globalCounters() };
    for (const reason of Object.keys(this.#dropsBefore) as GlobalDrop[]) now[reason] -= this.#dropsBefore[reason];
    return now;
  }

  #pathOf(spiIn: number): ChildFacts['path'] {
    const path = this.#deps.dataplane.pathMtu(spiIn);
    return path && { innerMtu: path.inner, ...(path.because !== undefined && { because: path.because }) };
  }

  /** TCP finds out by itself what its path carries. */
  #mtus({ local, remote }: Pick<OutsidePath, 'local' | 'remote'>): { readonly mtu?: number; readonly interfaceMtu?: number } {
    const device = interfaceMtu(local.address);
    return {
      ...(remote.transport !== 'tcp' && { mtu: this.#profile.mtu }),
      ...(device !== undefined && { interfaceMtu: device }),
    };
  }
}

interface Octets {
  readonly in: number;
  readonly out: number;
}

function octetsOf(counters: ChildCounters | undefined): Octets | undefined {
  return counters && { in: counters.bytesIn, out: counters.bytesOut };
}

function plus(a: Octets, b: Octets): Octets {
  return { in: a.in + b.in, out: a.out + b.out };
}

function networksText({ remoteSelectors }: Pick<ChildSa, 'remoteSelectors'>): string {
  return remoteSelectors.map(selectorText).join(', ');
}
