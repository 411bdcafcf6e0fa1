/** What a host looks like from outside: compared before and after, it shows whether something was left behind. */
import { existsSync, readFileSync } from 'node:fs';
import type { Namespace } from './namespace.ts';

/** Each aspect as text, stable as long as nothing changed. */
export interface HostSnapshot {
  readonly links: string;
  readonly addresses: string;
  readonly routes: string;
  readonly rules: string;
  readonly dns: string;
  readonly firewall: string;
}

export async function snapshot(namespace: Namespace): Promise<HostSnapshot> {
  const ip = (...args: string[]): Promise<string> => namespace.must(['ip', ...args]);
  const [links, addresses, routes4, routes6, rules4, rules6, firewall] = await Promise.all([
    ip('-o', 'link'),
    ip('-o', 'addr'),
    ip('-4', '-o', 'route', 'show', 'table', 'all'),
    ip('-6', '-o', 'route', 'show', 'table', 'all'),
    ip('-4', 'rule'),
    ip('-6', 'rule'),
    namespace.must(['nft', 'list', 'ruleset']),
  ]);
  const resolv = namespace.overlayPath('resolv.conf');
  return {
    links: sorted(links),
    addresses: sorted(addresses),
    routes: sorted(`${routes4}${routes6}`),
    rules: `${rules4}${rules6}`,
    dns: existsSync(resolv) ? readFileSync(resolv, 'utf8') : '',
    firewall,
  };
}

/** Human-readable differences, empty when there are none. */
export function differences(before: HostSnapshot, after: HostSnapshot): string[] {
  const found: string[] = [];
  for (const aspect of ['links', 'addresses', 'routes', 'rules', 'dns', 'firewall'] as const) {
    const was = before[aspect].split('\n');
    const is = after[aspect].split('\n');
    for (const line of was) if (!is.includes(line)) found.push(`${aspect}: gone: ${line}`);
    for (const line of is) if (!was.includes(line)) found.push(`${aspect}: left: ${line}`);
    if (found.length === 0 && before[aspect] !== after[aspect]) found.push(`${aspect}: order or count of lines differs`);
  }
  return found;
}

/** The kernel's order of routes is not promised. Times that run down are taken out. */
function sorted(text: string): string {
  return text
    .split('\n')
    .map((line) =>
      line
        .replace(/ expires \d+sec/, '')
        .replace(/ (valid_lft|preferred_lft) \d+sec/g, '')
        .trimEnd(),
    )
    .sort()
    .join('\n');
}
