/** Traffic selector narrowing (RFC 7296 §2.9): the responder answers with the intersection of what was proposed and what it allows. */
import { selectorContains } from '../../core/ike/selectors.ts';
import type { TrafficSelector } from '../../core/ike/wire/message.ts';
import { compareAddresses } from '../../core/ip/cidr.ts';

function intersection(a: TrafficSelector, b: TrafficSelector): TrafficSelector | undefined {
  if (a.type !== b.type) return undefined;
  if (a.protocol !== 0 && b.protocol !== 0 && a.protocol !== b.protocol) return undefined;
  const start = compareAddresses(a.start, b.start) > 0 ? a.start : b.start;
  const end = compareAddresses(a.end, b.end) < 0 ? a.end : b.end;
  const startPort = Math.max(a.startPort, b.startPort);
  const endPort = Math.min(a.endPort, b.endPort);
  if (compareAddresses(start, end) > 0 || startPort > endPort) return undefined;
  return { type: a.type, protocol: a.protocol === 0 ? b.protocol : a.protocol, startPort, endPort, start, end };
}

/** Every pairwise intersection, without those that another one covers; empty where nothing is in common (TS_UNACCEPTABLE). */
export function narrow(proposed: readonly TrafficSelector[], allowed: readonly TrafficSelector[]): readonly TrafficSelector[] {
  const all: TrafficSelector[] = [];
  for (const a of proposed) {
    for (const b of allowed) {
      const common = intersection(a, b);
      if (common !== undefined && !all.some((one) => selectorContains(one, common))) all.push(common);
    }
  }
  return all.filter((one, at) => !all.some((other, index) => index !== at && selectorContains(other, one)));
}

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
