/** What of a plan is not there any more, because another program took it away. Needs no privilege. */
import type { HostPlan } from '../ports.ts';
import { ROUTE_TABLE } from '../ports.ts';
import { familyOf, routeKey, ruleKey, ruleText, wantedRoutes, wantedRules } from './hostRules.ts';
import type { Rtnetlink } from './rtnetlink.ts';
import { strictFilter } from './sysctl.ts';

/**
 * In words; none where all is there, where the kernel does not say, or where the device is gone, which its descriptor tells. Name servers are
 * not looked at: the program that manages them may have good reasons.
 */
export function missingOf(netlink: Rtnetlink, plan: HostPlan): readonly string[] {
  const { name, addresses } = plan.interface;
  const found = netlink.link(name);
  const link = found.ok ? found.value : undefined;
  if (link === undefined) return [];
  const missing = link.up ? [] : [`${name} is down`];
  const own = netlink.addresses(link.index);
  if (own.ok) {
    const have = new Set(own.value.map(({ address, prefix }) => `${address}/${prefix}`));
    const wanted = addresses.map(({ address, prefix }) => `${address}/${prefix}`);
    missing.push(...wanted.filter((address) => !have.has(address)).map((address) => `address ${address}`));
  }
  const routes = netlink.routes(ROUTE_TABLE);
  if (routes.ok) {
    const have = new Set(routes.value.map(routeKey));
    const gone = wantedRoutes(plan, link.index).filter((route) => !have.has(routeKey(route)));
    missing.push(...new Set(gone.map(({ destination }) => `route ${destination}`)));
  }
  const rules = netlink.rules();
  if (rules.ok) {
    const have = new Set(rules.value.map(ruleKey));
    const gone = wantedRules(plan).filter((rule) => !have.has(ruleKey(rule)));
    missing.push(...gone.map(ruleText));
  }
  // It drops what the gateway sends, for which the way back leads into the tunnel: as good as gone.
  const strict = plan.routes.some((route) => familyOf(route) === 4) ? strictFilter() : undefined;
  if (strict !== undefined) missing.push(`rp_filter of all interfaces is ${strict}`);
  return missing;
}
