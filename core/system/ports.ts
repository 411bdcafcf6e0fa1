/**
 * What the product asks of a machine. Adapters: `linux/` (FFI), `memory/` (tests). Many packets per system call, and what the kernel
 * can do with many at once, are in the ports, so that no other layer knows a system call.
 */
import type { PacketMemory } from '../ip/packetMemory.ts';

/** Pieces of a packet memory, in order: together one packet. */
export interface Pieces {
  readonly offset: Uint32Array;
  readonly length: Uint32Array;
  count: number;
}

/** What the kernel does for a TUN device. */
export interface TunFeatures {
  /** A `virtio_net_hdr` (core/ip/virtio.ts) stands in front of every packet, both ways, and checksums may be left to us. */
  readonly headers: boolean;
  /** Packets of many TCP segments, both ways. */
  readonly tcp: boolean;
  /** The same for UDP (Linux 6.2). */
  readonly udp: boolean;
}

/** A TUN device without packet information; inner IPv4 or IPv6 packets. */
export interface Tun {
  readonly fd: number;
  readonly features: TunFeatures;
  /** Reads one packet, without waiting. Octets, the virtio header included; 0 when there is none, -1 when the device is gone. */
  read(memory: PacketMemory, at: number, room: number): number;
  /** Writes one packet from its pieces, the virtio header first. False when the kernel takes none (a packet that it finds malformed counts as taken: nobody can send it). */
  write(memory: PacketMemory, pieces: Pieces): boolean;
  /** The kernel found the last packet that it took malformed, and threw it away. */
  readonly refused?: boolean;
}

/** Datagrams in a packet memory, in slots for receiving and wherever they lie for sending. */
export interface DatagramBatch {
  readonly capacity: number;
  /** Receiving: where the first slot is, and octets of each. */
  readonly base: number;
  readonly stride: number;
  readonly offset: Uint32Array;
  /** Octets; of all datagrams together where there are several. */
  readonly length: Uint32Array;
  /** Octets of every datagram but the last, which may be shorter; 0 where there is only one. */
  readonly segment: Uint32Array;
  /** TOS or traffic class of the outer header: DSCP and ECN. */
  readonly tos: Uint8Array;
  /** Receiving: one `sockaddr` slot of 28 octets each, where it came from. */
  readonly from: Uint8Array;
  count: number;
}

/** What the kernel does for a UDP socket. */
export interface UdpFeatures {
  /** Many datagrams in one call, sent (UDP_SEGMENT) and received (UDP_GRO). */
  readonly segmentation: boolean;
  readonly coalescing: boolean;
}

export interface UdpSocket {
  readonly fd: number;
  /** May lose `segmentation` for good: when a network device turns out not to have what it needs. */
  readonly features: UdpFeatures;
  /**
   * Fills the batch without waiting; number of slots filled, 0 when nothing is there. A datagram that is empty or did not fit its slot has
   * length 0. Errors the network reported (ICMP) are taken off the socket and not told.
   */
  receive(memory: PacketMemory, batch: DatagramBatch): number;
  /** Sends all to one destination (`packSockaddr`), IPv4 with DF; how many entries the kernel took. Fewer than `count`: `lastError` says why. */
  send(memory: PacketMemory, batch: DatagramBatch, to: Uint8Array): number;
  /**
   * The same without DF: the kernel divides what is longer than it knows the path to carry, routers what is longer than they carry (of IPv4; no
   * IPv6 packet that only a black hole shows to be too long is divided by anybody: IPV6_MTU does not make the kernel do it). Slow,
   * one datagram at a time, and what another thread sends in this moment through the same descriptor goes without DF too.
   */
  sendDivisible(memory: PacketMemory, batch: DatagramBatch, to: Uint8Array): number;
  /** Name of the errno (`EAGAIN`, `EMSGSIZE`, …) that stopped the last `send`; empty when it took all. */
  readonly lastError: string;
  /**
   * Takes reports of datagrams that were too long off the error queue: by the address each was sent to (RFC 5952 text), the least path MTU among
   * them, octets of the outer IP packet; 0 where a router said none (RFC 1191 §5). Unauthenticated.
   */
  reportedMtus(): ReadonlyMap<string, number>;
}

/** Mark on our sockets; the rule that sends traffic into the tunnel spares it. Fixed: the engine cannot choose it. */
export const SOCKET_MARK = 0x5a11;
/** Routing table and rule priorities of ours. */
export const ROUTE_TABLE = 23057;
export const RULE_PRIORITY = 5210;

/** The whole wanted state of the host while a tunnel is up. Data only; the monitor validates every field. */
export interface HostPlan {
  readonly interface: {
    /** `sally0` … `sally99`; already opened by `open-tun`. */
    readonly name: string;
    readonly mtu: number;
    readonly addresses: readonly { readonly address: string; readonly prefix: number }[];
  };
  /** CIDR destinations that go into the tunnel; `0.0.0.0/0` and `::/0` mean a full tunnel of that family. */
  readonly routes: readonly string[];
  readonly dns?: {
    readonly servers: readonly string[];
    readonly searchDomains: readonly string[];
    /** Only names below these go to `servers`, where the host's resolver can do that; empty is all names. */
    readonly matchDomains: readonly string[];
  };
  /**
   * When the device goes because its engine died, what was meant for it goes nowhere until the next plan or `revert`; absent, the host is
   * put back. `lock`: also when no engine comes.
   */
  readonly whenLost?: 'hold' | 'lock';
  /** CIDR destinations that lead nowhere, with `whenLost` only: of a family that is wanted whole and that the tunnel does not carry. */
  readonly blocked?: readonly string[];
}

/** Why the host could not do something; `syscall` or file and errno are in `detail`. */
export interface HostError {
  /**
   * `device-gone`: another program removed the device; `still-held`: whatever else failed. Traffic was held back before, and is held back still.
   * `refused`: by the monitor's rules, before anything was touched; what was in place is in place.
   */
  readonly code:
    | 'no-tun-device'
    | 'device-gone'
    | 'still-held'
    | 'refused'
    | 'permission'
    | 'port-in-use'
    | 'no-route'
    | 'invalid'
    | 'busy'
    | 'failed';
  readonly detail: string;
}
