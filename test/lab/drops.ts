/** What kernels dropped because a queue was full: of UDP sockets and of devices, by place. */
import type { Namespace } from './namespace.ts';

export type Drops = ReadonlyMap<string, number>;

export async function kernelDrops(places: Readonly<Record<string, Namespace>>): Promise<Drops> {
  return new Map((await Promise.all(Object.entries(places).map(dropsIn))).flat());
}

/** What was added meanwhile, where anything was; devices come and go. */
export function addedDrops(before: Drops, now: Drops): readonly (readonly [string, number])[] {
  return [...now].map(([place, count]) => [place, count - (before.get(place) ?? 0)] as const).filter(([, count]) => count > 0);
}

async function dropsIn([where, namespace]: readonly [string, Namespace]): Promise<[string, number][]> {
  const [sockets, devices] = await Promise.all([
    namespace.must(['cat', '/proc/net/snmp', '/proc/net/snmp6']),
    namespace.must(['cat', '/proc/net/dev']),
  ]);
  // SO_RCVBUF was full: `Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors …`, names in one line and values in the next.
  const [names = '', values = ''] = sockets.split('\n').filter((line) => line.startsWith('Udp:'));
  const v4 = Number(values.split(' ')[names.split(' ').indexOf('RcvbufErrors')] ?? 0);
  const v6 = Number(/Udp6RcvbufErrors\s+(\d+)/.exec(sockets)?.[1] ?? 0);
  const found: [string, number][] = [[`${where}'s sockets`, v4 + v6]];
  for (const line of devices.split('\n').slice(2)) {
    const [name = '', fields = ''] = line.split(':');
    const numbers = fields.trim().split(/\s+/).map(Number);
    found.push([`${where}'s ${name.trim()}`, (numbers[3] ?? 0) + (numbers[11] ?? 0)]);
  }
  return found;
}
