/** An inbound lane on descriptors: what it waits for, and what commands make of it. */
import type { Endpoint } from '../ike/sa/contract.ts';
import { unpackSockaddr } from '../system/linux/sockaddr.ts';
import { LinuxTun } from '../system/linux/tun.ts';
import { hearReports, LinuxUdp } from '../system/linux/udp.ts';
import type { Tun, UdpSocket } from '../system/ports.ts';
import type { DataplaneSocket } from './contract.ts';
import { InboundLane } from './inboundLane.ts';
import { installAndWipe, type LaneLoop, type LaneSetup } from './laneTurns.ts';
import { PathReports } from './pathReports.ts';
import { ReportWatch } from './reportWatch.ts';
import { LaneStreams } from './streams.ts';
import { TunQueues } from './tunQueues.ts';

/** Batches that are read off a socket before it is let go. */
const lastReads = 64;

export function inboundLoop({ backend, counters, replayWindow, report, wake, obeyInstalls, capacity }: LaneSetup): LaneLoop {
  const lane = new InboundLane({
    backend,
    counters,
    window: replayWindow,
    capacity,
    clock: Date.now,
    monotonic: () => performance.now(),
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
  const heard = new PathReports(report);
  /** Reports of some socket are not heard for a while. */
  let deaf = false;
  const streams = new LaneStreams((fd, why) => report({ kind: 'stream-over', fd, why }));
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

function inboundTun(queues: readonly LinuxTun[]): Tun {
  return queues.length === 1 ? queues[0] : new TunQueues(queues);
}
