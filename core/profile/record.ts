/** What the store's files look like, and what of an older one is still good. */
import * as v from 'valibot';
import type { EapSettings, GatewayTrust, SecretName } from '../rpc/contract.ts';
import { DEFAULTS, defaultInitialContact, defaultTrust, type Profile, type StoredProfile } from './model.ts';
import { LOCKABLE, LOCKABLE_BEFORE_CERTIFICATES, LOCKABLE_BEFORE_WINDOW, LOCKABLE_LATER } from './schema.ts';

const secretFile = v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f.-]+\.secret$/)));
const eap = v.object({
  methods: v.array(v.picklist(['mschapv2', 'tls', 'gtc', 'otp', 'md5', 'ttls', 'peap'])),
  identity: v.string(),
  serverName: v.string(),
  authorities: v.array(v.string()),
}) satisfies v.GenericSchema<unknown, EapSettings>;
const trust = v.object({
  method: v.picklist(['psk', 'certificate', 'eap-only']),
  authorities: v.array(v.string()),
  intermediates: v.array(v.string()),
  systemRoots: v.boolean(),
  certreq: v.boolean(),
  commonName: v.boolean(),
  revocation: v.object({ crl: v.boolean(), ocsp: v.boolean(), strict: v.boolean() }),
}) satisfies v.GenericSchema<unknown, GatewayTrust>;

/** The engine wrote it; a file that is not so was damaged and is left alone. Format 1 began without all that is optional here. */
export const storedRecord = v.object({
  format: v.literal(1),
  owner: v.pipe(v.number(), v.integer(), v.minValue(0)),
  shared: v.boolean(),
  /** Of the pre-shared key. */
  secretFile,
  passwordFile: secretFile,
  keyFile: secretFile,
  ppkFile: secretFile,
  profile: v.object({
    id: v.pipe(v.string(), v.regex(/^[0-9a-f-]{36}$/)),
    name: v.string(),
    gateway: v.string(),
    gatewayPorts: v.object({ ike: v.number(), natt: v.number() }),
    gateways: v.optional(v.array(v.string())),
    localId: v.string(),
    remoteId: v.optional(v.string()),
    auth: v.picklist(['psk', 'certificate', 'eap', 'certificate-eap']),
    certificates: v.optional(v.array(v.string()), []),
    signatures: v.optional(v.array(v.string()), []),
    eap: v.optional(eap),
    trust: v.optional(trust),
    ikeProposals: v.array(v.string()),
    espProposals: v.array(v.string()),
    remoteNetworks: v.array(v.string()),
    ipv4: v.boolean(),
    ipv6: v.boolean(),
    dns: v.boolean(),
    mtu: v.number(),
    natKeepalive: v.number(),
    liveness: v.number(),
    replayWindow: v.optional(v.number()),
    whenLost: v.optional(v.picklist(['hold', 'lock', 'open', 'end'])),
    fragmentation: v.optional(v.picklist(['yes', 'no', 'force'])),
    tcp: v.optional(v.picklist(['auto', 'always', 'never'])),
    tcpPorts: v.optional(v.array(v.number())),
    redirect: v.optional(v.boolean()),
    resumption: v.optional(v.boolean()),
    childless: v.optional(v.boolean()),
    initialContact: v.optional(v.boolean()),
    reauthenticateEvery: v.optional(v.number()),
    ppk: v.optional(v.object({ id: v.string(), required: v.boolean() })),
    rekeyIke: v.optional(v.number()),
    rekeyChild: v.optional(v.number()),
    rekeyBytes: v.optional(v.number()),
    rekeyPackets: v.optional(v.number()),
    rekeyRehearsal: v.optional(v.boolean()),
    mobike: v.optional(v.boolean()),
    additionalChildren: v.optional(v.array(v.object({ remoteNetworks: v.array(v.string()) }))),
    localPort: v.picklist(['standard', 'any']),
    folder: v.optional(v.string(), ''),
    locked: v.optional(v.array(v.string()), []),
  }),
});

/** All that could be locked when it was written. */
function lockableThen(stored: v.InferOutput<typeof storedRecord>['profile']): readonly string[] {
  if (stored.trust === undefined) return LOCKABLE_BEFORE_CERTIFICATES;
  return [...LOCKABLE_BEFORE_WINDOW, ...LOCKABLE_LATER.filter((field) => stored[field] !== undefined)];
}

export function profileOf(stored: v.InferOutput<typeof storedRecord>['profile']): Profile {
  const { locked } = stored;
  return {
    ...stored,
    remoteId: stored.remoteId,
    eap: stored.eap,
    trust: stored.trust ?? defaultTrust(stored.auth),
    gateways: stored.gateways ?? [],
    replayWindow: stored.replayWindow ?? DEFAULTS.replayWindow,
    whenLost: stored.whenLost ?? DEFAULTS.whenLost,
    fragmentation: stored.fragmentation ?? DEFAULTS.fragmentation,
    tcp: stored.tcp ?? DEFAULTS.tcp,
    tcpPorts: stored.tcpPorts ?? DEFAULTS.tcpPorts,
    redirect: stored.redirect ?? DEFAULTS.redirect,
    resumption: stored.resumption ?? DEFAULTS.resumption,
    childless: stored.childless ?? DEFAULTS.childless,
    initialContact: stored.initialContact ?? defaultInitialContact(stored.auth),
    reauthenticateEvery: stored.reauthenticateEvery ?? DEFAULTS.reauthenticateEvery,
    rekeyIke: stored.rekeyIke ?? DEFAULTS.rekeyIke,
    rekeyChild: stored.rekeyChild ?? DEFAULTS.rekeyChild,
    rekeyBytes: stored.rekeyBytes ?? DEFAULTS.rekeyBytes,
    rekeyPackets: stored.rekeyPackets ?? DEFAULTS.rekeyPackets,
    rekeyRehearsal: stored.rekeyRehearsal ?? DEFAULTS.rekeyRehearsal,
    mobike: stored.mobike ?? DEFAULTS.mobike,
    additionalChildren: stored.additionalChildren ?? [],
    // Who locked all there was locked what came later with it.
    locked: lockableThen(stored).every((field) => locked.includes(field)) ? LOCKABLE : locked,
  };
}

/**
 * Which secrets of a profile stay when an imported file takes its place: a secret that is kept must not be shown to somebody else because a
 * file said so, and a key without its certificate is of no use.
 */
export function keepsSecrets(old: StoredProfile, profile: Profile): readonly SecretName[] {
  if (!areForSame(old.profile, profile)) return [];
  const sameCertificate = isSame(old.profile, profile, ({ certificates }) => certificates[0] ?? '');
  const samePpk = isSame(old.profile, profile, ({ ppk }) => ppk?.id ?? '');
  return old.secrets.filter((name) => (name !== 'key' || sameCertificate) && (name !== 'ppk' || samePpk));
}

/** Is a secret of one told to the same gateway, proven in the same way, as the same user by the other? */
export function areForSame(one: Profile, other: Profile): boolean {
  return isSame(one, other, ({ gateway, gateways, gatewayPorts, localId, remoteId, auth, trust, eap: settings }) => {
    const { authorities, systemRoots, method, commonName, revocation } = trust;
    return [
      gateway,
      gateways,
      gatewayPorts.ike,
      gatewayPorts.natt,
      localId,
      remoteId,
      auth,
      method,
      authorities,
      systemRoots,
      commonName,
      // Whose certificate was stolen and revoked is somebody else, too.
      revocation,
      settings,
    ];
  });
}

function isSame(one: Profile, other: Profile, of: (profile: Profile) => unknown): boolean {
  return JSON.stringify(of(one)) === JSON.stringify(of(other));
}
