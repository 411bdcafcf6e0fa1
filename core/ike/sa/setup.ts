/** What an IKE SA is made from, and the shape of the exchanges it runs. Shared by both roles. */
import type { Random } from '../../crypto/types.ts';
import type { FragmentSize } from '../fragment/size.ts';
import type { IkeKeys } from '../keys/ikeKeys.ts';
import type { IkeSuite } from '../negotiation.ts';
import type { Payload, PayloadOf } from '../wire/message.ts';
import type { Channel, Endpoint, IkeFailure, IkeOutput, IkeTiming } from './contract.ts';
import type { IkeSa } from './ikeSa.ts';
import type { Narrator } from './narrator.ts';
import type { Role } from './protect.ts';

/** A request of ours. All three callbacks come at most once, and only one of the last two or `process`. */
export interface OutgoingExchange {
  readonly exchange: number;
  /** About the IKE SA that it waits in: not for the one that takes its place. */
  readonly own?: true;
  /** One that waits is enough: the next such request takes its place. */
  readonly latest?: true;
  /** Ways that it goes before the one in use: over that only when it was sent twice in vain, or something else is urgent (RFC 9329 §7.1). */
  readonly first?: () => readonly Route[];
  /** `sa`: the one that it is sent in. */
  build(sa: IkeSa): readonly Payload[];
  /** Payloads in front of the encrypted one. */
  readonly inTheClear?: readonly Payload[];
  /** The payloads of the genuine answer, sifted by the rule table. */
  /** `sa` is the one that it was sent in: while it waited, the IKE SA may have been replaced (RFC 7296 §2.18). */
  process(payloads: readonly Payload[], now: number, sa: IkeSa): void;
  /** A genuine answer that breaks the protocol; `complaint` is the notify that says so. Default: the IKE SA is deleted. */
  malformed?(failure: IkeFailure, complaint: Payload, now: number): void;
  /** Repeated often enough. Default: the peer is lost and the IKE SA ends. */
  unanswered?(now: number): void;
}

/** An answer to a request of the peer; `after` runs when it is on its way. Undefined: say nothing and let it be repeated. */
export interface Reply {
  readonly payloads: readonly Payload[];
  after?(now: number): void;
}

/** `way`: where the request came from. */
export type RequestHandler = (payloads: readonly Payload[], now: number, way: Route) => Reply | undefined;

/**
 * A notify of a protected INFORMATIONAL request that ends nothing. Gives what the answer has besides, and what is to be done when it is
 * out; undefined: the notify means nothing here, and is only told to the log. `of` is the IKE SA that it came in, which may be one that was
 * replaced.
 */
export type NotifyHandler = (notify: PayloadOf<'N'>, now: number, arrival: Route, of: Spis) => NotifyTaken | undefined;

/** Of an IKE SA. */
export interface Spis {
  readonly spiI: Uint8Array;
  readonly spiR: Uint8Array;
}

/** Where a message goes to, or came from. */
export interface Route {
  readonly channel: Channel;
  readonly remote: Endpoint;
}

/** The ways of an IKE SA whose addresses may change (RFC 4555): its initiator decides which. */
export interface Roads {
  /** Where a request goes that is sent for the `sent`th time, the way in use first. Empty: nowhere now, and nobody counts the time. */
  routes(sent: number): readonly Route[];
  /** A genuine answer came this way. */
  answered(way: Route, now: number): void;
  /** What a question whether the peer lives has with it. */
  question(sa: IkeSa): readonly Payload[];
  /** The answer to that, in this IKE SA. */
  lives(payloads: readonly Payload[], now: number, sa: IkeSa): void;
}

export interface NotifyTaken {
  readonly answer?: readonly Payload[];
  after?(now: number): void;
}

export interface IkeSaSetup {
  readonly role: Role;
  readonly spiI: Uint8Array;
  readonly spiR: Uint8Array;
  readonly suite: IkeSuite;
  /** Owned by the SA from now on, wiped when it ends. */
  readonly keys: IkeKeys;
  readonly timing: IkeTiming;
  readonly random: Random;
  readonly keyLog: boolean;
  /** Text of APPLICATION_VERSION. */
  readonly version: string;
  /** Where requests go. */
  readonly channel: Channel;
  readonly remote: Endpoint;
  /** Both sides do RFC 7383, and long messages go in fragments of this size to begin with. Undefined: not agreed. */
  readonly fragmentSize: FragmentSize | undefined;
  /** Id of our next request: 1 for the initiator, 0 for the responder (RFC 7296 §2.2). */
  readonly nextRequestId: number;
  /** Id of the peer's next request: 0 for the initiator, 1 for the responder. */
  readonly expectedRequestId: number;
  /** By exchange. Before authentication nothing else is answered. */
  readonly handlers: Readonly<Partial<Record<number, RequestHandler>>>;
  readonly notified?: NotifyHandler;
  /** Delete the IKE SA when the peer has deleted the last CHILD SA: without one it is of no use to a client. */
  readonly closeWithoutChild: boolean;
  /** Unless one more is on its way: a request of ours for one is in flight, or waits. */
  readonly childComing?: () => boolean;
  /** Absent: all goes to `remote`. */
  readonly roads?: Roads;
  /** RFC 7296 §2.23: a host that is not behind a NAT follows the peer's address; one that is must not. */
  readonly followPeer: boolean;
  readonly emit: (output: IkeOutput) => void;
  /**
   * Nothing is asked in it before then unless the peer has used it: it made the IKE SA by an answer, and as long as that is on its way the
   * peer knows of none.
   */
  readonly quietUntil?: number;
  /** A genuine request of the peer, before it is answered. */
  readonly asked?: (payloads: readonly Payload[]) => void;
  /** It ends now; its CHILD SAs may still be handed over. `byPeer`: by a DELETE of the peer's. */
  readonly beforeEnd?: (byPeer: boolean) => void;
  /** Lines carry its SPIs. */
  readonly narrator: Narrator;
}

/** What is its own in an IKE SA of a session; the rest is the session's. */
export type IkeSaStart = Pick<
  IkeSaSetup,
  | 'role'
  | 'spiI'
  | 'spiR'
  | 'suite'
  | 'keys'
  | 'channel'
  | 'remote'
  | 'nextRequestId'
  | 'expectedRequestId'
  | 'handlers'
  | 'narrator'
  | 'fragmentSize'
  | 'quietUntil'
>;
