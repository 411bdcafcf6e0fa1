/** Traffic selectors (RFC 7296 §2.9, §3.13): building, comparing, showing. */
import { formatAddress } from '../ip/address.ts';
import { type Cidr, cidrsOfRange, compareAddresses, formatCidr, rangeContains, rangeOfCidr } from '../ip/cidr.ts';
import type { TrafficSelector } from './wire/message.ts';

/** All protocols and ports of a network. */
export function selectorOfCidr(cidr: Cidr): TrafficSelector {
  const { start, end } = rangeOfCidr(cidr);
  return { type: start.length === 4 ? 'ipv4' : 'ipv6', protocol: 0, startPort: 0, endPort: 65535, start, end };
}

/** All protocols and ports of one address. */
export function selectorOfAddress(address: Uint8Array): TrafficSelector {
  return selectorOfCidr({ network: address, prefix: 8 * address.length });
}

/** Every packet that `inner` selects is selected by `outer`. */
export function selectorContains(outer: TrafficSelector, inner: TrafficSelector): boolean {
  if (outer.type !== inner.type || !isOrdered(inner)) return false;
  if (outer.protocol !== 0 && outer.protocol !== inner.protocol) return false;
  if (!portsContain(outer, inner)) return false;
  return rangeContains(outer, inner.start) && rangeContains(outer, inner.end);
}

/** The first of `answer` that is in none of `asked`; undefined when `answer` is a narrowing. A selector across several asked ones is none. */
export function widerThan(asked: readonly TrafficSelector[], answer: readonly TrafficSelector[]): TrafficSelector | undefined {
  return answer.find((one) => !asked.some((outer) => selectorContains(outer, one)));
}

export function selectsAddress(selector: TrafficSelector, address: Uint8Array): boolean {
  return selector.start.length === address.length && rangeContains(selector, address);
}

/** `10.1.0.0/16`, `10.1.0.1-10.1.0.9`, with `[6/443]` or `[6/80-443]` when protocol or ports are limited. */
export function selectorText(selector: TrafficSelector): string {
  const cidrs = cidrsOfRange(selector);
  const range = cidrs.length === 1 ? formatCidr(cidrs[0]) : `${formatAddress(selector.start)}-${formatAddress(selector.end)}`;
  const { protocol, startPort, endPort } = selector;
  const anyPort = startPort === 0 && endPort === 65535;
  if (protocol === 0 && anyPort) return range;
  const ports = anyPort ? '' : startPort === endPort ? `/${startPort}` : `/${startPort}-${endPort}`;
  return `${range}[${protocol}${ports}]`;
}

export function selectorsText(selectors: readonly TrafficSelector[]): string {
  return selectors.map(selectorText).join(' ');
}

function isOrdered(selector: TrafficSelector): boolean {
  return compareAddresses(selector.start, selector.end) <= 0 && (selector.startPort <= selector.endPort || isOpaque(selector));
}

function portsContain(outer: TrafficSelector, inner: TrafficSelector): boolean {
  if (outer.startPort === 0 && outer.endPort === 65535) return true;
  // RFC 7296 §3.13.1: OPAQUE is a value of its own, in "any" but in no range.
  if (isOpaque(outer) || isOpaque(inner)) return isOpaque(outer) && isOpaque(inner);
  return outer.startPort <= inner.startPort && inner.endPort <= outer.endPort;
}

/** RFC 7296 §3.13.1: start port 65535 and end port 0. */
function isOpaque(selector: TrafficSelector): boolean {
  return selector.startPort === 65535 && selector.endPort === 0;
}
