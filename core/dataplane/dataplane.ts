/** The main thread's side of the dataplane: starts the two lanes once and hands them descriptors and SAs. */
import { Worker } from 'node:worker_threads';
import type { Channel, ChildSa, Endpoint } from '../ike/sa/contract.ts';
import { EventFd } from '../system/linux/poll.ts';
import { packSockaddr } from '../system/linux/sockaddr.ts';
import { LinuxUdp } from '../system/linux/udp.ts';
import { append, newBatch } from './batch.ts';
import type { Command, LaneChild, LaneStart, Report } from './commands.ts';
import type { ChildCounters, ChildOptions, Dataplane, DataplaneOptions, DataplaneSocket, GlobalDrop } from './contract.ts';
import { Counters, type LaneName, maxChildren } from './counters.ts';

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
  readonly #counters = new Counters();
  readonly #inbound: LaneThread;
  readonly #outbound: LaneThread;
  /** Counter slots of the installed SAs, by inbound SPI. */
  readonly #slots = new Map<number, number>();
  readonly #freeSlots = Array.from({ length: maxChildren }, (_, i) => maxChildren - 1 - i);
  #sockets: readonly { readonly udp: LinuxUdp; readonly channel: Channel; readonly family: 4 | 6 }[] = [];
  readonly #message = newBatch(1, maxDatagram, 0);

  constructor(options: DataplaneOptions) {
    const { onIke, onFailure, keepaliveInterval = defaultKeepalive, replayWindow = defaultWindow } = options;
    append(this.#message, 0, 0);
    const common = { counters: this.#counters.shared, keepaliveInterval, replayWindow };
    const onReport = (report: Report): void => {
      if (report.kind === 'trouble') onFailure(report.detail);
      if (report.kind !== 'ike') return;
      this.#counters.ikeTaken();
      if (this.#sockets.length === 0) return; // it was under way when the sockets were let go
      onIke({ bytes: report.bytes, channel: report.channel, from: report.from });
    };
    this.#inbound = new LaneThread('inbound', common, onReport, onFailure);
    this.#outbound = new LaneThread('outbound', common, onReport, onFailure);
  }

  async started(): Promise<void> {
    await Promise.all([this.#inbound.ready, this.#outbound.ready]);
  }

  async attachSockets(sockets: readonly DataplaneSocket[]): Promise<void> {
    const plain = sockets.map(({ fd, channel, family }) => ({ fd, channel, family }));
    this.#sockets = [...this.#sockets, ...plain.map(({ fd, channel, family }) => ({ udp: new LinuxUdp(fd), channel, family }))];
    await this.#both({ kind: 'sockets', sockets: plain });
  }

  sendIke(channel: Channel, to: Endpoint, bytes: Uint8Array): boolean {
    const family = to.address.includes(':') ? 6 : 4;
    const socket = this.#sockets.find((candidate) => candidate.channel === channel && candidate.family === family);
    const sockaddr = packSockaddr(to);
    const marker = channel === 'natt' ? 4 : 0; // RFC 3948 §2.2: four zero octets
    if (socket === undefined || sockaddr === undefined || bytes.length + marker > maxDatagram) return false;
    this.#message.buffer.fill(0, 0, marker);
    this.#message.buffer.set(bytes, marker);
    this.#message.length[0] = bytes.length + marker;
    return socket.udp.sendBatch(this.#message, sockaddr) === 1;
  }

  async attachTun(fd: number): Promise<void> {
    await this.#both({ kind: 'tun', fd });
  }

  async installChild(child: ChildSa, options: ChildOptions = {}): Promise<void> {
    const { spiIn } = child;
    if (this.#slots.has(spiIn)) throw new Error(`an SA with inbound SPI ${spiIn.toString(16)} is installed already`);
    const slot = this.#freeSlots.pop();
    if (slot === undefined) throw new Error(`more than ${maxChildren} SAs`);
    this.#counters.clear(slot);
    this.#slots.set(spiIn, slot);
    const inbound = laneChild(child, 'inbound', slot);
    const outbound = { ...laneChild(child, 'outbound', slot), ...options };
    for (const keys of [child.keysIn, child.keysOut]) {
      keys.encryption.fill(0);
      keys.integrity.fill(0);
    }
    try {
      await this.#inbound.send({ kind: 'install', child: inbound }, keyBuffers(inbound));
      await this.#outbound.send({ kind: 'install', child: outbound }, keyBuffers(outbound));
    } catch (error) {
      await this.removeChild(spiIn);
      throw error;
    }
  }

  async removeChild(spiIn: number): Promise<void> {
    const slot = this.#slots.get(spiIn);
    if (slot === undefined) return;
    this.#slots.delete(spiIn);
    await this.#both({ kind: 'remove', spiIn });
    this.#freeSlots.push(slot);
  }

  counters(spiIn: number): ChildCounters | undefined {
    const slot = this.#slots.get(spiIn);
    return slot === undefined ? undefined : this.#counters.child(slot);
  }

  globalCounters(): Readonly<Record<GlobalDrop, number>> {
    return this.#counters.global();
  }

  backend(): string {
    return this.#inbound.backend;
  }

  async detach(): Promise<void> {
    const released = [...this.#slots.values()];
    this.#slots.clear();
    this.#sockets = [];
    await this.#both({ kind: 'detach' });
    this.#freeSlots.push(...released);
  }

  async stop(): Promise<void> {
    this.#sockets = [];
    this.#slots.clear();
    await Promise.all([this.#inbound.stop(), this.#outbound.stop()]);
  }

  async #both(command: CommandBody): Promise<void> {
    await Promise.all([this.#inbound.send(command), this.#outbound.send(command)]);
  }
}

type CommandBody = Command extends infer C ? (C extends Command ? Omit<C, 'id'> : never) : never;

/** One thread with its eventfd and the commands it has not answered yet. */
class LaneThread {
  /** Resolves when the self-test passed. */
  readonly ready: Promise<void>;
  backend = '';
  readonly #lane: LaneName;
  readonly #wake = EventFd.create();
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  readonly #pending = new Map<number, { readonly resolve: () => void; readonly reject: (error: Error) => void }>();
  #nextId = 1;
  #stopping = false;
  #dead: string | undefined;

  constructor(
    lane: LaneName,
    common: Omit<LaneStart, 'lane' | 'wakeFd'>,
    onReport: (report: Report) => void,
    onFailure: (detail: string) => void,
  ) {
    this.#lane = lane;
    const workerData: LaneStart = { ...common, lane, wakeFd: this.#wake.fd };
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData, name: `sallyport ${lane}` });
    const start = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    this.ready = start.promise;
    this.#ended = end.promise;
    let isReady = false;
    this.#worker.on('message', (report: Report) => {
      if (report.kind === 'ready') {
        isReady = true;
        this.backend = report.backend;
        start.resolve();
      } else if (report.kind === 'done') this.#answer(report.id, report.refused);
      else onReport(report);
    });
    this.#worker.on('error', (error: unknown) => {
      this.#dead = `${lane} lane: ${error instanceof Error ? error.message : String(error)}`;
    });
    this.#worker.on('exit', (code) => {
      this.#dead ??= `${lane} lane: ended with ${code}`;
      const gone = new Error(this.#dead);
      for (const { reject } of this.#pending.values()) reject(gone);
      this.#pending.clear();
      start.reject(gone);
      this.#wake.close();
      end.resolve();
      if (isReady && !this.#stopping) onFailure(this.#dead);
    });
    this.ready.catch(() => {}); // whoever awaits it is told; nobody has to
  }

  /** Resolves when the lane has obeyed; rejects when it cannot or has ended. */
  send(command: CommandBody, transfer: ArrayBuffer[] = []): Promise<void> {
    if (this.#dead !== undefined) return Promise.reject(new Error(this.#dead));
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#pending.set(id, { resolve, reject });
    this.#worker.postMessage({ ...command, id }, transfer);
    this.#wake.signal();
    return promise;
  }

  /** The thread ends by itself: `terminate` would wait for a poll that nobody wakes. */
  async stop(): Promise<void> {
    if (!this.#stopping && this.#dead === undefined) {
      this.#stopping = true;
      await this.send({ kind: 'stop' }).catch(() => {});
    }
    await this.#ended;
  }

  #answer(id: number, refused: string | undefined): void {
    const waiting = this.#pending.get(id);
    this.#pending.delete(id);
    if (refused === undefined) waiting?.resolve();
    else waiting?.reject(new Error(`${this.#lane} lane: ${refused}`));
  }
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
    remote: { address: child.remote.address, port: child.remote.port },
    keepalive: child.keepalive,
    slot,
  };
}

/** Transferred, not cloned: no copy of a key stays in this thread. */
function keyBuffers({ keys }: LaneChild): ArrayBuffer[] {
  return [keys.encryption.buffer, keys.integrity.buffer].filter((buffer) => buffer instanceof ArrayBuffer);
}
