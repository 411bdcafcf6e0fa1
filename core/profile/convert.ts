/** From the fields of a profile file to a profile and its secrets: what is made normal, what is assumed, and what each field became. */
import { selectorCidr, selectorFromCidr } from '../ike/wire/selectorText.ts';
import type { Certificate } from '../pki/contract.ts';
import type { EapSettings, GatewayTrust, ImportNote, SecretName } from '../rpc/contract.ts';
import { noteCertificates } from './certificateNotes.ts';
import { shown } from './faults.ts';
import { base64Of, type Material } from './material.ts';
import { DEFAULTS, defaultEapMethods, defaultInitialContact, defaultTrust, type Profile, type ProfileSecret } from './model.ts';
import type { Notes } from './notes.ts';
import { ANY_IDENTITY, hostOf, LOCKABLE, type ProfileFile } from './schema.ts';
import type { AnyAuthFile, GatewayAuthFile } from './schemaAuth.ts';

export interface Imported {
  /** `id` is the file's uuid, or undefined when it has none: the store then decides. */
  readonly profile: Omit<Profile, 'id'> & { readonly id: string | undefined };
  /** Those of the file; what is needed beside them is asked for when connecting. Wiped by who has them. */
  readonly secret: ProfileSecret;
  readonly notes: readonly ImportNote[];
}

const SHORT_PSK = 20;

/** The file must be valid and without conflicts. What becomes of each field is added to the notes. `now`: Date.now() milliseconds. */
export function convert(file: ProfileFile, material: Material, notes: Notes, now: number): Imported {
  const auth: AnyAuthFile = file.auth;
  const name = file.name.trim().normalize('NFC');
  if (name !== file.name) notes.changed('name', 'blanks-removed', 'blanks around it were taken off');
  const gateway = hostOf(file.gateway) ?? file.gateway;
  if (gateway !== file.gateway) notes.changed('gateway', 'ascii-name', `is ${gateway} to the name servers`, { value: gateway });
  const trust = trustOf(file, material, notes);
  const eap = eapOf(auth, material);
  const psk = octets(auth.method === 'psk' ? auth.secret : file.gatewayAuth?.secret);
  const ppk = octets(file.ppk?.secret);
  noteSecrets(auth, trust, eap, psk, material, notes);
  noteIdentities(file, trust, gateway, notes);
  noteCertificates(file, trust, material, eap, notes, now);
  const networks = normalNetworks('remoteNetworks', file.remoteNetworks ?? DEFAULTS.remoteNetworks, notes);
  const additionalChildren = (file.additionalChildren ?? []).map(({ remoteNetworks }) => ({
    remoteNetworks: normalNetworks('additionalChildren', remoteNetworks, notes),
  }));
  for (const field of Object.keys(file)) {
    if (!notes.list.some((earlier) => earlier.field === field && earlier.outcome === 'changed')) notes.kept(field);
  }
  return {
    profile: {
      id: file.uuid?.toLowerCase(),
      name,
      gateway,
      gatewayPorts: { ike: file.gatewayPorts?.ike ?? DEFAULTS.ikePort, natt: file.gatewayPorts?.natt ?? DEFAULTS.nattPort },
      gateways: [...new Set((file.gateways ?? []).map((one) => hostOf(one) ?? one))].filter((one) => one !== gateway),
      localId: file.localId ?? '',
      remoteId: file.remoteId === ANY_IDENTITY ? undefined : (file.remoteId ?? gateway),
      auth: auth.method,
      certificates: base64Of(material.certificates),
      signatures: auth.signatures ?? [],
      eap,
      trust,
      ...(file.ppk && { ppk: { id: file.ppk.id, required: file.ppk.required ?? false } }),
      ikeProposals: file.ikeProposals ?? DEFAULTS.proposals,
      espProposals: file.espProposals ?? DEFAULTS.proposals,
      remoteNetworks: networks,
      additionalChildren,
      ipv4: file.ipv4 ?? true,
      ipv6: file.ipv6 ?? true,
      dns: file.dns ?? true,
      mtu: file.mtu ?? DEFAULTS.mtu,
      natKeepalive: file.natKeepalive ?? DEFAULTS.natKeepalive,
      liveness: file.liveness ?? DEFAULTS.liveness,
      replayWindow: file.replayWindow ?? DEFAULTS.replayWindow,
      whenLost: file.whenLost ?? DEFAULTS.whenLost,
      fragmentation: file.fragmentation ?? DEFAULTS.fragmentation,
      tcp: file.tcp ?? DEFAULTS.tcp,
      tcpPorts: [...new Set(file.tcpPorts ?? DEFAULTS.tcpPorts)],
      redirect: file.redirect ?? DEFAULTS.redirect,
      resumption: file.resumption ?? DEFAULTS.resumption,
      childless: file.childless ?? DEFAULTS.childless,
      mobike: file.mobike ?? DEFAULTS.mobike,
      initialContact: file.initialContact ?? defaultInitialContact(file.auth.method),
      reauthenticateEvery: file.reauthenticateEvery ?? DEFAULTS.reauthenticateEvery,
      rekeyIke: file.rekeyIke ?? DEFAULTS.rekeyIke,
      rekeyChild: file.rekeyChild ?? DEFAULTS.rekeyChild,
      rekeyBytes: file.rekeyBytes ?? DEFAULTS.rekeyBytes,
      rekeyPackets: file.rekeyPackets ?? DEFAULTS.rekeyPackets,
      rekeyRehearsal: file.rekeyRehearsal ?? DEFAULTS.rekeyRehearsal,
      localPort: file.localPort ?? 'standard',
      folder: (file.folder ?? '').trim().normalize('NFC'),
      locked: file.locked === true ? LOCKABLE : [...new Set(file.locked ?? [])],
    },
    secret: {
      ...(psk && { psk }),
      ...(auth.password !== undefined && { password: new TextEncoder().encode(auth.password) }),
      ...(material.key && { key: material.key.pkcs8 }),
      ...(ppk && { ppk }),
    },
    notes: notes.list,
  };
}

/** CIDR with nothing below the prefix, each once. */
function normalNetworks(field: string, networks: readonly string[], notes: Notes): readonly string[] {
  const normal = networks.map((network) => {
    const selector = selectorFromCidr(network);
    const value = (selector && selectorCidr(selector)) ?? network;
    const values = { from: shown(network), value };
    if (value !== network) notes.changed(field, 'network-widened', `${shown(network)} is the network ${value}`, values);
    return value;
  });
  return [...new Set(normal)];
}

function eapOf({ method, methods, identity, serverName }: AnyAuthFile, material: Material): EapSettings | undefined {
  if (method !== 'eap' && method !== 'certificate-eap') return undefined;
  return {
    methods: eapMethodsOf({ method, methods }, material),
    identity: identity ?? '',
    serverName: serverName ?? '',
    authorities: base64Of(eapAuthoritiesOf(material)),
  };
}

/** Those that are named, or all that can work with what the file has. */
export function eapMethodsOf({ method, methods }: Pick<AnyAuthFile, 'method' | 'methods'>, material: Material) {
  // Where a certificate proves the user in a round of its own, EAP is for the password.
  const tls = method === 'eap' && material.certificates.length > 0;
  return methods ?? defaultEapMethods(tls, eapAuthoritiesOf(material).length > 0);
}

/** Trusted for the EAP server alone; a file that names none means those of the gateway. */
export function eapAuthoritiesOf({ eapAuthorities, authorities }: Material): readonly Certificate[] {
  return eapAuthorities.length > 0 ? eapAuthorities : authorities;
}

export function trustMethodOf(auth: AnyAuthFile, gatewayAuth: GatewayAuthFile | undefined): GatewayTrust['method'] {
  return gatewayAuth?.method ?? defaultTrust(auth.method).method;
}

function trustOf({ auth, gatewayAuth }: ProfileFile, { authorities, intermediates }: Material, notes: Notes): GatewayTrust {
  const { certreq, commonName, revocation } = defaultTrust(auth.method);
  const method = trustMethodOf(auth, gatewayAuth);
  const trust: GatewayTrust = {
    method,
    authorities: base64Of(authorities),
    intermediates: base64Of(intermediates),
    systemRoots: gatewayAuth?.systemRoots ?? (method === 'certificate' && authorities.length === 0),
    certreq: gatewayAuth?.certreq ?? certreq,
    commonName: gatewayAuth?.commonName ?? commonName,
    revocation: {
      crl: gatewayAuth?.revocation?.crl ?? revocation.crl,
      ocsp: gatewayAuth?.revocation?.ocsp ?? revocation.ocsp,
      strict: gatewayAuth?.revocation?.strict ?? revocation.strict,
    },
  };
  if (method === 'certificate') {
    if (trust.systemRoots && gatewayAuth?.systemRoots === undefined) {
      const why = 'none given: the gateway’s certificate may be of any authority this computer trusts';
      notes.changed('gatewayAuth.authorities', 'system-roots', why);
    }
    if (trust.commonName) {
      notes.warning(
        'gatewayAuth.commonName',
        'common-name',
        'certificates without alternative names are taken: old, and easier to get wrong',
      );
    }
    if (!trust.revocation.crl && !trust.revocation.ocsp) {
      notes.warning(
        'gatewayAuth.revocation',
        'revocation-off',
        'off: a gateway whose certificate was stolen and revoked is believed',
      );
    }
  }
  return trust;
}

function noteSecrets(
  auth: AnyAuthFile,
  trust: GatewayTrust,
  eap: EapSettings | undefined,
  psk: Uint8Array | undefined,
  { key, certificates }: Material,
  notes: Notes,
): void {
  if (auth.method === 'psk' || trust.method === 'psk') {
    const field = auth.method === 'psk' ? 'auth.secret' : 'gatewayAuth.secret';
    if (!psk) notes.warning(field, 'secret-missing', 'not given: it is asked for when connecting');
    else if (psk.length < SHORT_PSK) {
      const why = `shorter than ${SHORT_PSK} characters: whoever records one connection attempt can guess it`;
      notes.warning(field, 'secret-short', why, { length: SHORT_PSK });
    }
    // What `echo secret | base64` makes. It may be meant, and the gateway only ever says that AUTH is wrong.
    if (psk && (psk.at(-1) === 0x0a || psk.at(-1) === 0x0d)) {
      const why = 'ends with a line end, which counts as part of it: without one at the gateway nobody gets in';
      notes.warning(field, 'secret-line-end', why);
    }
  }
  if (auth.password !== undefined) {
    notes.warning(
      'auth.password',
      'clear-text',
      'everybody who can read the file can read it: delete the file when it is imported',
    );
  }
  if (eap?.methods.some((method) => method !== 'tls')) {
    if (eap.identity === '') notes.changed('auth.identity', 'user-missing', 'not given: it is asked for when connecting');
    else if (auth.password === undefined) {
      notes.changed('auth.password', 'password-missing', 'not given: it is asked for when connecting');
    }
    if (eap.methods.includes('md5')) {
      notes.warning('auth.methods', 'weak-method', 'MD5 proves nothing of the server and is easily guessed', { value: 'md5' });
    }
  }
  if (key?.encrypted === false && auth.key !== undefined) {
    notes.warning('auth.key', 'clear-text', 'everybody who can read the file can use it: delete the file when it is imported');
  }
  if (key?.encrypted) {
    notes.changed(
      'auth.key',
      'kept-without-password',
      'its password is not needed again: the helper keeps the key where only it can read',
    );
  }
  if (!key && certificates.length > 0) {
    notes.warning(
      'auth.key',
      'key-missing',
      'not given: without it you cannot connect; `sallyport edit PROFILE --key-file FILE` adds it',
    );
  }
}

function noteIdentities({ auth, localId, remoteId }: ProfileFile, trust: GatewayTrust, gateway: string, notes: Notes): void {
  if (localId === undefined) {
    const certificate = auth.method === 'certificate' || auth.method === 'certificate-eap';
    const what = certificate ? 'the name in your certificate' : 'your address';
    notes.changed('localId', 'default-taken', `not given: it is ${what}`, { value: certificate ? 'certificate' : 'address' });
  }
  if (remoteId === undefined) {
    const why = `not given: the gateway must prove to be "${gateway}"`;
    notes.changed('remoteId', 'identity-from-gateway', why, { value: gateway });
  }
  if (remoteId === ANY_IDENTITY) {
    const who =
      trust.method === 'psk' ? 'everybody who knows the pre-shared key' : 'everybody with a certificate of these authorities';
    notes.warning('remoteId', 'identity-any', `"%any": ${who} can pretend to be the gateway`);
  }
}

export function octets(secret: AnyAuthFile['secret']): Uint8Array | undefined {
  if (secret === undefined) return undefined;
  if (typeof secret === 'string') return new TextEncoder().encode(secret);
  return 'base64' in secret
    ? new Uint8Array(Buffer.from(secret.base64, 'base64'))
    : new Uint8Array(Buffer.from(secret.hex, 'hex'));
}

/** Secrets of a file that a field of the edit form stands for. */
export const SECRET_FIELDS: Readonly<Record<SecretName, string>> = {
  psk: 'secret',
  password: 'password',
  key: 'key',
  ppk: 'ppk',
};
