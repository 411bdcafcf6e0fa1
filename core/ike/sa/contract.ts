/**
 * The machine contract of the IKE SA: sans-IO. The driver gives it inputs with the time, drains `poll()`, and calls again
 * with a tick when `deadline()` is due. Nothing a peer can send makes it throw.
 * Times are milliseconds of a clock that never goes back.
 */
import type {
  AdditionalKe,
  EncrTransform,
  EsnTransform,
  IntegTransform,
  KeTransform,
  PrfTransform,
  Random,
} from '../../crypto/types.ts';
import type { IkeAnswer, IkeAsk, IkeAuthentication } from '../auth/contract.ts';
import type { EapFailureCode } from '../auth/eap/contract.ts';
import type { IkeSuite } from '../negotiation.ts';
import type { Proposal, TrafficSelector } from '../wire/message.ts';
import type { Lifetimes } from './lifetimes.ts';

/** Textual address (RFC 5952 for IPv6, no zone) and port. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /** Reached through a TCP connection (RFC 9329), on channel `natt`; UDP when absent. */
  readonly transport?: 'tcp';
}

/** The UDP port family a message travels on: `ike` is 500; `natt` is 4500, where the driver adds and strips the non-ESP marker (RFC 3948 §2.2). */
export type Channel = 'ike' | 'natt';

/** RFC 7296 §3.5. `text` is for people: `vpn.office.test`, `192.0.2.1`, `alice@office.test`, `keyid:0badcafe`. */
export interface Identity {
  readonly type: number;
  readonly data: Uint8Array;
  readonly text: string;
  /** As in an ID payload (`message.ts`); it makes no other identity. */
  readonly reserved?: number;
}

export interface IkeConfig {
  /** Our addresses as the gateway should see them were there no NAT. */
  readonly local: { readonly address: string; readonly ports: Readonly<Record<Channel, number>> };
  readonly remote: { readonly address: string; readonly ports: Readonly<Record<Channel, number>> };
  /** All of it in a TCP connection (RFC 9329), which is there already; both ports of each side are the connection's. UDP when absent. */
  readonly transport?: 'tcp';
  readonly ikeProposals: readonly Proposal[];
  readonly espProposals: readonly Proposal[];
  readonly localIdentity: Identity;
  /**
   * Sent as IDr and demanded of the gateway; when absent any identity that authenticates is taken. A gateway with a certificate may
   * call itself by its subject instead; the certificate must then be for this name.
   */
  readonly remoteIdentity?: Identity;
  readonly auth: IkeAuthentication;
  readonly request: {
    readonly ipv4: boolean;
    readonly ipv6: boolean;
    readonly dns: boolean;
    /** Text of APPLICATION_VERSION. */
    readonly version: string;
    /** Addresses that we had and would like again (RFC 7296 §3.15.1); the gateway may give others. */
    readonly addresses?: readonly string[];
  };
  /** What we ask for; the gateway may narrow (RFC 7296 §2.9). */
  readonly localSelectors: readonly TrafficSelector[];
  readonly remoteSelectors: readonly TrafficSelector[];
  /**
   * ESP is only ever sent in UDP here, so where no NAT is found one is pretended by a NAT_DETECTION_SOURCE_IP that
   * matches nothing (RFC 7296 §2.23); `natDetected` below still tells the truth.
   */
  readonly forceEncapsulation: boolean;
  /** The gateway may send us to another one (RFC 5685); `from` is the address of the one that sent us to this. */
  readonly redirect?: { readonly from?: string };
  /**
   * RFC 7383. `yes`: offered, and used for messages too long for a packet of 1280 octets, with smaller fragments where those get no
   * answer. `force`: the smaller ones from the first message on, with a gateway that takes them or none. `no`: not offered.
   */
  readonly fragmentation: Fragmentation;
  /** Leave the CHILD SA out of IKE_AUTH where the gateway takes that (RFC 6023), and make it by CREATE_CHILD_SA. */
  readonly childless?: boolean;
  /** Ask for tickets to come back with (RFC 5723); `ticket` is one to come back with now. */
  readonly resumption?: { readonly ticket?: IkeTicket };
  /**
   * Say that this is the only IKE SA between the two identities (RFC 7296 §2.4), so that the gateway drops older ones: not in a machine
   * that is to take the place of another, and not by an identity that may be in use elsewhere.
   */
  readonly initialContact?: boolean;
  /** Keep the session when an address changes (RFC 4555), where the gateway can too. */
  readonly mobike?: boolean;
  /** Milliseconds after which we authenticate again, whatever the gateway wants; 0, the default, is never. */
  readonly reauthenticateEvery?: number;
  readonly timing: IkeTiming;
  /** Default: `defaultLifetimes`. */
  readonly lifetimes?: Lifetimes;
  /** CHILD SAs beside the first, each made once that stands (RFC 7296 §1.3.1). */
  readonly additionalChildren?: readonly {
    readonly localSelectors: readonly TrafficSelector[];
    readonly remoteSelectors: readonly TrafficSelector[];
  }[];
}

export type Fragmentation = 'yes' | 'no' | 'force';

/** RFC 7296 §2.4 leaves the numbers to us. Milliseconds; `retransmitTries` counts the repetitions after the first sending. */
export interface IkeTiming {
  readonly retransmitFirst: number;
  readonly retransmitFactor: number;
  readonly retransmitMax: number;
  readonly retransmitTries: number;
  /** Silence after which an empty INFORMATIONAL asks whether the peer lives; 0 is never. */
  readonly livenessAfter: number;
  /** How long a half-open SA waits in all, less the time in which an ask is open. */
  readonly establishWithin: number;
}

export type IkeInput =
  | { readonly kind: 'start' }
  | { readonly kind: 'tick' }
  | { readonly kind: 'datagram'; readonly bytes: Uint8Array; readonly channel: Channel; readonly from: Endpoint }
  /** The dataplane saw an authenticated ESP packet since the last such input: the peer lives. */
  | { readonly kind: 'inbound-traffic' }
  /**
   * Our addresses towards the gateway now, the best way first; none: there is no network. Also told when they are as before and it is only
   * thought that something has changed: then it is looked whether the way is still open. Over TCP: the ways over UDP that there would be,
   * which are tried now and then (RFC 9329 §7.1); without this input the session stays on TCP.
   */
  | { readonly kind: 'paths'; readonly paths: readonly Path[] }
  /** A new TCP connection is in the place of the one before (RFC 9329 §6.1). */
  | { readonly kind: 'reconnected' }
  /** Ask the peer now whether it lives (wake-up, user). */
  | {
      readonly kind: 'check-liveness';
      /** A request in flight goes out again at once, and the first answer to what was asked since is told by `alive`. */
      readonly quick?: boolean;
    }
  /** After `redirecting`: the name was looked up, or cannot be. */
  | { readonly kind: 'leave' }
  /** Rekey now: a CHILD SA by its inbound SPI, or the IKE SA. */
  | { readonly kind: 'rekey-child'; readonly spiIn: number }
  | { readonly kind: 'rekey-ike' }
  /** A CHILD SA carried as much as `ChildSa.limits` says: rekey it (soft), or it must not be used any more (hard). */
  | { readonly kind: 'limit'; readonly spiIn: number; readonly which: 'soft' | 'hard' }
  /** What an `ask` brought. An answer to no open ask is ignored. */
  | { readonly kind: 'answer'; readonly id: number; readonly answer: IkeAnswer }
  /**
   * DELETE the IKE SA and end, after 5 s at the latest; a second one ends at once. During IKE_SA_INIT it ends at once; during
   * IKE_AUTH it waits 1 s at most for the answer, so that the gateway's SA can be deleted; while an ask is open it ends at once, or after the DELETE where
   * the gateway has an SA already.
   */
  | { readonly kind: 'terminate' };

export type IkeOutput =
  | { readonly kind: 'transmit'; readonly bytes: Uint8Array; readonly channel: Channel; readonly to: Endpoint }
  | { readonly kind: 'progress'; readonly step: 'sa-init' | 'auth' | 'established' }
  /** One is open at a time; the machine goes on with the `answer` of this id. How long that takes is for who answers to bound. */
  | { readonly kind: 'ask'; readonly id: number; readonly ask: IkeAsk }
  /** The gateway is who it has to be: what ends the machine from here on is its word, or ours. */
  | { readonly kind: 'proven' }
  | { readonly kind: 'established'; readonly sa: IkeSaFacts }
  /** Addresses, DNS and networks the gateway gave. Comes before the first `install-child`. */
  | { readonly kind: 'configured'; readonly configuration: Configuration }
  /**
   * `replaces` is the inbound SPI of the SA that it succeeds, or of one for the same traffic that the peer has made one more for. With
   * `standby` the SA before sends until the peer uses this one, or until it is removed: only then the peer is known to have the new keys
   * (RFC 7296 §2.8).
   */
  | { readonly kind: 'install-child'; readonly child: ChildSa; readonly replaces?: number; readonly standby?: true }
  /** Nothing is sent on it any more; for `grace` milliseconds packets on their way are still taken. */
  | { readonly kind: 'remove-child'; readonly spiIn: number; readonly grace?: number }
  /** Our request to rekey is on its way, or (`false`) has been answered, whatever the answer. */
  | { readonly kind: 'rekeying'; readonly what: 'ike' | 'child'; readonly underWay: boolean }
  /** The same peer, new keys and SPIs. */
  | { readonly kind: 'ike-rekeyed'; readonly sa: IkeSaFacts; readonly by: 'us' | 'peer' }
  | { readonly kind: 'child-rekeyed'; readonly spiIn: number; readonly replaces: number; readonly by: 'us' | 'peer' }
  /** When we will rekey by ourselves, if nothing makes us earlier; not said where there is no such time. */
  | { readonly kind: 'rekey-due'; readonly what: 'ike'; readonly within: number }
  | { readonly kind: 'rekey-due'; readonly what: 'child'; readonly spiIn: number; readonly within: number }
  /** A rekey was refused or is not possible now; what there is stays in use and it is tried again. */
  | { readonly kind: 'rekey-failed'; readonly what: 'ike' | 'child'; readonly evidence: string; readonly retryIn: number }
  /** A CHILD SA of several that is wanted: there is none. What the peer deleted is asked for again, what it refused is not. */
  | { readonly kind: 'child-refused'; readonly remoteSelectors: readonly TrafficSelector[]; readonly evidence: string }
  /**
   * The authentication is good for `within` more milliseconds (RFC 4478, or our own limit), or what cannot be rekeyed is: another machine
   * is to authenticate anew and to take the place of this one, which is then terminated. At the end of that time it ends by itself.
   */
  | { readonly kind: 'reauthenticate'; readonly within: number }
  /**
   * To come back with after the IKE SA was lost (RFC 5723): good once, at one gateway, until `expiresAt`. It takes the place of the one
   * before, which is void; undefined: there is none. Void as well, and to be wiped, once the IKE SA was deleted by either side (§6.2).
   */
  | { readonly kind: 'ticket'; readonly ticket: IkeTicket | undefined }
  /** All packets of the CHILD SAs go this way from now on; `natLocal`: keepalives are due. `settled`: the gateway knows. */
  | {
      readonly kind: 'moved';
      readonly settled: boolean;
      readonly local: Endpoint;
      readonly remote: Endpoint;
      readonly channel: Channel;
      readonly natLocal: boolean;
    }
  /**
   * The gateway sends us to this host name, which may be one that is to be looked up through the tunnel: until `leave`, or for five seconds,
   * all stays as it is. To an address it goes without this.
   */
  | { readonly kind: 'redirecting'; readonly gateway: string }
  /** Further addresses of the gateway, all of them; `paths` may lead there too. */
  | { readonly kind: 'peer-addresses'; readonly addresses: readonly string[] }
  /** The peer lives, since the last quick `check-liveness`: it has answered what it was asked then or later. */
  | { readonly kind: 'alive' }
  /** The machine is finished: undefined failure after our own terminate. Nothing comes after it. */
  | { readonly kind: 'closed'; readonly failure?: IkeFailure }
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly text: string;
      readonly fields?: LogFields;
    }
  /** Only when a key log was asked for at construction; a line of Wireshark's ikev2_decryption_table. */
  | { readonly kind: 'key-log'; readonly table: 'ikev2' | 'esp'; readonly line: string };

/** An address of ours, and one of the gateway's that packets go to from there. */
export interface Path {
  readonly local: IkeConfig['local'];
  readonly remote: IkeConfig['remote'];
}

/** Values are printed as they are: never a secret. */
export type LogFields = Readonly<Record<string, string | number | boolean>>;

export interface IkeSaFacts {
  readonly role: 'initiator' | 'responder';
  /** 16 hex digits. */
  readonly spiI: string;
  readonly spiR: string;
  readonly encr: EncrTransform;
  readonly prf: PrfTransform;
  readonly integ: IntegTransform | undefined;
  readonly ke: KeTransform;
  /** Key exchanges done beside `ke` (RFC 9370), such as ML-KEM. */
  readonly additional: readonly AdditionalKe[];
  /** A post-quantum preshared key went into the keys (RFC 8784). */
  readonly ppk?: true;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly localIdentity: string;
  readonly remoteIdentity: string;
  /** NAT_DETECTION results: is our, is the peer's address translated. A gateway that forces encapsulation looks translated. */
  readonly natLocal: boolean;
  readonly natRemote: boolean;
  readonly peerVendorIds: readonly string[];
  /** The gateway says that it has no other IKE SA with us (INITIAL_CONTACT): any other of ours is gone. */
  readonly initialContact?: true;
  /** By a ticket: who both are was proven in an earlier IKE SA (RFC 5723). */
  readonly resumed?: true;
}

/** RFC 5723 §5: what the client keeps with a ticket. `skD` is a secret of whoever receives it. */
export interface IkeTicket {
  readonly octets: Uint8Array;
  /** By the clock of the machine. */
  readonly expiresAt: number;
  /** By the same: when both last proved who they are. Coming back by a ticket proves it to nobody anew. */
  readonly authenticatedAt: number;
  readonly suite: IkeSuite;
  readonly skD: Uint8Array;
  readonly localIdentity: Identity;
  readonly remoteIdentity: Identity;
  /** The address of the gateway that made it. */
  readonly gateway: string;
}

export interface Configuration {
  readonly addresses: readonly { readonly address: string; readonly prefix: number }[];
  readonly dns: readonly string[];
  readonly domains: readonly string[];
  /** CIDR. */
  readonly subnets: readonly string[];
  readonly applicationVersion?: string;
  /** Families of addresses the gateway has, where it says so (RFC 8983). */
  readonly families?: Families;
}

export interface Families {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** All that the dataplane needs to carry one CHILD SA. Keys are owned by whoever receives them and wiped on removal. */
export interface ChildSa {
  /** Host-order 32 bits; inbound is the one we chose. */
  readonly spiIn: number;
  readonly spiOut: number;
  readonly encr: EncrTransform;
  readonly integ: IntegTransform | undefined;
  readonly esn: EsnTransform;
  readonly ke: KeTransform | undefined;
  readonly additional?: readonly AdditionalKe[];
  /** Encryption key followed by salt (RFC 7296 §2.17, RFC 4106 §8.1); then the integrity key. */
  readonly keysIn: { readonly encryption: Uint8Array; readonly integrity: Uint8Array };
  readonly keysOut: { readonly encryption: Uint8Array; readonly integrity: Uint8Array };
  readonly localSelectors: readonly TrafficSelector[];
  readonly remoteSelectors: readonly TrafficSelector[];
  /** What the peer has for them, where that is more: a rekeying is about all of it (RFC 7296 §2.9.2), and nobody uses the rest. */
  readonly peerSelectors?: readonly TrafficSelector[];
  /** UDP encapsulation endpoints; always set here. */
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** We are behind a NAT: keepalives are due (RFC 3948 §4). */
  readonly keepalive: boolean;
  readonly limits?: TrafficLimits;
}

/** How much one direction of a CHILD SA may carry (RFC 4301 §4.4.2.1): inner octets, and packets. */
export interface TrafficLimits {
  readonly octets?: TrafficLimit;
  readonly packets?: TrafficLimit;
}

/** Soft: a successor is wanted. Hard: nothing is sent any more. */
export interface TrafficLimit {
  readonly soft: number;
  readonly hard: number;
}

/** Why an SA ended. `code` is closed; `tunnel/reasons.ts` turns it into words. */
export interface IkeFailure {
  readonly code:
    | 'no-answer' // nothing came back for IKE_SA_INIT
    | 'no-answer-auth' // IKE_SA_INIT was answered, IKE_AUTH was not (4500 blocked or large messages lost)
    | 'no-proposal-chosen' // IKE proposals
    | 'ke-refused' // INVALID_KE_PAYLOAD for a group we did not offer, or without end
    | 'bad-answer-proposal' // the responder chose what was not offered
    | 'bad-public-value'
    | 'authentication-failed' // the gateway refused us
    | 'gateway-authentication-failed' // its AUTH does not verify
    | 'gateway-identity' // it is somebody else
    | 'gateway-no-certificate' // it sent none that could be its own
    | 'gateway-untrusted' // no path from its certificate to an authority that is trusted
    | 'gateway-cert-expired'
    | 'gateway-cert-not-yet-valid'
    | 'gateway-cert-revoked'
    | 'gateway-revocation-unknown' // strict, and nothing conclusive was to be had
    | 'gateway-wrong-name' // a valid certificate of somebody else
    | 'gateway-cert-invalid' // malformed, weak, or against RFC 5280 in another way
    | 'gateway-signature-refused' // its AUTH is made in a way that is not accepted: SHA-1, a weak key, an algorithm not agreed
    | 'auth-method-mismatch' // it proves itself by another method than the profile says, or wants another of us
    | 'eap-before-gateway' // it starts EAP without having proven itself
    | 'own-key-failed' // no signature by our own key was to be had
    | 'own-cert-expired'
    | 'ppk-refused' // the profile demands a PPK and the gateway does not use it
    | 'own-cert-refused' // the gateway refused us after our certificate
    | EapFailureCode
    | 'child-no-proposal-chosen'
    | 'child-bad-answer-proposal'
    | 'ts-unacceptable'
    | 'bad-answer-selectors' // nothing can be sent by them
    | 'no-address' // INTERNAL_ADDRESS_FAILURE, or an address that makes no sense
    | 'child-refused' // another error notify for the CHILD SA
    | 'gateway-version' // speaks another major version
    | 'gateway-error' // another error notify for the IKE SA
    | 'gateway-overloaded' // it wants more work than is done for it (RFC 8019)
    | 'no-fragmentation' // our configuration demands it, and it does not offer it
    | 'protocol' // the gateway's messages break the protocol
    | 'address-changed' // our address did, and the gateway does not follow: no MOBIKE, or UNACCEPTABLE_ADDRESSES
    | 'redirected' // it sends us to another gateway: `redirect`
    | 'authentication-expired' // the time that an authentication is good for is over (RFC 4478), and nobody authenticated again
    | 'gateway-restarted' // it proves that it has lost the IKE SA (RFC 6290)
    | 'closed-by-gateway' // DELETE from the peer
    | 'expired' // an SA reached the end of its life without a successor
    | 'gateway-lost' // liveness without answer
    | 'internal'; // the machine itself broke; said by its driver
  /** What shows it: `NO_PROPOSAL_CHOSEN in IKE_SA_INIT response`, `SPI`, … one line, no secrets, printable. */
  readonly evidence: string;
  /** Of `redirected`: the address or the host name to go to. */
  readonly redirect?: string;
}

/** What the machine is given at construction besides the configuration. */
export interface IkePorts {
  readonly random: Random;
  /** Emit `key-log` outputs. */
  readonly keyLog: boolean;
}

export interface IkeMachine {
  handle(input: IkeInput, now: number): void;
  /** Next output, undefined when drained. */
  poll(): IkeOutput | undefined;
  /** Earliest instant at which a tick is needed. */
  deadline(): number | undefined;
}
