/** What the engine (and the test gateway) sees of the dataplane: threads behind a small asynchronous surface. */
import type { BackendTrial } from '../esp/backends.ts';
import type { Channel, ChildSa, Endpoint } from '../ike/sa/contract.ts';
import type { DscpRule } from '../ip/ecn.ts';
import type { TunFeatures, UdpFeatures } from '../system/ports.ts';
import type { EchoRoute } from './echoRound.ts';
import type { LimitKind } from './limits.ts';
import type { ChildMtu } from './pathKeeper.ts';

export interface DataplaneOptions {
  /** An IKE message (non-ESP marker already stripped). The bytes are the receiver's own copy. */
  readonly onIke: (message: { readonly bytes: Uint8Array; readonly channel: Channel; readonly from: Endpoint }) => void;
  /** A thread ended on its own: nothing is carried any more, and only another process can start one. Called once at most per cause. */
  readonly onFailure: (detail: string) => void;
  /** The TUN device went away under it: another one can be attached. Once per device; `onFailure` when absent. */
  readonly onDeviceGone?: (detail: string) => void;
  /** An SA has carried as much as its `limits` say, in one direction; each limit once. At the hard one nothing is sent on it any more. */
  readonly onLimit?: (spiIn: number, which: LimitKind) => void;
  /**
   * A TCP connection is over, or carries nothing that makes sense; it is to be released, and closed, by whoever attached it. Once for each, and
   * not before whoever waited for `attachStream` has gone on.
   */
  readonly onStreamOver?: (fd: number, why: string) => void;
  /** Milliseconds of silence after which a NAT keepalive goes out for SAs that want one; default 20 000 (RFC 3948 §4). */
  readonly keepaliveInterval?: number;
  /** Packets the replay windows span, 64 to 4096, unless a child wants another; default 1024. */
  readonly replayWindow?: number;
  /** Name of the one crypto backend to use (`ipsec-mb`, `evp`, …); the fastest that is there when absent. */
  readonly backend?: string;
  /** What the kernel may do for the UDP sockets: all it can (default), or nothing. */
  readonly offload?: 'all' | 'plain';
  /** Outbound threads, 1 to 8; default 1. */
  readonly lanes?: number;
  /** Entry of the threads, for benchmarks that bring a backend of their own; it calls `runLane`. */
  readonly worker?: URL;
}

/** The way of a living SA from now on. */
export interface ChildPath {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly keepalive: boolean;
  /** As in `ChildOptions`: of an SA that went by TCP, whose path nobody keeps, the path is kept from here on. */
  readonly mtu?: number;
  readonly interfaceMtu?: number;
}

/** What a connection wants for its SAs in place of the dataplane's defaults. */
export interface ChildOptions {
  /** Milliseconds; 0 is no keepalives even behind a NAT. */
  readonly keepaliveInterval?: number;
  /** Packets the replay window spans, 64 to 4096. */
  readonly replayWindow?: number;
  /** Octets of the largest inner packet, the MTU of the TUN device: from there on the path is kept. Default 65,535, whatever the path. */
  readonly mtu?: number;
  /** Octets of the largest packet of the interface towards the peer; 1500 where it is not known. */
  readonly interfaceMtu?: number;
  readonly dscp?: DscpRule;
  /** Inbound SPI of the SA that it succeeds. */
  readonly replaces?: number;
  /**
   * The SA before sends until the peer uses this one, or until it is removed (RFC 7296 §2.8): for who answered the rekeying, because the
   * peer has the new keys only when it has the answer. Without it, it sends at once.
   */
  readonly standby?: boolean;
}

/** A bound, non-blocking UDP socket. */
export interface DataplaneSocket {
  readonly fd: number;
  readonly channel: Channel;
  readonly family: 4 | 6;
}

/** A connected, non-blocking TCP socket (RFC 9329); all on it is of channel `natt`. */
export interface DataplaneStream {
  readonly fd: number;
  /** Who opened the connection sends the prefix. */
  readonly opener: 'we' | 'peer';
  /** The other end. */
  readonly peer: Endpoint;
}

/**
 * Threads are started once (`startDataplane`), before the engine drops its privileges, and serve connection after connection:
 * afterwards no code is loaded any more, so a checkout the engine's user cannot read works too.
 */
export interface Dataplane {
  /**
   * Starts reading these sockets, beside those that there are; the newest of a family and channel is the one that sends. The dataplane closes
   * none of them.
   */
  attachSockets(sockets: readonly DataplaneSocket[]): Promise<void>;
  /** Lets go of some of them; resolves when no thread uses them any more. */
  releaseSockets(fds: readonly number[]): Promise<void>;
  /**
   * Starts using this connection for all that goes to its peer by TCP, in place of an older one to it, which is still read until it is released.
   * While there is one of ours, one outbound lane alone sends.
   */
  attachStream(stream: DataplaneStream): Promise<void>;
  /** Lets go of it; resolves when no thread uses the descriptor any more. The dataplane does not close it. */
  releaseStream(fd: number): Promise<void>;
  /** Sends an IKE message; on `natt` the marker is added here. False when the kernel refused it (logged by the caller). */
  sendIke(channel: Channel, to: Endpoint, bytes: Uint8Array): boolean;
  /**
   * Messages of this IKE SA (the initiator's SPI, 16 hex digits) may come although none of it was ever sent: a rekeying made it, and the other
   * side may be the first to use it. In a flood those of strangers are not heard.
   */
  expectIke(spiI: string): void;
  /** Starts carrying packets between this TUN device, all its queues, opened with these features, and the SAs. The dataplane does not close it. */
  attachTun(fds: readonly number[], features: TunFeatures): Promise<void>;
  /** Threads for each direction. */
  lanes(): { readonly inbound: number; readonly outbound: number };
  /**
   * Resolves when both directions use it. The threads get their own copies of the keys before this returns; the arrays in `child` are then
   * overwritten with zeros. Whatever is sent to the peer from then on, nothing that it sends back on the SA comes too early.
   */
  installChild(child: ChildSa, options?: ChildOptions): Promise<void>;
  /**
   * Nothing is sent on it any more; for `grace` milliseconds what comes is still taken, since packets of the peer may be on their way, and it
   * is counted. Default 0. Resolves when it sends no more, and without grace when it is gone.
   */
  removeChild(spiIn: number, grace?: number): Promise<void>;
  /** What it carried in all: resolves when it is gone, its grace included; with undefined where there is none. */
  lastCounters(spiIn: number): Promise<ChildCounters | undefined>;
  /** Sends the SA's packets to another place, without losing one; inbound they are taken from anywhere. Nothing for an SA that is gone. */
  changePath(spiIn: number, path: ChildPath): Promise<void>;
  /** Who behind the gateway may be sent echoes, the likeliest first: through them it is found out how large packets may be. */
  probeThrough(spiIn: number, routes: readonly EchoRoute[]): void;
  /** How large inner packets may be at this moment; undefined for an SA that was installed without `mtu`. */
  pathMtu(spiIn: number): ChildMtu | undefined;
  counters(spiIn: number): ChildCounters | undefined;
  /** Drops that belong to no SA. */
  globalCounters(): Readonly<Record<GlobalDrop, number>>;
  /** What the kernel does for the sockets that carry ESP, at this moment: a network device may turn out to lack what segmentation needs. */
  offload(): UdpFeatures | undefined;
  /** The first crypto backend that carries any suite, as `status` shows it. */
  backend(): string;
  /** The one that carries this SA, once it is installed. */
  backendOf(spiIn: number): string | undefined;
  /** What was tried when it started, and what came of it. */
  backendTrials(): readonly BackendTrial[];
  /** Removes all SAs and lets go of TUN and sockets; resolves when no thread uses a descriptor any more. The threads stay. */
  detach(): Promise<void>;
  /** Ends the threads. */
  stop(): Promise<void>;
}

/** Why a packet without SA was dropped. */
export type GlobalDrop =
  | 'unknown-spi'
  | 'short-packet'
  | 'no-policy'
  | 'not-ip'
  | 'keepalive-in'
  /** The device takes no more, is down, or found a packet malformed. */
  | 'tun-full'
  | 'send-failed'
  /**
   * Runs of datagrams that the kernel dropped in our stead (core/dataplane/earlyDrop.ts): of an unknown SPI, too short, keepalives, what is
   * marked as IKE and is none; in a flood replays, forgeries and strangers' IKE too.
   */
  | 'kernel'
  /** Runs of datagrams that found the socket's queue full: genuine ones may be among them (core/dataplane/kernelDrops.ts says how it is known). */
  | 'queue-full'
  /** IKE messages that came faster than the main thread takes them. */
  | 'ike-full';

/** Per SA and direction; packets and inner octets (the whole inner IP packet). Instants are `Date.now()` milliseconds, 0 for never. */
export interface ChildCounters {
  readonly packetsIn: number;
  readonly bytesIn: number;
  readonly packetsOut: number;
  readonly bytesOut: number;
  readonly lastIn: number;
  readonly lastOut: number;
  readonly dropsReplay: number;
  readonly dropsIntegrity: number;
  readonly dropsSelector: number;
  readonly dropsMalformed: number;
  /** Outbound packets that do not fit the path and may not be fragmented: the host was told. */
  readonly dropsTooBig: number;
  /** Inbound packets that met congestion and belong to a transport that learns of it by loss only (RFC 6040 §4.2). */
  readonly dropsCongestion: number;
  /** Inbound packets whose outer header told of congestion in a way that no tunnel should (RFC 6040 §4.2): not dropped. */
  readonly ecnUnusual: number;
  /** Sequence numbers, or a hard limit, used up: the SA must be replaced (RFC 4303 §3.3.3). */
  readonly dropsExhausted: number;
}
