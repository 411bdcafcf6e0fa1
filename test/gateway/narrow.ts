/** Selectors that the office and its tests begin with. */
import type { TrafficSelector } from '../../core/ike/wire/message.ts';

/** The selector of one address, any protocol and port. `address` is 4 or 16 octets. */
export function hostSelector(address: Uint8Array): TrafficSelector {
  const type = address.length === 4 ? 'ipv4' : 'ipv6';
  return { type, protocol: 0, startPort: 0, endPort: 65535, start: address, end: address };
}

function all(type: TrafficSelector['type'], octets: number): TrafficSelector {
  return {
    type,
    protocol: 0,
    startPort: 0,
    endPort: 65535,
    start: new Uint8Array(octets),
    end: new Uint8Array(octets).fill(255),
  };
}

/** 0.0.0.0/0 and ::/0. */
export const everything: readonly TrafficSelector[] = [all('ipv4', 4), all('ipv6', 16)];
