/** IP addresses between text and octets. No names, no zones, no ports. */

/** 4 or 16 octets of an address, or undefined. IPv4 is four decimal numbers without leading zeros; IPv6 is RFC 4291 §2.2. */
export function parseAddress(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

/** The text of 4 or 16 octets, IPv6 by RFC 5952. Throws a RangeError for another length. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new RangeError(`an address of ${bytes.length} octets`);
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i] << 8) | bytes[i + 1]);
  // RFC 5952 §5: an IPv4-mapped address is written as such.
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return `::ffff:${bytes.subarray(12).join('.')}`;
  const gap = longestZeros(groups);
  if (gap === undefined) return hex(groups);
  return `${hex(groups.slice(0, gap.from))}::${hex(groups.slice(gap.from + gap.length))}`;
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const out = new Uint8Array(4);
  for (const [i, part] of parts.entries()) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    out[i] = Number(part);
  }
  return out;
}

function parseIpv6(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0], halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1], true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const given = head.length + tail.length;
  // RFC 4291 §2.2: "::" stands for one or more groups.
  if (halves.length === 1 ? given !== 16 : given > 14) return undefined;
  const out = new Uint8Array(16);
  out.set(head, 0);
  out.set(tail, 16 - tail.length);
  return out;
}

/** Octets of colon-separated groups, the last of which may be an IPv4 address where `atEnd`. */
function parseGroups(text: string, atEnd: boolean): number[] | undefined {
  if (text === '') return [];
  const out: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (part.includes('.') && atEnd && i === parts.length - 1) {
      const tail = parseIpv4(part);
      if (tail === undefined) return undefined;
      out.push(...tail);
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(part)) return undefined;
      const group = Number.parseInt(part, 16);
      out.push(group >>> 8, group & 0xff);
    }
  }
  return out;
}

/** RFC 5952 §4.2: the longest run of two or more zero groups, the first of equals. */
function longestZeros(groups: readonly number[]): { readonly from: number; readonly length: number } | undefined {
  let best: { from: number; length: number } | undefined;
  let from = 0;
  for (let i = 0; i <= groups.length; i++) {
    if (i < groups.length && groups[i] === 0) continue;
    const length = i - from;
    if (length >= 2 && length > (best?.length ?? 0)) best = { from, length };
    from = i + 1;
  }
  return best;
}

function hex(groups: readonly number[]): string {
  return groups.map((group) => group.toString(16)).join(':');
}
