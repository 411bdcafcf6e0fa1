/** An outbound lane on descriptors: what it waits for, and what commands make of it. */
import { randomFillSync } from 'node:crypto';
import { waitWritable } from '../system/linux/poll.ts';
import { LinuxTun } from '../system/linux/tun.ts';
import { LinuxUdp } from '../system/linux/udp.ts';
import type { UdpSocket } from '../system/ports.ts';
import type { DataplaneSocket } from './contract.ts';
import { installAndWipe, type LaneLoop, type LaneSetup } from './laneTurns.ts';
import { OutboundLane } from './outboundLane.ts';
import { PathReports } from './pathReports.ts';
import { LaneStreams } from './streams.ts';

/** Milliseconds a lane waits for room in a socket's queue before it gives up what it wanted to send. */
const maxWaitForRoom = 20;

export function outboundLoop({ backend, counters, keepaliveInterval, report, wake }: LaneSetup): LaneLoop {
  const heard = new PathReports(report);
  // The inbound lane tells when one is over.
  const streams = new LaneStreams(() => {});
  const lane: OutboundLane = new OutboundLane({
    backend,
    counters,
    random: (length) => randomFillSync(new Uint8Array(length)),
    keepaliveInterval,
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
    served() {
      lane.sendRest();
      // Behind the packets, which then need not wait for it.
      lane.keepAlive();
    },
    timeout() {
      const flush = streams.timeout();
      const keepalive = lane.timeout();
      return flush < 0 || (keepalive >= 0 && keepalive < flush) ? keepalive : flush;
    },
    afterWait: () => streams.flush(),
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
