/**
 * What the monitor accepts of the engine, which it does not trust: every field of every command, checked once and built anew, so that
 * nothing else of a message gets through. A refusal says what is wrong; only what is no command at all is an offence.
 */

import { formatAddress, parseAddress } from '../bytes/address.ts';
import type { Result } from '../bytes/result.ts';
import { err, ok } from '../bytes/result.ts';
import { formatCidr, parseCidr } from '../ip/cidr.ts';
import { isUnroutable } from '../ip/unroutable.ts';
import type { HostPlan } from '../system/ports.ts';
import { LIMITS, type MonitorCommand } from './monitorContract.ts';

export type ParsedCommand =
  | { readonly kind: 'command'; readonly command: MonitorCommand }
  | { readonly kind: 'refused'; readonly id: number; readonly why: string }
  /** Not JSON, or without a number to answer to. */
  | { readonly kind: 'malformed' };

/** `ours` are the names of the devices this engine opened. */
export function parseCommand(text: string, ours: ReadonlySet<string>): ParsedCommand {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'malformed' };
  }
  if (!isRecord(value)) return { kind: 'malformed' };
  const { id } = value;
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0) return { kind: 'malformed' };
  const command = readCommand(id, value, ours);
  return command.ok ? { kind: 'command', command: command.value } : { kind: 'refused', id, why: command.error };
}

type Checked<T> = Result<T, string>;
type Fields = Readonly<Record<string, unknown>>;

function readCommand(id: number, value: Fields, ours: ReadonlySet<string>): Checked<MonitorCommand> {
  switch (value.command) {
    case 'open-tun': {
      if (!only(value, ['id', 'command', 'mtu', 'offload', 'queues'])) return err('unknown field');
      const mtu = integer(value.mtu, LIMITS.mtu.min, LIMITS.mtu.max);
      const { offload: wanted = 'none', queues: count = 1 } = value;
      const offload = LIMITS.offloads.find((allowed) => allowed === wanted);
      const queues = integer(count, LIMITS.queues.min, LIMITS.queues.max);
      if (mtu === undefined) return err('mtu');
      if (offload === undefined) return err('offload');
      return queues === undefined ? err('queues') : ok({ id, command: 'open-tun', mtu, offload, queues });
    }
    case 'bind-udp': {
      if (!only(value, ['id', 'command', 'family', 'port'])) return err('unknown field');
      const { family } = value;
      const port = LIMITS.ports.find((allowed) => allowed === value.port);
      if (family !== 4 && family !== 6) return err('family');
      return port === undefined ? err('port') : ok({ id, command: 'bind-udp', family, port });
    }
    case 'connect-tcp': {
      if (!only(value, ['id', 'command', 'address', 'port'])) return err('unknown field');
      const address = readHost(value.address);
      const port = integer(value.port, LIMITS.tcpPorts.min, LIMITS.tcpPorts.max);
      if (!address.ok) return address;
      return port === undefined ? err('port') : ok({ id, command: 'connect-tcp', address: formatAddress(address.value), port });
    }
    case 'apply': {
      if (!only(value, ['id', 'command', 'plan'])) return err('unknown field');
      const plan = readPlan(value.plan, ours);
      return plan.ok ? ok({ id, command: 'apply', plan: plan.value }) : plan;
    }
    case 'revert':
      return only(value, ['id', 'command']) ? ok({ id, command: 'revert' }) : err('unknown field');
    default:
      return err('unknown command');
  }
}

function readPlan(value: unknown, ours: ReadonlySet<string>): Checked<HostPlan> {
  if (!isRecord(value) || !only(value, ['interface', 'routes', 'dns', 'whenLost', 'blocked'])) return err('plan');
  const device = readInterface(value.interface, ours);
  if (!device.ok) return device;
  const routes = readList('routes', value.routes, LIMITS.routes, readRoute);
  if (!routes.ok) return routes;
  const whenLost = LIMITS.whenLost.find((allowed) => allowed === value.whenLost);
  if (whenLost === undefined && value.whenLost !== undefined) return err('when lost');
  const blocked = value.blocked === undefined ? undefined : readList('blocked', value.blocked, LIMITS.blocked, readRoute);
  if (blocked?.ok === false) return blocked;
  // What takes it back is what takes back what is held.
  if (blocked && whenLost === undefined) return err('blocked and not held');
  const plan = {
    ...{ interface: device.value, routes: routes.value },
    ...(whenLost !== undefined && { whenLost }),
    ...(blocked && { blocked: blocked.value }),
  };
  if (value.dns === undefined) return ok(plan);
  const dns = readDns(value.dns);
  return dns.ok ? ok({ ...plan, dns: dns.value }) : dns;
}

function readInterface(value: unknown, ours: ReadonlySet<string>): Checked<HostPlan['interface']> {
  if (!isRecord(value) || !only(value, ['name', 'mtu', 'addresses'])) return err('interface');
  const { name } = value;
  if (typeof name !== 'string' || !ours.has(name)) return err('interface is not ours');
  const mtu = integer(value.mtu, LIMITS.mtu.min, LIMITS.mtu.max);
  if (mtu === undefined) return err('mtu');
  const addresses = readList('addresses', value.addresses, LIMITS.addresses, readInterfaceAddress);
  if (!addresses.ok) return addresses;
  if (addresses.value.length === 0) return err('no address');
  // RFC 8200 §5: a link below 1280 octets carries no IPv6; Linux would silently take IPv6 off the device.
  if (mtu < 1280 && addresses.value.some(({ address }) => address.includes(':'))) return err('mtu below 1280 with IPv6');
  return ok({ name, mtu, addresses: addresses.value });
}

function readInterfaceAddress(value: unknown): Checked<{ readonly address: string; readonly prefix: number }> {
  if (!isRecord(value) || !only(value, ['address', 'prefix'])) return err('address');
  const address = readHost(value.address);
  if (!address.ok) return address;
  const prefix = integer(value.prefix, 1, 8 * address.value.length);
  return prefix === undefined ? err('prefix') : ok({ address: formatAddress(address.value), prefix });
}

function readRoute(value: unknown): Checked<string> {
  const cidr = typeof value === 'string' && value.includes('/') ? parseCidr(value) : undefined;
  if (cidr === undefined) return err('route is no network');
  if (isUnroutable(cidr)) return err(`route ${formatCidr(cidr)} makes no sense`);
  return ok(formatCidr(cidr));
}

function readDns(value: unknown): Checked<NonNullable<HostPlan['dns']>> {
  if (!isRecord(value) || !only(value, ['servers', 'searchDomains', 'matchDomains'])) return err('dns');
  const servers = readList('dns servers', value.servers, LIMITS.dnsServers, (server) => {
    const address = readHost(server);
    return address.ok ? ok(formatAddress(address.value)) : address;
  });
  if (!servers.ok) return servers;
  const searchDomains = readList('search domains', value.searchDomains, LIMITS.domains, readDomain);
  if (!searchDomains.ok) return searchDomains;
  const matchDomains = readList('match domains', value.matchDomains, LIMITS.domains, readDomain);
  if (!matchDomains.ok) return matchDomains;
  return ok({ servers: servers.value, searchDomains: searchDomains.value, matchDomains: matchDomains.value });
}

/**
 * Letters, digits and hyphens (RFC 1123 §2.1), underscores (RFC 8552), at most 63 octets in a label and 253 in all:
 * nothing a file or program could misread.
 */
function readDomain(value: unknown): Checked<string> {
  const label = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i;
  if (typeof value !== 'string' || value.length > 253 || !value.split('.').every((part) => label.test(part)))
    return err('domain');
  return ok(value);
}

/** The address of a single host somewhere else. */
function readHost(value: unknown): Checked<Uint8Array> {
  const address = typeof value === 'string' ? parseAddress(value) : undefined;
  if (address === undefined) return err('not an address');
  if (isUnroutable({ network: address, prefix: 8 * address.length }))
    return err(`address ${formatAddress(address)} makes no sense`);
  return ok(address);
}

function readList<T>(what: string, value: unknown, most: number, read: (item: unknown) => Checked<T>): Checked<readonly T[]> {
  if (!Array.isArray(value)) return err(what);
  if (value.length > most) return err(`more than ${most} ${what}`);
  const out: T[] = [];
  for (const item of value) {
    const checked = read(item);
    if (!checked.ok) return checked;
    out.push(checked.value);
  }
  return ok(out);
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function only(value: Fields, allowed: readonly string[]): boolean {
  return Object.keys(value).every((key) => allowed.includes(key));
}

function integer(value: unknown, min: number, max: number): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? value : undefined;
}
