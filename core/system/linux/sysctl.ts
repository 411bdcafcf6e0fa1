/** Settings of the kernel below /proc/sys. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import type { HostError } from '../ports.ts';
import { hostErrorOf } from './errors.ts';

/** Of all interfaces: at 2 (loose) it is the effective value of every one. */
export const filterOfAll = 'net/ipv4/conf/all/rp_filter';

/** What that is, where some interface filters by strict reverse paths; undefined where none does. */
export function strictFilter(): string | undefined {
  const value = readSysctl(filterOfAll);
  return value === '2' || !anyStrictInterface() ? undefined : value;
}

function anyStrictInterface(): boolean {
  try {
    return readdirSync('/proc/sys/net/ipv4/conf').some((name) => readSysctl(`net/ipv4/conf/${name}/rp_filter`) === '1');
  } catch {
    return false;
  }
}

export function hasIpv6(): boolean {
  return existsSync('/proc/sys/net/ipv6');
}

/** By its path below /proc/sys; undefined where there is none. */
export function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

export function writeSysctl(name: string, value: string): Result<undefined, HostError> {
  try {
    writeFileSync(`/proc/sys/${name}`, value);
    return ok(undefined);
  } catch (error) {
    return err(hostErrorOf(error, `write ${name}`));
  }
}

export function writeQuietly(path: string, value: string): void {
  try {
    writeFileSync(path, value);
  } catch {
    // A kernel without IPv6 has no such file, and needs none.
  }
}
