/** The host as it must be while a tunnel is up: pure, from what the gateway granted and what the profile wants. */

import { parseAddress } from '../bytes/address.ts';
import { err, ok, type Result } from '../bytes/result.ts';
import type { ChildSa, Configuration } from '../ike/sa/contract.ts';
import type { TrafficSelector } from '../ike/wire/message.ts';
import { cidrsOfRange, compareAddresses, formatCidr, rangeContains } from '../ip/cidr.ts';
import { isUnroutable } from '../ip/unroutable.ts';
import type { Profile } from '../profile/model.ts';
import type { Failure, Warning } from '../rpc/contract.ts';
import type { HostPlan } from '../system/ports.ts';
import { failure } from '../tunnel/explain.ts';
import { holdsTraffic } from '../tunnel/session.ts';

const MOST_ROUTES = 500;

export interface PlannedHost {
  readonly plan: HostPlan;
  /** What the gateway gave and is not used, in words. */
  readonly left: readonly string[];
}

export function planHost(
  profile: Pick<Profile, 'dns' | 'mtu' | 'whenLost' | 'remoteNetworks'>,
  interfaceName: string,
  configuration: Configuration,
  child: Pick<ChildSa, 'remoteSelectors'>,
): Result<PlannedHost, Failure> {
  const left: string[] = [];
  const { addresses } = configuration;
  if (addresses.length === 0) return err(failure('no-address', 'the gateway answered without an address'));
  const families = new Set(addresses.map(({ address }) => familyOf(address)));

  const usable = child.remoteSelectors.filter(({ type }) => families.has(type));
  for (const { type } of child.remoteSelectors) {
    if (!families.has(type)) left.push(`networks of ${type}: the gateway gave no address of that family`);
  }
  const networks = withoutCovered(usable).flatMap(cidrsOfRange);
  const senseless = networks.filter(isUnroutable).map(formatCidr);
  if (senseless.length > 0) left.push(`${senseless.join(', ')}: no host elsewhere has such an address`);
  const routes = [...new Set(networks.filter((network) => !isUnroutable(network)).map(formatCidr))];
  if (routes.length === 0) return err(failure('ts-unacceptable', 'no granted network has the family of the address we got'));
  if (routes.length > MOST_ROUTES) return err(failure('gateway-misbehaved', `the granted networks need ${routes.length} routes`));

  // A name server outside the granted networks would be asked outside the tunnel, or not at all.
  const servers = configuration.dns.filter((server) => {
    const inside = usable.some((range) => contains(range, server));
    if (!inside) left.push(`name server ${server}: it is outside the granted networks`);
    return inside;
  });
  const { whenLost } = profile;
  const blocked = holdsTraffic(whenLost) ? uncarried(profile.remoteNetworks, routes) : [];
  const whole = routes.includes('0.0.0.0/0') || routes.includes('::/0');
  return ok({
    left: [...new Set(left)],
    plan: {
      interface: { name: interfaceName, mtu: profile.mtu, addresses },
      routes,
      ...(holdsTraffic(whenLost) && { whenLost }),
      ...(blocked.length > 0 && { blocked }),
      ...(profile.dns &&
        servers.length > 0 && {
          dns: { servers, searchDomains: configuration.domains, matchDomains: whole ? [] : configuration.domains },
        }),
    },
  });
}

/** What is to be told of families that lead nowhere. */
export function blockedFamilies(plan: HostPlan | undefined): readonly Warning[] {
  return (plan?.blocked ?? []).map((all) => ({ code: 'family-blocked', subject: familyOf(all) === 'ipv6' ? 'IPv6' : 'IPv4' }));
}

const EVERYTHING = ['0.0.0.0/0', '::/0'] as const;

/**
 * All of a family that was to go into the tunnel with all of the other, of which nothing does: the gateway has none of it. Left alone, what any
 * application sends by it would go past the tunnel, in clear. A gateway that carries some networks only leaves the rest to the host.
 */
function uncarried(wanted: readonly string[], routes: readonly string[]): readonly string[] {
  if (!EVERYTHING.some((all) => routes.includes(all))) return [];
  return EVERYTHING.filter((all) => wanted.includes(all) && !routes.some((route) => familyOf(route) === familyOf(all)));
}

/** Ranges that lie in another one need no route of their own. Ports and protocols are the dataplane's to judge. */
function withoutCovered(ranges: readonly TrafficSelector[]): readonly TrafficSelector[] {
  return ranges.filter(
    (range, i) =>
      !ranges.some((other, j) => {
        if (i === j || other.type !== range.type) return false;
        const covers = compareAddresses(other.start, range.start) <= 0 && compareAddresses(range.end, other.end) <= 0;
        const same = compareAddresses(other.start, range.start) === 0 && compareAddresses(range.end, other.end) === 0;
        return covers && (!same || j < i);
      }),
  );
}

function contains(range: TrafficSelector, text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined && rangeContains(range, address);
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}
