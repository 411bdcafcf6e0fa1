/** What the names of gateways stand for, as far as it was learnt: while the traffic of a tunnel is held back, hardly anybody can be asked. */
import { isIP } from 'node:net';
import type { Result } from '../bytes/result.ts';
import type { Profile } from '../profile/model.ts';
import type { Failure } from '../rpc/contract.ts';
import type { Address } from '../tunnel/race.ts';

export type LookUp = (name: string) => Promise<Result<readonly Address[], Failure>>;

export type GatewayAddresses = Map<string, readonly Address[]>;

/** Of one name: what was found outside the tunnel, and what was found through it. */
const MOST_KNOWN = 16;

/**
 * `inside`: through the tunnel, where the office's servers may have another answer than the world has (an address that only leads there
 * from inside), so what was known before stays, and in front. True: something is new.
 */
export function learn(known: GatewayAddresses, name: string, found: readonly Address[], inside: boolean): boolean {
  const before = known.get(name) ?? [];
  const more = found.filter(({ address }) => before.every((one) => one.address !== address));
  if (!inside) known.set(name, found);
  else if (more.length > 0) known.set(name, [...before.slice(0, MOST_KNOWN - more.length), ...more]);
  return more.length > 0;
}

/** Names that a tunnel of this profile may have to look up. */
export function namesOf({ gateway, gateways }: Pick<Profile, 'gateway' | 'gateways'>): readonly string[] {
  return [gateway, ...gateways].filter((name) => isIP(name) === 0);
}
