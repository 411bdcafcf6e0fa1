/** A profile: everything about one gateway and how to reach it. One model, whatever file it came from. */
import type { EapMethodName } from '../ike/auth/eap/contract.ts';
import { defaultLifetimes, usualTiming } from '../ike/sa/lifetimes.ts';
import type {
  AdditionalChild,
  AuthMethod,
  EapSettings,
  Fragmentation,
  GatewayTrust,
  PpkSettings,
  ProfileSummary,
  ProfileView,
  SecretName,
  TcpUse,
  WhenLost,
} from '../rpc/contract.ts';

export interface Profile {
  /** RFC 9562 UUID, lower case. The same one of the same owner is the same profile. */
  readonly id: string;
  readonly name: string;
  /** Host name in ASCII (IDNA), or an IPv4 or IPv6 address. */
  readonly gateway: string;
  readonly gatewayPorts: { readonly ike: number; readonly natt: number };
  /** As `gateway`: they stand in for it, the preferred first. One that has to prove its name proves its own. */
  readonly gateways: readonly string[];
  /** Identities as text: see core/ike/identity.ts. */
  readonly localId: string;
  /** Undefined takes any identity that authenticates. */
  readonly remoteId: string | undefined;
  readonly auth: AuthMethod;
  /** Base64 DER of the user's own chain, the end entity first; [] without. */
  readonly certificates: readonly string[];
  /** Names of core/crypto/signatureNames.ts, the preferred first: what the own key may sign with. [] is all it can. */
  readonly signatures: readonly string[];
  /** Exactly with `eap` and `certificate-eap`. */
  readonly eap: EapSettings | undefined;
  readonly trust: GatewayTrust;
  /** RFC 8784. */
  readonly ppk?: PpkSettings | undefined;
  /** strongSwan's proposal keywords, one string per proposal. */
  readonly ikeProposals: readonly string[];
  readonly espProposals: readonly string[];
  /** CIDR. */
  readonly remoteNetworks: readonly string[];
  /** CHILD SAs beside that of `remoteNetworks`, each with networks of its own. */
  readonly additionalChildren: readonly AdditionalChild[];
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly dns: boolean;
  /** Of the TUN device, octets. */
  readonly mtu: number;
  /** Seconds between NAT keepalives; 0 is none. */
  readonly natKeepalive: number;
  /** Seconds of silence after which the gateway is asked whether it lives; 0 is never. */
  readonly liveness: number;
  /** Packets that the gateway's may come out of order by: the span of the inbound SAs' replay windows, 64 to 4096. */
  readonly replayWindow: number;
  readonly whenLost: WhenLost;
  /** RFC 7383: long IKE messages in fragments where the gateway takes them, never, or only with a gateway that does. */
  readonly fragmentation: Fragmentation;
  /** RFC 9329: whether IKE and ESP go in a TCP connection. */
  readonly tcp: TcpUse;
  /** Where the gateway may take it, the preferred first. */
  readonly tcpPorts: readonly number[];
  /** Go where the gateway sends us (RFC 5685). */
  readonly redirect: boolean;
  /** Take tickets, and come back with them after a loss (RFC 5723). */
  readonly resumption: boolean;
  /** Leave the CHILD SA out of IKE_AUTH where the gateway takes that (RFC 6023). */
  readonly childless: boolean;
  /** Keep the session when an address changes, where the gateway can too (RFC 4555). */
  readonly mobike: boolean;
  /** Say that older SAs of this identity are gone (RFC 7296 §2.4). */
  readonly initialContact: boolean;
  /** Seconds after which both prove who they are again, whatever the gateway wants; 0 is never. */
  readonly reauthenticateEvery: number;
  /** Seconds after which we rekey the IKE SA and each CHILD SA; 0 is never. */
  readonly rekeyIke: number;
  readonly rekeyChild: number;
  /** Inner octets and packets that a CHILD SA carries one way before we rekey it; 0 is as many as its cipher and numbers allow. */
  readonly rekeyBytes: number;
  readonly rekeyPackets: number;
  /** Rekey the first CHILD SA at once, so that a gateway that refuses it is found out now. */
  readonly rekeyRehearsal: boolean;
  readonly localPort: 'standard' | 'any';
  /** '' is none. */
  readonly folder: string;
  /** Names of fields that cannot be edited, `secret` among them. */
  readonly locked: readonly string[];
}

/** Secrets are kept apart from the profile, each in a file of its own, as owned octets. */
export interface ProfileSecret {
  readonly psk?: Uint8Array;
  /** UTF-8. */
  readonly password?: Uint8Array;
  /** PKCS#8 DER, not encrypted. */
  readonly key?: Uint8Array;
  /** The post-quantum preshared key. */
  readonly ppk?: Uint8Array;
}

/** Who has it. */
export interface StoredProfile {
  readonly profile: Profile;
  readonly owner: number;
  readonly shared: boolean;
  /** What is stored with it; the store says so. */
  readonly secrets: readonly SecretName[];
}

export const SECRET_NAMES: readonly SecretName[] = ['psk', 'password', 'key', 'ppk'];

export const DEFAULTS = {
  ikePort: 500,
  nattPort: 4500,
  remoteNetworks: ['0.0.0.0/0', '::/0'],
  /** `default` stands for the list of core/ike/proposals.ts, so that a profile grows with the program. */
  proposals: ['default'],
  mtu: 1400,
  natKeepalive: 20,
  liveness: usualTiming.livenessAfter / 1000,
  replayWindow: 1024,
  whenLost: 'hold',
  fragmentation: 'yes',
  tcp: 'auto',
  /** RFC 9329 §11: TCP port 4500; 443 passes where nothing else does. */
  tcpPorts: [4500, 443],
  redirect: true,
  resumption: true,
  childless: false,
  mobike: true,
  reauthenticateEvery: 0,
  rekeyIke: defaultLifetimes.ike.soft / 1000,
  rekeyChild: defaultLifetimes.child.soft / 1000,
  rekeyBytes: 0,
  rekeyPackets: 0,
  rekeyRehearsal: defaultLifetimes.rehearse,
} as const;

/**
 * Of a profile that says nothing of it. RFC 7296 §2.4: not by who may be there twice, as a user with a name and a password on laptop and
 * telephone; the newer connection would end the older. A private key is on one computer.
 */
export function defaultInitialContact(auth: AuthMethod): boolean {
  return auth === 'certificate' || auth === 'certificate-eap';
}

/** Of a profile that says nothing of it. */
export function defaultTrust(auth: AuthMethod): GatewayTrust {
  return {
    method: auth === 'psk' ? 'psk' : 'certificate',
    authorities: [],
    intermediates: [],
    // Without authorities of its own a profile would trust nobody.
    systemRoots: auth !== 'psk',
    certreq: true,
    commonName: false,
    revocation: { crl: true, ocsp: true, strict: false },
  };
}

/** Methods whose server proves itself by a certificate inside of TLS. */
export const TLS_METHODS: ReadonlySet<EapMethodName> = new Set(['tls', 'ttls', 'peap'] as const);

/**
 * Without MD5, which proves nothing of the server and makes no key: it is used where a profile names it. TLS only where there is a
 * certificate of the user's, and whatever has a server with a certificate only where that can be checked.
 */
export function defaultEapMethods(certificate: boolean, authorities: boolean): readonly EapMethodName[] {
  const all: readonly EapMethodName[] = [...(certificate ? (['tls'] as const) : []), 'mschapv2', 'ttls', 'peap', 'gtc', 'otp'];
  return authorities ? all : all.filter((method) => !TLS_METHODS.has(method));
}

/** What must be stored so that nothing has to be asked. Of EAP-TLS beside a password method, one is enough. */
export function hasAllSecrets(profile: Pick<Profile, 'auth' | 'eap' | 'trust'>, stored: readonly SecretName[]): boolean {
  const has = (name: SecretName) => stored.includes(name);
  const eap = (): boolean => {
    const { methods, identity } = profile.eap ?? { methods: [], identity: '' };
    return (
      (identity !== '' && has('password') && methods.some((method) => method !== 'tls')) ||
      (has('key') && methods.some((method) => method === 'tls'))
    );
  };
  const gateway = profile.trust.method !== 'psk' || has('psk');
  switch (profile.auth) {
    case 'psk':
      return has('psk');
    case 'certificate':
      return gateway && has('key');
    case 'eap':
      return gateway && eap();
    case 'certificate-eap':
      return gateway && has('key') && eap();
  }
}

export function wipe(secret: ProfileSecret | undefined): void {
  for (const name of SECRET_NAMES) secret?.[name]?.fill(0);
}

export function summaryOf({ profile, owner, shared, secrets }: StoredProfile): ProfileSummary {
  const { id, name, folder, gateway, auth } = profile;
  return { id, name, folder, gateway, auth, owner, shared, hasSecret: hasAllSecrets(profile, secrets) };
}

export function viewOf({ profile, owner, shared, secrets }: StoredProfile): ProfileView {
  return { ...profile, owner, shared, secrets, hasSecret: hasAllSecrets(profile, secrets) };
}
