/** What the embedded head office is told, what it is given, and what comes out of it: the machine style of core/ike/sa/contract.ts. */

import type { SignatureAlgorithm } from '../../core/crypto/signatureTypes.ts';
import type { Random } from '../../core/crypto/types.ts';
import type { Channel, Endpoint, Fragmentation, Identity, IkeOutput, IkeTiming } from '../../core/ike/sa/contract.ts';
import type { Lifetimes } from '../../core/ike/sa/lifetimes.ts';
import type { Payload, Proposal, TrafficSelector } from '../../core/ike/wire/message.ts';
import type { Authority } from '../authority/authority.ts';
import type { EapServer } from './eap/server.ts';
import type { EapMisbehaviour, TlsAnswer, TlsAsk } from './eap/serverMethod.ts';
import type { MisbehaviourName } from './misbehaviours.ts';
import type { MobikePolicy } from './mobike.ts';
import type { RedirectPolicy } from './redirect.ts';
import type { TicketPolicy, TicketStore } from './standing.ts';

export interface HeadOfficeConfig {
  /** Its own outer addresses, textual, at most one per family; what NAT detection is computed against. */
  readonly addresses: readonly string[];
  readonly ports: Readonly<Record<Channel, number>>;
  /** Where it takes TCP connections (RFC 9329); nowhere when not said. */
  readonly tcpPorts?: readonly number[];
  readonly identity: Identity;
  readonly users: readonly HeadOfficeUser[];
  /** Without it the office proves itself by the user's key. */
  readonly certificate?: OfficeCertificate;
  /** SIGNATURE_HASH_ALGORITHMS; SHA-2 and Identity when not said, nothing announced when empty (RFC 7427 §4). */
  readonly hashes?: readonly number[];
  /** DER of the authorities that users' certificates must come from; they go into CERTREQ too. */
  readonly userAuthorities?: readonly Uint8Array[];
  /** For validating those: Date.now() milliseconds; now when not said. */
  readonly at?: number;
  /** How users may prove themselves: announced (RFC 9593), where the client can in IKE_INTERMEDIATE; of signatures nothing else is taken. */
  readonly takes?: {
    readonly sharedKey: boolean;
    readonly signatures: readonly SignatureAlgorithm[];
    readonly when?: 'intermediate';
  };
  /** MULTIPLE_AUTH_SUPPORTED (RFC 4739); when not said, true when some user needs two. */
  readonly multipleAuth?: boolean;
  /** Leave AUTH out for clients that want EAP alone (RFC 5998). */
  readonly eapOnly?: boolean;
  /** For the user of that IDi, who need not be in the list. */
  readonly eap?: (claimed: Identity, misbehave: EapMisbehaviour | undefined) => EapServer;
  /** In order of the office's own preference; the initiator's order decides among what both take (RFC 7296 §2.7 leaves it free). */
  readonly ikeProposals: readonly Proposal[];
  readonly espProposals: readonly Proposal[];
  /** Networks the virtual addresses come from, CIDR. A family without pool gets INTERNAL_ADDRESS_FAILURE when it is all that is asked for. */
  readonly pool: { readonly ipv4?: string; readonly ipv6?: string };
  /** False: nothing is said of the families it has (RFC 8983). */
  readonly families?: false;
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
  /**
   * Where a cookie is wanted, a puzzle of so many bits too (RFC 8019); `legacy`: who solves none is served all the same; `auth`: who
   * solves it has one of so many bits before IKE_AUTH as well.
   */
  readonly puzzle?: { readonly difficulty: number; readonly legacy?: boolean; readonly auth?: number };
  /** Send clients that know redirects to another gateway. */
  readonly redirect?: RedirectPolicy;
  /** Follow clients that move (RFC 4555). */
  readonly mobike?: MobikePolicy;
  /** RFC 7383; `yes` when not said. */
  readonly fragmentation?: Fragmentation;
  /** IKE_AUTH may, must come without a CHILD SA (RFC 6023); when not said, it must not. */
  readonly childless?: 'allow' | 'force';
  /** AUTH_LIFETIME, seconds. The IKE SA is deleted at its end (RFC 4478). */
  readonly authLifetime?: number;
  /** Tickets for clients that ask for them (RFC 5723). */
  readonly tickets?: TicketPolicy;
  /** Tokens of RFC 6290 are made of it; the same after a restart. */
  readonly crashSecret?: Uint8Array;
  /** Tell who uses an IKE SA that nobody knows, unprotected (RFC 7296 §1.5). */
  readonly answerUnknownSpis?: boolean;
  readonly timing: IkeTiming;
  /** Default: the client's. */
  readonly lifetimes?: Lifetimes;
  /** Emit `key-log` outputs. */
  readonly keyLog: boolean;
  /** Told of every EAP packet of a client. */
  readonly heard?: (packet: Uint8Array) => void;
  /** Anything may become of an answer in IKE_AUTH: for tests that have no name for it. */
  readonly changeAuth?: (honest: readonly Payload[]) => readonly Payload[];
  /** The same of an answer in IKE_INTERMEDIATE. */
  readonly changeIntermediate?: (honest: readonly Payload[]) => readonly Payload[];
  /** Behaves well when empty. */
  readonly misbehave: readonly MisbehaviourName[];
}

export interface HeadOfficeUser {
  readonly identity: Identity;
  readonly secret?: Uint8Array;
  /** RFC 8784; without its type, the identifier is an octet string of both sides. */
  readonly ppk?: { readonly id: Uint8Array; readonly secret: Uint8Array; readonly required?: boolean };
  /** What is demanded, in this order (RFC 4739); a key alone when not said. */
  readonly proofs?: readonly ('psk' | 'certificate' | 'eap')[];
}

/** What the office proves itself with. */
export interface OfficeCertificate {
  /** DER, its own first. */
  readonly chain: readonly Uint8Array[];
  readonly pkcs8: Uint8Array;
  /** What it signs with, the preferred first; of the forms of RFC 7427, or of the older ones for clients without it. */
  readonly algorithms: readonly SignatureAlgorithm[];
  /** OCSP answers for clients that ask for them (RFC 4806). */
  readonly ocsp?: readonly Uint8Array[];
  /** Who issued it: misbehaviours have other certificates made. */
  readonly authority?: Authority;
}

export interface HeadOfficePorts {
  readonly random: Random;
  /** Its own when not given. */
  readonly ticketStore?: TicketStore;
}

export type HeadOfficeInput =
  | { readonly kind: 'tick' }
  /** What an `ask` of this SA brought. */
  | { readonly kind: 'answer'; readonly id: string; readonly answer: TlsAnswer }
  | { readonly kind: 'datagram'; readonly bytes: Uint8Array; readonly channel: Channel; readonly from: Endpoint }
  /** Authenticated ESP was seen on this inbound SPI: the peer lives. */
  | { readonly kind: 'inbound-traffic'; readonly spiIn: number }
  /** Ask one initiator, or all, whether it lives. `id` is the responder SPI as 16 hex digits. */
  | { readonly kind: 'check-liveness'; readonly id?: string }
  /** Tell one initiator, or all, something in an INFORMATIONAL. */
  | { readonly kind: 'tell'; readonly id?: string; readonly payloads: readonly Payload[] }
  /** Lose one IKE SA, or all, without a word, as in a crash. */
  | { readonly kind: 'forget'; readonly id?: string }
  /** Rekey the IKE SA, or all CHILD SAs, of one initiator or of all. */
  | { readonly kind: 'rekey-ike' | 'rekey-child'; readonly id?: string }
  /** DELETE a CHILD SA, of any IKE SA, as soon as nothing else is under way. */
  | { readonly kind: 'delete-child'; readonly spiIn: number }
  /** DELETE one IKE SA, or all. */
  | { readonly kind: 'terminate'; readonly id?: string };

/**
 * What one of the SAs wants, with the responder SPI it belongs to (16 hex digits, '' for stateless answers). `closed` ends an SA,
 * not the office. Its `transmit` has the shape of the initiator's, so one in-memory network carries both.
 */
export type HeadOfficeOutput =
  | (Exclude<IkeOutput, { readonly kind: 'ask' }> & { readonly id: string })
  /** TLS of an EAP method; the SA goes on with the `answer`. */
  | { readonly kind: 'ask'; readonly id: string; readonly ask: TlsAsk };

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
