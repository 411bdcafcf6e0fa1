/** The routing rules that send traffic into our table, and the routes in it: which, and how they are told from others. */
import type { HostPlan } from '../ports.ts';
import { ROUTE_TABLE, RULE_PRIORITY, SOCKET_MARK } from '../ports.ts';
import { RT_TABLE_MAIN } from './netlinkCodec.ts';
import type { Route, Rule } from './rtnetlink.ts';
import { hasIpv6 } from './sysctl.ts';

/**
 * Where a full tunnel leaves a local network alone: what is nobody's on the internet. Any more would let whoever hands out addresses and routes
 * there have whatever they name, in clear: DHCP option 121 or a route in a router advertisement (TunnelVision, CVE-2024-3661), or a
 * local network that is said to be all of somebody's (TunnelCrack LocalNet, CVE-2023-36672).
 */
const LOCAL = {
  // RFC 1918, RFC 3927, RFC 6598
  4: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', '100.64.0.0/10'],
  // RFC 4193, RFC 4291 §2.5.6
  6: ['fc00::/7', 'fe80::/10'],
} as const;

/** The plan's rules, in the order in which they are added. */
export function wantedRules(plan: Pick<HostPlan, 'routes' | 'blocked'>): readonly Rule[] {
  const wanted: Rule[] = [];
  for (const family of [4, 6] as const) {
    const own = [...plan.routes, ...blockedIn(plan)].filter((route) => familyOf(route) === family);
    if (own.length === 0) continue;
    // First the exceptions, then the rule they are exceptions of.
    if (own.some((route) => route.endsWith('/0'))) wanted.push(...exceptionRules(family));
    wanted.push(tunnelRule(family));
  }
  return wanted;
}

export function allOurRules(): readonly Rule[] {
  return ([4, 6] as const).flatMap((family) => [...exceptionRules(family), tunnelRule(family)]);
}

function exceptionRules(family: 4 | 6): readonly Rule[] {
  const exception = { family, priority: RULE_PRIORITY - 1, table: RT_TABLE_MAIN, suppressPrefixLength: 0 };
  return LOCAL[family].map((destination) => ({ ...exception, destination }));
}

function tunnelRule(family: 4 | 6): Rule {
  return { family, priority: RULE_PRIORITY, table: ROUTE_TABLE, invert: true, mark: SOCKET_MARK };
}

export function ruleKey(rule: Rule): string {
  const { family, priority, table, invert = false, mark = 0, suppressPrefixLength = -1, destination = 'all' } = rule;
  return [family, priority, table, invert, mark, suppressPrefixLength, destination].join(' ');
}

export function ruleText({ family, priority, destination }: Rule): string {
  return `rule ${priority} for ${destination ?? `IPv${family}`}`;
}

/** The plan's routes through the device of this index; where something is held, the same that lead nowhere before them, and what is blocked. */
export function wantedRoutes(plan: Pick<HostPlan, 'routes' | 'whenLost' | 'blocked'>, device: number): readonly Route[] {
  const { routes, whenLost } = plan;
  const to = (destination: string) => ({ family: familyOf(destination), destination, table: ROUTE_TABLE });
  const nowhere = (destination: string): Route => ({ ...to(destination), interface: 0, unreachable: true });
  return [
    ...blockedIn(plan).map(nowhere),
    ...routes.flatMap((destination): Route[] => {
      const through = { ...to(destination), interface: device };
      return whenLost === undefined ? [through] : [nowhere(destination), through];
    }),
  ];
}

/** A kernel without IPv6 sends none, and takes no route for it. */
function blockedIn({ blocked = [] }: Pick<HostPlan, 'blocked'>): readonly string[] {
  return blocked.filter((destination) => familyOf(destination) === 4 || hasIpv6());
}

export function routeKey({ destination, interface: device, unreachable }: Route): string {
  return `${destination} ${unreachable === true ? 'unreachable' : device}`;
}

/** Of an address, with or without a prefix. */
export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}
