/** Questions for the addresses of one name, and their answers (RFC 1035 §4, RFC 3596). What comes is from anybody: all of it is bounded. */
import { formatAddress } from '../bytes/address.ts';
import type { Address } from '../tunnel/race.ts';

/** RFC 1035 §3.2.2, RFC 3596 §2.1. */
export type QueryType = keyof typeof TYPE;
const TYPE = { A: 1, AAAA: 28 } as const;
const CLASS_IN = 1;
/** RFC 1035 §4.1.1. */
const RESPONSE = 0x8000;
const OPCODE = 0x7800;
const TRUNCATED = 0x0200;
const RECURSION_DESIRED = 0x0100;
const RCODE = 0x000f;
const NAME_ERROR = 3;
const HEADER = 12;
const MOST_RECORDS = 64;

/** `other`: no answer to this question, so one may still come. `failed`: this server has none. */
export type DnsAnswer =
  | { readonly kind: 'addresses'; readonly addresses: readonly Address[] }
  | { readonly kind: 'no-such-name' | 'failed' | 'other' };

/** The question; undefined for what cannot be a name (RFC 1035 §3.1: labels of 1 to 63 octets, 255 in all). */
export function dnsQuery(id: number, name: string, type: QueryType): Uint8Array | undefined {
  const question = questionOf(name, type);
  if (!question) return undefined;
  const query = new Uint8Array(HEADER + question.length);
  const view = new DataView(query.buffer);
  view.setUint16(0, id);
  view.setUint16(2, RECURSION_DESIRED);
  view.setUint16(4, 1);
  query.set(question, HEADER);
  return query;
}

/** What a datagram says to `dnsQuery` of the same. */
export function readDnsAnswer(bytes: Uint8Array, id: number, name: string, type: QueryType): DnsAnswer {
  const question = questionOf(name, type);
  if (!question || bytes.length < HEADER + question.length) return { kind: 'other' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint16(2);
  // RFC 5452 §9.1: the same question, id and all.
  const same = question.every((octet, at) => lower(bytes[HEADER + at] ?? 0) === lower(octet));
  if (view.getUint16(0) !== id || (flags & RESPONSE) === 0 || (flags & OPCODE) !== 0 || view.getUint16(4) !== 1 || !same)
    return { kind: 'other' };
  if ((flags & RCODE) === NAME_ERROR) return { kind: 'no-such-name' };
  if ((flags & RCODE) !== 0 || (flags & TRUNCATED) !== 0) return { kind: 'failed' };
  const addresses: Address[] = [];
  let at = HEADER + question.length;
  for (let left = Math.min(view.getUint16(6), MOST_RECORDS); left > 0; left--) {
    const end = afterName(bytes, at);
    if (end === undefined || end + 10 > bytes.length) return { kind: 'failed' };
    const data = end + 10;
    const length = view.getUint16(end + 8);
    if (data + length > bytes.length) return { kind: 'failed' };
    // Aliases on the way (RFC 1034 §3.6.2) are the resolver's to follow.
    const wanted = view.getUint16(end) === TYPE[type] && view.getUint16(end + 2) === CLASS_IN;
    if (wanted && length === (type === 'A' ? 4 : 16))
      addresses.push({ address: formatAddress(bytes.slice(data, data + length)), family: type === 'A' ? 4 : 6 });
    at = data + length;
  }
  return { kind: 'addresses', addresses };
}

function questionOf(name: string, type: QueryType): Uint8Array | undefined {
  const labels = name.replace(/\.$/, '').split('.');
  const octets: number[] = [];
  for (const label of labels) {
    if (!/^[\x21-\x7e]{1,63}$/.test(label)) return undefined;
    octets.push(label.length, ...[...label].map((letter) => letter.charCodeAt(0)));
  }
  octets.push(0);
  return octets.length > 255 ? undefined : Uint8Array.of(...octets, 0, TYPE[type], 0, CLASS_IN);
}

/** RFC 1035 §4.1.4: it ends with a zero or with a pointer, which nobody follows here. */
function afterName(bytes: Uint8Array, from: number): number | undefined {
  for (let at = from; at < bytes.length; ) {
    const length = bytes[at] ?? 0;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    if (length > 63) return undefined;
    at += 1 + length;
  }
  return undefined;
}

/** RFC 4343: ASCII letters only. Octets of lengths and types are below them. */
function lower(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet;
}
