/** Traffic selectors between their wire form and text: `10.1.0.0/16`, `10.0.0.1-10.0.0.9`, `2001:db8::/32[tcp/443]`. */
import { formatAddress, parseAddress } from '../../bytes/address.ts';
import type { TrafficSelector } from './message.ts';

const PROTOCOL_NAMES: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'ipv6-icmp' };

/** CIDR where the range is one, else both ends; protocol and ports in brackets where they are restricted. */
export function selectorText(selector: TrafficSelector): string {
  const prefix = selectorPrefix(selector);
  const start = formatAddress(selector.start);
  const range = prefix === undefined ? `${start}-${formatAddress(selector.end)}` : `${start}/${prefix}`;
  const ports = portsText(selector.startPort, selector.endPort);
  if (selector.protocol === 0 && ports === '') return range;
  const protocol = selector.protocol === 0 ? 'any' : (PROTOCOL_NAMES[selector.protocol] ?? String(selector.protocol));
  return `${range}[${protocol}${ports === '' ? '' : `/${ports}`}]`;
}

/** The CIDR of the range whatever the ports, or undefined when the range is not one network. */
export function selectorCidr(selector: TrafficSelector): string | undefined {
  const prefix = selectorPrefix(selector);
  return prefix === undefined ? undefined : `${formatAddress(selector.start)}/${prefix}`;
}

/**
 * Any protocol and port of a network: `10.1.0.0/16`, `2001:db8::/32`, or one address without a slash. Bits beyond the
 * prefix are ignored. Undefined when the text is none of these.
 */
export function selectorFromCidr(text: string): TrafficSelector | undefined {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const bits = address.length * 8;
  const prefixText = slash < 0 ? String(bits) : text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(prefixText) || Number(prefixText) > bits) return undefined;
  const mask = prefixMask(address.length, Number(prefixText));
  return {
    type: address.length === 4 ? 'ipv4' : 'ipv6',
    protocol: 0,
    // RFC 7296 §3.13.1: all ports are 0 to 65535.
    startPort: 0,
    endPort: 65535,
    start: address.map((octet, i) => octet & mask[i]),
    end: address.map((octet, i) => octet | (~mask[i] & 0xff)),
  };
}

/** The prefix length when the range is exactly one network. */
export function selectorPrefix({ start, end }: TrafficSelector): number | undefined {
  let prefix = 0;
  const bits = start.length * 8;
  while (prefix < bits && bit(start, prefix) === bit(end, prefix)) prefix++;
  for (let i = prefix; i < bits; i++) if (bit(start, i) !== 0 || bit(end, i) !== 1) return undefined;
  return prefix;
}

function bit(bytes: Uint8Array, at: number): number {
  return (bytes[at >>> 3] >>> (7 - (at & 7))) & 1;
}

function prefixMask(octets: number, prefix: number): Uint8Array {
  const mask = new Uint8Array(octets);
  for (let i = 0; i < prefix; i++) mask[i >>> 3] |= 0x80 >>> (i & 7);
  return mask;
}

function portsText(start: number, end: number): string {
  if (start === 0 && end === 65535) return '';
  // RFC 7296 §3.13.1: 65535 to 0 means OPAQUE.
  if (start === 65535 && end === 0) return 'opaque';
  return start === end ? String(start) : `${start}-${end}`;
}
