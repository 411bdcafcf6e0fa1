/** UDP datagrams, runs of them counted once, that this host (network namespace) lost because the queue of some socket was full. */
import { readFileSync } from 'node:fs';

/** Of all sockets and both families; 0 where the kernel does not tell. A socket's own count (SO_RXQ_OVFL, /proc/net/udp) holds what its filter dropped too. */
export function udpOverflows(): number {
  const [names, values] = text('/proc/net/snmp')
    .split('\n')
    .filter((line) => line.startsWith('Udp:'))
    .map((line) => line.split(' '));
  const v4 = Number(values?.[names?.indexOf('RcvbufErrors') ?? -1] ?? 0);
  const v6 = Number(/^Udp6RcvbufErrors\s+(\d+)/m.exec(text('/proc/net/snmp6'))?.[1] ?? 0);
  return v4 + v6;
}

function text(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // without IPv6 there is no snmp6
  }
}
