/**
 * What a tunnel stands on: the TUN device, the sockets of each family, and the host's set-up. It outlives the single connection, so that
 * while one takes the place of another no route leads past the tunnel, and no port changes.
 *
 * Closing: the host first (no route leads into a device that carries nothing), then the dataplane lets go, then descriptors are closed.
 */
import { err, ok, type Result } from '../bytes/result.ts';
import type { Dataplane, DataplaneSocket } from '../dataplane/contract.ts';
import type { Channel } from '../ike/sa/contract.ts';
import type { Profile } from '../profile/model.ts';
import type { Log } from '../system/log.ts';
import type { HostError, HostPlan } from '../system/ports.ts';
import { keepHost } from './hostKeeper.ts';
import type { MonitorClient, OpenedTun } from './monitorClient.ts';
import type { NetworkPorts } from './roaming.ts';
import { connectTcp, type TcpConnection } from './tcpConnection.ts';

export interface StageDeps {
  readonly monitor: Pick<MonitorClient, 'openTun' | 'bindUdp' | 'connectTcp' | 'apply' | 'revert'>;
  readonly dataplane: Pick<Dataplane, 'attachSockets' | 'attachStream' | 'releaseStream' | 'attachTun' | 'detach'>;
  readonly network: Pick<NetworkPorts, 'watch' | 'missing'>;
  readonly closeDescriptor: (fd: number) => void;
  readonly log: Log;
}

/** Ports that our sockets are bound to. */
export type Ports = Readonly<Record<Channel, number>>;

export interface Stage {
  /** The device; opened by the first who asks. */
  device(): Promise<Result<OpenedTun, HostError>>;
  /** It is gone; who asks next gets another one. */
  renewDevice(): void;
  /** The sockets of this family, bound and read by the dataplane; opened by the first who asks. */
  sockets(family: 4 | 6): Promise<Result<Ports, HostError>>;
  /** A TCP connection to the first of these ports that takes it, read by the dataplane (RFC 9329); the error is words. */
  connect(address: string, ports: readonly number[], cancelled: AbortSignal): Promise<Result<TcpConnection, string>>;
  /** Gives one back. */
  disconnect(fd: number): Promise<void>;
  /** The dataplane carries the device's packets from here on; once. */
  attach(): Promise<void>;
  /** Makes the host as planned; the value says what was changed. */
  apply(plan: HostPlan): Promise<Result<readonly string[], HostError>>;
  /** What the host was made to be; undefined while it is as it was. */
  plan(): HostPlan | undefined;
  /** Nothing meant for the tunnel leaves in clear: by our plan, or by what an engine before us left in place. */
  holds(): boolean;
  /** The host as it was. */
  revert(): Promise<void>;
  /** Gives everything back, what is still being opened included. */
  close(): Promise<void>;
}

const CLOSED: HostError = { code: 'failed', detail: 'the tunnel ends' };

/**
 * `onHostLost`: what another program took away could not be put back; of the plan there is nothing in place but what holds traffic back. `held`: an engine that died left in
 * place what holds traffic back, until a plan of ours or the end.
 */
export function createStage(
  deps: StageDeps,
  profile: Pick<Profile, 'mtu' | 'localPort'>,
  onHostLost: (why: HostError) => void,
  held?: 'held',
): Stage {
  const descriptors: number[] = [];
  /** Those of a device that is gone, until no thread uses them. */
  const stale: number[] = [];
  const sockets = new Map<4 | 6, Promise<Result<Ports, HostError>>>();
  /** Descriptors of TCP connections. */
  const streams = new Set<number>();
  /** TCP connections on their way, and devices that were gone before they were there. */
  const connecting = new Set<Promise<unknown>>();
  const ended = new AbortController();
  let device: Promise<Result<OpenedTun, HostError>> | undefined;
  let attaching: Promise<void> | undefined;
  let applying: Promise<unknown> = Promise.resolve();
  let touched = held !== undefined;
  let inherited = touched;
  let attached = false;
  let current: HostPlan | undefined;
  let keeper: ReturnType<typeof keepHost> | undefined;
  let closing: Promise<void> | undefined;

  async function openDevice(): Promise<Result<OpenedTun, HostError>> {
    const opened = await deps.monitor.openTun(profile.mtu);
    if (opened.ok) descriptors.push(...opened.value.fds);
    return opened;
  }

  function renewDevice(): void {
    const gone = device;
    device = undefined;
    attaching = undefined;
    const aside = gone?.then((opened) => {
      for (const fd of opened.ok ? opened.value.fds : []) stale.push(...descriptors.splice(descriptors.indexOf(fd), 1));
    });
    if (!aside) return;
    connecting.add(aside);
    void aside.finally(() => connecting.delete(aside));
  }

  async function openSockets(family: 4 | 6): Promise<Result<Ports, HostError>> {
    const standard = profile.localPort === 'standard';
    const [ike, natt] = await Promise.all([bind('ike', family, standard ? 500 : 0), bind('natt', family, standard ? 4500 : 0)]);
    if (!ike.ok) return ike;
    if (!natt.ok) return natt;
    if (closing) return err(CLOSED);
    attached = true;
    await deps.dataplane.attachSockets([ike.value.socket, natt.value.socket]);
    return ok({ ike: ike.value.port, natt: natt.value.port });
  }

  async function bind(channel: Channel, family: 4 | 6, port: number) {
    const opened = await deps.monitor.bindUdp(family, port);
    if (!opened.ok) return opened;
    descriptors.push(opened.value.fd);
    const socket: DataplaneSocket = { fd: opened.value.fd, channel, family };
    return ok({ socket, port: opened.value.port });
  }

  async function connect(
    address: string,
    ports: readonly number[],
    cancelled: AbortSignal,
  ): Promise<Result<TcpConnection, string>> {
    const { monitor, closeDescriptor } = deps;
    const tcp = { connectTcp: monitor.connectTcp, closeDescriptor };
    const opened = await connectTcp(tcp, address, ports, AbortSignal.any([cancelled, ended.signal]));
    if (!opened.ok) return opened;
    const { fd, port } = opened.value;
    streams.add(fd);
    attached = true;
    await deps.dataplane.attachStream({ fd, opener: 'we', peer: { address, port, transport: 'tcp' } });
    return opened;
  }

  async function disconnect(fd: number): Promise<void> {
    if (!streams.delete(fd)) return;
    await deps.dataplane.releaseStream(fd);
    deps.closeDescriptor(fd);
  }

  async function attach(): Promise<void> {
    const opened = await device;
    if (!opened?.ok || closing) return;
    attached = true;
    // Not its own, should it go meanwhile: threads use those until they have the next ones.
    const before = stale.splice(0);
    await deps.dataplane.attachTun(opened.value.fds, opened.value.features);
    for (const fd of before) deps.closeDescriptor(fd);
  }

  async function apply(plan: HostPlan): Promise<Result<readonly string[], HostError>> {
    await applying;
    if (closing) return err(CLOSED);
    touched = true;
    const is = addressesOf(plan);
    const was = current ? addressesOf(current) : is;
    // What was held back meanwhile goes on with the address that it began with, or never.
    if (was !== is)
      deps.log('warn', 'tunnel', 'another address inside: what went through the tunnel has to begin anew', { was, is });
    const applied = await deps.monitor.apply(plan);
    if (!applied.ok && leavesHeld(applied.error)) return applied;
    current = applied.ok ? plan : undefined;
    inherited = false;
    if (applied.ok) keeper ??= keepHost(deps.network, () => inTurn(mend()));
    return applied;
  }

  /** What somebody else took away is put back; whether something was. */
  async function mend(): Promise<boolean> {
    await applying;
    const plan = closing ? undefined : current;
    const missing = plan ? deps.network.missing(plan) : [];
    if (!plan || missing.length === 0) return false;
    deps.log('warn', 'host', 'another program changed what was set up for the tunnel: it is put back', {
      missing: missing.join(', '),
    });
    const applied = await deps.monitor.apply(plan);
    if (applied.ok) return true;
    // Who reads from the device tells of that.
    if (applied.error.code === 'device-gone') return false;
    if (!leavesHeld(applied.error)) current = undefined;
    onHostLost(applied.error);
    return false;
  }

  async function revert(): Promise<void> {
    await applying;
    if (!touched) return;
    touched = false;
    inherited = false;
    current = undefined;
    const reverted = await deps.monitor.revert();
    if (!reverted.ok) deps.log('error', 'host', 'the host could not be put back', { evidence: reverted.error.detail });
  }

  function inTurn<T>(work: Promise<T>): Promise<T> {
    applying = work.catch(() => {});
    return work;
  }

  async function closeAll(): Promise<void> {
    // What is on its way puts things in place that must then be taken away.
    ended.abort();
    await Promise.allSettled([device, ...sockets.values(), ...connecting, attaching, applying]);
    keeper?.stop();
    await inTurn(revert()).catch((fault) => deps.log('error', 'tunnel', `revert: ${String(fault)}`));
    if (attached) await deps.dataplane.detach().catch((fault) => deps.log('error', 'tunnel', `detach: ${String(fault)}`));
    for (const fd of [...descriptors.splice(0), ...stale.splice(0), ...streams]) deps.closeDescriptor(fd);
    streams.clear();
  }

  return {
    device() {
      if (closing) return Promise.resolve(err(CLOSED));
      const opening = device ?? openDevice();
      device = opening;
      // While traffic is held the next connection stands on this stage, too, and may find one.
      void opening.then((opened) => {
        if (!opened.ok && device === opening) device = undefined;
      });
      return opening;
    },
    renewDevice,
    sockets(family) {
      if (closing) return Promise.resolve(err(CLOSED));
      const opening = sockets.get(family) ?? openSockets(family);
      sockets.set(family, opening);
      // A port that another program has now may be free for the next connection.
      void opening.then((opened) => opened.ok || sockets.delete(family));
      return opening;
    },
    async connect(address, ports, cancelled) {
      if (closing) return err(CLOSED.detail);
      const opening = connect(address, ports, cancelled);
      connecting.add(opening);
      return opening.finally(() => connecting.delete(opening));
    },
    disconnect,
    async attach() {
      // Gone since it was asked for: the next one is attached by whoever asks for that.
      if (device) attaching ??= attach();
      await attaching;
    },
    apply: (plan) => inTurn(apply(plan)),
    plan: () => current,
    holds: () => inherited || current !== undefined,
    revert: () => inTurn(revert()),
    close() {
      closing ??= closeAll();
      return closing;
    },
  };
}

/** Of what was held back before nothing goes another way; anything else may be missing. After other errors nothing of any plan is in place. */
function leavesHeld({ code }: HostError): boolean {
  return code === 'device-gone' || code === 'still-held' || code === 'refused';
}

function addressesOf(plan: HostPlan): string {
  return plan.interface.addresses.map(({ address }) => address).join(' ');
}
