/** What a profile does, as sentences for people who are not thinking about VPNs. Keys of `profiles:plain` with their values; pure. */
import type { ProfileView } from '../../../core/rpc/contract.ts';

export type Sentence =
  | { readonly key: 'connectsStored' | 'connectsAsked'; readonly gateway: string; readonly identity: string }
  | { readonly key: 'everything' | 'everythingV4' | 'everythingV6' }
  | { readonly key: 'onlyOffice'; readonly count: number; readonly networks: readonly string[] }
  | { readonly key: 'proof'; readonly identity: string }
  | { readonly key: 'proofAny' }
  | { readonly key: 'names' | 'namesOwn' }
  | { readonly key: 'v4Only' | 'v6Only' }
  | { readonly key: 'shared' };

/** Sentences that say something is weaker than it could be are marked. */
export interface Told {
  readonly sentence: Sentence;
  readonly warning: boolean;
}

export function describe(profile: ProfileView): readonly Told[] {
  const { gateway, localId, remoteId, hasSecret, ipv4, ipv6 } = profile;
  const told: Told[] = [
    plain({ key: hasSecret ? 'connectsStored' : 'connectsAsked', gateway, identity: localId }),
    plain(traffic(profile)),
    remoteId === undefined ? { sentence: { key: 'proofAny' }, warning: true } : plain({ key: 'proof', identity: remoteId }),
    plain({ key: profile.dns ? 'names' : 'namesOwn' }),
  ];
  // When everything goes through, the sentence of the traffic says it.
  if (ipv4 !== ipv6 && !coversAll(profile)) told.push(plain({ key: ipv4 ? 'v4Only' : 'v6Only' }));
  if (profile.shared) told.push(plain({ key: 'shared' }));
  return told;
}

/** Whether all traffic of the families that are on goes through the gateway. */
export function coversAll({ remoteNetworks, ipv4, ipv6 }: Pick<ProfileView, 'remoteNetworks' | 'ipv4' | 'ipv6'>): boolean {
  return (ipv4 || ipv6) && (!ipv4 || remoteNetworks.includes('0.0.0.0/0')) && (!ipv6 || remoteNetworks.includes('::/0'));
}

function traffic(profile: ProfileView): Sentence {
  const { ipv4, ipv6, remoteNetworks } = profile;
  if (coversAll(profile)) return { key: ipv4 && ipv6 ? 'everything' : ipv4 ? 'everythingV4' : 'everythingV6' };
  const networks = remoteNetworks.filter((network) => (network.includes(':') ? ipv6 : ipv4));
  return { key: 'onlyOffice', count: networks.length, networks };
}

function plain(sentence: Sentence): Told {
  return { sentence, warning: false };
}
