/** Networks that no route into a tunnel makes sense for: the engine leaves them out, and the monitor refuses them. */
import { formatAddress } from '../bytes/address.ts';
import { type Cidr, maskAddress, parseCidr } from './cidr.ts';

/** "This" network, loopback, link-local where it needs a zone, multicast, class E with broadcast, v4-mapped. */
const SPECIAL: readonly Cidr[] = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3', '::/127', '::ffff:0:0/96', 'fe80::/10', 'ff00::/8']
  .map(parseCidr)
  .filter((cidr) => cidr !== undefined);

/** Not of a network that has others in it, too: what of it never leaves the host stays there by the kernel's own rules. */
export function isUnroutable(cidr: Cidr): boolean {
  return SPECIAL.some(({ network, prefix }) => {
    if (network.length !== cidr.network.length || cidr.prefix < prefix) return false;
    return formatAddress(maskAddress(cidr.network, prefix)) === formatAddress(network);
  });
}
