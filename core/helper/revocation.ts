/** Gives `checkRevocation` what it needs: the network, the cache, a limit in time. */
import { randomBytes } from 'node:crypto';
import { err, ok } from '../bytes/result.ts';
import { checkRevocation, type RevocationGiven, type RevocationNeed } from '../pki/revocation.ts';
import type { CheckRevocation } from './asks.ts';
import type { RevocationCache } from './revocationCache.ts';
import type { RevocationFetch } from './revocationFetch.ts';

export interface RevocationPorts {
  readonly fetch: RevocationFetch;
  readonly cache: RevocationCache;
  /** Date.now() milliseconds. */
  readonly now: () => number;
  /** Milliseconds for everything that is fetched for one path; afterwards only what is at hand counts. */
  readonly within?: number;
}

/** A person waits for the connection, and the gateway for our next message. */
const WITHIN = 12_000;

/** The path MUST be anchored: its certificates say where to fetch from. */
export function createRevocationCheck(ports: RevocationPorts): CheckRevocation {
  return async ({ path, ocsp, policy, signal }) => {
    const over = AbortSignal.any([signal, AbortSignal.timeout(ports.within ?? WITHIN)]);
    const random = (length: number) => new Uint8Array(randomBytes(length));
    const check = checkRevocation({ path, policy, at: ports.now(), random, inBand: { ocsp, crls: [] } });
    let step = check.next();
    while (!step.done) step = check.next(await provide(ports, step.value, over));
    return step.value;
  };
}

async function provide({ fetch, cache }: RevocationPorts, need: RevocationNeed, over: AbortSignal): Promise<RevocationGiven> {
  switch (need.kind) {
    case 'recall': {
      const octets = cache.recall(need.key);
      return octets && ok(octets);
    }
    case 'keep':
      cache.keep(need.key, need.octets, need.until);
      return undefined;
    case 'fetch':
      return over.aborted ? err('not fetched, it has taken too long already') : fetch(need, over);
  }
}
