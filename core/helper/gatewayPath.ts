/** Finding the gateway: its addresses by name, and which address of ours the kernel would speak to it from. */
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { err, ok, type Result } from '../bytes/result.ts';
import type { Failure } from '../rpc/contract.ts';
import { failure } from '../tunnel/explain.ts';
import type { Address } from '../tunnel/race.ts';

/** The resolver's own patience is a minute and more where name servers are silent. */
const RESOLVE_WITHIN = 10_000;
/** How long the answer for both families is waited for alone, and that for the other once there is one. Milliseconds. */
const BOTH_WITHIN = 1_000;
const OTHER_WITHIN = 250;
/** Of each family: the one that comes first may be the one that does not get through (RFC 8305 §4). */
const MOST_ADDRESSES = 8;

/**
 * Addresses of a host name in the resolver's order, at least one; an address is its own answer and asks nobody. The resolver waits for both
 * families, 15 s for a name server that is silent about one of them as some are (RFC 4074 §4.1), so after a moment each is asked for alone.
 */
export function resolveGateway(name: string, within: number = RESOLVE_WITHIN): Promise<Result<readonly Address[], Failure>> {
  const literal = isIP(name);
  if (literal !== 0) return Promise.resolve(ok([{ address: name, family: literal === 4 ? 4 : 6 }]));
  return new Promise((resolve) => {
    const alone = new Map<4 | 6, readonly Address[]>();
    const timers: NodeJS.Timeout[] = [];
    const later = (milliseconds: number, what: () => void) => timers.push(setTimeout(what, milliseconds));
    const settle = (found: readonly Address[], why: string) => {
      for (const timer of timers) clearTimeout(timer);
      const all = found.length > 0 ? found : [...(alone.get(6) ?? []), ...(alone.get(4) ?? [])];
      resolve(all.length > 0 ? ok(few(all)) : err(failure('name-not-resolved', `${name}: ${why}`)));
    };
    const silent = `the name servers did not answer within ${within / 1000} s`;
    later(within, () => settle([], silent));
    later(BOTH_WITHIN, () => {
      for (const family of [4, 6] as const)
        void ask(name, family).then((answer) => {
          if (!answer.ok) return;
          alone.set(family, answer.value);
          later(alone.size === 2 ? 0 : OTHER_WITHIN, () => settle([], silent));
        });
    });
    void ask(name, 0).then((answer) => (answer.ok ? settle(answer.value, '') : settle([], answer.error)));
  });
}

/** Of one family, or of both; the error is words. */
function ask(name: string, family: 0 | 4 | 6): Promise<Result<readonly Address[], string>> {
  return new Promise((resolve) => {
    lookup(name, { all: true, order: 'verbatim', family }, (error, found) => {
      if (error) resolve(err(lookupProblem(error)));
      else if (found.length === 0) resolve(err('the name has no address'));
      else resolve(ok(found.map((one) => ({ address: one.address, family: one.family === 6 ? 6 : 4 }))));
    });
  });
}

/** As many as are worth trying, in their order. */
export function few(found: readonly Address[]): readonly Address[] {
  const first = ([4, 6] as const).flatMap((family) => found.filter((one) => one.family === family).slice(0, MOST_ADDRESSES));
  return found.filter((one) => first.includes(one));
}

function lookupProblem(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOTFOUND') return 'no such name (ENOTFOUND)';
  if (error.code === 'EAI_AGAIN') return 'no name server answers (EAI_AGAIN)';
  return `the name cannot be resolved (${error.code ?? 'unknown'})`;
}

/**
 * Our address towards it, learnt from the kernel by connecting a datagram socket: nothing is sent. Not while a tunnel is in place, whose
 * routes it would see.
 */
export function localAddressTowards({ address, family }: Address, port: number): Promise<Result<string, Failure>> {
  return new Promise((resolve) => {
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    const fail = (error: NodeJS.ErrnoException) => {
      resolve(err(failure('no-route', `${address}: ${error.code ?? error.message}`)));
      socket.close();
    };
    socket.once('error', fail);
    socket.once('connect', () => {
      // The kernel's answer has the interface of a link-local address behind it.
      const [local = ''] = socket.address().address.split('%');
      socket.close();
      // RFC 4291 §2.5.6: no router forwards what comes from one.
      if (isLinkLocal(local) && !isLinkLocal(address)) resolve(err(failure('no-route', `${address}: no address but ${local}`)));
      else resolve(ok(local));
    });
    socket.connect(port, address);
  });
}

/** fe80::/10 */
function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address);
}

/** Octets of the largest packet of the interface that has this address of ours; undefined where that cannot be told. */
export function interfaceMtu(local: string): number | undefined {
  const found = Object.entries(networkInterfaces()).find(([, all]) => all?.some(({ address }) => address === local));
  if (found === undefined) return undefined;
  try {
    const mtu = Number(readFileSync(`/sys/class/net/${found[0]}/mtu`, 'utf8'));
    return mtu > 0 ? mtu : undefined;
  } catch {
    return undefined; // /sys of another namespace, or none
  }
}
