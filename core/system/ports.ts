/**
 * What the product asks of a machine. Adapters: `linux/` (FFI), `memory/` (tests). Batches from the start, so that offloads and
 * many packets per system call change no other layer.
 */

/**
 * Packets side by side in one buffer. Packet `i` is `buffer.subarray(offset[i], offset[i] + length[i])`.
 * The owner leaves `headroom` octets before each packet it reads, so that headers go in front without a copy.
 */
export interface PacketBatch {
  readonly buffer: Uint8Array;
  readonly capacity: number;
  readonly offset: Uint32Array;
  readonly length: Uint32Array;
  count: number;
}

/** A TUN device without packet information; inner IPv4 or IPv6 packets. */
export interface Tun {
  readonly fd: number;
  /** Fills the batch with what is there, without waiting. Returns the number of packets, 0 when none, -1 when the device is gone. */
  readBatch(batch: PacketBatch): number;
  /** Writes all; returns how many the kernel took. */
  writeBatch(batch: PacketBatch): number;
}

/** Peer address of a datagram: 4 or 16 octets and port, packed for the hot path; see `linux/udp.ts`. */
export interface DatagramAddresses {
  /** One `sockaddr` slot of 28 octets per packet. */
  readonly sockaddr: Uint8Array;
}

export interface UdpSocket {
  readonly fd: number;
  /** Fills the batch and the addresses without waiting; number of datagrams, 0 when none. */
  receiveBatch(batch: PacketBatch, from: DatagramAddresses): number;
  /** Sends all to one destination; how many the kernel took. */
  sendBatch(batch: PacketBatch, to: Uint8Array): number;
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
