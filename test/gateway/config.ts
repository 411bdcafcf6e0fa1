/** What the embedded head office is told, what it is given, and what comes out of it: the machine style of core/ike/sa/contract.ts. */

import type { Random } from '../../core/crypto/types.ts';
import type { Channel, Endpoint, Identity, IkeOutput, IkeTiming } from '../../core/ike/sa/contract.ts';
import type { Proposal, TrafficSelector } from '../../core/ike/wire/message.ts';
import type { MisbehaviourName } from './misbehaviours.ts';

export interface HeadOfficeConfig {
  /** Its own outer addresses, textual, at most one per family; what NAT detection is computed against. */
  readonly addresses: readonly string[];
  readonly ports: Readonly<Record<Channel, number>>;
  readonly identity: Identity;
  readonly users: readonly HeadOfficeUser[];
  /** In order of the office's own preference; the initiator's order decides among what both take (RFC 7296 §2.7 leaves it free). */
  readonly ikeProposals: readonly Proposal[];
  readonly espProposals: readonly Proposal[];
  /** Networks the virtual addresses come from, CIDR. A family without pool gets INTERNAL_ADDRESS_FAILURE when it is all that is asked for. */
  readonly pool: { readonly ipv4?: string; readonly ipv6?: string };
  /** INTERNAL_IP4_DNS and INTERNAL_IP6_DNS, by family of the address. */
  readonly dns: readonly string[];
  /** INTERNAL_DNS_DOMAIN (RFC 8598). */
  readonly domains: readonly string[];
  /** INTERNAL_IP4_SUBNET and INTERNAL_IP6_SUBNET, CIDR. */
  readonly subnets: readonly string[];
  /** What the office side of a CHILD SA may cover; TSr is narrowed to it. TSi is narrowed to the virtual addresses. */
  readonly selectors: readonly TrafficSelector[];
  /** Text of APPLICATION_VERSION, when asked. */
  readonly version: string;
  /** `always`: every IKE_SA_INIT must bring a COOKIE; a number: from so many half-open SAs on (RFC 7296 §2.6). */
  readonly cookie: 'always' | number;
  readonly timing: IkeTiming;
  /** Emit `key-log` outputs. */
  readonly keyLog: boolean;
  /** Behaves well when empty. */
  readonly misbehave: readonly MisbehaviourName[];
}

export interface HeadOfficeUser {
  readonly identity: Identity;
  readonly secret: Uint8Array;
}

export interface HeadOfficePorts {
  readonly random: Random;
}

export type HeadOfficeInput =
  | { readonly kind: 'tick' }
  | { readonly kind: 'datagram'; readonly bytes: Uint8Array; readonly channel: Channel; readonly from: Endpoint }
  /** Authenticated ESP was seen on this inbound SPI: the peer lives. */
  | { readonly kind: 'inbound-traffic'; readonly spiIn: number }
  /** Ask one initiator, or all, whether it lives. `id` is the responder SPI as 16 hex digits. */
  | { readonly kind: 'check-liveness'; readonly id?: string }
  /** DELETE one IKE SA, or all. */
  | { readonly kind: 'terminate'; readonly id?: string };

/**
 * What one of the SAs wants, with the responder SPI it belongs to (16 hex digits, '' for stateless answers). `closed` ends an SA,
 * not the office. Its `transmit` has the shape of the initiator's, so one in-memory network carries both.
 */
export type HeadOfficeOutput = Exclude<IkeOutput, { readonly kind: 'ask' }> & { readonly id: string };

export interface SaSummary {
  /** Responder SPI, 16 hex digits. */
  readonly id: string;
  readonly state: 'half-open' | 'established' | 'closing' | 'closed';
  readonly remote: Endpoint;
  readonly remoteIdentity?: string;
  readonly virtualAddresses: readonly string[];
  readonly children: readonly { readonly spiIn: number; readonly spiOut: number }[];
}

export interface HeadOffice {
  handle(input: HeadOfficeInput, now: number): void;
  poll(): HeadOfficeOutput | undefined;
  deadline(): number | undefined;
  list(): readonly SaSummary[];
}
