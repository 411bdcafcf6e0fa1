/**
 * What the product asks of a machine. Adapters: `linux/` (FFI), `memory/` (tests). Batches from the start, so that offloads and
 * many packets per system call change no other layer.
 */

/**
 * Packets side by side in one buffer. Packet `i` is `buffer.subarray(offset[i], offset[i] + length[i])`.
 * Slot `i` is the `stride` octets from `i * stride`. A read puts its packet `headroom` octets into the slot, so that headers go in
 * front without a copy, and sets `offset`, `length` and `count`; a write takes `offset`, `length` and `count` as they are.
 */
export interface PacketBatch {
  /** Never replaced or resized while in use: adapters take its address once. */
  readonly buffer: Uint8Array;
  readonly capacity: number;
  readonly stride: number;
  readonly headroom: number;
  readonly offset: Uint32Array;
  readonly length: Uint32Array;
  count: number;
}

/** A TUN device without packet information; inner IPv4 or IPv6 packets. `stride - headroom` must not be below its MTU. */
export interface Tun {
  readonly fd: number;
  /** Fills the batch with what is there, without waiting. Returns the number of packets, 0 when none, -1 when the device is gone. */
  readBatch(batch: PacketBatch): number;
  /** Writes all, in order; returns how many the kernel took (a packet it finds malformed counts as taken: nobody can send it). */
  writeBatch(batch: PacketBatch): number;
}

/** Peer address of a datagram: 4 or 16 octets and port, packed for the hot path; see `linux/udp.ts`. */
export interface DatagramAddresses {
  /** One `sockaddr` slot of 28 octets per packet. */
  readonly sockaddr: Uint8Array;
}

export interface UdpSocket {
  readonly fd: number;
  /**
   * Fills the batch and the addresses without waiting; number of datagrams, 0 when none. An empty datagram, or one that did not
   * fit its slot, has length 0. Errors the network reported (ICMP) are taken off the socket and not told.
   */
  receiveBatch(batch: PacketBatch, from: DatagramAddresses): number;
  /** Sends all to one destination (`packSockaddr`); how many the kernel took. Fewer than `count`: `lastError` says why. */
  sendBatch(batch: PacketBatch, to: Uint8Array): number;
  /** Name of the errno (`EAGAIN`, `ENETUNREACH`, …) that stopped the last `sendBatch`; empty when it took all. */
  readonly lastError: string;
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
}

/** Why the host could not do something; `syscall` or file and errno are in `detail`. */
export interface HostError {
  readonly code: 'no-tun-device' | 'permission' | 'port-in-use' | 'no-route' | 'invalid' | 'busy' | 'failed';
  readonly detail: string;
}
