/** Gives `checkRevocation` what it needs: the network, the cache, a limit in time. */
import { randomBytes } from 'node:crypto';
import { err, ok } from '../bytes/result.ts';
import { printable } from '../pki/names.ts';
import { checkRevocation, type RevocationGiven, type RevocationNeed, type RevocationResult } from '../pki/revocation.ts';
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

/** So many at once; who comes then hears that nothing was checked. A check may hold some lists of megabytes, and anybody may ask for one. */
export function limitChecks(check: CheckRevocation, most: number): CheckRevocation {
  let underway = 0;
  return async (request) => {
    if (underway >= most) return tooMany(request);
    underway += 1;
    try {
      return await check(request);
    } finally {
      underway -= 1;
    }
  };
}

function tooMany({ path, policy }: Parameters<CheckRevocation>[0]): RevocationResult {
  const evidence = 'too many certificates are being checked; try again';
  const verdicts = path
    .slice(0, -1)
    .map(({ subject }) => ({ subject: printable(subject.text), status: 'not-checked', source: 'none', evidence }) as const);
  return { verdicts, fault: policy.strict ? { code: 'revocation-unknown', evidence } : undefined };
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
