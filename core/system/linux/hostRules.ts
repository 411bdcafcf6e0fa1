/** The routing rules that send traffic into our table, and the routes in it: which, and how they are told from others. */
import type { HostPlan } from '../ports.ts';
import { ROUTE_TABLE, RULE_PRIORITY, SOCKET_MARK } from '../ports.ts';
import { RT_TABLE_MAIN } from './netlinkCodec.ts';
import type { Route, Rule } from './rtnetlink.ts';

/** The rules for these destinations, in the order in which they are added. */
export function wantedRules(routes: readonly string[]): readonly Rule[] {
  const wanted: Rule[] = [];
  for (const family of [4, 6] as const) {
    const own = routes.filter((route) => familyOf(route) === family);
    if (own.length === 0) continue;
    // First the exception, then the rule it is an exception of.
    if (own.some((route) => route.endsWith('/0'))) wanted.push(exceptionRule(family));
    wanted.push(tunnelRule(family));
  }
  return wanted;
}

export function allOurRules(): readonly Rule[] {
  return ([4, 6] as const).flatMap((family) => [exceptionRule(family), tunnelRule(family)]);
}

function exceptionRule(family: 4 | 6): Rule {
  return { family, priority: RULE_PRIORITY - 1, table: RT_TABLE_MAIN, suppressPrefixLength: 0 };
}

function tunnelRule(family: 4 | 6): Rule {
  return { family, priority: RULE_PRIORITY, table: ROUTE_TABLE, invert: true, mark: SOCKET_MARK };
}

export function ruleKey(rule: Rule): string {
  return [rule.family, rule.priority, rule.table, rule.invert ?? false, rule.mark ?? 0, rule.suppressPrefixLength ?? -1].join(
    ' ',
  );
}

/** The plan's routes through the device of this index; where something is held, the same that lead nowhere before them. */
export function wantedRoutes({ routes, whenLost }: Pick<HostPlan, 'routes' | 'whenLost'>, device: number): readonly Route[] {
  return routes.flatMap((destination): Route[] => {
    const route = { family: familyOf(destination), destination, table: ROUTE_TABLE };
    const through = { ...route, interface: device };
    return whenLost === undefined ? [through] : [{ ...route, interface: 0, unreachable: true }, through];
  });
}

export function routeKey({ destination, interface: device, unreachable }: Route): string {
  return `${destination} ${unreachable === true ? 'unreachable' : device}`;
}

/** Of an address, with or without a prefix. */
export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}
