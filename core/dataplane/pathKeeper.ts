/**
 * Keeps the MTU of the way to each peer: what drives `PathMtu` on the main thread, one for each pair of addresses, because all SAs between
 * them share the way and a rekeyed one must not begin anew. The clock, the timer and the lanes are ports. The one timer runs only while
 * something is under way, and every ten minutes where somebody can be asked.
 *
 * A report of the network (`reported`) is about a datagram to one address, and only the ways there hear it (RFC 5927 §4: one that is about nothing
 * that was sent is no report); each checks it by probes of its own.
 */

import type { Random } from '../crypto/types.ts';
import { type EspShape, largestInner } from '../esp/size.ts';
import type { EchoSession } from '../ip/echo.ts';
import type { EchoRoute } from './echoRound.ts';
import { type MtuReason, type OuterPath, type PathAction, PathMtu } from './pathMtu.ts';

export interface PathPorts {
  readonly random: Random;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Calls once, so many milliseconds later, unless what it returns is called; keeps no process alive. */
  readonly schedule: (milliseconds: number, run: () => void) => () => void;
  /** Seals this inner packet with the SA and sends it as it is. */
  readonly probe: (spiIn: number, packet: Uint8Array) => void;
  /** What holds for the SA from now on. */
  readonly onMtu: (spiIn: number, mtu: ChildMtu) => void;
  /** Packets the SA has sent, probes too. */
  readonly packetsOut: (spiIn: number) => number;
}

/** Textual addresses (RFC 5952 for IPv6). */
export interface Way {
  readonly local: string;
  readonly remote: string;
  /** Octets of the largest packet of the interface that it begins with; 1500 where it is not known. */
  readonly interfaceMtu?: number;
}

export interface KeptChild {
  readonly spiIn: number;
  readonly shape: EspShape;
  /** The inner MTU the profile wants. */
  readonly configured: number;
}

export interface ChildMtu {
  /** Octets of the largest inner packet. */
  readonly inner: number;
  /** ESP packets must go without DF. */
  readonly fragmentOutside: boolean;
  /** Why it is less than profile and interface allow. */
  readonly because: LoweredBy | undefined;
}

export type LoweredBy = Extract<MtuReason, 'reported' | 'black-hole'>;

export class PathKeepers {
  readonly #ports: PathPorts;
  readonly #byWay = new Map<string, PathKeeper>();

  constructor(ports: PathPorts) {
    this.#ports = ports;
  }

  /** Before the lanes have the SA: what holds for it at first, and what marks the answers to probes. */
  add(way: Way, child: KeptChild): { readonly mtu: ChildMtu; readonly session: EchoSession } {
    const { remote, interfaceMtu } = way;
    const key = keyOf(way);
    let keeper = this.#byWay.get(key);
    if (keeper === undefined) {
      const path: OuterPath = { family: remote.includes(':') ? 6 : 4, ...(interfaceMtu !== undefined && { interfaceMtu }) };
      keeper = new PathKeeper(remote, path, child, this.#ports);
      this.#byWay.set(key, keeper);
    } else keeper.add(child);
    return { mtu: keeper.mtuOf(child), session: keeper.session };
  }

  /**
   * The SA's packets go another way, of which nothing is known unless another SA went it before. What holds for it now; and whom to probe
   * through, once the lanes know, where nobody does yet. Undefined where nobody keeps it.
   */
  move(
    spiIn: number,
    way: Way,
  ): { readonly mtu: ChildMtu; readonly session: EchoSession; readonly routes: readonly EchoRoute[] } | undefined {
    const before = this.#of(spiIn);
    const child = before?.child(spiIn);
    if (before === undefined || child === undefined) return undefined;
    const there = this.#byWay.get(keyOf(way));
    if (there === before) return { mtu: before.mtuOf(child), session: before.session, routes: [] };
    this.remove(spiIn);
    return { ...this.add(way, child), routes: there === undefined ? before.routes : [] };
  }

  remove(spiIn: number): void {
    for (const [key, keeper] of this.#byWay) if (keeper.remove(spiIn)) this.#byWay.delete(key);
  }

  clear(): void {
    for (const keeper of this.#byWay.values()) keeper.stop();
    this.#byWay.clear();
  }

  /** Undefined where nobody keeps it: an SA with a fixed size. */
  mtu(spiIn: number): ChildMtu | undefined {
    return this.#of(spiIn)?.mtuOfSpi(spiIn);
  }

  /** Somebody behind the gateway to ask, the likeliest first. */
  probeThrough(spiIn: number, routes: readonly EchoRoute[]): void {
    this.#of(spiIn)?.probeThrough(routes);
  }

  /** The network says that only so many octets of an outer packet to this address pass; 0: it does not say how many. */
  reported(remote: string, outer: number): void {
    for (const keeper of this.#byWay.values()) if (keeper.remote === remote) keeper.reported(outer);
  }

  /** Large packets go out on the SA; `silent`: and next to nothing comes back. */
  suspect(spiIn: number, silent: boolean): void {
    this.#of(spiIn)?.suspect(silent);
  }

  /** What `isEchoReply` picked out. */
  answer(spiIn: number, packet: Uint8Array): void {
    this.#of(spiIn)?.answer(packet);
  }

  #of(spiIn: number): PathKeeper | undefined {
    for (const keeper of this.#byWay.values()) if (keeper.child(spiIn) !== undefined) return keeper;
    return undefined;
  }
}

function keyOf({ local, remote }: Way): string {
  return `${local} ${remote}`;
}

class PathKeeper {
  readonly remote: string;
  readonly family: 4 | 6;
  readonly #ports: PathPorts;
  readonly #machine: PathMtu;
  /** Whom probes go through. */
  routes: readonly EchoRoute[] = [];
  /** The newest last: it carries the probes, and its suite is the machine's. */
  #children: readonly KeptChild[];
  #because: LoweredBy | undefined;
  #cancel: (() => void) | undefined;
  #deadline: number | undefined;
  /** Packets sent when it was last looked, and probes so far, which are among them. */
  #packetsOut = 0;
  #probes = 0;

  constructor(remote: string, path: OuterPath, child: KeptChild, ports: PathPorts) {
    this.remote = remote;
    this.family = path.family;
    this.#ports = ports;
    this.#children = [child];
    this.#machine = new PathMtu({ configured: child.configured, path, shape: child.shape, random: ports.random });
  }

  get session(): EchoSession {
    return this.#machine.session;
  }

  child(spiIn: number): KeptChild | undefined {
    return this.#children.find((child) => child.spiIn === spiIn);
  }

  add(child: KeptChild): void {
    this.#change([...this.#children, child]);
  }

  /** True when it was the last one. */
  remove(spiIn: number): boolean {
    const left = this.#children.filter((child) => child.spiIn !== spiIn);
    if (left.length > 0) this.#change(left);
    else this.stop();
    return left.length === 0;
  }

  /** The machine's suite and bound are those of the newest. */
  #change(children: readonly KeptChild[]): void {
    const before = this.#newest();
    this.#children = children;
    const { shape, configured } = this.#newest();
    if (sameShape(before.shape, shape) && before.configured === configured) return;
    this.#machine.change({ shape, configured }, this.#ports.now());
    this.#settle();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  mtuOfSpi(spiIn: number): ChildMtu | undefined {
    const child = this.child(spiIn);
    return child && this.mtuOf(child);
  }

  /** An SA with another suite than the newest: what makes no larger outer packet. */
  mtuOf({ shape, configured }: KeptChild): ChildMtu {
    const { inner, outer, fragmentOutside } = this.#machine.mtu;
    const same = sameShape(shape, this.#newest().shape);
    const fits = same ? inner : largestInner(shape, this.family, outer);
    return { inner: Math.min(configured, fits), fragmentOutside, because: this.#because };
  }

  probeThrough(routes: readonly EchoRoute[]): void {
    this.routes = routes;
    this.#machine.probeThrough(routes, this.#ports.now());
    this.#settle();
  }

  reported(outer: number): void {
    this.#machine.reported(outer, this.#ports.now());
    this.#settle();
  }

  suspect(silent: boolean): void {
    this.#machine.suspect(this.#ports.now(), silent);
    this.#settle();
  }

  answer(packet: Uint8Array): void {
    this.#machine.answer(packet, 0, packet.length, this.#ports.now());
    this.#settle();
  }

  #tick(): void {
    let packetsOut = -this.#probes;
    for (const { spiIn } of this.#children) packetsOut += this.#ports.packetsOut(spiIn);
    const busy = packetsOut !== this.#packetsOut;
    this.#packetsOut = packetsOut;
    this.#machine.tick(this.#ports.now(), busy);
    this.#settle();
  }

  /** Does what the machine wants done, and sets the timer to when it wants to be woken. */
  #settle(): void {
    for (let action = this.#machine.poll(); action !== undefined; action = this.#machine.poll()) {
      if (action.kind === 'probe') {
        this.#probes++;
        this.#ports.probe(this.#newest().spiIn, action.packet);
      } else {
        this.#note(action);
        for (const child of this.#children) this.#ports.onMtu(child.spiIn, this.mtuOf(child));
      }
    }
    const deadline = this.#machine.deadline();
    if (deadline === this.#deadline && this.#cancel !== undefined) return;
    this.stop();
    this.#deadline = deadline;
    if (deadline === undefined) return;
    const left = Math.max(0, Math.ceil(deadline - this.#ports.now()));
    this.#cancel = this.#ports.schedule(left, () => {
      this.#cancel = undefined;
      this.#tick();
    });
  }

  /** Steps up to what the way carries change nothing about why it is not more. */
  #note({ mtu, because }: PathAction & { readonly kind: 'mtu' }): void {
    if (mtu.inner >= this.#machine.most) this.#because = undefined;
    else if (because === 'reported' || because === 'black-hole') this.#because = because;
  }

  #newest(): KeptChild {
    return this.#children[this.#children.length - 1];
  }
}

function sameShape(a: EspShape, b: EspShape): boolean {
  return a.ivBytes === b.ivBytes && a.icvBytes === b.icvBytes && a.alignment === b.alignment;
}
