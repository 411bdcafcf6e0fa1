/** Entry of both threads of the dataplane. It blocks in poll(2) and never returns to an event loop until it is told to stop. */
import { randomFillSync } from 'node:crypto';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { chooseBackend } from '../esp/backends.ts';
import { EventFd, Poller } from '../system/linux/poll.ts';
import { unpackSockaddr } from '../system/linux/sockaddr.ts';
import { LinuxTun } from '../system/linux/tun.ts';
import { LinuxUdp } from '../system/linux/udp.ts';
import type { Command, LaneStart, Report } from './commands.ts';
import type { DataplaneSocket } from './contract.ts';
import { Counters } from './counters.ts';
import { InboundLane } from './inboundLane.ts';
import { OutboundLane } from './outboundLane.ts';

/** What the loop below asks of a lane; the two makers adapt the lanes to descriptors. */
interface LaneLoop {
  /** Descriptors to wait for, in the order `serve` counts them. */
  fds(): number[];
  /** Reads what is at a descriptor; false when there was nothing. */
  serve(index: number): boolean;
  /** Milliseconds, -1 for ever. */
  timeout(): number;
  afterWait(): void;
  /** Why the command cannot be obeyed, or undefined. */
  obey(command: Command): string | undefined;
}

/** Polls in a row in which a descriptor is said to be in error while nothing can be read off it. */
const maxFutile = 100;

const start: LaneStart = workerData;
const wake = EventFd.of(start.wakeFd);
const counters = new Counters(start.counters);
const backend = chooseBackend();
run(start.lane === 'inbound' ? inboundLoop() : outboundLoop());

function run(lane: LaneLoop): void {
  report({ kind: 'ready', backend: backend.name });
  let poller = new Poller([start.wakeFd, ...lane.fds()]);
  let count = lane.fds().length;
  let futile = 0;
  for (;;) {
    poller.wait(lane.timeout());
    lane.afterWait();
    for (let i = 0; i < count; i++) {
      if (!poller.ready(i + 1)) continue;
      if (lane.serve(i)) futile = 0;
      else if (poller.failed(i + 1) && ++futile > maxFutile)
        throw new Error(`a descriptor of the ${start.lane} lane is in error`);
    }
    if (!poller.ready(0)) continue;
    wake.drain();
    if (!obeyAll(lane)) return;
    poller = new Poller([start.wakeFd, ...lane.fds()]);
    count = lane.fds().length;
  }
}

/** False once told to stop. */
function obeyAll(lane: LaneLoop): boolean {
  if (parentPort === null) throw new Error('not a worker thread');
  for (;;) {
    const received: { message: Command } | undefined = receiveMessageOnPort(parentPort);
    if (received === undefined) return true;
    const command = received.message;
    const refused = lane.obey(command);
    report({ kind: 'done', id: command.id, ...(refused === undefined ? {} : { refused }) });
    if (command.kind === 'stop') return false;
  }
}

function inboundLoop(): LaneLoop {
  const lane = new InboundLane({
    backend,
    counters,
    window: start.replayWindow,
    clock: Date.now,
    onIke: (bytes, channel, slot) => {
      const from = unpackSockaddr(slot);
      if (from !== undefined) report({ kind: 'ike', bytes, channel, from }, [bytes.buffer]);
      else counters.ikeTaken();
    },
  });
  let sockets: readonly { readonly udp: LinuxUdp; readonly channel: DataplaneSocket['channel'] }[] = [];
  return {
    fds: () => sockets.map(({ udp }) => udp.fd),
    serve: (index) => lane.receive(sockets[index].udp, sockets[index].channel) > 0,
    timeout: () => -1,
    afterWait: () => {},
    obey(command) {
      switch (command.kind) {
        case 'sockets':
          sockets = [...sockets, ...command.sockets.map(({ fd, channel }) => ({ udp: new LinuxUdp(fd), channel }))];
          return undefined;
        case 'tun':
          lane.tun = new LinuxTun(command.fd);
          return undefined;
        case 'install':
          return installAndWipe(lane, command);
        case 'remove':
          lane.remove(command.spiIn);
          return undefined;
        case 'detach':
        case 'stop':
          lane.clear();
          lane.tun = undefined;
          sockets = [];
          return undefined;
      }
    },
  };
}

function outboundLoop(): LaneLoop {
  const lane = new OutboundLane({
    backend,
    counters,
    random: (length) => randomFillSync(new Uint8Array(length)),
    keepaliveInterval: start.keepaliveInterval,
    clock: Date.now,
    monotonic: () => performance.now(),
  });
  return {
    fds: () => (lane.tun === undefined ? [] : [lane.tun.fd]),
    serve() {
      const count = lane.forward();
      if (count >= 0) return count > 0;
      lane.tun = undefined;
      report({ kind: 'trouble', detail: 'the TUN device is gone' });
      wake.signal(); // so that the loop builds its set of descriptors anew
      return true;
    },
    timeout: () => lane.timeout(),
    afterWait: () => lane.keepAlive(),
    obey(command) {
      switch (command.kind) {
        case 'sockets':
          for (const { fd, channel, family } of command.sockets) {
            if (channel !== 'natt') continue;
            if (family === 4) lane.socket4 = new LinuxUdp(fd);
            else lane.socket6 = new LinuxUdp(fd);
          }
          return undefined;
        case 'tun':
          lane.tun = new LinuxTun(command.fd);
          return undefined;
        case 'install':
          return installAndWipe(lane, command);
        case 'remove':
          lane.remove(command.spiIn);
          return undefined;
        case 'detach':
        case 'stop':
          lane.clear();
          lane.tun = undefined;
          lane.socket4 = undefined;
          lane.socket6 = undefined;
          return undefined;
      }
    },
  };
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
