/**
 * The one contract between helper and clients (window, CLI). Frames: 4-byte big-endian length, UTF-8 JSON.
 *   request  {"id":1,"method":"tunnel.up","params":{…}}
 *   response {"id":1,"result":…} or {"id":1,"error":{"code":"…","detail":"…"}}
 *   event    {"event":"status","data":{…}}
 * The first request is `hello`. The helper validates every params; clients validate nothing but the frame, as the helper is more privileged.
 */
import * as v from 'valibot';

export const PROTOCOL_VERSION = 1;
/** A longer frame ends the connection. */
export const MAX_FRAME = 1024 * 1024;
export const DEFAULT_SOCKET = '/run/sallyport/sallyport.sock';

export interface ProfileSummary {
  readonly id: string;
  readonly name: string;
  readonly gateway: string;
  readonly auth: 'psk';
  /** Uid of the owner; shared ones were imported by the administrator for everybody. */
  readonly owner: number;
  readonly shared: boolean;
}

/** All of a profile but its secrets. */
export interface ProfileView extends ProfileSummary {
  readonly localId: string;
  readonly remoteId: string | undefined;
  readonly ikeProposals: readonly string[];
  readonly espProposals: readonly string[];
  readonly remoteNetworks: readonly string[];
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly dns: boolean;
  readonly mtu: number;
  readonly natKeepalive: number;
  readonly liveness: number;
  readonly localPort: 'standard' | 'any';
  readonly gatewayPorts: { readonly ike: number; readonly natt: number };
  readonly hasSecret: boolean;
}

/** What an import did with one field (PROFILES.md: kept, changed, dropped), or a warning about it. */
export interface ImportNote {
  readonly field: string;
  readonly outcome: 'kept' | 'changed' | 'dropped' | 'warning';
  readonly why: string;
}

export type TunnelState =
  | 'idle'
  | 'resolving'
  | 'connecting'
  | 'authenticating'
  | 'installing'
  | 'connected'
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
}

export interface IkeStatus {
  /** 16 hex digits. */
  readonly spiI: string;
  readonly spiR: string;
  readonly encr: string;
  readonly keyLength: number | undefined;
  readonly prf: string;
  readonly integ: string | undefined;
  readonly ke: string;
  readonly establishedAt: number;
  readonly localIdentity: string;
  readonly remoteIdentity: string;
}

/** What a user sees; computed from facts by one pure function (core/tunnel/status.ts). Instants are Date.now() milliseconds. */
export interface Status {
  readonly state: TunnelState;
  /** Since when the state holds. */
  readonly since: number;
  readonly profile?: { readonly id: string; readonly name: string };
  /** True when another user's tunnel is up: then nothing but `state` is told. */
  readonly otherUser: boolean;
  readonly gateway?: { readonly name: string; readonly address: string; readonly port: number };
  readonly local?: { readonly address: string; readonly port: number };
  readonly nat?: { readonly local: boolean; readonly remote: boolean };
  readonly interface?: { readonly name: string; readonly mtu: number };
  readonly virtualIps: readonly string[];
  readonly dns: readonly string[];
  readonly domains: readonly string[];
  readonly routes: readonly string[];
  readonly ike?: IkeStatus;
  readonly children: readonly ChildStatus[];
  readonly backend?: string;
  readonly failure?: Failure;
}

export interface LogLine {
  /** Date.now() milliseconds. */
  readonly at: number;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly area: string;
  readonly text: string;
  readonly fields?: Readonly<Record<string, string | number | boolean>>;
}

const text = (max: number) => v.pipe(v.string(), v.maxLength(max));
const nothing = v.strictObject({});
const profileReference = v.strictObject({ profile: v.pipe(text(256), v.minLength(1)) });

/** Schema of every method's params, at the end that validates. */
export const params = {
  hello: v.strictObject({ protocol: v.pipe(v.number(), v.integer()), client: text(128) }),
  'profile.import': v.strictObject({
    text: text(512 * 1024),
    shared: v.optional(v.boolean(), false),
    dryRun: v.optional(v.boolean(), false),
  }),
  'profile.list': nothing,
  'profile.show': profileReference,
  'profile.remove': profileReference,
  'tunnel.up': profileReference,
  'tunnel.down': nothing,
  'tunnel.status': nothing,
  'log.read': v.strictObject({
    lines: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000)), 200),
    level: v.optional(v.picklist(['debug', 'info', 'warn', 'error']), 'info'),
  }),
  'host.repair': nothing,
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
  'profile.remove': { readonly removed: string };
  /** Accepted; progress comes as `status` events. */
  'tunnel.up': { readonly profile: ProfileSummary };
  'tunnel.down': { readonly was: TunnelState };
  'tunnel.status': Status;
  'log.read': readonly LogLine[];
  'host.repair': { readonly changes: readonly string[] };
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
