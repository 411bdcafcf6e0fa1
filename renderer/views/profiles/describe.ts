/** What a profile does, as sentences for people who are not thinking about VPNs. Keys of `profiles:plain` with their values; pure. */
import type { ProfileView } from '../../../core/rpc/contract.ts';

export type Sentence =
  | {
      readonly key: 'connectsStored' | 'connectsAsked' | 'certificate' | 'eapStored' | 'eapAsked';
      readonly gateway: string;
      readonly identity: string;
    }
  | { readonly key: 'certificateUnnamed' | 'eapUnnamed' | 'eapTls'; readonly gateway: string }
  | { readonly key: 'thenPassword' | 'thenPasswordAsked' | 'keyMissing' }
  | { readonly key: 'trustOwn'; readonly count: number }
  | { readonly key: 'trustSystem' | 'trustBoth' | 'trustEapOnly' | 'trustPsk' }
  | { readonly key: 'revocationOff' | 'revocationSoft' | 'revocationStrict' | 'commonName' | 'weakMethod' }
  | { readonly key: 'proofAnyCertificate' }
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
  const { remoteId, ipv4, ipv6 } = profile;
  const anybody: Sentence = { key: profile.trust.method === 'psk' ? 'proofAny' : 'proofAnyCertificate' };
  const told: Told[] = [
    ...userProof(profile),
    plain(traffic(profile)),
    remoteId === undefined ? warned(anybody) : plain({ key: 'proof', identity: remoteId }),
    ...gatewayProof(profile),
    plain({ key: profile.dns ? 'names' : 'namesOwn' }),
  ];
  // When everything goes through, the sentence of the traffic says it.
  if (ipv4 !== ipv6 && !coversAll(profile)) told.push(plain({ key: ipv4 ? 'v4Only' : 'v6Only' }));
  if (profile.shared) told.push(plain({ key: 'shared' }));
  return told;
}

/** How the user proves who they are. */
function userProof({ auth, gateway, localId, secrets, eap }: ProfileView): readonly Told[] {
  if (auth === 'psk') {
    return [plain({ key: secrets.includes('psk') ? 'connectsStored' : 'connectsAsked', gateway, identity: localId })];
  }
  const password = secrets.includes('password') && eap?.identity !== '';
  const onlyTls = eap?.methods.every((method) => method === 'tls') ?? false;
  const weak = eap?.methods.includes('md5') ? [warned({ key: 'weakMethod' })] : [];
  if (auth === 'eap') {
    if (onlyTls) return [plain({ key: 'eapTls', gateway }), ...keyOf(secrets)];
    const identity = eap?.identity ?? '';
    if (identity === '') return [plain({ key: 'eapUnnamed', gateway }), ...weak];
    return [plain({ key: password ? 'eapStored' : 'eapAsked', gateway, identity }), ...weak];
  }
  const first: Sentence =
    localId === '' ? { key: 'certificateUnnamed', gateway } : { key: 'certificate', gateway, identity: localId };
  const then: readonly Told[] =
    auth === 'certificate-eap' ? [plain({ key: password || onlyTls ? 'thenPassword' : 'thenPasswordAsked' }), ...weak] : [];
  return [plain(first), ...then, ...keyOf(secrets)];
}

function keyOf(secrets: ProfileView['secrets']): readonly Told[] {
  return secrets.includes('key') ? [] : [warned({ key: 'keyMissing' })];
}

/** By what the gateway proves that it is who it should be. */
function gatewayProof({ auth, trust }: ProfileView): readonly Told[] {
  if (trust.method === 'psk') return auth === 'psk' ? [] : [plain({ key: 'trustPsk' })];
  if (trust.method === 'eap-only') return [plain({ key: 'trustEapOnly' })];
  const own = trust.authorities.length;
  const { crl, ocsp, strict } = trust.revocation;
  const whom: Sentence =
    own === 0 ? { key: 'trustSystem' } : trust.systemRoots ? { key: 'trustBoth' } : { key: 'trustOwn', count: own };
  return [
    plain(whom),
    crl || ocsp ? plain({ key: strict ? 'revocationStrict' : 'revocationSoft' }) : warned({ key: 'revocationOff' }),
    ...(trust.commonName ? [warned({ key: 'commonName' })] : []),
  ];
}

/** Whether all traffic of the families that are on goes through the gateway. */
export function coversAll({ remoteNetworks, ipv4, ipv6 }: Pick<ProfileView, 'remoteNetworks' | 'ipv4' | 'ipv6'>): boolean {
  return (ipv4 || ipv6) && (!ipv4 || remoteNetworks.includes('0.0.0.0/0')) && (!ipv6 || remoteNetworks.includes('::/0'));
}

function traffic(profile: ProfileView): Sentence {
  const { ipv4, ipv6, remoteNetworks, additionalChildren } = profile;
  if (coversAll(profile)) return { key: ipv4 && ipv6 ? 'everything' : ipv4 ? 'everythingV4' : 'everythingV6' };
  const all = [...remoteNetworks, ...additionalChildren.flatMap((child) => child.remoteNetworks)];
  const networks = all.filter((network) => (network.includes(':') ? ipv6 : ipv4));
  return { key: 'onlyOffice', count: networks.length, networks };
}

function plain(sentence: Sentence): Told {
  return { sentence, warning: false };
}

function warned(sentence: Sentence): Told {
  return { sentence, warning: true };
}
