/**
 * The one contract between helper and clients (window, CLI). Frames: 4-byte big-endian length, UTF-8 JSON.
 *   request  {"id":1,"method":"tunnel.up","params":{…}}
 *   response {"id":1,"result":…} or {"id":1,"error":{"code":"…","detail":"…"}}
 *   event    {"event":"status","data":{…}}
 * The first request is `hello`. The helper validates every params; clients validate nothing but the frame, as the helper is more privileged.
 */
import * as v from 'valibot';
import type { EapMethodName } from '../ike/auth/eap/contract.ts';
import type { PkiFaultCode, RevocationVerdict } from '../pki/contract.ts';

export const PROTOCOL_VERSION = 1;
/** A longer frame ends the connection. */
export const MAX_FRAME = 1024 * 1024;
export const DEFAULT_SOCKET = '/run/sallyport/sallyport.sock';

/** How the user proves who they are; the gateway's proof is `GatewayTrust.method`. */
export type AuthMethod = 'psk' | 'certificate' | 'eap' | 'certificate-eap';

/** What is kept apart from a profile: the pre-shared key, the password of EAP, the private key of `certificates`. */
export type SecretName = 'psk' | 'password' | 'key' | 'ppk';

export interface EapSettings {
  /** The preferred first; what is not here is refused. */
  readonly methods: readonly EapMethodName[];
  /** '' asks. */
  readonly identity: string;
  /** Of the server of EAP-TLS, TTLS and PEAP; '' is the gateway's own identity. */
  readonly serverName: string;
  /** Base64 DER: trust anchors of that server, never shared with IKE's. */
  readonly authorities: readonly string[];
}

/** How the gateway proves who it is. */
export interface GatewayTrust {
  readonly method: 'psk' | 'certificate' | 'eap-only';
  /** Base64 DER: CA certificates, or the gateway's own certificate, pinned. */
  readonly authorities: readonly string[];
  /** Base64 DER. */
  readonly intermediates: readonly string[];
  /** And the roots of the computer. */
  readonly systemRoots: boolean;
  /** Tell the gateway which authorities are known (CERTREQ). */
  readonly certreq: boolean;
  /** The subject's common name may be the gateway's name when its certificate has no alternative name. */
  readonly commonName: boolean;
  readonly revocation: { readonly crl: boolean; readonly ocsp: boolean; readonly strict: boolean };
}

export interface ProfileSummary {
  readonly id: string;
  readonly name: string;
  readonly gateway: string;
  readonly auth: AuthMethod;
  /** Uid of the owner; shared ones were imported by the administrator for everybody. */
  readonly owner: number;
  readonly shared: boolean;
  /** Where the list shows it; '' is none. */
  readonly folder: string;
  /** What the method needs is stored; else the user is asked when connecting. */
  readonly hasSecret: boolean;
}

/**
 * What becomes of the traffic of a tunnel that is lost while it is brought back: it is held back (`hold`), also when only the user can
 * bring it back (`lock`, until they disconnect), or goes without the tunnel (`open`). `end`: nothing is brought back.
 */
export type WhenLost = 'hold' | 'lock' | 'open' | 'end';

/**
 * Long IKE messages go in fragments of their own (RFC 7383) where the gateway takes them; never; or in small ones from the first on, and
 * only with a gateway that takes them.
 */
export type Fragmentation = 'yes' | 'no' | 'force';

/** IKE and ESP go in a TCP connection (RFC 9329) when UDP does not pass; always; or never. */
export type TcpUse = 'auto' | 'always' | 'never';

/** One more CHILD SA beside the first. */
export interface AdditionalChild {
  /** CIDR. */
  readonly remoteNetworks: readonly string[];
}

/** All of a profile but its secrets. */
export interface ProfileView extends ProfileSummary {
  readonly localId: string;
  readonly remoteId: string | undefined;
  readonly ikeProposals: readonly string[];
  readonly espProposals: readonly string[];
  readonly remoteNetworks: readonly string[];
  /** Each gets a CHILD SA of its own, for gateways that grant one for all of them to nobody. */
  readonly additionalChildren: readonly AdditionalChild[];
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly dns: boolean;
  readonly mtu: number;
  readonly natKeepalive: number;
  readonly liveness: number;
  /** Packets. */
  readonly replayWindow: number;
  readonly whenLost: WhenLost;
  readonly fragmentation: Fragmentation;
  readonly tcp: TcpUse;
  readonly tcpPorts: readonly number[];
  readonly redirect: boolean;
  readonly resumption: boolean;
  readonly childless: boolean;
  /** Keep the session when an address changes (RFC 4555). */
  readonly mobike: boolean;
  readonly initialContact: boolean;
  /** Seconds; 0 is never. */
  readonly reauthenticateEvery: number;
  /** Seconds, and of one direction of a CHILD SA octets and packets; 0 is never. */
  readonly rekeyIke: number;
  readonly rekeyChild: number;
  readonly rekeyBytes: number;
  readonly rekeyPackets: number;
  readonly rekeyRehearsal: boolean;
  readonly localPort: 'standard' | 'any';
  readonly gatewayPorts: { readonly ike: number; readonly natt: number };
  /** Names or addresses that stand in for `gateway` when it does not answer, the preferred first. */
  readonly gateways: readonly string[];
  /** Base64 DER of the user's own chain, the end entity first; [] without. */
  readonly certificates: readonly string[];
  /** Names of core/crypto/signatureNames.ts, the preferred first: what the own key may sign with. [] is all it can. */
  readonly signatures: readonly string[];
  /** Undefined without EAP. */
  readonly eap: EapSettings | undefined;
  readonly trust: GatewayTrust;
  /** Of the post-quantum preshared key (RFC 8784); undefined without. */
  readonly ppk?: PpkSettings | undefined;
  /** Those that are stored. */
  readonly secrets: readonly SecretName[];
  /** Names of `ProfileFields`, or `secret`, `password`, `key`, that the administrator locked: they cannot be edited. */
  readonly locked: readonly string[];
}

/** A secret that goes into the keys beside the key exchange, so that breaking that is not enough. */
export interface PpkSettings {
  /** What the gateway calls it. */
  readonly id: string;
  /** Without it there is no connection. */
  readonly required: boolean;
}

/** What can be edited. In an edit, what is absent stays as it is; for a new profile it is the default. */
export interface ProfileFields {
  readonly name: string;
  readonly folder: string;
  readonly gateway: string;
  readonly gatewayPorts: { readonly ike: number; readonly natt: number };
  /** Names or addresses that stand in for `gateway` when it does not answer, the preferred first. */
  readonly gateways: readonly string[];
  readonly localId: string;
  /** '' is the default, what `gateway` says; `%any` takes anybody who has the key (undefined in `ProfileView`). */
  readonly remoteId: string;
  readonly ikeProposals: readonly string[];
  readonly espProposals: readonly string[];
  readonly remoteNetworks: readonly string[];
  /** Each gets a CHILD SA of its own, for gateways that grant one for all of them to nobody. */
  readonly additionalChildren: readonly AdditionalChild[];
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly dns: boolean;
  readonly mtu: number;
  readonly natKeepalive: number;
  readonly liveness: number;
  /** Packets. */
  readonly replayWindow: number;
  readonly whenLost: WhenLost;
  readonly fragmentation: Fragmentation;
  readonly tcp: TcpUse;
  readonly tcpPorts: readonly number[];
  readonly redirect: boolean;
  readonly resumption: boolean;
  readonly childless: boolean;
  /** Keep the session when an address changes (RFC 4555). */
  readonly mobike: boolean;
  readonly initialContact: boolean;
  /** Seconds; 0 is never. */
  readonly reauthenticateEvery: number;
  /** Seconds, and of one direction of a CHILD SA octets and packets; 0 is never. */
  readonly rekeyIke: number;
  readonly rekeyChild: number;
  readonly rekeyBytes: number;
  readonly rekeyPackets: number;
  readonly rekeyRehearsal: boolean;
  /** An `id` of '' takes it away, and its secret. */
  readonly ppk: { readonly id: string; readonly required?: boolean };
  readonly localPort: 'standard' | 'any';
  readonly auth: AuthMethod;
  /** PEM, or base64 DER; in an edit [] takes them away. */
  readonly certificates: readonly string[];
  /** What is absent in an edit stays as it is. Certificates as in `certificates`. */
  readonly eap: Partial<EapSettings>;
  readonly trust: Partial<Omit<GatewayTrust, 'revocation'>> & { readonly revocation?: Partial<GatewayTrust['revocation']> };
}

/** Stable: the window translates by it. */
export type ProfileProblemCode =
  | 'required' // it is missing or empty; of ppk the name
  | 'too-long' // text or secret
  | 'unprintable' // control or direction characters, or nothing but blanks
  | 'name-taken' // the same owner has another profile of that name
  | 'gateway-invalid' // neither host name nor address; of gateways one of them
  | 'identity-invalid' // localId, remoteId, the name of ppk
  | 'proposal-invalid' // ikeProposals, espProposals: one of them, or what they are together
  | 'network-invalid' // remoteNetworks, additionalChildren: one of them is no network
  | 'too-many' // lists
  | 'out-of-range' // numbers
  | 'no-family' // ipv4 and ipv6 are both off
  | 'no-network-of-family' // no network is left with the families that are on
  | 'choice-invalid' // localPort, whenLost, fragmentation, tcp, auth, eap.methods, trust.method, trust.revocation
  | 'certificate-invalid' // certificates, eap.authorities, trust.authorities, trust.intermediates: one of them is none
  | 'certificate-required' // the method needs certificates of the user
  | 'key-invalid' // the private key cannot be read, or is of a kind that cannot sign
  | 'key-mismatch' // the private key does not fit the certificate
  | 'key-password' // the password of the private key is missing or wrong
  | 'method-conflict' // auth, eap.methods and trust.method do not go together
  | 'locked'; // the administrator locked the field

export interface ProfileProblem {
  /** A name of `ProfileFields` (`ppk` for its secret too), one below it such as `eap.methods`, or `secret`, `password`, `key`. */
  readonly field: string;
  readonly code: ProfileProblemCode;
  /** In English, for the command line: what was expected. Never a secret. */
  readonly message: string;
}

/** Stable: the window finds its words by it. In braces the names in `ImportNote.values`. */
export type ImportNoteCode =
  | 'kept'
  // Dropped.
  | 'unknown-field'
  | 'unknown-fields' // it, and more that are not named {count}
  | 'not-supported' // known, and nothing here does it {value}
  | 'not-needed' // does not apply on this computer, or beside what else the file says
  | 'duplicate'
  // Changed.
  | 'blanks-removed'
  | 'ascii-name' // {value}
  | 'identity-from-gateway' // {value}
  | 'identity-from-certificate' // {value}
  | 'network-widened' // {from} {value}
  | 'same-name' // replaces the profile of that name
  | 'new-identifier' // {value}
  | 'secret-stays' // the one that is stored
  | 'written-otherwise' // said in another way, means the same {value}
  | 'default-taken' // {value}
  | 'nearest-taken' // {from} {value}
  | 'proposal-translated' // {from} {value}
  | 'system-roots' // no authority is named: the roots of this computer are trusted
  | 'anchors-found' // CA certificates beside the user's own became trusted {count}
  | 'kept-without-password' // the key was encrypted in the file; it is kept in the helper's own folder
  | 'name-given' // instead of the one in the file {value}
  // Warnings.
  | 'secret-missing' // asked for when connecting: pre-shared key
  | 'password-missing' // or password
  | 'user-missing' // or user name
  | 'key-missing' // without it there is no connecting
  | 'secret-short' // {length}
  | 'secret-line-end'
  | 'clear-text' // a password or key that everybody can read who has the file
  | 'identity-any'
  | 'identity-unlike-certificate' // who we say we are is not in our certificate {value}
  | 'certificate-expires' // {subject} {days}
  | 'certificate-expired' // {subject} {days}
  | 'certificate-not-yet-valid' // {subject}
  | 'weak-signature' // {subject} {value}
  | 'weak-key' // {subject} {value}
  | 'weak-method' // an EAP method that does not protect what is typed {value}
  | 'weak-proposal' // {value}
  | 'proposal-left-out' // {value}
  | 'not-an-authority' // a pinned certificate {subject}
  | 'common-name' // certificates without alternative names are taken
  | 'revocation-off';

/** What an import did with one field (PROFILES.md: kept, changed, dropped), or a warning about it. */
export interface ImportNote {
  readonly field: string;
  readonly outcome: 'kept' | 'changed' | 'dropped' | 'warning';
  /** In English, for the command line. */
  readonly why: string;
  readonly code: ImportNoteCode;
  /** What the sentence quotes. Never a secret. */
  readonly values?: Readonly<Record<string, string | number>>;
}

export type TunnelState =
  | 'idle'
  /** For the user, and for nothing else: `Status.prompt` says what for. */
  | 'waiting'
  | 'resolving'
  | 'connecting'
  | 'authenticating'
  | 'installing'
  | 'connected'
  /** Connected, while fresh keys or a fresh login take the place of the old ones: traffic goes on. */
  | 'rekeying'
  /** Connected, while the tunnel moves to another network: traffic goes on, or will as soon as the gateway answers there. */
  | 'roaming'
  /** It was connected and is tried again: now, or at `Status.retryAt`. `Status.held` says what becomes of its traffic. */
  | 'reconnecting'
  /** It was connected, and the computer sleeps or has just woken. */
  | 'paused'
  /**
   * It was connected, nobody is trying, and its traffic is held back: there is no network (it goes on by itself when there is one), or
   * `Status.failure` needs the user, who connects again or disconnects.
   */
  | 'blocked'
  | 'disconnecting'
  | 'failed';

export interface Failure {
  /** A code of core/tunnel/reasons.ts. */
  readonly code: string;
  readonly what: string;
  readonly advice: string;
  /** What shows it, for the administrator; one line. */
  readonly evidence: string;
}

/**
 * What is asked of the user; answered by `tunnel.answer`, cancelled by `tunnel.down`. Only the owner of the connection sees it. In another
 * state than `waiting` a new login asks beside the tunnel that is there: left unanswered, that one goes on until its own login is over.
 */
export interface Prompt {
  readonly id: string;
  readonly kind: 'psk' | 'identity' | 'password' | 'code' | 'pin';
  /** The gateway's own text, one printable line, or ''. */
  readonly text: string;
  /** For whom: the identity we show to the gateway. */
  readonly identity: string;
  /** The profile can keep the answer: it is the user's own and its secret is not locked. */
  readonly rememberAllowed: boolean;
  /** From 1; more than 1 means that the answer before was wrong. */
  readonly attempt: number;
  /** Why the answer before, typed or stored, was refused: for whoever cannot be asked, and ends with it. */
  readonly refused?: Failure;
}

/** Finding the gateway, securing the channel, the gateway's proof, the user's proof, preparing the network. */
export type StepName = 'resolve' | 'channel' | 'gateway' | 'user' | 'network';

export interface Step {
  readonly name: StepName;
  readonly state: 'pending' | 'active' | 'done' | 'failed';
  readonly startedAt: number | null;
  readonly endedAt: number | null;
}

export interface ChildStatus {
  /** `0x` and 8 hex digits. */
  readonly spiIn: string;
  readonly spiOut: string;
  readonly encr: string;
  readonly keyLength: number | undefined;
  readonly integ: string | undefined;
  readonly esn: boolean;
  readonly localSelectors: readonly string[];
  readonly remoteSelectors: readonly string[];
  readonly installedAt: number;
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
  readonly dropsExhausted: number;
  /** Outbound, larger than the path carries: the sender was told. */
  readonly dropsTooBig?: number;
  /** Inbound, marked by a congested network for a transport that learns of it by loss only (RFC 6040 §4.2). */
  readonly dropsCongestion?: number;
  /** The crypto backend that carries it; absent until it is installed. */
  readonly backend?: string;
  /** How large inner packets may be at this moment, and why that is less than the profile and our interface allow. */
  readonly path?: { readonly innerMtu: number; readonly because?: 'reported' | 'black-hole' };
  /** Inbound, with marks of congestion that no tunnel should make (RFC 6040 §4.2): not dropped. */
  readonly ecnUnusual?: number;
  /** When we replace it by a fresh one, unless the gateway or the traffic makes it earlier; absent: no time is set. */
  readonly rekeyAt?: number;
}

/** What the kernel puts together and takes apart for us, many packets per call. All false: packets one by one. */
export interface KernelOffload {
  /** The TUN device, both ways: a virtio header in front of packets, packets of many TCP segments, the same for UDP. */
  readonly tun: { readonly headers: boolean; readonly tcp: boolean; readonly udp: boolean };
  /** The socket that carries ESP: runs of datagrams sent (UDP_SEGMENT) and received (UDP_GRO). Sending may be lost on the way. */
  readonly socket: { readonly segmentation: boolean; readonly coalescing: boolean };
}

/** Why a packet that belongs to no CHILD SA was dropped. */
export type DropReason =
  /** ESP for an SA that is not ours. */
  | 'unknown-spi'
  | 'short-packet'
  /** No SA covers it; it is never sent in clear. */
  | 'no-policy'
  | 'not-ip'
  /** NAT keepalives, which are meant to be ignored (RFC 3948 §2.3). */
  | 'keepalive-in'
  /** The TUN device did not take them. */
  | 'tun-full'
  | 'send-failed'
  /** IKE messages that came too fast. */
  | 'ike-full'
  /** Dropped by the kernel in our stead, because it is nobody's: unknown SPIs, keepalives, what is too short, floods. Counted in runs of datagrams. */
  | 'kernel'
  /** Found the socket's queue full: genuine packets may be among them. Counted in runs of datagrams. */
  | 'queue-full';

export interface IkeStatus {
  /** 16 hex digits. */
  readonly spiI: string;
  readonly spiR: string;
  readonly encr: string;
  readonly keyLength: number | undefined;
  readonly prf: string;
  readonly integ: string | undefined;
  readonly ke: string;
  /** Key exchanges beside it (RFC 9370), as ML_KEM_768; absent when there were none. */
  readonly additionalKe?: readonly string[];
  /** A post-quantum preshared key is in the keys (RFC 8784). */
  readonly ppk?: true;
  readonly establishedAt: number;
  readonly localIdentity: string;
  readonly remoteIdentity: string;
  /** By a ticket of an earlier session (RFC 5723): nobody was asked or proven anew. */
  readonly resumed?: true;
  /** When we replace it by a fresh one, unless the gateway or the traffic makes it earlier; absent: no time is set. */
  readonly rekeyAt?: number;
}

/** What a user sees; computed from facts by one pure function (core/tunnel/status.ts). Instants are Date.now() milliseconds. */
export interface Status {
  readonly state: TunnelState;
  /** Since when the state holds. */
  readonly since: number;
  readonly profile?: { readonly id: string; readonly name: string };
  /** True when another user's tunnel is up: then nothing but `state` is told. */
  readonly otherUser: boolean;
  /** `transport`: all goes in a TCP connection to this port (RFC 9329); in UDP when absent. */
  readonly gateway?: { readonly name: string; readonly address: string; readonly port: number; readonly transport?: 'tcp' };
  readonly local?: { readonly address: string; readonly port: number };
  readonly nat?: { readonly local: boolean; readonly remote: boolean };
  readonly interface?: { readonly name: string; readonly mtu: number };
  readonly virtualIps: readonly string[];
  readonly dns: readonly string[];
  readonly domains: readonly string[];
  readonly routes: readonly string[];
  readonly ike?: IkeStatus;
  readonly children: readonly ChildStatus[];
  /** The first crypto backend that carries any suite; each child tells its own. */
  readonly backend?: string;
  /** What the kernel does for us, while a tunnel is up. */
  readonly offload?: KernelOffload;
  /** Packets of this connection that were dropped and belong to no child; also those that are 0. */
  readonly drops?: Readonly<Partial<Record<DropReason, number>>>;
  /** Why there is no connection; while it is brought back, why it was lost or why the last try did not work. */
  readonly failure?: Failure;
  /** Why the last new login beside this connection did not take its place; absent once another is under way. */
  readonly renewalFailure?: Failure;
  /** In their order; empty when there is nothing to tell of. After a failure they tell how far it came. */
  readonly steps: readonly Step[];
  readonly prompt?: Prompt;
  /** Round trip of the last IKE exchange that needed no repetition, milliseconds. */
  readonly pathRtt?: number;
  /** When it is tried again; absent while it is tried now. */
  readonly retryAt?: number;
  /** Of a connection that is being brought back: its traffic stays on this computer meanwhile (true), or goes without the tunnel. */
  readonly held?: boolean;
  /** What the gateway showed, once it was accepted; after a failure, what was refused. */
  readonly gatewayCertificate?: GatewayCertificate;
  /** Of the profile and of what the gateway showed. Absent: none. */
  readonly warnings?: readonly Warning[];
}

export interface GatewayCertificate {
  readonly subject: string;
  readonly issuer: string;
  /** Date.now() milliseconds. */
  readonly notAfter: number;
  /** Of each certificate below the anchor, the end entity first. */
  readonly revocation: readonly RevocationVerdict[];
}

/** Nothing is wrong yet, or not enough to refuse. */
export interface Warning {
  readonly code:
    | 'client-certificate-expires'
    | 'gateway-certificate-expires'
    | 'authority-expires'
    | 'psk-short'
    | 'revocation-unknown'
    | 'network-refused' // a further CHILD SA of the profile
    | 'family-blocked'; // the gateway carries none of it, and nothing leaves by it
  /** Of which certificate, or which networks and how it was refused, or IPv4 or IPv6; '' when it is about none. */
  readonly subject: string;
  /** Whole days left; negative when it is over, 0 on the last day. Undefined where there is no end. */
  readonly days?: number;
  /** Date.now() milliseconds. */
  readonly notAfter?: number;
}

/** One certificate as people look at it. */
export interface CertificateView {
  readonly subject: string;
  readonly issuer: string;
  /** Lower case hex. */
  readonly serial: string;
  /** Date.now() milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Whole days left at the time of the report; negative when it is over. */
  readonly days: number;
  /** Alternative names: `dns:vpn.office.test`, `ip:192.0.2.1`, `email:alice@office.test`, `uri:…`, `dn:CN=…`. */
  readonly names: readonly string[];
  /** `RSA 3072`, `P-256`, `Ed25519`, … */
  readonly key: string;
  /** `RSA PKCS#1 with SHA-256`, … or the OID of one that is not known. */
  readonly signature: string;
  readonly ca: boolean;
  readonly pathLength: number | undefined;
  /** Undefined: the extension is absent, anything goes. */
  readonly keyUsage: readonly string[] | undefined;
  /** Names where known, else OIDs. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly crls: readonly string[];
  readonly ocsp: readonly string[];
  /** SHA-256 of the DER, lower case hex. */
  readonly fingerprint: string;
}

/** The certificate lens: what there is, whether it holds, and why not. */
export interface CertificateReport {
  /** The end entity first; up to the anchor when there is a path, else as they were found. */
  readonly chain: readonly CertificateView[];
  /** Certificates that are not in the chain. */
  readonly others: readonly CertificateView[];
  /** `trusted`: the chain ends at an anchor. `unanchored`: there was nothing to hold it against. */
  readonly verdict: 'trusted' | 'refused' | 'unanchored';
  /** Empty when nothing is wrong. */
  readonly problems: readonly { readonly code: PkiFaultCode | 'key-mismatch'; readonly evidence: string }[];
  /** The identity it was held against, and whether it fits. */
  readonly expected?: { readonly identity: string; readonly fits: boolean };
  /** There was a private key, and whether it fits the end entity. */
  readonly key?: { readonly kind: string; readonly fits: boolean };
  /** Empty: not looked at. */
  readonly revocation: readonly RevocationVerdict[];
  readonly warnings: readonly Warning[];
}

/** One connection, from `up` to its end. */
export interface SessionRecord {
  readonly id: string;
  /** Uid. */
  readonly owner: number;
  readonly profile: { readonly id: string; readonly name: string };
  readonly gateway: string;
  readonly startedAt: number;
  /** Absent when it never came up. */
  readonly connectedAt?: number;
  /** Absent while it lasts. */
  readonly endedAt?: number;
  readonly virtualIps: readonly string[];
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** A code of core/tunnel/reasons.ts; `user` when the user wanted it; `engine-restarted` for one the helper's end cut short. */
  readonly endReason?: string;
}

export interface LogLine {
  /** Counts up by one with every line of this helper's life; the cursor of `log.read`. */
  readonly seq: number;
  /** Date.now() milliseconds. */
  readonly at: number;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly area: string;
  readonly text: string;
  readonly fields?: Readonly<Record<string, string | number | boolean>>;
}

const text = (max: number) => v.pipe(v.string(), v.maxLength(max));
const nothing = v.strictObject({});
const reference = v.pipe(text(256), v.minLength(1));
const profileReference = v.strictObject({ profile: reference });
/** Bounds only: what is wrong with a field is told as a problem of the field. */
const loose = {
  text: text(4096),
  list: v.pipe(v.array(text(4096)), v.maxLength(1000)),
  certificates: v.pipe(v.array(text(64 * 1024)), v.maxLength(200)),
};
const profileFields = v.strictObject({
  name: v.optional(loose.text),
  folder: v.optional(loose.text),
  gateway: v.optional(loose.text),
  gatewayPorts: v.optional(v.strictObject({ ike: v.number(), natt: v.number() })),
  gateways: v.optional(loose.list),
  localId: v.optional(loose.text),
  remoteId: v.optional(loose.text),
  ikeProposals: v.optional(loose.list),
  espProposals: v.optional(loose.list),
  remoteNetworks: v.optional(loose.list),
  additionalChildren: v.optional(v.pipe(v.array(v.strictObject({ remoteNetworks: loose.list })), v.maxLength(64))),
  ipv4: v.optional(v.boolean()),
  ipv6: v.optional(v.boolean()),
  dns: v.optional(v.boolean()),
  mtu: v.optional(v.number()),
  natKeepalive: v.optional(v.number()),
  liveness: v.optional(v.number()),
  replayWindow: v.optional(v.number()),
  whenLost: v.optional(loose.text),
  fragmentation: v.optional(loose.text),
  tcp: v.optional(loose.text),
  tcpPorts: v.optional(v.pipe(v.array(v.number()), v.maxLength(64))),
  redirect: v.optional(v.boolean()),
  resumption: v.optional(v.boolean()),
  childless: v.optional(v.boolean()),
  mobike: v.optional(v.boolean()),
  initialContact: v.optional(v.boolean()),
  reauthenticateEvery: v.optional(v.number()),
  rekeyIke: v.optional(v.number()),
  rekeyChild: v.optional(v.number()),
  rekeyBytes: v.optional(v.number()),
  rekeyPackets: v.optional(v.number()),
  rekeyRehearsal: v.optional(v.boolean()),
  ppk: v.optional(v.strictObject({ id: loose.text, required: v.optional(v.boolean()) })),
  localPort: v.optional(loose.text),
  auth: v.optional(loose.text),
  certificates: v.optional(loose.certificates),
  eap: v.optional(
    v.strictObject({
      methods: v.optional(loose.list),
      identity: v.optional(loose.text),
      serverName: v.optional(loose.text),
      authorities: v.optional(loose.certificates),
    }),
  ),
  trust: v.optional(
    v.strictObject({
      method: v.optional(loose.text),
      authorities: v.optional(loose.certificates),
      intermediates: v.optional(loose.certificates),
      systemRoots: v.optional(v.boolean()),
      certreq: v.optional(v.boolean()),
      commonName: v.optional(v.boolean()),
      revocation: v.optional(
        v.strictObject({ crl: v.optional(v.boolean()), ocsp: v.optional(v.boolean()), strict: v.optional(v.boolean()) }),
      ),
    }),
  ),
});
const secretText = text(4096);
/** Octets of files, in base64. */
const fileData = text(512 * 1024);

/** Schema of every method's params, at the end that validates. */
export const params = {
  hello: v.strictObject({ protocol: v.pipe(v.number(), v.integer()), client: text(128) }),
  /** Either `text` (a profile file of any kind, PEM) or `data` (those, PKCS#12, DER; several make one profile). */
  'profile.import': v.strictObject({
    text: v.optional(text(512 * 1024)),
    data: v.optional(v.pipe(v.array(fileData), v.minLength(1), v.maxLength(16))),
    /** Of PKCS#12 or of an encrypted key in it. `import-password-needed` and `import-password-wrong` ask for it. */
    password: v.optional(secretText),
    /** Host name or address, for files that name none: PKCS#12, PEM, DER. */
    gateway: v.optional(loose.text),
    /** Of the profile, instead of what the file says. */
    name: v.optional(loose.text),
    shared: v.optional(v.boolean(), false),
    dryRun: v.optional(v.boolean(), false),
  }),
  'profile.list': nothing,
  'profile.show': profileReference,
  /** Creates (no `profile`) or edits. An edit keeps the secret unless a new one is given. `shared` is for a new one, by root. */
  'profile.save': v.strictObject({
    profile: v.optional(reference),
    fields: profileFields,
    /** '' is none. */
    secret: v.optional(secretText),
    /** Takes the stored secret away: the user is asked when connecting. */
    forgetSecret: v.optional(v.boolean(), false),
    /** Of EAP; as `secret`. */
    password: v.optional(secretText),
    forgetPassword: v.optional(v.boolean(), false),
    /** PEM of the private key of `certificates`; encrypted it needs `keyPassword`, and is kept without it. */
    key: v.optional(text(64 * 1024)),
    keyPassword: v.optional(secretText),
    forgetKey: v.optional(v.boolean(), false),
    /** The secret of `fields.ppk`, as text; it goes with that. */
    ppk: v.optional(secretText),
    shared: v.optional(v.boolean(), false),
    /** Validation as the user types: nothing is stored. */
    dryRun: v.optional(v.boolean(), false),
  }),
  'profile.duplicate': profileReference,
  'profile.remove': profileReference,
  /** Takes back a removal, for ten minutes after it and while the same helper runs. */
  'profile.restore': v.strictObject({ undo: reference }),
  /** `askSecret` asks although the profile has one. */
  'tunnel.up': v.strictObject({ profile: reference, askSecret: v.optional(v.boolean(), false) }),
  /** The answer to `Status.prompt`. `remember` keeps it in the profile once the gateway took it, where that is allowed. */
  'tunnel.answer': v.strictObject({ id: reference, secret: v.pipe(secretText, v.minLength(1)), remember: v.boolean() }),
  'tunnel.down': nothing,
  /** New keys now, for the IKE SA or for every CHILD SA; `status` tells when they are there. */
  'tunnel.rekey': v.strictObject({ what: v.picklist(['ike', 'child']) }),
  'tunnel.status': nothing,
  /**
   * The newest lines, or the newest with a `seq` below `before`. An answer fits into one frame, so it may hold fewer lines than
   * wanted: ask again with `before` the first line's `seq`, until enough have come or an answer is empty.
   */
  'log.read': v.strictObject({
    lines: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100_000)), 200),
    level: v.optional(v.picklist(['debug', 'info', 'warn', 'error']), 'info'),
    before: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  }),
  /** The asker's own sessions (root: everybody's), newest first. A change of the status tells when to read again. */
  'history.list': v.strictObject({ limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(500)), 100) }),
  'host.repair': nothing,
  /** Certificates of a file (`data`, or `text` in PEM) or of a profile: its own, and its anchors to hold them against. */
  'cert.show': v.strictObject({
    text: v.optional(text(512 * 1024)),
    data: v.optional(v.pipe(v.array(fileData), v.minLength(1), v.maxLength(16))),
    /** What the certificates are held against is its trust; without files, what is shown are its certificates. */
    profile: v.optional(reference),
    password: v.optional(secretText),
    /** More certificates to trust, as `data`. */
    authorities: v.optional(v.pipe(v.array(fileData), v.maxLength(16))),
    /** The identity they should be about. */
    expect: v.optional(loose.text),
    /** Ask the network whether they were revoked, once there is a path. */
    revocation: v.optional(v.boolean(), false),
    /** Also trust the roots of this computer. */
    systemRoots: v.optional(v.boolean(), false),
    /** Instead of now. Date.now() milliseconds. */
    at: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  }),
  /** Connects as far as the gateway's certificate, without proving anything of the user. A name or a profile. */
  'cert.fetch': v.strictObject({
    gateway: v.optional(loose.text),
    profile: v.optional(reference),
    expect: v.optional(loose.text),
    systemRoots: v.optional(v.boolean(), true),
  }),
  /** The answer is a whole snapshot; events follow. */
  subscribe: v.strictObject({ to: v.pipe(v.array(v.picklist(['status', 'log'])), v.maxLength(2)) }),
} as const;

export type Method = keyof typeof params;
export type Params<M extends Method> = v.InferInput<(typeof params)[M]>;
export type ValidParams<M extends Method> = v.InferOutput<(typeof params)[M]>;

export interface Results {
  hello: { readonly protocol: number; readonly version: string; readonly uid: number };
  'profile.import': { readonly profile: ProfileSummary; readonly notes: readonly ImportNote[]; readonly replaced: boolean };
  'profile.list': readonly ProfileSummary[];
  'profile.show': ProfileView;
  /** With problems `profile` is null and nothing was stored; in a dry run it is what would be stored. */
  'profile.save': {
    readonly profile: ProfileSummary | null;
    readonly problems: readonly ProfileProblem[];
    readonly notes: readonly ImportNote[];
  };
  'profile.duplicate': ProfileSummary;
  'profile.remove': { readonly removed: string; readonly undo: string };
  'profile.restore': ProfileSummary;
  /** Accepted; progress comes as `status` events. */
  'tunnel.up': { readonly profile: ProfileSummary };
  /** The answer was passed on; whether it was right comes as `status` events. */
  'tunnel.answer': { readonly accepted: true };
  'tunnel.down': { readonly was: TunnelState };
  'tunnel.rekey': { readonly accepted: true };
  'tunnel.status': Status;
  /** Oldest first. */
  'log.read': readonly LogLine[];
  'history.list': readonly SessionRecord[];
  'host.repair': { readonly changes: readonly string[] };
  'cert.show': CertificateReport;
  'cert.fetch': CertificateReport;
  subscribe: { readonly status?: Status };
}

/** `status` carries the top-level keys that changed since the last one; a key set to null is gone. */
export interface Events {
  status: { readonly [K in keyof Status]?: Status[K] | null };
  log: LogLine;
}

export interface RpcError {
  /** A code of core/tunnel/reasons.ts. */
  readonly code: string;
  readonly detail: string;
}
