/** How long a message may be before it goes in fragments (RFC 7383 §2.5.1). */
import type { Channel, Endpoint, Fragmentation } from '../sa/contract.ts';

/**
 * `usual`: IP packets of at most 1280 octets, which nearly every path takes. `small`: the 576 octets that RFC 7383 §2.5.1 recommends
 * for IPv4; IPv6 links take 1280 (RFC 8200 §5).
 */
export type FragmentSize = 'usual' | 'small';

const PACKET: Readonly<Record<FragmentSize, Readonly<Record<4 | 6, number>>>> = {
  usual: { 4: 1280, 6: 1280 },
  small: { 4: 576, 6: 1280 },
};
/** RFC 7383 appendix B. Our sockets send no IPv4 options and no IPv6 extension headers. */
const IP_HEADER: Readonly<Record<4 | 6, number>> = { 4: 20, 6: 40 };
const UDP_HEADER = 8;
/** RFC 3948 §2.2. */
const NON_ESP_MARKER = 4;

/** What an SA on which fragmentation was agreed begins with. */
export function firstSize(fragmentation: Fragmentation): FragmentSize {
  return fragmentation === 'force' ? 'small' : 'usual';
}

/**
 * Octets of the longest IKE message that goes to `remote` in one packet of this size. RFC 9329 §7.5: over TCP none is fragmented, but
 * fragments are taken.
 */
export function messageLimit(size: FragmentSize, channel: Channel, remote: Endpoint): number {
  if (remote.transport === 'tcp') return Infinity;
  const family = remote.address.includes(':') ? 6 : 4;
  return PACKET[size][family] - IP_HEADER[family] - UDP_HEADER - (channel === 'natt' ? NON_ESP_MARKER : 0);
}
