/**
 * Strict DER (X.690 §8 and §10–11): definite minimal lengths, minimal INTEGERs, BOOLEANs of 00 or FF, clean BIT STRINGs, well-formed
 * OIDs, strings never constructed, low tag numbers only, nothing after the end. `readDer` walks the whole of it once with bounds on
 * depth and count; after that nodes are views which are split on demand, so a list of a million entries costs no memory by itself.
 *
 * Taken although X.690 forbids it, because real certificates have it and it cannot mislead: a DEFAULT value that is spelt out,
 * and a SET OF which is not sorted.
 */
import { err, ok, type Result } from './result.ts';

/** Identifier octets: class, constructed bit and number in one. `[n]` is 0x80 | n around a primitive value, 0xa0 | n around elements. */
export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  t61String: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

export type DerFaultCode = 'truncated' | 'trailing' | 'tag' | 'length' | 'value' | 'depth' | 'count' | 'size';

export interface DerFault {
  readonly code: DerFaultCode;
  /** Octets from the start of what was read. */
  readonly offset: number;
}

export interface DerLimits {
  readonly octets: number;
  readonly depth: number;
  readonly elements: number;
}

/** Enough for any certificate; a CRL needs more elements. */
const defaultLimits: DerLimits = { octets: 1 << 20, depth: 32, elements: 20_000 };

/** One element. Both arrays are views of what was read, not copies. */
export interface DerNode {
  /** The identifier octet, see `derTag`. */
  readonly tag: number;
  readonly content: Uint8Array;
  /** Header and content. */
  readonly der: Uint8Array;
}

/** The one element that `bytes` are, checked to the leaves. */
export function readDer(bytes: Uint8Array, limits: Partial<DerLimits> = {}): Result<DerNode, DerFault> {
  const bound = { ...defaultLimits, ...limits };
  if (bytes.length > bound.octets) return err({ code: 'size', offset: bound.octets });
  const fault = new Walk(bytes, bound).run();
  if (fault !== undefined) return err(fault);
  return ok(nodeAt(bytes, 0));
}

/** Elements inside a constructed one, in order; nothing for a primitive one. The node must come from `readDer`. */
export function childrenOf(node: DerNode): DerNode[] {
  return [...eachChild(node)];
}

/** As `childrenOf`, one after the other. */
export function* eachChild(node: DerNode): Generator<DerNode, void, undefined> {
  if ((node.tag & 0x20) === 0) return;
  for (let at = 0; at < node.content.length; ) {
    const child = nodeAt(node.content, at);
    yield child;
    at += child.der.length;
  }
}

/**
 * Fields of a SEQUENCE in order. Like `Reader` it never throws: a field that is missing makes it `bad` for good, and a parser
 * asks once at the end, with `done`, whether everything was there and nothing was left over.
 */
export class DerFields {
  readonly #nodes: readonly DerNode[];
  #at = 0;
  #bad: boolean;

  /** Bad from the start when the node is absent or has another tag. */
  constructor(node: DerNode | undefined, tag: number = derTag.sequence) {
    this.#bad = node?.tag !== tag;
    this.#nodes = node === undefined || this.#bad ? [] : childrenOf(node);
  }

  get bad(): boolean {
    return this.#bad;
  }

  /** True when every field was as asked for and none is left. */
  get done(): boolean {
    return !this.#bad && this.#at === this.#nodes.length;
  }

  /** The next field without taking it. */
  get peek(): DerNode | undefined {
    return this.#nodes[this.#at];
  }

  /** The next field, of this tag if one is given; undefined and bad otherwise. */
  take(tag?: number): DerNode | undefined {
    const node = this.#nodes[this.#at];
    if (node === undefined || (tag !== undefined && node.tag !== tag)) {
      this.fail();
      return undefined;
    }
    this.#at += 1;
    return node;
  }

  /** The next field if it has this tag. */
  optional(tag: number): DerNode | undefined {
    const node = this.#nodes[this.#at];
    if (node?.tag !== tag) return undefined;
    this.#at += 1;
    return node;
  }

  /** All that is left. */
  rest(): readonly DerNode[] {
    const rest = this.#nodes.slice(this.#at);
    this.#at = this.#nodes.length;
    return rest;
  }

  fail(): void {
    this.#bad = true;
  }
}

/** The single element inside `[number] EXPLICIT`, or undefined. */
export function onlyChild(node: DerNode | undefined, tag?: number): DerNode | undefined {
  if (node === undefined) return undefined;
  const [child, ...more] = childrenOf(node);
  if (child === undefined || more.length > 0) return undefined;
  return tag === undefined || child.tag === tag ? child : undefined;
}

/** Undefined when it is not a BOOLEAN. `tag`: for an implicitly tagged one. */
export function booleanOf(node: DerNode | undefined, tag: number = derTag.boolean): boolean | undefined {
  if (node === undefined || node.tag !== tag || node.content.length !== 1) return undefined;
  const octet = node.content[0];
  return octet === 0xff ? true : octet === 0 ? false : undefined;
}

/** A small INTEGER or ENUMERATED, at most 2^48 in size; undefined otherwise. `tag`: for an implicitly tagged one. */
export function integerOf(node: DerNode | undefined, tag: number = derTag.integer): number | undefined {
  if (node === undefined || node.tag !== tag || !isMinimalInteger(node.content) || node.content.length > 6) return undefined;
  let value = (node.content[0] & 0x80) !== 0 ? -1 : 0;
  for (const octet of node.content) value = value * 256 + octet;
  return value;
}

/** Magnitude of a non-negative INTEGER without the leading zero; undefined when it is negative or none. */
export function unsignedOf(node: DerNode | undefined): Uint8Array | undefined {
  if (node === undefined || node.tag !== derTag.integer || (node.content[0] & 0x80) !== 0) return undefined;
  return node.content[0] === 0 && node.content.length > 1 ? node.content.subarray(1) : node.content;
}

/** Dotted text of an OBJECT IDENTIFIER. `tag`: for an implicitly tagged one. */
export function oidOf(node: DerNode | undefined, tag: number = derTag.oid): string | undefined {
  if (node === undefined || node.tag !== tag || !isOid(node.content)) return undefined;
  const arcs: bigint[] = [];
  let arc = 0n;
  for (const octet of node.content) {
    arc = (arc << 7n) | BigInt(octet & 0x7f);
    if ((octet & 0x80) !== 0) continue;
    if (arcs.length === 0) {
      const first = arc < 40n ? 0n : arc < 80n ? 1n : 2n;
      arcs.push(first, arc - first * 40n);
    } else arcs.push(arc);
    arc = 0n;
  }
  return arcs.join('.');
}

export function octetsOf(node: DerNode | undefined): Uint8Array | undefined {
  return node?.tag === derTag.octetString ? node.content : undefined;
}

export interface DerBits {
  readonly unused: number;
  readonly octets: Uint8Array;
}

/** `tag`: for an implicitly tagged one. */
export function bitsOf(node: DerNode | undefined, tag: number = derTag.bitString): DerBits | undefined {
  if (node === undefined || node.tag !== tag || !isBitString(node.content)) return undefined;
  return { unused: node.content[0], octets: node.content.subarray(1) };
}

/** A BIT STRING of whole octets: a key, a signature. */
export function wholeBitsOf(node: DerNode | undefined): Uint8Array | undefined {
  const bits = bitsOf(node);
  return bits?.unused === 0 ? bits.octets : undefined;
}

/** Text of any of the string types, undefined when the octets are not of that type. T61String is read as Latin-1, as all do. */
export function textOf(node: DerNode | undefined): string | undefined {
  switch (node?.tag) {
    case derTag.utf8String:
      return utf8(node.content);
    case derTag.printableString:
      return matching(node.content, /^[A-Za-z0-9 '()+,\-./:=?*@&_]*$/); // `*@&_` are outside the type, and common
    case derTag.numericString:
      return matching(node.content, /^[0-9 ]*$/);
    case derTag.ia5String:
      return ia5(node.content);
    case derTag.visibleString:
      return matching(node.content, /^[\x20-\x7e]*$/);
    case derTag.t61String:
      return latin1(node.content);
    case derTag.bmpString:
      return wide(node.content, 2);
    case derTag.universalString:
      return wide(node.content, 4);
    default:
      return undefined;
  }
}

/** IA5String content, also of an implicitly tagged one: 7 bit only. */
export function ia5(content: Uint8Array): string | undefined {
  return content.every((octet) => octet < 0x80) ? latin1(content) : undefined;
}

/** Milliseconds of a UTCTime or GeneralizedTime in the form RFC 5280 §4.1.2.5 allows: in GMT, with seconds, without fractions. */
export function timeOf(node: DerNode | undefined): number | undefined {
  if (node === undefined || (node.tag !== derTag.utcTime && node.tag !== derTag.generalizedTime)) return undefined;
  return timeContent(node.content, node.tag === derTag.utcTime);
}

/** As `timeOf`, of the content of an implicitly tagged one. */
export function timeContent(content: Uint8Array, utc: boolean): number | undefined {
  if (content.length !== (utc ? 13 : 15)) return undefined;
  const text = latin1(content);
  const match = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return undefined;
  // §4.1.2.5.1: YY of 50 and above is 19YY.
  const full = utc ? (year >= 50 ? 1900 : 2000) + year : year;
  if (day > daysOf(full, month)) return undefined;
  return epochDays(full, month, day) * 86_400_000 + ((hour * 60 + minute) * 60 + second) * 1000;
}

/** Checks every element once, without recursion and without making nodes. */
class Walk {
  readonly #bytes: Uint8Array;
  readonly #limits: DerLimits;

  constructor(bytes: Uint8Array, limits: DerLimits) {
    this.#bytes = bytes;
    this.#limits = limits;
  }

  run(): DerFault | undefined {
    const bytes = this.#bytes;
    const ends: number[] = [];
    let end = bytes.length;
    let at = 0;
    for (let count = 1; ; count++) {
      if (count > this.#limits.elements) return { code: 'count', offset: at };
      const header = headerAt(bytes, at, end);
      if (typeof header === 'string') return { code: header, offset: at };
      if (ends.length === 0 && header.end !== end) return { code: 'trailing', offset: header.end };
      const tag = bytes[at];
      if ((tag & 0x20) !== 0) {
        if ((tag & 0xc0) === 0 && !constructedUniversal.has(tag)) return { code: 'tag', offset: at };
        if (ends.length >= this.#limits.depth) return { code: 'depth', offset: at };
        ends.push(end);
        end = header.end;
        at = header.start;
      } else {
        const fault = checkPrimitive(tag, bytes.subarray(header.start, header.end));
        if (fault !== undefined) return { code: fault, offset: at };
        at = header.end;
      }
      while (at === end && ends.length > 0) end = ends.pop() ?? 0;
      if (ends.length === 0) return undefined;
    }
  }
}

const constructedUniversal: ReadonlySet<number> = new Set([derTag.sequence, derTag.set]);

/** Where the content of the element at `at` begins and ends. */
function headerAt(bytes: Uint8Array, at: number, end: number): { readonly start: number; readonly end: number } | DerFaultCode {
  if (at + 2 > end) return 'truncated';
  if ((bytes[at] & 0x1f) === 0x1f) return 'tag';
  const first = bytes[at + 1];
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const octets = first & 0x7f;
    // X.690 §10.1: definite, in the fewest octets.
    if (octets === 0 || octets > 4) return 'length';
    if (start + octets > end) return 'truncated';
    length = 0;
    for (let i = 0; i < octets; i++) length = length * 256 + bytes[start + i];
    if (length < 0x80 || length < 256 ** (octets - 1)) return 'length';
    start += octets;
  }
  return start + length > end ? 'truncated' : { start, end: start + length };
}

/** Of what was checked before. */
function nodeAt(bytes: Uint8Array, at: number): DerNode {
  const header = headerAt(bytes, at, bytes.length);
  if (typeof header === 'string') throw new RangeError('a node that did not come from readDer');
  return { tag: bytes[at], content: bytes.subarray(header.start, header.end), der: bytes.subarray(at, header.end) };
}

function checkPrimitive(tag: number, content: Uint8Array): DerFaultCode | undefined {
  switch (tag) {
    case derTag.boolean:
      return content.length === 1 && (content[0] === 0 || content[0] === 0xff) ? undefined : 'value'; // X.690 §11.1
    case derTag.integer:
    case derTag.enumerated:
      return isMinimalInteger(content) ? undefined : 'value';
    case derTag.bitString:
      return isBitString(content) ? undefined : 'value';
    case derTag.null:
      return content.length === 0 ? undefined : 'value';
    case derTag.oid:
      return isOid(content) ? undefined : 'value';
    case 0x00:
    case 0x10:
    case 0x11:
      return 'tag'; // end-of-contents, and SEQUENCE and SET that are not constructed
    default:
      return undefined;
  }
}

/** X.690 §8.3.2: the first nine bits are not all equal. */
function isMinimalInteger(content: Uint8Array): boolean {
  if (content.length === 0) return false;
  if (content.length === 1) return true;
  return !((content[0] === 0 && content[1] < 0x80) || (content[0] === 0xff && content[1] >= 0x80));
}

/** X.690 §11.2.1: unused bits are zero. */
function isBitString(content: Uint8Array): boolean {
  if (content.length === 0 || content[0] > 7) return false;
  if (content.length === 1) return content[0] === 0;
  return (content[content.length - 1] & ((1 << content[0]) - 1)) === 0;
}

/** X.690 §8.19: arcs in the fewest octets, the last one complete. At most 64 octets, more is nobody's. */
function isOid(content: Uint8Array): boolean {
  if (content.length === 0 || content.length > 64 || (content[content.length - 1] & 0x80) !== 0) return false;
  return content.every((octet, i) => octet !== 0x80 || (i > 0 && (content[i - 1] & 0x80) !== 0));
}

const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function utf8(content: Uint8Array): string | undefined {
  try {
    return utf8Decoder.decode(content);
  } catch {
    return undefined;
  }
}

function matching(content: Uint8Array, pattern: RegExp): string | undefined {
  const text = latin1(content);
  return pattern.test(text) ? text : undefined;
}

function latin1(content: Uint8Array): string {
  let out = '';
  for (const octet of content) out += String.fromCharCode(octet);
  return out;
}

/** BMPString (2) and UniversalString (4). Lone surrogates are no text. */
function wide(content: Uint8Array, size: 2 | 4): string | undefined {
  if (content.length % size !== 0) return undefined;
  let out = '';
  for (let at = 0; at < content.length; at += size) {
    let code = 0;
    for (let i = 0; i < size; i++) code = code * 256 + content[at + i];
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined;
    out += String.fromCodePoint(code);
  }
  return out;
}

function daysOf(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
}

/** Days from 1970-01-01 in the proleptic Gregorian calendar; this folder has no Date. */
function epochDays(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468;
}
