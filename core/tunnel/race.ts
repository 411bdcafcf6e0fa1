/**
 * Which address of which gateway is tried when, in the manner of RFC 8305: pure. Families take turns, the next address starts 250 ms
 * after the one before or as soon as that failed, and the first that answers IKE_SA_INIT has won; the others are dropped before they
 * say anything of the user. The gateways of a profile stand in for one another: the next joins in only when all before were silent
 * for three seconds, or failed.
 *
 * An address that is silent over UDP is tried over TCP too (RFC 9329 §5.1), while UDP goes on: whichever is answered wins. A TCP port may be
 * taken by somebody who is no gateway, so that it connects proves nothing.
 *
 *   race.handle({ kind: 'addresses', gateway: 0, addresses }, now);
 *   for (let said = race.poll(); said; said = race.poll()) …
 */
import type { TcpUse } from '../rpc/contract.ts';

export interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

/** An address to try, once per race. */
export interface Target extends Address {
  /** Index of the gateway it belongs to. */
  readonly gateway: number;
  /** Over TCP; UDP when absent. */
  readonly transport?: 'tcp';
}

export type RaceInput =
  /** What a look-up brought, in the resolver's order; also more than once. */
  | { readonly kind: 'addresses'; readonly gateway: number; readonly addresses: readonly Address[] }
  /** Nothing more will come for this gateway. */
  | { readonly kind: 'looked-up'; readonly gateway: number }
  /** It said something, which is no answer yet: UDP passes, so there is no use in TCP unless it turns out that nobody is there. */
  | { readonly kind: 'heard'; readonly target: Target }
  | { readonly kind: 'answered'; readonly target: Target }
  /** `silent`: nobody answered, as far as UDP is concerned. */
  | { readonly kind: 'failed'; readonly target: Target; readonly silent?: boolean }
  | { readonly kind: 'tick' };

export type RaceOutput =
  | { readonly kind: 'begin'; readonly target: Target }
  /** Another one won. */
  | { readonly kind: 'drop'; readonly target: Target }
  /** Nobody is left to try. */
  | { readonly kind: 'lost' };

export interface Race {
  handle(input: RaceInput, now: number): void;
  poll(): RaceOutput | undefined;
  deadline(): number | undefined;
}

export interface RaceOptions {
  /** How many gateways there are. */
  readonly gateways: number;
  /** What worked last comes first. */
  readonly preferred?: string | undefined;
  /** What won an earlier race and then fell silent comes last. */
  readonly avoided?: ReadonlySet<string>;
  /** Default `never`. */
  readonly tcp?: TcpUse;
  /** UDP did not pass the last time, and TCP did. */
  readonly udpBlocked?: boolean;
}

/** RFC 8305 §5: Connection Attempt Delay. Milliseconds. */
const NEXT_ADDRESS = 250;
const NEXT_GATEWAY = 3_000;
/**
 * How long UDP has alone. RFC 9329 §5.1 recommends at least one repetition: in this time IKE_SA_INIT goes out four times, which at 20 % loss
 * both ways all fail once in sixty connects, and then TCP has no more than a chance.
 */
const TCP_AFTER = 4_000;
/** The same on a network where it did not pass: one repetition, so that the way back is found when it passes again. */
const TCP_AFTER_BLOCKED = 1_000;

export function createRace(options: RaceOptions): Race {
  const { gateways, preferred, avoided = new Set(), tcp = 'never', udpBlocked = false } = options;
  const waiting: Target[][] = Array.from({ length: gateways }, () => []);
  const known = new Set<string>();
  const looking = new Set(waiting.keys());
  const running = new Set<Target>();
  const out: RaceOutput[] = [];
  let startedAt: number | undefined;
  /** When the last address of each gateway began. */
  const begun = new Map<number, number>();
  let over = false;
  /** What is tried over TCP unless UDP is answered before. */
  let fallbacks: readonly { readonly udp: Target; readonly at: number }[] = [];

  /** The next to begin and when; undefined while nobody is known. */
  function next(): { readonly target: Target; readonly at: number } | undefined {
    const gateway = waiting.findIndex((targets) => targets.length > 0);
    const target = waiting[gateway]?.[0];
    if (!target) return undefined;
    const before = [...running].some((one) => one.gateway < gateway) || [...looking].some((one) => one < gateway);
    const since = Math.max(startedAt ?? 0, ...begun.values());
    // One that stood in before is not waited for as long.
    if (before && target.address !== preferred)
      return { target, at: Math.max(since + NEXT_ADDRESS, lastBefore(gateway) + NEXT_GATEWAY) };
    // RFC 8305 §5: at once when what began before has failed.
    return { target, at: !before && running.size === 0 ? 0 : since + NEXT_ADDRESS };
  }

  /** When the last address of the gateways before this one began. */
  function lastBefore(gateway: number): number {
    const ats = [...begun].filter(([one]) => one < gateway).map(([, at]) => at);
    return Math.max(startedAt ?? 0, ...ats);
  }

  function advance(now: number): void {
    for (let due = next(); due && due.at <= now && !over; due = next()) {
      waiting[due.target.gateway]?.shift();
      running.add(due.target);
      begun.set(due.target.gateway, now);
      out.push({ kind: 'begin', target: due.target });
      const wait = udpBlocked ? TCP_AFTER_BLOCKED : TCP_AFTER;
      if (tcp === 'auto' && due.target.transport === undefined) fallbacks = [...fallbacks, { udp: due.target, at: now + wait }];
    }
    for (const { udp } of fallbacks.filter(({ at }) => at <= now)) {
      const target: Target = { ...udp, transport: 'tcp' };
      running.add(target);
      out.push({ kind: 'begin', target });
    }
    fallbacks = fallbacks.filter(({ at }) => at > now);
    if (over || running.size > 0 || looking.size > 0 || fallbacks.length > 0 || next()) return;
    over = true;
    out.push({ kind: 'lost' });
  }

  function add(gateway: number, addresses: readonly Address[]): void {
    const more = addresses.filter(({ address }) => !known.has(address));
    for (const { address } of more) known.add(address);
    const queue = [...(waiting[gateway] ?? []), ...more.map((one) => targetOf(gateway, one))];
    waiting[gateway] = sorted(queue, preferred, avoided);
  }

  /** What answered over UDP and then fell silent may have had its port 500 open and 4500 not: with TCP there is one port for all. */
  function targetOf(gateway: number, one: Address): Target {
    const overTcp = tcp === 'always' || (tcp === 'auto' && avoided.has(one.address));
    return { ...one, gateway, ...(overTcp && { transport: 'tcp' }) };
  }

  return {
    handle(input, now) {
      if (over) return;
      startedAt ??= now;
      switch (input.kind) {
        case 'addresses':
          add(input.gateway, input.addresses);
          break;
        case 'looked-up':
          looking.delete(input.gateway);
          break;
        case 'failed':
          running.delete(input.target);
          // Who was refused by UDP is refused by TCP; where there is no way there is none.
          fallbacks = fallbacks.flatMap((one) => {
            if (one.udp !== input.target) return [one];
            return input.silent ? [{ ...one, at: now }] : [];
          });
          break;
        case 'heard':
          fallbacks = fallbacks.map((one) => (one.udp === input.target ? { ...one, at: Number.POSITIVE_INFINITY } : one));
          break;
        case 'answered':
          over = true;
          for (const target of running) if (target !== input.target) out.push({ kind: 'drop', target });
          return;
        case 'tick':
          break;
      }
      advance(now);
    },
    poll: () => out.shift(),
    deadline() {
      if (over) return undefined;
      const due = Math.min(next()?.at ?? Infinity, ...fallbacks.map(({ at }) => at));
      return due === Infinity ? undefined : due;
    },
  };
}

/** RFC 8305 §4: families take turns, beginning with the one that the resolver (RFC 6724) or our own experience puts first. */
function sorted(targets: readonly Target[], preferred: string | undefined, avoided: ReadonlySet<string>): Target[] {
  const rank = ({ address }: Target) => (address === preferred ? 0 : avoided.has(address) ? 2 : 1);
  const ranked = targets.toSorted((a, b) => rank(a) - rank(b));
  const [first] = ranked;
  if (!first) return [];
  const same = ranked.filter(({ family }) => family === first.family);
  const other = ranked.filter(({ family }) => family !== first.family);
  const turns: Target[] = [];
  for (let i = 0; i < Math.max(same.length, other.length); i++) {
    for (const queue of [same, other]) {
      const target = queue[i];
      if (target) turns.push(target);
    }
  }
  return turns.toSorted((a, b) => Number(avoided.has(a.address)) - Number(avoided.has(b.address)));
}
