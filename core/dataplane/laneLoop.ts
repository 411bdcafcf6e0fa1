/** What all threads of the dataplane do: they block in poll(2) and never return to an event loop until they are told to stop. */
import { randomFillSync } from 'node:crypto';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { EspBackend, EspCipher } from '../crypto/espCipher.ts';
import type { BackendChoice } from '../esp/backends.ts';
import type { Endpoint } from '../ike/sa/contract.ts';
import { EventFd, Poller, setTimerSlack, sleepMicroseconds, waitWritable } from '../system/linux/poll.ts';
import { unpackSockaddr } from '../system/linux/sockaddr.ts';
import { LinuxTun } from '../system/linux/tun.ts';
import { hearReports, LinuxUdp } from '../system/linux/udp.ts';
import { lesserMtu } from '../system/linux/udpVectors.ts';
import type { Tun, UdpSocket } from '../system/ports.ts';
import type { Command, LaneStart, Report } from './commands.ts';
import type { DataplaneSocket } from './contract.ts';
import { Counters } from './counters.ts';
import { InboundLane } from './inboundLane.ts';
import { Moderation } from './moderation.ts';
import { OutboundLane } from './outboundLane.ts';
import { ReportWatch } from './reportWatch.ts';
import { LaneStreams } from './streams.ts';
import { TunQueues } from './tunQueues.ts';

/** What the loop below asks of a lane; the two makers adapt the lanes to descriptors. */
interface LaneLoop {
  /** Descriptors to wait for, in the order `serve` counts them. */
  fds(): number[];
  /** Reads what is at a descriptor, and in its error queue when `reported`; false when there was nothing to read. */
  serve(index: number, reported: boolean): boolean;
  /** All that were ready had their turn. */
  served(): void;
  /** Packets found since this was asked last. */
  found(): number;
  /** Milliseconds, -1 for ever. */
  timeout(): number;
  afterWait(): void;
  /** Why the command cannot be obeyed, or undefined. */
  obey(command: Command): string | undefined;
}

/** Polls in a row in which a descriptor is said to be closed while nothing can be read off it. */
const maxFutile = 100;

/** Nanoseconds: a lane that waits for packets to gather means microseconds. */
const timerSlack = 10_000;

/** Milliseconds between two reports of the path's MTU. */
const reportInterval = 250;

/** Addresses in one report of the path's MTU. */
const mostRemotes = 64;

/** Batches that are read off a socket before it is let go. */
const lastReads = 64;

/** Milliseconds a lane waits for room in a socket's queue before it gives up what it wanted to send. */
const maxWaitForRoom = 20;

const start: LaneStart = workerData;
const wake = EventFd.of(start.wakeFd);
const posted = new Int32Array(start.posted);
const counters = new Counters(start.counters, start.index);

/** Serves until the command to stop comes. */
export function runLane({ backend, tried = [] }: Pick<BackendChoice, 'backend'> & Partial<BackendChoice>): void {
  report({ kind: 'ready', backend: backend.name, tried });
  const noted: EspBackend = { name: backend.name, cipher: (suite, keys) => noteMaker(backend.cipher(suite, keys)) };
  run(start.lane === 'inbound' ? inboundLoop(noted) : outboundLoop(noted));
}

/** Who made the last cipher: several backends share the suites (core/esp/backends.ts). */
let lastMaker: string | undefined;

function noteMaker(cipher: EspCipher | undefined): EspCipher | undefined {
  lastMaker = cipher?.backend;
  return cipher;
}

function run(lane: LaneLoop): void {
  let poller = new Poller([start.wakeFd, ...lane.fds()]);
  let count = lane.fds().length;
  let futile = 0;
  const moderation = new Moderation();
  setTimerSlack(timerSlack);
  for (;;) {
    poller.wait(lane.timeout());
    lane.afterWait();
    for (let i = 0; i < count; i++) {
      if (!poller.ready(i + 1)) continue;
      if (lane.serve(i, poller.reported(i + 1))) futile = 0;
      else if (poller.failed(i + 1) && ++futile > maxFutile)
        throw new Error(`a descriptor of the ${start.lane} lane is not open any more`);
    }
    lane.served();
    if (!poller.ready(0)) {
      const pause = moderation.pauseAfter(lane.found(), performance.now());
      if (pause > 0) sleepMicroseconds(pause);
      continue;
    }
    wake.drain();
    if (!obeyAll(lane)) return;
    poller = new Poller([start.wakeFd, ...lane.fds()]);
    count = lane.fds().length;
  }
}

/** Commands that were taken, and what `obeyInstalls` put off. */
let taken = 0;
let putOff: readonly Command[] = [];

/** False once told to stop. */
function obeyAll(lane: LaneLoop): boolean {
  const waiting = putOff;
  putOff = [];
  for (const command of waiting) if (!obey(lane, command)) return false;
  for (;;) {
    const command = nextCommand();
    if (command === undefined) return true;
    if (!obey(lane, command)) return false;
  }
}

/**
 * In the middle of a batch: SAs that wait to be installed, since what the lane reads may be theirs already. All other commands have time
 * until the batch is done; behind the end of a connection nothing of it is installed. True when there was one.
 */
function obeyInstalls(lane: LaneLoop): boolean {
  let installed = false;
  while (Atomics.load(posted, 0) !== taken) {
    const command = nextCommand();
    if (command === undefined) break;
    const over = putOff.some(({ kind }) => kind === 'detach' || kind === 'stop');
    if (command.kind === 'install' && !over) {
      obey(lane, command);
      installed = true;
    } else putOff = [...putOff, command];
  }
  return installed;
}

function nextCommand(): Command | undefined {
  if (parentPort === null) throw new Error('not a worker thread');
  const received: { message: Command } | undefined = receiveMessageOnPort(parentPort);
  if (received !== undefined) taken = (taken + 1) | 0;
  return received?.message;
}

function obey(lane: LaneLoop, command: Command): boolean {
  const refused = lane.obey(command);
  const made = command.kind === 'install' && refused === undefined ? lastMaker : undefined;
  report({
    kind: 'done',
    id: command.id,
    ...(refused !== undefined && { refused }),
    ...(made !== undefined && { backend: made }),
  });
  return command.kind !== 'stop';
}

function inboundLoop(backend: EspBackend): LaneLoop {
  const lane = new InboundLane({
    backend,
    counters,
    window: start.replayWindow,
    clock: Date.now,
    onFlood: (flood) => report({ kind: 'flood', ...flood }),
    onEcho: (spiIn, packet) => report({ kind: 'echo', spiIn, packet }, [packet.buffer]),
    onLimit: (spiIn, which) => report({ kind: 'limit', spiIn, which }),
    onUnknown: () => obeyInstalls(loop),
    onIke: (bytes, channel, slot) => {
      const from = readingStream ?? unpackSockaddr(slot);
      if (from !== undefined) report({ kind: 'ike', bytes, channel, from }, [bytes.buffer]);
      else counters.ikeTaken(bytes.length);
    },
  });
  let sockets: readonly (Pick<DataplaneSocket, 'channel' | 'family'> & {
    readonly udp: LinuxUdp;
    readonly watch: ReportWatch;
  })[] = [];
  const heard = new PathReports();
  /** Reports of some socket are not heard for a while. */
  let deaf = false;
  const streams = new LaneStreams(streamOver);
  /** Those that are waited for. */
  let waited: readonly number[] = [];
  /** The other end of the connection that is being read. */
  let readingStream: Endpoint | undefined;
  const judge = {
    receive: (stream: UdpSocket) => lane.receive(stream, 'natt'),
    get genuine() {
      return lane.genuine;
    },
    get astray() {
      return lane.astray;
    },
  };
  const loop: LaneLoop = {
    fds() {
      waited = streams.fds;
      return [...sockets.map(({ udp }) => udp.fd), ...waited];
    },
    serve(index, reported) {
      if (index >= sockets.length) {
        const fd = waited[index - sockets.length];
        readingStream = streams.peerOf(fd);
        if (!streams.read(fd, judge)) wake.signal(); // so that the loop builds its set of descriptors anew
        readingStream = undefined;
        return true;
      }
      const { udp, channel, family, watch } = sockets[index];
      const received = lane.receive(udp, channel) > 0;
      // Woken by a report of the network (ICMP): it must be taken off the queue, or the next wait ends at once.
      if (reported || !received) {
        const { reports } = udp;
        heard.take(udp);
        if (watch.took(udp.reports - reports, performance.now())) {
          hearReports(udp.fd, family, false);
          deaf = true;
        }
      }
      return received;
    },
    found: () => lane.takeFound(),
    served: () => {},
    timeout() {
      if (!deaf) return -1;
      const left = Math.min(...sockets.map(({ watch }) => watch.left(performance.now())));
      return left === Number.POSITIVE_INFINITY ? -1 : Math.ceil(left);
    },
    afterWait() {
      if (!deaf) return;
      const now = performance.now();
      for (const { udp, family, watch } of sockets) if (watch.takeOver(now)) hearReports(udp.fd, family, true);
      deaf = sockets.some(({ watch }) => watch.left(now) < Number.POSITIVE_INFINITY);
    },
    obey(command) {
      switch (command.kind) {
        case 'stream':
        case 'release-stream':
          streams.obey(command);
          return undefined;
        case 'say':
          return 'outbound only';
        case 'sockets':
          sockets = [
            ...sockets,
            ...command.sockets.map(({ fd, channel, family, features }) => {
              return { udp: new LinuxUdp(fd, features), channel, family, watch: new ReportWatch() };
            }),
          ];
          return undefined;
        case 'tun':
          lane.tun = inboundTun(command.fds.map((fd) => new LinuxTun(fd, command.features)));
          return undefined;
        case 'install':
          return installAndWipe(lane, command);
        case 'remove':
          lane.remove(command.spiIn);
          return undefined;
        case 'path':
          lane.changePath(command.spiIn, command.session);
          return undefined;
        case 'release':
          for (const { udp, channel } of sockets) {
            if (!command.fds.includes(udp.fd)) continue;
            for (let reads = 0; reads < lastReads && lane.receive(udp, channel) > 0; reads++); // what is there already is not lost
          }
          sockets = sockets.filter(({ udp }) => !command.fds.includes(udp.fd));
          return undefined;
        case 'probe':
          return 'outbound only';
        case 'detach':
        case 'stop':
          lane.clear();
          lane.tun = undefined;
          sockets = [];
          streams.clear();
          return undefined;
      }
    },
  };
  return loop;
}

function outboundLoop(backend: EspBackend): LaneLoop {
  const heard = new PathReports();
  // The inbound lane tells when one is over.
  const streams = new LaneStreams(() => {});
  const lane: OutboundLane = new OutboundLane({
    backend,
    counters,
    random: (length) => randomFillSync(new Uint8Array(length)),
    keepaliveInterval: start.keepaliveInterval,
    clock: Date.now,
    monotonic: () => performance.now(),
    awaitRoom: ({ fd }) => waitWritable(fd, maxWaitForRoom),
    streamTo: (peer) => streams.to(peer),
    onTooLong: (socket) => heard.take(socket),
    onDoubt: (spiIn, silent) => report({ kind: 'doubt', spiIn, silent }),
    onLimit: (spiIn, which) => report({ kind: 'limit', spiIn, which }),
  });
  /** Those for ESP, the newest of each family last: that one sends. */
  let carriers: readonly (Pick<DataplaneSocket, 'family'> & { readonly udp: LinuxUdp })[] = [];
  const choose = (): void => {
    lane.socket4 = carriers.findLast(({ family }) => family === 4)?.udp;
    lane.socket6 = carriers.findLast(({ family }) => family === 6)?.udp;
  };
  /** Those that send runs in one call, until one of them turns out not to. */
  let segmenting: readonly (UdpSocket & { readonly fd: number })[] = [];
  const watchSegmentation = (): void => {
    for (const socket of segmenting) {
      if (socket.features.segmentation) continue;
      segmenting = segmenting.filter((other) => other !== socket);
      report({ kind: 'segmentation-lost', fd: socket.fd });
    }
  };
  let queues: readonly LinuxTun[] = [];
  return {
    fds: () => queues.map(({ fd }) => fd),
    serve(index) {
      lane.tun = queues[index];
      const count = lane.forward(queues.length > 1);
      watchSegmentation();
      if (count >= 0) return count > 0;
      queues = [];
      report({ kind: 'trouble', detail: 'the TUN device is gone' });
      wake.signal(); // so that the loop builds its set of descriptors anew
      return true;
    },
    found: () => lane.takeFound(),
    served: () => lane.sendRest(),
    timeout() {
      const flush = streams.timeout();
      const keepalive = lane.timeout();
      return flush < 0 || (keepalive >= 0 && keepalive < flush) ? keepalive : flush;
    },
    afterWait() {
      streams.flush();
      lane.keepAlive();
    },
    obey(command) {
      switch (command.kind) {
        case 'stream':
        case 'release-stream':
        case 'say':
          streams.obey(command);
          return undefined;
        case 'sockets':
          for (const { fd, channel, family, features } of command.sockets) {
            if (channel !== 'natt') continue;
            const udp = new LinuxUdp(fd, features);
            carriers = [...carriers, { family, udp }];
            if (features.segmentation) segmenting = [...segmenting, udp];
          }
          choose();
          return undefined;
        case 'path':
          return lane.changePath(command.spiIn, command.remote, command.keepalive);
        case 'release':
          carriers = carriers.filter(({ udp }) => !command.fds.includes(udp.fd));
          segmenting = segmenting.filter(({ fd }) => !command.fds.includes(fd));
          choose();
          return undefined;
        case 'tun':
          queues = command.fds.map((fd) => new LinuxTun(fd, command.features));
          return undefined;
        case 'install':
          return installAndWipe(lane, command);
        case 'remove':
          lane.remove(command.spiIn);
          return undefined;
        case 'probe':
          lane.probe(command.spiIn, command.packet);
          return undefined;
        case 'detach':
        case 'stop':
          lane.clear();
          lane.tun = undefined;
          queues = [];
          carriers = [];
          choose();
          segmenting = [];
          streams.clear();
          return undefined;
      }
    },
  };
}

function streamOver(fd: number, why: string): void {
  report({ kind: 'stream-over', fd, why });
}

function inboundTun(queues: readonly LinuxTun[]): Tun {
  return queues.length === 1 ? queues[0] : new TunQueues(queues);
}

/** What the network says of the path, on its way to the main thread: the least of what is new, a few times a second at most. */
class PathReports {
  readonly #least = new Map<string, number>();
  #then = Number.NEGATIVE_INFINITY;

  /** Empties the error queue of the socket. What is held back goes with the next report: one that holds comes again. */
  take(socket: UdpSocket): void {
    for (const [remote, mtu] of socket.reportedMtus()) {
      const held = this.#least.get(remote);
      // Whoever forges them has any number of addresses; those that we talk to are few.
      if (held !== undefined || this.#least.size < mostRemotes) this.#least.set(remote, lesserMtu(held, mtu));
    }
    const now = performance.now();
    if (this.#least.size === 0 || now - this.#then < reportInterval) return;
    this.#then = now;
    for (const [remote, mtu] of this.#least) report({ kind: 'path-mtu', remote, mtu });
    this.#least.clear();
  }
}

/** The cipher has copied the keys; what the message brought is overwritten. */
function installAndWipe(lane: InboundLane | OutboundLane, { child }: Command & { readonly kind: 'install' }): string | undefined {
  const refused = lane.install(child);
  child.keys.encryption.fill(0);
  child.keys.integrity.fill(0);
  return refused;
}

function report(message: Report, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}
