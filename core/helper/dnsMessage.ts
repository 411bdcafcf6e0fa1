/** Questions for the addresses of one name, and their answers (RFC 1035 §4, RFC 3596). What comes is from anybody: all of it is bounded. */
import { formatAddress } from '../bytes/address.ts';
import { Reader } from '../bytes/reader.ts';
import { Writer } from '../bytes/writer.ts';
import type { Address } from '../tunnel/race.ts';

/** RFC 1035 §3.2.2, RFC 3596 §2.1. */
export const RECORD = { A: 1, AAAA: 28, ANY: 255 } as const;
export type QueryType = 'A' | 'AAAA';
/** RFC 1035 §3.2.4. */
export const CLASS_IN = 1;
/** RFC 1035 §4.1.1. */
export const FLAGS = {
  response: 0x8000,
  opcode: 0x7800,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
} as const;
export const RCODE = { NOERROR: 0, FORMERR: 1, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;

const RCODE_MASK = 0x000f;
const MOST_RECORDS = 64;
/** RFC 1035 §2.3.4, §4.1.4. */
const LONGEST_LABEL = 63;
const LONGEST_NAME = 255;
const POINTER = 0xc0;

/** `other`: no answer to this question, so one may still come. `failed`: this server has none. */
export type DnsAnswer =
  | { readonly kind: 'addresses'; readonly addresses: readonly Address[] }
  | { readonly kind: 'no-such-name' | 'failed' | 'other' };

/** The question; undefined for what cannot be a name (RFC 1035 §3.1: labels of 1 to 63 octets, 255 in all). */
export function dnsQuery(id: number, name: string, type: QueryType): Uint8Array | undefined {
  const question = questionOf(name, type);
  if (!question) return undefined;
  return new Writer().u16(id).u16(FLAGS.recursionDesired).u16(1).zeros(6).bytes(question).finish();
}

/** What a datagram says to `dnsQuery` of the same. */
export function readDnsAnswer(bytes: Uint8Array, id: number, name: string, type: QueryType): DnsAnswer {
  const question = questionOf(name, type);
  if (!question) return { kind: 'other' };
  const reader = new Reader(bytes);
  const itsId = reader.u16();
  const flags = reader.u16();
  const questions = reader.u16();
  const answers = reader.u16();
  reader.bytes(4);
  // RFC 5452 §9.1: the same question, id and all.
  const same = isSame(reader.bytes(question.length), question);
  const answersIt = itsId === id && (flags & FLAGS.response) !== 0 && (flags & FLAGS.opcode) === 0 && questions === 1;
  if (reader.short || !same || !answersIt) return { kind: 'other' };
  if ((flags & RCODE_MASK) === RCODE.NXDOMAIN) return { kind: 'no-such-name' };
  if ((flags & RCODE_MASK) !== 0 || (flags & FLAGS.truncated) !== 0) return { kind: 'failed' };
  const addresses: Address[] = [];
  for (let left = Math.min(answers, MOST_RECORDS); left > 0; left--) {
    skipName(reader);
    const itsType = reader.u16();
    const itsClass = reader.u16();
    reader.u32(); // how long it may be kept
    const data = reader.bytes(reader.u16());
    if (reader.short) return { kind: 'failed' };
    // Aliases on the way (RFC 1034 §3.6.2) are the resolver's to follow.
    const wanted = itsType === RECORD[type] && itsClass === CLASS_IN && data.length === (type === 'A' ? 4 : 16);
    if (wanted) addresses.push({ address: formatAddress(data.slice()), family: type === 'A' ? 4 : 6 });
  }
  return { kind: 'addresses', addresses };
}

function questionOf(name: string, type: QueryType): Uint8Array | undefined {
  const writer = new Writer();
  for (const label of name.replace(/\.$/, '').split('.')) {
    if (!/^[\x21-\x7e]+$/.test(label) || label.length > LONGEST_LABEL) return undefined;
    writer.u8(label.length).bytes(Uint8Array.from(label, (letter) => letter.charCodeAt(0)));
  }
  writer.u8(0);
  return writer.length > LONGEST_NAME ? undefined : writer.u16(RECORD[type]).u16(CLASS_IN).finish();
}

/** RFC 1035 §4.1.4: it ends with a zero or with a pointer, which nobody follows here. */
function skipName(reader: Reader): void {
  while (!reader.short) {
    const length = reader.u8();
    if (length === 0) return;
    // What is neither a label nor a pointer is nothing that anybody may send: as if it had ended there.
    reader.bytes(length >= POINTER ? 1 : length > LONGEST_LABEL ? Number.POSITIVE_INFINITY : length);
    if (length >= POINTER) return;
  }
}

function isSame(theirs: Uint8Array, ours: Uint8Array): boolean {
  return theirs.length === ours.length && ours.every((octet, at) => lower(theirs[at] ?? 0) === lower(octet));
}

/** RFC 4343: ASCII letters only. Octets of lengths and types are below them. */
function lower(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet;
}
