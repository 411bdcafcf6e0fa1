/** From a profile, the path to the gateway and the proofs of both sides to what the IKE machine is given. */
import { err, ok, type Result } from '../bytes/result.ts';
import { parseIdentity } from '../ike/identity.ts';
import { parseProposals } from '../ike/proposals.ts';
import type { Channel, IkeConfig, IkeTicket } from '../ike/sa/contract.ts';
import { defaultLifetimes, type Lifetimes, lifetime, usualTiming } from '../ike/sa/lifetimes.ts';
import type { TrafficSelector } from '../ike/wire/message.ts';
import { selectorFromCidr } from '../ike/wire/selectorText.ts';
import type { Profile } from '../profile/model.ts';
import type { Failure } from '../rpc/contract.ts';
import { failure } from '../tunnel/explain.ts';
import type { Proof } from './proof.ts';

export interface Path {
  readonly local: string;
  readonly remote: string;
  readonly localPorts: Readonly<Record<Channel, number>>;
  /** The gateway's port, where it is reached by TCP (RFC 9329). */
  readonly tcpPort?: number;
}

/** What came before this connection. */
export interface Before {
  /** The address of the gateway that sent us to this one. */
  readonly redirectedFrom?: string | undefined;
  /** A ticket of a session that was lost. */
  readonly ticket?: IkeTicket | undefined;
  /** Another one is in use still, and is not to be dropped for this one. */
  readonly beside?: boolean | undefined;
  /** The addresses that the gateway gave us last. */
  readonly inside?: readonly string[] | undefined;
}

export function ikeConfig(
  profile: Profile,
  proof: Pick<Proof, 'auth' | 'localIdentity'>,
  path: Path,
  version: string,
  before: Before = {},
): Result<IkeConfig, Failure> {
  const { redirectedFrom, ticket, beside = false, inside } = before;
  // All of these were read once at import; a stored profile that no longer reads was damaged.
  const damaged = (field: string) => err(failure('profile-malformed', `${field} of the stored profile is not valid`));
  const ikeProposals = parseProposals(profile.ikeProposals, 'ike');
  if (!ikeProposals.ok) return damaged('ikeProposals');
  const espProposals = parseProposals(profile.espProposals, 'esp');
  if (!espProposals.ok) return damaged('espProposals');
  const localIdentity = proof.localIdentity(path.local);
  if (!localIdentity.ok) return damaged('localId');
  const remoteIdentity = profile.remoteId === undefined ? undefined : parseIdentity(profile.remoteId);
  if (remoteIdentity && !remoteIdentity.ok) return damaged('remoteId');

  const wanted = selectorsOf(profile, profile.remoteNetworks);
  if (wanted.length === 0) return damaged('remoteNetworks');
  const further = furtherSelectors(profile);
  if (further.some((selectors) => selectors.length === 0)) return damaged('additionalChildren');
  // An address of a family without any network to reach by it would be of no use.
  const all = [wanted, ...further].flat();
  const ipv4 = all.some(({ type }) => type === 'ipv4');
  const ipv6 = all.some(({ type }) => type === 'ipv6');

  const { tcpPort } = path;
  return ok({
    local: { address: path.local, ports: path.localPorts },
    remote: { address: path.remote, ports: tcpPort === undefined ? profile.gatewayPorts : { ike: tcpPort, natt: tcpPort } },
    ...(tcpPort !== undefined && { transport: 'tcp' }),
    ikeProposals: ikeProposals.value,
    espProposals: espProposals.value,
    localIdentity: localIdentity.value,
    ...(remoteIdentity && { remoteIdentity: remoteIdentity.value }),
    auth: proof.auth,
    request: { ipv4, ipv6, dns: profile.dns, version, ...(inside && { addresses: inside }) },
    ...bothSelectors(wanted),
    additionalChildren: further.map(bothSelectors),
    // RFC 9329 §6.5: a NAT makes no difference to a TCP connection, so none is pretended.
    forceEncapsulation: tcpPort === undefined,
    mobike: profile.mobike,
    fragmentation: profile.fragmentation,
    childless: profile.childless,
    initialContact: profile.initialContact && !beside,
    reauthenticateEvery: profile.reauthenticateEvery * 1000,
    lifetimes: lifetimesOf(profile),
    ...(profile.redirect && { redirect: redirectedFrom === undefined ? {} : { from: redirectedFrom } }),
    ...(profile.resumption && { resumption: ticket === undefined ? {} : { ticket } }),
    timing: { ...usualTiming, livenessAfter: profile.liveness * 1000 },
  });
}

/** Of each CHILD SA beside the first (RFC 7296 §1.3.1). */
export function furtherSelectors(profile: Profile): readonly (readonly TrafficSelector[])[] {
  return profile.additionalChildren.map(({ remoteNetworks }) => selectorsOf(profile, remoteNetworks));
}

/** Of the families that the profile wants; none where a network is not valid. */
function selectorsOf({ ipv4, ipv6 }: Profile, networks: readonly string[]): readonly TrafficSelector[] {
  const selectors = networks.map(selectorFromCidr).filter((selector) => selector !== undefined);
  if (selectors.length < networks.length) return [];
  return selectors.filter(({ type }) => (type === 'ipv4' ? ipv4 : ipv6));
}

/** RFC 7296 §2.19: our address is not known yet, so all of the family is asked for, to be narrowed to it. */
function bothSelectors(remoteSelectors: readonly TrafficSelector[]): Pick<IkeConfig, 'localSelectors' | 'remoteSelectors'> {
  const has = (family: TrafficSelector['type']) => remoteSelectors.some(({ type }) => type === family);
  const everything = [...(has('ipv4') ? ['0.0.0.0/0'] : []), ...(has('ipv6') ? ['::/0'] : [])];
  return { localSelectors: everything.map(selectorFromCidr).filter((selector) => selector !== undefined), remoteSelectors };
}

function lifetimesOf({ rekeyIke, rekeyChild, rekeyBytes, rekeyPackets, rekeyRehearsal }: Profile): Lifetimes {
  return {
    ...defaultLifetimes,
    ike: lifetime(rekeyIke * 1000, 'time'),
    child: lifetime(rekeyChild * 1000, 'time'),
    octets: lifetime(rekeyBytes, 'octets'),
    packets: lifetime(rekeyPackets, 'packets'),
    rehearse: rekeyRehearsal,
  };
}
