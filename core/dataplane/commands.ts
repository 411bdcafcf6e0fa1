/** What the main thread and the two lanes say to each other. Everything is plain data that survives the structured clone. */
import type { EspKeys } from '../crypto/espCipher.ts';
import type { EncrTransform, IntegTransform } from '../crypto/types.ts';
import type { Channel, Endpoint } from '../ike/sa/contract.ts';
import type { TrafficSelector } from '../ike/wire/message.ts';
import type { DataplaneSocket } from './contract.ts';
import type { LaneName } from './counters.ts';

/** `workerData` of a lane. */
export interface LaneStart {
  readonly lane: LaneName;
  readonly wakeFd: number;
  readonly counters: SharedArrayBuffer;
  readonly replayWindow: number;
  readonly keepaliveInterval: number;
}

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
  /** Where it counts. */
  readonly slot: number;
}

export type Command = { readonly id: number } & (
  | { readonly kind: 'sockets'; readonly sockets: readonly DataplaneSocket[] }
  | { readonly kind: 'tun'; readonly fd: number }
  | { readonly kind: 'install'; readonly child: LaneChild }
  | { readonly kind: 'remove'; readonly spiIn: number }
  | { readonly kind: 'detach' }
  | { readonly kind: 'stop' }
);

export type Report =
  /** The self-test passed and the lane waits for commands. */
  | { readonly kind: 'ready'; readonly backend: string }
  | { readonly kind: 'done'; readonly id: number; readonly refused?: string }
  | { readonly kind: 'ike'; readonly bytes: Uint8Array; readonly channel: Channel; readonly from: Endpoint }
  | { readonly kind: 'trouble'; readonly detail: string };
