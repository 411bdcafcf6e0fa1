/** Networks in CIDR notation and ranges of addresses, which traffic selectors are made of (RFC 7296 §3.13.1). */
import { formatAddress, parseAddress } from '../bytes/address.ts';

export interface Cidr {
  /** 4 or 16 octets; the bits behind the prefix are zero. */
  readonly network: Uint8Array;
  readonly prefix: number;
}

/** First and last address, both included, of the same family. */
export interface AddressRange {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

/** `192.0.2.0/24`, `2001:db8::/32`; an address alone is a host. Undefined when it is neither or has bits set behind the prefix. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  const network = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (network === undefined) return undefined;
  const bits = 8 * network.length;
  if (slash < 0) return { network, prefix: bits };
  const digits = text.slice(slash + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(digits)) return undefined;
  const prefix = Number(digits);
  if (prefix > bits || compareAddresses(maskAddress(network, prefix), network) !== 0) return undefined;
  return { network, prefix };
}

export function formatCidr({ network, prefix }: Cidr): string {
  return `${formatAddress(network)}/${prefix}`;
}

export function rangeOfCidr({ network, prefix }: Cidr): AddressRange {
  const end = network.slice();
  for (let bit = prefix; bit < 8 * end.length; bit++) end[bit >>> 3] |= 0x80 >>> (bit & 7);
  return { start: network.slice(), end };
}

/**
 * The fewest networks that together are exactly the range, in ascending order; none for a range that ends before it starts or
 * mixes families. At most 62 for IPv4 and 254 for IPv6.
 */
export function cidrsOfRange({ start, end }: AddressRange): Cidr[] {
  const out: Cidr[] = [];
  if (start.length !== end.length || compareAddresses(start, end) > 0) return out;
  const bits = 8 * start.length;
  const last = toBigInt(end);
  let at = toBigInt(start);
  while (at <= last) {
    let prefix = bits;
    while (prefix > 0) {
      const size = 1n << BigInt(bits - prefix + 1);
      if (at % size !== 0n || at + size - 1n > last) break;
      prefix--;
    }
    out.push({ network: fromBigInt(at, start.length), prefix });
    at += 1n << BigInt(bits - prefix);
  }
  return out;
}

export function rangeContains(range: AddressRange, address: Uint8Array): boolean {
  if (address.length !== range.start.length) return false;
  return compareAddresses(range.start, address) <= 0 && compareAddresses(address, range.end) <= 0;
}

/** Negative, zero or positive as `a` lies before, at or behind `b`; both of the same family. */
export function compareAddresses(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return 0;
}

/** The address with all bits behind the prefix cleared. */
export function maskAddress(address: Uint8Array, prefix: number): Uint8Array {
  const out = address.slice();
  for (let i = 0; i < out.length; i++) out[i] &= 0xff << Math.min(8, Math.max(0, 8 * (i + 1) - prefix));
  return out;
}

function toBigInt(bytes: Uint8Array): bigint {
  let out = 0n;
  for (const octet of bytes) out = (out << 8n) | BigInt(octet);
  return out;
}

function fromBigInt(value: bigint, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let left = value;
  for (let i = length - 1; i >= 0; i--) {
    out[i] = Number(left & 0xffn);
    left >>= 8n;
  }
  return out;
}
