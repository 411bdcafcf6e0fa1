/** From the fields of a profile file to a profile and its secret: what the fields together do not allow, and what is made normal. */
import { parseProposals } from '../ike/proposals.ts';
import { selectorCidr, selectorFromCidr } from '../ike/wire/selectorText.ts';
import type { ImportNote, ProfileProblem } from '../rpc/contract.ts';
import { shown } from './faults.ts';
import { DEFAULTS, defaultTrust, type Profile, type ProfileSecret } from './model.ts';
import type { Notes } from './notes.ts';
import { ANY_IDENTITY, hostOf, LOCKABLE, type ProfileFile, SECRET_MAX } from './schema.ts';

export interface Imported {
  /** `id` is the file's uuid, or undefined when it has none: the store then decides. */
  readonly profile: Omit<Profile, 'id'> & { readonly id: string | undefined };
  /** Those of the file; what is needed beside them is asked for when connecting. Wiped by who has them. */
  readonly secret: ProfileSecret;
  readonly notes: readonly ImportNote[];
}

const SHORT_PSK = 20;

/** What each field allows and the fields together do not. Fields that are wrong by themselves are not judged again. */
export function conflicts(file: Partial<ProfileFile>, wrong: ReadonlySet<string> = new Set()): readonly ProfileProblem[] {
  const found: ProfileProblem[] = [];
  const add = (field: string, code: ProfileProblem['code'], message: string) => found.push({ field, code, message });
  if (file.auth && !wrong.has('secret')) {
    const secret = octets(file.auth.secret);
    if (secret && secret.length > SECRET_MAX) add('secret', 'too-long', `expected at most ${SECRET_MAX} octets`);
    secret?.fill(0);
  }
  for (const [field, use] of [
    ['ikeProposals', 'ike'],
    ['espProposals', 'esp'],
  ] as const) {
    if (wrong.has(field)) continue;
    const parsed = parseProposals(file[field] ?? DEFAULTS.proposals, use);
    if (!parsed.ok) add(field, 'proposal-invalid', shown(parsed.error.message));
  }
  if (file.ipv4 === false && file.ipv6 === false) {
    add('ipv4', 'no-family', 'expected at least one of ipv4 and ipv6 to be true');
  } else if (!wrong.has('remoteNetworks')) {
    const networks = file.remoteNetworks ?? DEFAULTS.remoteNetworks;
    const wants4 = file.ipv4 !== false && networks.some((network) => !network.includes(':'));
    const wants6 = file.ipv6 !== false && networks.some((network) => network.includes(':'));
    if (!wants4 && !wants6) {
      add('remoteNetworks', 'no-network-of-family', 'expected at least one network of a family that ipv4 and ipv6 allow');
    }
  }
  return found;
}

/** The file must be valid and without conflicts. What becomes of each field is added to the notes. */
export function convert(file: ProfileFile, notes: Notes): Imported {
  const name = file.name.trim().normalize('NFC');
  if (name !== file.name) notes.changed('name', 'blanks-removed', 'blanks around it were taken off');
  const gateway = hostOf(file.gateway) ?? file.gateway;
  if (gateway !== file.gateway) notes.changed('gateway', 'ascii-name', `is ${gateway} to the name servers`, { value: gateway });
  const psk = octets(file.auth.secret);
  if (!psk) notes.warning('auth.secret', 'secret-missing', 'not given: it is asked for when connecting');
  else if (psk.length < SHORT_PSK) {
    notes.warning(
      'auth.secret',
      'secret-short',
      `shorter than ${SHORT_PSK} characters: whoever records one connection attempt can guess it`,
      { length: SHORT_PSK },
    );
  }
  if (file.remoteId === undefined)
    notes.changed('remoteId', 'identity-from-gateway', `not given: the gateway must prove to be "${gateway}"`, {
      value: gateway,
    });
  if (file.remoteId === ANY_IDENTITY) {
    notes.warning('remoteId', 'identity-any', '"%any": everybody who knows the pre-shared key can pretend to be the gateway');
  }
  const networks = (file.remoteNetworks ?? DEFAULTS.remoteNetworks).map((network) => {
    const selector = selectorFromCidr(network);
    const normal = (selector && selectorCidr(selector)) ?? network;
    if (normal !== network)
      notes.changed('remoteNetworks', 'network-widened', `${shown(network)} is the network ${normal}`, {
        from: shown(network),
        value: normal,
      });
    return normal;
  });
  for (const field of Object.keys(file)) {
    if (!notes.list.some((earlier) => earlier.field === field && earlier.outcome === 'changed')) notes.kept(field);
  }
  return {
    profile: {
      id: file.uuid?.toLowerCase(),
      name,
      gateway,
      gatewayPorts: { ike: file.gatewayPorts?.ike ?? DEFAULTS.ikePort, natt: file.gatewayPorts?.natt ?? DEFAULTS.nattPort },
      localId: file.localId,
      remoteId: file.remoteId === ANY_IDENTITY ? undefined : (file.remoteId ?? gateway),
      auth: 'psk',
      certificates: [],
      eap: undefined,
      trust: defaultTrust('psk'),
      ikeProposals: file.ikeProposals ?? DEFAULTS.proposals,
      espProposals: file.espProposals ?? DEFAULTS.proposals,
      remoteNetworks: [...new Set(networks)],
      ipv4: file.ipv4 ?? true,
      ipv6: file.ipv6 ?? true,
      dns: file.dns ?? true,
      mtu: file.mtu ?? DEFAULTS.mtu,
      natKeepalive: file.natKeepalive ?? DEFAULTS.natKeepalive,
      liveness: file.liveness ?? DEFAULTS.liveness,
      localPort: file.localPort ?? 'standard',
      folder: (file.folder ?? '').trim().normalize('NFC'),
      locked: file.locked === true ? LOCKABLE : [...new Set(file.locked ?? [])],
    },
    secret: psk ? { psk } : {},
    notes: notes.list,
  };
}

function octets(secret: ProfileFile['auth']['secret']): Uint8Array | undefined {
  if (secret === undefined) return undefined;
  if (typeof secret === 'string') return new TextEncoder().encode(secret);
  return 'base64' in secret
    ? new Uint8Array(Buffer.from(secret.base64, 'base64'))
    : new Uint8Array(Buffer.from(secret.hex, 'hex'));
}
