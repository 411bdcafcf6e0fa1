/** Sets of addresses as people write them (networks, addresses, ranges), taken from each other, and back to networks. */
import { formatAddress, parseAddress } from '../bytes/address.ts';
import { selectorFromCidr } from '../ike/wire/selectorText.ts';

interface Range {
  /** Octets of an address: 4 or 16. */
  readonly size: number;
  readonly first: bigint;
  readonly last: bigint;
}

/** `10.0.0.0/8`, `10.0.0.1`, `10.0.0.1-10.0.0.9`; undefined when it is none. */
export function parseRange(text: string): Range | undefined {
  const dash = text.indexOf('-');
  if (dash < 0) {
    const selector = selectorFromCidr(text);
    return selector && { size: selector.start.length, first: numberOf(selector.start), last: numberOf(selector.end) };
  }
  const first = parseAddress(text.slice(0, dash).trim());
  const last = parseAddress(text.slice(dash + 1).trim());
  if (!first || !last || first.length !== last.length || numberOf(first) > numberOf(last)) return undefined;
  return { size: first.length, first: numberOf(first), last: numberOf(last) };
}

/** Networks that hold all of `included` and nothing of `excluded`; undefined when they are more than `most`. */
export function networksOf(included: readonly Range[], excluded: readonly Range[], most: number): readonly string[] | undefined {
  let ranges = [...included];
  for (const out of excluded) {
    ranges = ranges.flatMap((range) => {
      if (range.size !== out.size || out.last < range.first || out.first > range.last) return [range];
      return [
        { ...range, last: out.first - 1n },
        { ...range, first: out.last + 1n },
      ].filter(({ first, last }) => first <= last);
    });
    // Each exclusion splits one range in two at most.
    if (ranges.length > 4096) return undefined;
  }
  const networks: string[] = [];
  for (const range of ranges) {
    for (const network of networksIn(range)) {
      networks.push(network);
      if (networks.length > most) return undefined;
    }
  }
  return networks;
}

/** The fewest networks that are exactly the range. */
function* networksIn({ size, first, last }: Range): Generator<string, void, undefined> {
  const bits = size * 8;
  for (let at = first; at <= last; ) {
    let host = 0;
    while (host < bits) {
      const block = 1n << BigInt(host + 1);
      if (at % block !== 0n || at + block - 1n > last) break;
      host += 1;
    }
    yield `${formatAddress(octetsOf(at, size))}/${bits - host}`;
    at += 1n << BigInt(host);
  }
}

function numberOf(octets: Uint8Array): bigint {
  let value = 0n;
  for (const octet of octets) value = (value << 8n) | BigInt(octet);
  return value;
}

function octetsOf(value: bigint, size: number): Uint8Array {
  const octets = new Uint8Array(size);
  for (let at = size - 1, rest = value; at >= 0; at--, rest >>= 8n) octets[at] = Number(rest & 0xffn);
  return octets;
}
