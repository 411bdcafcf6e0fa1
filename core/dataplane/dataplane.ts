/** The main thread's side of the dataplane: starts the lanes once and hands them descriptors and SAs. */
import { randomFillSync } from 'node:crypto';
import { fromHex } from '../bytes/bytes.ts';
import type { BackendTrial } from '../esp/backends.ts';
import { readU32 } from '../esp/packet.ts';
import { SharedSequence } from '../esp/sharedSequence.ts';
import { type EspShape, espShape } from '../esp/size.ts';
import type { Channel, ChildSa, Endpoint } from '../ike/sa/contract.ts';
import type { EchoSession } from '../ip/echo.ts';
import { packSockaddr } from '../system/linux/sockaddr.ts';
import { prepareTcp } from '../system/linux/tcpStream.ts';
import { LinuxUdp, prepareUdp } from '../system/linux/udp.ts';
import type { TunFeatures, UdpFeatures } from '../system/ports.ts';
import { longestFrame } from '../system/streamFrames.ts';
import type { LaneChild, Report } from './commands.ts';
import type {
  ChildCounters,
  ChildOptions,
  ChildPath,
  Dataplane,
  DataplaneOptions,
  DataplaneSocket,
  DataplaneStream,
  GlobalDrop,
} from './contract.ts';
import { Counters, type LaneName, maxChildren } from './counters.ts';
import type { FilteredSa } from './earlyDrop.ts';
import { EarlyFilters } from './earlyFilters.ts';
import type { EchoRoute } from './echoRound.ts';
import { type CommandBody, type LaneCommon, LaneThread } from './laneThread.ts';
import type { LimitKind } from './limits.ts';
import { type ChildMtu, PathKeepers, type Way } from './pathKeeper.ts';

const defaultKeepalive = 20_000;
const defaultWindow = 1024;
/** UDP over IPv6 carries no more, non-ESP marker included. */
const maxDatagram = 65_527;

/** Rejects when a thread cannot start, or when no crypto backend gives the known answers. */
export async function startDataplane(options: DataplaneOptions): Promise<Dataplane> {
  const dataplane = new Lanes(options);
  try {
    await dataplane.started();
  } catch (error) {
    await dataplane.stop();
    throw error;
  }
  return dataplane;
}

class Lanes implements Dataplane {
  readonly #counters: Counters;
  readonly #inbound: LaneThread;
  readonly #outbound: readonly LaneThread[];
  /** The installed SAs, by inbound SPI. */
  readonly #installed = new Map<number, Installed>();
  readonly #freeSlots = Array.from({ length: maxChildren }, (_, i) => maxChildren - 1 - i);
  #sockets: readonly AttachedSocket[] = [];
  /** By descriptor, the newest last. */
  readonly #streams = new Map<number, AttachedStream>();
  #tun: { readonly fds: readonly number[]; readonly features: TunFeatures } | undefined;
  /** How many outbound lanes have a share of its queues; 0 before they were told. */
  #sharers = 0;
  readonly #offload: 'all' | 'plain';
  /** What was reported of the device at hand. */
  readonly #troubles = new Set<string>();
  readonly #filters = new EarlyFilters(() => [...this.#installed.values()]);
  readonly #message = new Uint8Array(maxDatagram);
  readonly #paths: PathKeepers;

  constructor(options: DataplaneOptions) {
    const { onIke, onFailure, onDeviceGone = onFailure, onLimit, onStreamOver } = options;
    const { keepaliveInterval = defaultKeepalive, replayWindow = defaultWindow } = options;
    const { backend, worker, lanes = 1 } = options;
    this.#counters = new Counters(lanes);
    this.#offload = options.offload ?? 'all';
    const common: LaneCommon = {
      counters: this.#counters.shared,
      keepaliveInterval,
      replayWindow,
      ...(backend !== undefined && { backend }),
    };
    const onReport = (report: Report): void => {
      if (report.kind === 'trouble') this.#trouble(report.detail, onDeviceGone);
      if (report.kind === 'segmentation-lost') this.#segmentationLost(report.fd);
      if (report.kind === 'flood') this.#filters.beStrict(report);
      if (report.kind === 'path-mtu') this.#paths.reported(report.remote, report.mtu);
      if (report.kind === 'doubt') this.#paths.suspect(report.spiIn, report.silent);
      if (report.kind === 'limit') this.#limit(report.spiIn, report.which, onLimit);
      if (report.kind === 'echo') this.#paths.answer(report.spiIn, report.packet);
      if (report.kind === 'stream-over') this.#streamOver(report.fd, () => onStreamOver?.(report.fd, report.why));
      if (report.kind !== 'ike') return;
      this.#counters.ikeTaken(report.bytes.length);
      if (this.#sockets.length === 0 && this.#streams.size === 0) return; // it was under way when the sockets were let go
      onIke({ bytes: report.bytes, channel: report.channel, from: report.from });
    };
    const start = (lane: LaneName, index: number): LaneThread =>
      new LaneThread({ ...common, lane, index }, worker, onReport, onFailure);
    this.#inbound = start('inbound', 0);
    this.#outbound = Array.from({ length: lanes }, (_, index) => start('outbound', index));
    this.#paths = this.#keepPaths();
  }

  async started(): Promise<void> {
    await Promise.all([this.#inbound, ...this.#outbound].map(({ ready }) => ready));
  }

  lanes(): { readonly inbound: number; readonly outbound: number } {
    return { inbound: 1, outbound: this.#outbound.length };
  }

  async attachSockets(sockets: readonly DataplaneSocket[]): Promise<void> {
    const ready = sockets.map(({ fd, channel, family }) => ({
      fd,
      channel,
      family,
      features: prepareUdp(fd, family, this.#offload),
    }));
    const mine = ready.map((socket) => ({
      ...socket,
      udp: new LinuxUdp(socket.fd, socket.features),
    }));
    this.#sockets = [...this.#sockets, ...mine];
    this.#filters.attach(mine);
    await this.#all({ kind: 'sockets', sockets: ready });
  }

  async releaseSockets(fds: readonly number[]): Promise<void> {
    this.#filters.release(fds);
    this.#sockets = this.#sockets.filter(({ fd }) => !fds.includes(fd));
    await this.#all({ kind: 'release', fds });
  }

  async attachStream(stream: DataplaneStream): Promise<void> {
    prepareTcp(stream.fd);
    const { promise: attached, resolve } = Promise.withResolvers<void>();
    this.#streams.set(stream.fd, { ...stream, attached });
    await Promise.all([this.#streamLanes({ kind: 'stream', stream }), this.#shareQueues()]);
    resolve();
  }

  async releaseStream(fd: number): Promise<void> {
    if (!this.#streams.delete(fd)) return;
    await Promise.all([this.#streamLanes({ kind: 'release-stream', fd }), this.#shareQueues()]);
  }

  sendIke(channel: Channel, to: Endpoint, bytes: Uint8Array): boolean {
    if (to.transport === 'tcp') return this.#say(to, bytes);
    const family = to.address.includes(':') ? 6 : 4;
    const socket = this.#sockets.findLast((candidate) => candidate.channel === channel && candidate.family === family);
    const sockaddr = packSockaddr(to);
    const marker = channel === 'natt' ? 4 : 0; // RFC 3948 §2.2: four zero octets
    if (socket === undefined || sockaddr === undefined || bytes.length + marker > maxDatagram) return false;
    if (channel === 'ike') this.#filters.rememberPeer(to);
    this.#rememberIke(bytes);
    this.#message.fill(0, 0, marker);
    this.#message.set(bytes, marker);
    return socket.udp.sendWhole(this.#message.subarray(0, marker + bytes.length), sockaddr);
  }

  async attachTun(fds: readonly number[], { headers, tcp, udp }: TunFeatures): Promise<void> {
    this.#troubles.clear();
    const features = { headers, tcp, udp };
    this.#tun = { fds, features };
    this.#sharers = 0;
    await Promise.all([this.#inbound.send({ kind: 'tun', fds, features }), this.#shareQueues()]);
  }

  async installChild(child: ChildSa, options: ChildOptions = {}): Promise<void> {
    const { spiIn } = child;
    if (this.#installed.has(spiIn)) throw new Error(`an SA with inbound SPI ${spiIn.toString(16)} is installed already`);
    const slot = this.#freeSlots.pop();
    if (slot === undefined) throw new Error(`more than ${maxChildren} SAs`);
    this.#counters.clear(slot);
    this.#filters.forgetNumbers(spiIn);
    const installed: Installed = {
      spi: spiIn,
      shape: espShape(child.encr, child.integ),
      remote: child.remote,
      slot,
      backend: undefined,
      limits: new Set(),
      retired: undefined,
      gone: Promise.withResolvers(),
    };
    this.#installed.set(spiIn, installed);
    this.#filters.renew();
    const path = this.#keepPath(installed, wayOf(child, options.interfaceMtu), options.mtu);
    const inbound = { ...laneChild(child, 'inbound', slot), ...options, ...path };
    const outbound = this.#outboundChildren({ ...laneChild(child, 'outbound', slot), ...options });
    for (const keys of [child.keysIn, child.keysOut]) {
      keys.encryption.fill(0);
      keys.integrity.fill(0);
    }
    try {
      // All at once, inbound first: a lane that gets a packet of an SA it does not know looks at its commands before it drops it.
      const lanes = [
        this.#inbound.send({ kind: 'install', child: inbound }, keyBuffers(inbound)),
        ...this.#outbound.map((lane, i) => lane.send({ kind: 'install', child: outbound[i] }, keyBuffers(outbound[i]))),
      ];
      [installed.backend] = await Promise.all(lanes);
    } catch (error) {
      await this.removeChild(spiIn);
      throw error;
    }
  }

  async removeChild(spiIn: number, grace = 0): Promise<void> {
    const child = this.#installed.get(spiIn);
    if (child === undefined) return;
    this.#paths.remove(spiIn);
    if (grace > 0) {
      child.retired ??= setTimeout(() => void this.removeChild(spiIn).catch(() => {}), grace).unref();
      await Promise.all(this.#outbound.map((lane) => lane.send({ kind: 'remove', spiIn })));
      return;
    }
    clearTimeout(child.retired);
    this.#installed.delete(spiIn);
    this.#filters.renew();
    try {
      await this.#all({ kind: 'remove', spiIn });
    } finally {
      child.gone.resolve(this.#counters.child(child.slot));
    }
    this.#freeSlots.push(child.slot);
  }

  lastCounters(spiIn: number): Promise<ChildCounters | undefined> {
    return this.#installed.get(spiIn)?.gone.promise ?? Promise.resolve(undefined);
  }

  async changePath(spiIn: number, path: ChildPath): Promise<void> {
    const { remote, keepalive } = path;
    const child = this.#installed.get(spiIn);
    if (child === undefined || child.retired !== undefined) return;
    child.remote = { ...remote };
    this.#filters.renew();
    const { session, routes = [] } = this.#movePath(child, path);
    const command = { kind: 'path', spiIn, remote: child.remote, ...(session !== undefined && { session }) } as const;
    const inbound = this.#inbound.send({ ...command, keepalive });
    const outbound = this.#outbound.map((lane, index) => lane.send({ ...command, keepalive: keepalive && index === 0 }));
    await Promise.all([inbound, ...outbound]);
    if (routes.length > 0) this.probeThrough(spiIn, routes);
  }

  probeThrough(spiIn: number, routes: readonly EchoRoute[]): void {
    this.#paths.probeThrough(spiIn, routes);
  }

  pathMtu(spiIn: number): ChildMtu | undefined {
    return this.#paths.mtu(spiIn);
  }

  counters(spiIn: number): ChildCounters | undefined {
    const child = this.#installed.get(spiIn);
    return child === undefined ? undefined : this.#counters.child(child.slot);
  }

  globalCounters(): Readonly<Record<GlobalDrop, number>> {
    return { ...this.#counters.global(), ...this.#filters.drops() };
  }

  offload(): UdpFeatures | undefined {
    const carriers = this.#sockets.filter(({ channel }) => channel === 'natt');
    if (carriers.length === 0) return undefined;
    return {
      segmentation: carriers.every(({ features }) => features.segmentation),
      coalescing: carriers.every(({ features }) => features.coalescing),
    };
  }

  backend(): string {
    return this.#inbound.backend;
  }

  backendOf(spiIn: number): string | undefined {
    return this.#installed.get(spiIn)?.backend;
  }

  backendTrials(): readonly BackendTrial[] {
    return this.#inbound.tried;
  }

  async detach(): Promise<void> {
    const released = [...this.#installed.values()].map(({ slot }) => slot);
    this.#forgetAll();
    this.#paths.clear();
    this.#filters.release(this.#sockets.map(({ fd }) => fd));
    this.#sockets = [];
    this.#streams.clear();
    this.#tun = undefined;
    await this.#all({ kind: 'detach' });
    this.#freeSlots.push(...released);
  }

  async stop(): Promise<void> {
    this.#sockets = [];
    this.#streams.clear();
    this.#tun = undefined;
    this.#forgetAll();
    this.#paths.clear();
    await Promise.all([this.#inbound, ...this.#outbound].map((lane) => lane.stop()));
  }

  #forgetAll(): void {
    for (const { retired, slot, gone } of this.#installed.values()) {
      clearTimeout(retired);
      gone.resolve(this.#counters.child(slot));
    }
    this.#installed.clear();
  }

  expectIke(spiI: string): void {
    const spi = fromHex(spiI);
    if (spi !== undefined) this.#rememberIke(spi);
  }

  /** RFC 7296 §3.1: the initiator's SPI comes first. */
  #rememberIke(message: Uint8Array): void {
    if (message.length < 8) return;
    const half = readU32(message, 0);
    const other = readU32(message, 4);
    if (half === 0 && other === 0) return;
    this.#counters.rememberIke(half, other);
    this.#filters.rememberIke(half);
  }

  /** An IKE message into the newest connection to this peer. */
  #say({ address, port }: Endpoint, bytes: Uint8Array): boolean {
    const streams = [...this.#streams.values()];
    const stream = streams.findLast(({ peer }) => peer.address === address && peer.port === port);
    if (stream === undefined || bytes.length + 4 > longestFrame) return false;
    this.#rememberIke(bytes);
    const marked = new Uint8Array(4 + bytes.length); // RFC 9329 §3.1
    marked.set(bytes, 4);
    const said = this.#outbound[0].send({ kind: 'say', fd: stream.fd, bytes: marked }, [marked.buffer]);
    said.catch(() => {}); // a lane that has ended tells by `onFailure`
    return true;
  }

  /** The lane may read the end before the others have the connection: who attached it is told when they know that it is there. */
  #streamOver(fd: number, tell: () => void): void {
    const stream = this.#streams.get(fd);
    if (stream === undefined) return;
    const tellIfThere = (): void => {
      if (this.#streams.get(fd) === stream) tell();
    };
    void stream.attached.then(() => setImmediate(tellIfThere));
  }

  async #streamLanes(command: CommandBody): Promise<void> {
    await Promise.all([this.#inbound.send(command), this.#outbound[0].send(command)]);
  }

  /** Who reads which queues of the device: each lane its share; with a connection of ours, into which one alone may write, the first all. */
  async #shareQueues(): Promise<void> {
    if (this.#tun === undefined) return;
    const { fds, features } = this.#tun;
    const alone = [...this.#streams.values()].some(({ opener }) => opener === 'we');
    const sharers = alone ? 1 : this.#outbound.length;
    if (sharers === this.#sharers) return;
    this.#sharers = sharers;
    const share = (index: number): readonly number[] =>
      index < sharers ? fds.filter((_, queue) => queue % sharers === index) : [];
    await Promise.all(this.#outbound.map((lane, index) => lane.send({ kind: 'tun', fds: share(index), features })));
  }

  #segmentationLost(fd: number): void {
    this.#sockets = this.#sockets.map((socket) =>
      socket.fd === fd ? { ...socket, features: { ...socket.features, segmentation: false } } : socket,
    );
  }

  #keepPaths(): PathKeepers {
    return new PathKeepers({
      random: (length) => randomFillSync(new Uint8Array(length)),
      now: () => performance.now(),
      schedule: (milliseconds, run) => {
        const timer = setTimeout(run, milliseconds).unref();
        return () => clearTimeout(timer);
      },
      probe: (spiIn, packet) => void this.#outbound[0].send({ kind: 'probe', spiIn, packet }).catch(() => {}),
      onMtu: (spiIn, mtu) => {
        const child = this.#installed.get(spiIn);
        if (child !== undefined) this.#counters.setPath(child.slot, mtu.inner, mtu.fragmentOutside);
      },
      packetsOut: (spiIn) => this.counters(spiIn)?.packetsOut ?? 0,
    });
  }

  /** What the inbound lane must know of it. */
  #keepPath(child: Installed, way: Way, mtu: number | undefined): { readonly session?: EchoSession } {
    if (mtu === undefined) return {};
    const path = this.#paths.add(way, { spiIn: child.spi, shape: child.shape, configured: mtu });
    this.#counters.setPath(child.slot, path.mtu.inner, path.mtu.fragmentOutside);
    return { session: copyOf(path.session) };
  }

  /** The same, when its packets go another way, and whom to probe through there. */
  #movePath(child: Installed, path: ChildPath): { readonly session?: EchoSession; readonly routes?: readonly EchoRoute[] } {
    if (path.remote.transport === 'tcp') {
      this.#paths.remove(child.spi);
      this.#counters.setPath(child.slot, 0, false);
      return {};
    }
    const way = wayOf(path, path.interfaceMtu);
    const moved = this.#paths.move(child.spi, way);
    // Over TCP nobody kept it.
    if (moved === undefined) return this.#keepPath(child, way, path.mtu);
    this.#counters.setPath(child.slot, moved.mtu.inner, moved.mtu.fragmentOutside);
    return { session: copyOf(moved.session), routes: moved.routes };
  }

  async #all(command: CommandBody): Promise<void> {
    await Promise.all([this.#inbound, ...this.#outbound].map((lane) => lane.send(command)));
  }

  /** One SA for each lane, with keys of its own to wipe. The first lane alone sends keepalives. */
  #outboundChildren(child: LaneChild): readonly LaneChild[] {
    if (this.#outbound.length === 1) return [child];
    const sequence = SharedSequence.memory();
    return this.#outbound.map((_, index) => ({
      ...child,
      keys: index === 0 ? child.keys : { encryption: child.keys.encryption.slice(), integrity: child.keys.integrity.slice() },
      keepalive: child.keepalive && index === 0,
      sequence,
    }));
  }

  /** Every lane finds out. */
  #limit(spiIn: number, which: LimitKind, onLimit: DataplaneOptions['onLimit']): void {
    const child = this.#installed.get(spiIn);
    if (child === undefined || child.retired !== undefined || child.limits.has(which)) return;
    child.limits.add(which);
    onLimit?.(spiIn, which);
  }

  /** Every lane may find out. */
  #trouble(detail: string, onDeviceGone: (detail: string) => void): void {
    if (this.#troubles.has(detail)) return;
    this.#troubles.add(detail);
    onDeviceGone(detail);
  }
}

interface Installed extends FilteredSa {
  remote: Endpoint;
  readonly shape: EspShape;
  readonly slot: number;
  /** Those that were told of. */
  readonly limits: Set<LimitKind>;
  /** Sends no more; takes what comes until then. */
  retired: NodeJS.Timeout | undefined;
  /** What it carried in all, when no lane has it any more. */
  readonly gone: PromiseWithResolvers<ChildCounters>;
  /** Once both lanes have it. Each lane chooses by the same rules in the same process, so they agree. */
  backend: string | undefined;
}

interface AttachedStream extends DataplaneStream {
  readonly attached: Promise<void>;
}

interface AttachedSocket extends DataplaneSocket {
  readonly features: UdpFeatures;
  readonly udp: LinuxUdp;
}

/** One lane's half of a CHILD SA, with copies of everything, so that no array of somebody else's is cloned or transferred. */
function laneChild(child: ChildSa, lane: LaneName, slot: number): LaneChild {
  const keys = lane === 'inbound' ? child.keysIn : child.keysOut;
  const copy = (selectors: ChildSa['localSelectors']): ChildSa['localSelectors'] =>
    selectors.map((selector) => ({ ...selector, start: selector.start.slice(), end: selector.end.slice() }));
  return {
    spiIn: child.spiIn,
    spi: lane === 'inbound' ? child.spiIn : child.spiOut,
    encr: child.encr,
    integ: child.integ,
    esn: child.esn.id === 1,
    keys: { encryption: keys.encryption.slice(), integrity: keys.integrity.slice() },
    localSelectors: copy(child.localSelectors),
    remoteSelectors: copy(child.remoteSelectors),
    remote: { ...child.remote },
    keepalive: child.keepalive,
    mtu: 65_535,
    slot,
    ...(child.limits !== undefined && { limits: child.limits }),
  };
}

function wayOf({ local, remote }: Pick<ChildSa, 'local' | 'remote'>, interfaceMtu: number | undefined): Way {
  return { local: local.address, remote: remote.address, ...(interfaceMtu !== undefined && { interfaceMtu }) };
}

function copyOf({ identifier, token }: EchoSession): EchoSession {
  return { identifier, token: token.slice() };
}

/** Transferred, not cloned: no copy of a key stays in this thread. */
function keyBuffers({ keys }: LaneChild): ArrayBuffer[] {
  return [keys.encryption.buffer, keys.integrity.buffer].filter((buffer) => buffer instanceof ArrayBuffer);
}
