/** What the main thread and the two lanes say to each other. Everything is plain data that survives the structured clone. */
import type { EspKeys } from '../crypto/espCipher.ts';
import type { EncrTransform, IntegTransform } from '../crypto/types.ts';
import type { BackendTrial } from '../esp/backends.ts';
import type { Channel, Endpoint, TrafficLimits } from '../ike/sa/contract.ts';
import type { TrafficSelector } from '../ike/wire/message.ts';
import type { EchoSession } from '../ip/echo.ts';
import type { DscpRule } from '../ip/ecn.ts';
import type { TunFeatures, UdpFeatures } from '../system/ports.ts';
import type { DataplaneSocket, DataplaneStream } from './contract.ts';
import type { LaneName } from './counters.ts';
import type { Flood } from './earlyDrop.ts';
import type { LimitKind } from './limits.ts';

/** `workerData` of a lane. */
export interface LaneStart {
  readonly lane: LaneName;
  /** Which of the lanes of its direction, from 0. */
  readonly index: number;
  readonly wakeFd: number;
  readonly counters: SharedArrayBuffer;
  readonly replayWindow: number;
  readonly keepaliveInterval: number;
  /** How many commands were posted to it, ever: a look at it costs less than one at the port. */
  readonly posted: SharedArrayBuffer;
  /** Name of the one crypto backend to use; the fastest that is there when absent. */
  readonly backend?: string;
}

/** A socket made ready for the lanes. */
export interface LaneSocket extends DataplaneSocket {
  readonly features: UdpFeatures;
}

export type LaneStream = DataplaneStream;

/** One direction of a CHILD SA. The lane that gets it owns the keys. */
export interface LaneChild {
  /** Names the CHILD SA in both lanes. */
  readonly spiIn: number;
  /** SPI on the wire in this lane's direction. */
  readonly spi: number;
  readonly encr: EncrTransform;
  readonly integ: IntegTransform | undefined;
  readonly esn: boolean;
  readonly keys: EspKeys;
  readonly localSelectors: readonly TrafficSelector[];
  readonly remoteSelectors: readonly TrafficSelector[];
  readonly remote: Endpoint;
  readonly keepalive: boolean;
  /** Milliseconds, in place of the lane's; 0 is never. */
  readonly keepaliveInterval?: number;
  /** Inbound: packets the replay window spans, in place of the lane's. */
  readonly replayWindow?: number;
  /** Whether the DSCP of inner packets is shown outside; default `copy` (RFC 4301 §5.1.2.1). */
  readonly dscp?: DscpRule;
  /** Octets of the largest inner packet there may be, while the shared memory says nothing else (core/dataplane/pathKeeper.ts). */
  readonly mtu: number;
  /** What marks answers to probes of the path, which are the main thread's and nobody else's. */
  readonly session?: EchoSession;
  /** Where it counts. */
  readonly slot: number;
  /** `SharedSequence.memory`, where several outbound lanes send on it. */
  readonly sequence?: SharedArrayBuffer;
  readonly limits?: TrafficLimits;
  /** Inbound SPI of the SA that it succeeds. */
  readonly replaces?: number;
  /** Outbound: the one before sends until something comes in on this one, or until it is removed. */
  readonly standby?: boolean;
}

export type Command = { readonly id: number } & (
  | { readonly kind: 'sockets'; readonly sockets: readonly LaneSocket[] }
  /** Outbound a lane's share of the queues, inbound all. */
  | { readonly kind: 'tun'; readonly fds: readonly number[]; readonly features: TunFeatures }
  | { readonly kind: 'install'; readonly child: LaneChild }
  | { readonly kind: 'remove'; readonly spiIn: number }
  /** The SA's packets go there from now on, and probes of the path have this mark. */
  | {
      readonly kind: 'path';
      readonly spiIn: number;
      readonly remote: Endpoint;
      readonly keepalive: boolean;
      readonly session?: EchoSession;
    }
  /** Sockets that are not used any more. */
  | { readonly kind: 'release'; readonly fds: readonly number[] }
  /** Outbound: seal this inner packet as it is, and send it with DF. */
  | { readonly kind: 'probe'; readonly spiIn: number; readonly packet: Uint8Array }
  /** A TCP connection more; outbound of the first lane alone. */
  | { readonly kind: 'stream'; readonly stream: LaneStream }
  | { readonly kind: 'release-stream'; readonly fd: number }
  /** First outbound lane: an IKE message, its marker in front, into this connection. */
  | { readonly kind: 'say'; readonly fd: number; readonly bytes: Uint8Array }
  | { readonly kind: 'detach' }
  | { readonly kind: 'stop' }
);

export type Report =
  /** The self-test passed and the lane waits for commands. */
  | { readonly kind: 'ready'; readonly backend: string; readonly tried: readonly BackendTrial[] }
  /** `backend`, of an SA that was installed: who made its cipher. */
  | { readonly kind: 'done'; readonly id: number; readonly refused?: string; readonly backend?: string }
  /** Segmentation turned out not to work through this socket; runs go out as datagrams of their own. */
  | { readonly kind: 'segmentation-lost'; readonly fd: number }
  | { readonly kind: 'ike'; readonly bytes: Uint8Array; readonly channel: Channel; readonly from: Endpoint }
  /** The network says that no more octets of an outer packet to this address pass; 0: less than was sent. Nobody vouches for it. */
  | { readonly kind: 'path-mtu'; readonly remote: string; readonly mtu: number }
  /** Datagrams that are nobody's, forged or replayed come in numbers; repeated while they do. */
  | ({ readonly kind: 'flood' } & Flood)
  /** The answer to a probe, its first octets. */
  | { readonly kind: 'echo'; readonly spiIn: number; readonly packet: Uint8Array }
  /** Large packets go out on the SA; `silent`: and next to nothing comes back. */
  | { readonly kind: 'doubt'; readonly spiIn: number; readonly silent: boolean }
  /** So much was carried in this lane's direction. */
  | { readonly kind: 'limit'; readonly spiIn: number; readonly which: LimitKind }
  /** Nothing more will come or go. */
  | { readonly kind: 'stream-over'; readonly fd: number; readonly why: string }
  | { readonly kind: 'trouble'; readonly detail: string };
