/**
 * Packets through a lane of this thread before any real one: code that has never run takes ten times as long, and the first thousands of
 * packets of an idle tunnel would feel it (a ping 0.3 ms more). The lane is made as the real one will be, waits in the same turns and
 * obeys the same commands; at its other end is a lane of the other direction, and between them are real descriptors, a socket of the
 * loopback device and one end of a pair in place of the TUN. It is a self-test as well: what goes in must come out.
 *
 * What the compiler has seen of one object only it takes for granted, and throws its code away when the real one comes. So a few packets
 * pass a first lane, and then all others a second one; and they are of several kinds.
 */
import { equalBytes } from '../bytes/bytes.ts';
import type { EspBackend } from '../crypto/espCipher.ts';
import { packetMemory } from '../ip/simdMemory.ts';
import { virtioHeaderBytes } from '../ip/virtio.ts';
import { Loopback } from '../system/linux/loopback.ts';
import { EventFd } from '../system/linux/poll.ts';
import { packSockaddr } from '../system/linux/sockaddr.ts';
import type { LaneChild } from './commands.ts';
import { Counters, type LaneName } from './counters.ts';
import { datagramBatch } from './datagrams.ts';
import { InboundLane } from './inboundLane.ts';
import { inboundLoop } from './inboundLoop.ts';
import type { CommandBody } from './laneThread.ts';
import { type LaneSetup, LaneTurns } from './laneTurns.ts';
import { OutboundLane } from './outboundLane.ts';
import { outboundLoop } from './outboundLoop.ts';
import { ikeMessage, longestPacket, packets, warmUpChild } from './warmUpTraffic.ts';

/** Packets of the first lane, and of the second. */
const rounds = [100, 4_000] as const;
/** Milliseconds that a datagram may take to come back to the socket it left: a loopback device that is down, or behind a filter, loses it. */
const patience = 100;
const maxStrangers = 16;
const keepaliveInterval = 20_000;
/** Octets for one packet and its header. */
const room = longestPacket + virtioHeaderBytes;

/**
 * Throws when a packet does not come out as it went in. Nothing is left of it but compiled code. False on a machine without a loopback
 * device of use: then the first packets are slower, and that is all.
 */
export function warmUp(backend: EspBackend, direction: LaneName): boolean {
  const wake = EventFd.create();
  try {
    return rounds.every((count, variant) => {
      const loopback = Loopback.open();
      if (loopback === undefined) return false;
      try {
        return pass({ backend, direction, loopback, wake, count, variant });
      } finally {
        loopback.close();
      }
    });
  } finally {
    wake.close();
  }
}

interface Pass {
  readonly backend: EspBackend;
  readonly direction: LaneName;
  readonly loopback: Loopback;
  readonly wake: EventFd;
  readonly count: number;
  readonly variant: number;
}

function pass({ backend, direction, loopback, wake, count, variant }: Pass): boolean {
  const { tun, host, udp, endpoint } = loopback;
  const setup: LaneSetup = {
    ...{ backend, wake, keepaliveInterval, counters: new Counters(), replayWindow: 1024, capacity: 1 },
    ...{ report: () => {}, obeyInstalls: () => false },
  };
  const sends = direction === 'outbound';
  const lane = sends ? outboundLoop(setup) : inboundLoop(setup);
  const other = sends ? receiver(backend, loopback) : sender(backend, loopback);
  const turns = new LaneTurns(lane, wake.fd, () => {});
  // As it comes from the main thread: to the compiler an object that was cloned is of another kind.
  const obey = (body: CommandBody): void => {
    wake.signal();
    turns.turn();
    wake.drain();
    const refused = lane.obey(structuredClone({ ...body, id: 0 }));
    if (refused !== undefined) throw new Error(`the lanes do not start: ${refused}`);
    turns.renew();
  };
  const child = (end: 'first' | 'second'): LaneChild => warmUpChild(endpoint, end, variant);
  const memory = packetMemory(2 * room);
  const write = (packet: Uint8Array): void => {
    memory.bytes.fill(0, 0, virtioHeaderBytes);
    memory.bytes.set(packet, virtioHeaderBytes);
    host.write(memory, { offset: Uint32Array.of(0), length: Uint32Array.of(virtioHeaderBytes + packet.length), count: 1 });
  };
  const say = (): void => {
    const sockaddr = packSockaddr(endpoint);
    const batch = datagramBatch(1);
    memory.bytes.set(ikeMessage);
    batch.length[0] = ikeMessage.length;
    batch.count = 1;
    if (sockaddr !== undefined) udp.send(memory, batch, sockaddr);
  };
  obey({ kind: 'tun', fds: [tun.fd], features: tun.features });
  obey({ kind: 'sockets', sockets: [{ fd: udp.fd, channel: 'natt', family: 4, features: udp.features }] });
  // What comes before there is an SA: the host says hello to its new network, and the peer speaks IKE.
  if (sends) write(packets[0]);
  else say();
  if (!loopback.await(sends ? 'tun' : 'udp', patience)) return false;
  turns.turn();
  const own = child(sends ? 'first' : 'second');
  obey({ kind: 'install', child: own });
  other.install(child(sends ? 'second' : 'first'));
  for (let round = 0; round < count; round++) {
    const packet = packets[round % packets.length];
    write(packet);
    if (sends) turns.turn();
    else other.serve();
    // Anybody on this machine may send to the socket too; what they send is dropped as it would be later.
    let length = 0;
    for (let strangers = 0; length === 0; strangers++) {
      if (strangers === maxStrangers || !loopback.await('udp', patience)) return false;
      if (sends) other.serve();
      else turns.turn();
      length = host.read(memory, room, room);
    }
    const out = memory.bytes.subarray(room + virtioHeaderBytes, room + length);
    if (!equalBytes(out, packet)) throw new Error('the lanes spoil packets');
  }
  obey({ kind: 'remove', spiIn: own.spiIn });
  other.remove(own.spiIn);
  return true;
}

/** The other end of the lane that is warmed. */
interface Other {
  install(child: LaneChild): void;
  remove(spiIn: number): void;
  /** Takes one packet that is there from the TUN, or from the socket. */
  serve(): void;
}

function sender(backend: EspBackend, { tun, udp }: Loopback): Other {
  const lane = new OutboundLane({
    ...{ backend, keepaliveInterval, counters: new Counters(), random: (length) => new Uint8Array(length) },
    ...{ clock: Date.now, monotonic: () => performance.now() },
  });
  lane.tun = tun;
  lane.socket4 = udp;
  return {
    install: (child) => void lane.install(child),
    remove: (spiIn) => lane.remove(spiIn),
    serve: () => void lane.forward(),
  };
}

function receiver(backend: EspBackend, { tun, udp }: Loopback): Other {
  const lane = new InboundLane({ backend, counters: new Counters(), window: 64, clock: Date.now, onIke: () => {}, capacity: 1 });
  lane.tun = tun;
  return {
    install: (child) => void lane.install(child),
    remove: (spiIn) => lane.remove(spiIn),
    serve: () => void lane.receive(udp, 'natt'),
  };
}
