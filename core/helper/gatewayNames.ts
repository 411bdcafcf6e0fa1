/** What the names of gateways stand for, as far as it was learnt: while the traffic of a tunnel is held back, hardly anybody can be asked. */
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Result } from '../bytes/result.ts';
import type { Profile } from '../profile/model.ts';
import type { Failure } from '../rpc/contract.ts';
import type { Address } from '../tunnel/race.ts';
import type { OutsideLookUp } from './outsideLookUp.ts';
import type { Stage } from './stage.ts';

/** `wanted`: the answer is still of use. */
export type LookUp = (name: string, wanted?: () => boolean) => Promise<Result<readonly Address[], Failure>>;

/** Past the tunnel, and whom this computer asks for names now. */
export interface Outside {
  readonly lookUp: OutsideLookUp;
  readonly nameServers: () => readonly string[];
}

export type GatewayAddresses = Map<string, readonly Address[]>;

/** How long what is known of a name is tried before anybody is asked past the tunnel, milliseconds. */
const KNOWN_FIRST = 3_000;

/** Of one name: what was found outside the tunnel, and what was found through it. */
const MOST_KNOWN = 16;

/**
 * `inside`: through the tunnel, where the office's servers may have another answer than the world has (an address that only leads there
 * from inside), so what was known before stays, and in front. True: something is new.
 */
export function learn(known: GatewayAddresses, name: string, found: readonly Address[], inside: boolean): boolean {
  const before = known.get(name) ?? [];
  const more = found.filter(({ address }) => before.every((one) => one.address !== address));
  const fresh = more.slice(0, MOST_KNOWN / 2);
  if (!inside) known.set(name, found);
  else if (more.length > 0) known.set(name, [...before.slice(0, MOST_KNOWN - fresh.length), ...fresh]);
  return more.length > 0;
}

/** Names that a tunnel of this profile may have to look up. */
export function namesOf({ gateway, gateways }: Pick<Profile, 'gateway' | 'gateways'>): readonly string[] {
  return [gateway, ...gateways].filter((name) => isIP(name) === 0);
}

/**
 * While traffic is held back the computer's resolver has a way only to name servers of the LAN, or for names that are not the office's:
 * then name servers from before the tunnel, and those of the network where it is now, are asked past it.
 */
export function whileHeld(
  lookUp: LookUp,
  outside: Outside,
  stage: Pick<Stage, 'holds' | 'plan'>,
  memory: { readonly nameServers?: readonly string[]; readonly addresses: GatewayAddresses },
): LookUp {
  const servers = (): readonly string[] => {
    const plan = stage.plan();
    // The office's own are inside, and what they are asked is theirs. After an engine that died nobody here knows which those are.
    const office = plan?.dns?.servers ?? [];
    const present = plan ? outside.nameServers().filter((server) => !office.includes(server)) : [];
    return [...new Set([...present, ...(memory.nameServers ?? [])])];
  };
  return async (name, wanted = () => true) => {
    if (!stage.holds() || isIP(name) !== 0) return lookUp(name);
    const usual = lookUp(name);
    const ask = async (): ReturnType<LookUp> => {
      if (memory.addresses.has(name)) await sleep(KNOWN_FIRST);
      return wanted() ? outside.lookUp(name, servers()) : usual;
    };
    const past = ask();
    const first = await Promise.race([usual, past]);
    if (first.ok) return first;
    return (await past).ok ? past : usual;
  };
}
