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
import { type LaneLoop, type LaneSetup, LaneTurns } from './laneTurns.ts';
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
        const scene = new Scene({ backend, direction, loopback, wake, variant });
        if (!scene.begin()) return false;
        for (let round = 0; round < count; round++) if (!scene.carry(packets[round % packets.length])) return false;
        scene.end();
        return true;
      } finally {
        loopback.close();
      }
    });
  } finally {
    wake.close();
  }
}

interface SceneOptions {
  readonly backend: EspBackend;
  readonly direction: LaneName;
  readonly loopback: Loopback;
  readonly wake: EventFd;
  readonly variant: number;
}

/** A lane with its host, its network and its peer. */
class Scene {
  readonly #loopback: Loopback;
  readonly #wake: EventFd;
  readonly #sends: boolean;
  readonly #lane: LaneLoop;
  readonly #turns: LaneTurns;
  readonly #peer: Peer;
  /** What goes in, and behind it what comes out. */
  readonly #memory = packetMemory(2 * room);
  readonly #children: { readonly own: LaneChild; readonly peers: LaneChild };

  constructor({ backend, direction, loopback, wake, variant }: SceneOptions) {
    const setup: LaneSetup = {
      ...{ backend, wake, keepaliveInterval, counters: new Counters(), replayWindow: 1024, capacity: 1 },
      ...{ report: () => {}, obeyInstalls: () => false },
    };
    this.#loopback = loopback;
    this.#wake = wake;
    this.#sends = direction === 'outbound';
    this.#lane = this.#sends ? outboundLoop(setup) : inboundLoop(setup);
    this.#turns = new LaneTurns(this.#lane, wake.fd, () => {});
    this.#peer = this.#sends ? receiver(backend, loopback) : sender(backend, loopback);
    const [first, second] = (['first', 'second'] as const).map((end) => warmUpChild(loopback.endpoint, end, variant));
    this.#children = this.#sends ? { own: first, peers: second } : { own: second, peers: first };
  }

  /** False when the loopback device carries nothing. */
  begin(): boolean {
    const { tun, udp } = this.#loopback;
    this.#obey({ kind: 'tun', fds: [tun.fd], features: tun.features });
    this.#obey({ kind: 'sockets', sockets: [{ fd: udp.fd, channel: 'natt', family: 4, features: udp.features }] });
    // What comes before there is an SA: the host says hello to its new network, and the peer speaks IKE.
    if (this.#sends) this.#write(packets[0]);
    else this.#sayIke();
    if (!this.#loopback.await(this.#sends ? 'tun' : 'udp', patience)) return false;
    this.#turns.turn();
    this.#obey({ kind: 'install', child: this.#children.own });
    this.#peer.install(this.#children.peers);
    return true;
  }

  /** False as above. */
  carry(packet: Uint8Array): boolean {
    this.#write(packet);
    if (this.#sends) this.#turns.turn();
    else this.#peer.serve();
    // Anybody on this machine may send to the socket too; what they send is dropped as it would be later.
    let length = 0;
    for (let strangers = 0; length === 0; strangers++) {
      if (strangers === maxStrangers || !this.#loopback.await('udp', patience)) return false;
      if (this.#sends) this.#peer.serve();
      else this.#turns.turn();
      length = this.#loopback.host.read(this.#memory, room, room);
    }
    const out = this.#memory.bytes.subarray(room + virtioHeaderBytes, room + length);
    if (!equalBytes(out, packet)) throw new Error('the lanes spoil packets');
    return true;
  }

  end(): void {
    this.#obey({ kind: 'remove', spiIn: this.#children.own.spiIn });
    this.#peer.remove(this.#children.peers.spiIn);
  }

  /** As it comes from the main thread: to the compiler an object that was cloned is of another kind. */
  #obey(body: CommandBody): void {
    this.#wake.signal();
    this.#turns.turn();
    this.#wake.drain();
    const refused = this.#lane.obey(structuredClone({ ...body, id: 0 }));
    if (refused !== undefined) throw new Error(`the lanes do not start: ${refused}`);
    this.#turns.renew();
  }

  /** By the host, into the TUN. */
  #write(packet: Uint8Array): void {
    const memory = this.#memory;
    const length = virtioHeaderBytes + packet.length;
    memory.bytes.fill(0, 0, virtioHeaderBytes);
    memory.bytes.set(packet, virtioHeaderBytes);
    this.#loopback.host.write(memory, { offset: Uint32Array.of(0), length: Uint32Array.of(length), count: 1 });
  }

  #sayIke(): void {
    const sockaddr = packSockaddr(this.#loopback.endpoint);
    const batch = datagramBatch(1);
    this.#memory.bytes.set(ikeMessage);
    batch.length[0] = ikeMessage.length;
    batch.count = 1;
    if (sockaddr !== undefined) this.#loopback.udp.send(this.#memory, batch, sockaddr);
  }
}

const clocks = { clock: Date.now, monotonic: () => performance.now() };

/** A lane of the other direction, without turns. */
interface Peer {
  install(child: LaneChild): void;
  remove(spiIn: number): void;
  /** Takes one packet that is there from the TUN, or from the socket. */
  serve(): void;
}

function sender(backend: EspBackend, { tun, udp }: Loopback): Peer {
  const lane = new OutboundLane({
    ...{ backend, keepaliveInterval, counters: new Counters(), random: (length) => new Uint8Array(length) },
    ...clocks,
  });
  lane.tun = tun;
  lane.socket4 = udp;
  return {
    install: (child) => void lane.install(child),
    remove: (spiIn) => lane.remove(spiIn),
    serve: () => void lane.forward(),
  };
}

function receiver(backend: EspBackend, { tun, udp }: Loopback): Peer {
  const lane = new InboundLane({ backend, counters: new Counters(), window: 64, ...clocks, onIke: () => {}, capacity: 1 });
  lane.tun = tun;
  return {
    install: (child) => void lane.install(child),
    remove: (spiIn) => lane.remove(spiIn),
    serve: () => void lane.receive(udp, 'natt'),
  };
}
