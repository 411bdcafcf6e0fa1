/** A profile: everything about one gateway and how to reach it. One model, whatever file it came from. */
import type { ProfileSummary, ProfileView } from '../rpc/contract.ts';

export interface Profile {
  /** RFC 9562 UUID, lower case. The same one of the same owner is the same profile. */
  readonly id: string;
  readonly name: string;
  /** Host name in ASCII (IDNA), or an IPv4 or IPv6 address. */
  readonly gateway: string;
  readonly gatewayPorts: { readonly ike: number; readonly natt: number };
  /** Identities as text: see core/ike/identity.ts. */
  readonly localId: string;
  /** Undefined takes any identity that authenticates. */
  readonly remoteId: string | undefined;
  readonly auth: 'psk';
  /** strongSwan's proposal keywords, one string per proposal. */
  readonly ikeProposals: readonly string[];
  readonly espProposals: readonly string[];
  /** CIDR. */
  readonly remoteNetworks: readonly string[];
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly dns: boolean;
  /** Of the TUN device, octets. */
  readonly mtu: number;
  /** Seconds between NAT keepalives; 0 is none. */
  readonly natKeepalive: number;
  /** Seconds of silence after which the gateway is asked whether it lives; 0 is never. */
  readonly liveness: number;
  readonly localPort: 'standard' | 'any';
  /** '' is none. */
  readonly folder: string;
  /** Names of fields that cannot be edited, `secret` among them. */
  readonly locked: readonly string[];
}

/** Secrets are kept apart from the profile, as owned octets. */
export interface ProfileSecret {
  readonly psk: Uint8Array;
}

/** Who has it. */
export interface StoredProfile {
  readonly profile: Profile;
  readonly owner: number;
  readonly shared: boolean;
  readonly hasSecret: boolean;
}

export const DEFAULTS = {
  ikePort: 500,
  nattPort: 4500,
  remoteNetworks: ['0.0.0.0/0', '::/0'],
  /** `default` stands for the list of core/ike/proposals.ts, so that a profile grows with the program. */
  proposals: ['default'],
  mtu: 1400,
  natKeepalive: 20,
  liveness: 30,
} as const;

export function summaryOf({ profile, owner, shared, hasSecret }: StoredProfile): ProfileSummary {
  const { id, name, folder, gateway, auth } = profile;
  return { id, name, folder, gateway, auth, owner, shared, hasSecret };
}

export function viewOf(stored: StoredProfile): ProfileView {
  const { gatewayPorts, ...rest } = stored.profile;
  return { ...rest, gatewayPorts, owner: stored.owner, shared: stored.shared, hasSecret: stored.hasSecret };
}
