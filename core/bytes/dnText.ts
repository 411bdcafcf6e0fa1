/**
 * Distinguished names as people write them, into DER (RFC 4514, RFC 5280 §4.1.2.4): `CN=alice, O=Office, C=CH`. Values may be escaped,
 * quoted or hexadecimal (`#0c05…`), types may be OIDs.
 *
 * RFC 4514 writes the most specific part first; gateways' configurations (strongSwan, Libreswan) write the order of the encoding. Both
 * are read: a name whose last part is the person's or host's own (`CN`, `UID`, …) and whose first is not is in the order of the encoding.
 */
import { fromHex, fromUtf8, toHex } from './bytes.ts';
import { childrenOf, DerFields, derTag, oidOf, readDer, textOf } from './der.ts';
import { derIa5, derOid, derPrintable, derSequence, derSet, derUtf8 } from './derWriter.ts';

const MAX_TEXT = 2048;
const MAX_PARTS = 64;

/** DER of a Name, or undefined when the text is none. */
export function parseDistinguishedName(text: string): Uint8Array | undefined {
  if (text.length > MAX_TEXT) return undefined;
  const rdns: Attribute[][] = [];
  let rdn: Attribute[] = [];
  for (let at = 0; ; ) {
    const attribute = readAttribute(text, at);
    if (!attribute) return undefined;
    rdn.push(attribute);
    at = attribute.end;
    if (text[at] === '+') {
      at += 1;
      continue;
    }
    rdns.push(rdn);
    rdn = [];
    if (rdns.length > MAX_PARTS) return undefined;
    if (at >= text.length) break;
    at += 1;
  }
  if (mostSpecificFirst(rdns)) rdns.reverse();
  return derSequence(...rdns.map((parts) => derSet(...sorted(parts.map(({ der }) => der)))));
}

/** RFC 5280 §7.1 with RFC 4518, as `sameName` of core/pki: whatever string type, letter case and blanks. False for what is no Name. */
export function sameDistinguishedName(a: Uint8Array, b: Uint8Array): boolean {
  const one = canonical(a);
  return one !== undefined && one === canonical(b);
}

/** Characters of an attribute's text that is made normal. X.520 has 64 for most. */
const MAX_NORMAL = 1024;

/**
 * A text of a name as it is compared (RFC 5280 §7.1, RFC 4518): case folded, compatibility forms made equal, leading, trailing and repeated
 * blanks ignored. Making it normal costs the square of its length where marks are heaped up, so of longer ones the case alone is folded.
 */
export function foldedText(text: string): string {
  const folded = text.length > MAX_NORMAL ? text.toLowerCase() : text.normalize('NFKC').toLowerCase().normalize('NFKC');
  return folded.replace(/\s+/gu, ' ').trim();
}

function canonical(der: Uint8Array): string | undefined {
  const root = readDer(der, { octets: 65_535, elements: 2_000 });
  if (!root.ok || root.value.tag !== derTag.sequence) return undefined;
  const rdns = childrenOf(root.value).map((set) => {
    const parts = childrenOf(set).map((entry) => {
      const fields = new DerFields(entry);
      const type = oidOf(fields.take(derTag.oid));
      const value = fields.take();
      const plain = textOf(value);
      const text = plain === undefined ? undefined : foldedText(plain);
      // JSON quotes what separates attributes and RDNs here.
      return `${type}=${text === undefined ? `#${toHex(value?.der ?? der)}` : JSON.stringify(text)}`;
    });
    return parts.sort().join('+');
  });
  return rdns.join('\n');
}

interface Attribute {
  readonly type: string;
  readonly der: Uint8Array;
  /** Where what follows begins: `,`, `;`, `+` or the end. */
  readonly end: number;
}

function readAttribute(text: string, from: number): Attribute | undefined {
  const [label, name] = /^\s*([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)\s*=[^\S\n]*/.exec(text.slice(from, from + 200)) ?? [];
  if (label === undefined || name === undefined) return undefined;
  const oid = /^\d/.test(name) ? name : types.get(name.toLowerCase());
  const type = oid === undefined || !/^[0-2](\.\d{1,9}){1,20}$/.test(oid) ? undefined : oid;
  const value = type === undefined ? undefined : readValue(text, from + label.length);
  if (type === undefined || !value) return undefined;
  const der = 'der' in value ? value.der : valueDer(type, value.text);
  return der && { type, der: derSequence(derOid(type), der), end: value.end };
}

type Value = { readonly end: number } & ({ readonly text: string } | { readonly der: Uint8Array });

function readValue(text: string, from: number): Value | undefined {
  if (text[from] === '#') {
    const digits = /^#([0-9a-fA-F]+)\s*/.exec(text.slice(from)) ?? [];
    const der = fromHex(digits[1] ?? '');
    const end = from + (digits[0]?.length ?? 0);
    return der && readDer(der).ok && atEnd(text, end) ? { der, end } : undefined;
  }
  const quoted = text[from] === '"';
  const octets: number[] = [];
  /** Length without blanks at the end that nobody escaped. */
  let kept = 0;
  let at = quoted ? from + 1 : from;
  for (; at < text.length; ) {
    const sign = String.fromCodePoint(text.codePointAt(at) ?? 0);
    if (quoted ? sign === '"' : sign === ',' || sign === ';' || sign === '+') break;
    if (sign === '\\') {
      const hex = /^[0-9a-fA-F]{2}/.exec(text.slice(at + 1, at + 3))?.[0];
      if (hex !== undefined) octets.push(Number.parseInt(hex, 16));
      else if (/^[ "#+,;<=>\\]/.test(text.slice(at + 1))) octets.push(text.charCodeAt(at + 1));
      else return undefined;
      at += hex === undefined ? 2 : 3;
      kept = octets.length;
    } else {
      octets.push(...fromUtf8(sign));
      at += sign.length;
      if (quoted || sign !== ' ') kept = octets.length;
    }
  }
  if (quoted) {
    if (text[at] !== '"') return undefined;
    at += 1;
    while (text[at] === ' ') at += 1;
    if (!atEnd(text, at)) return undefined;
  }
  return { text: decode(octets.slice(0, kept)) ?? '', end: at };
}

function atEnd(text: string, at: number): boolean {
  return at >= text.length || ',;+'.includes(text[at] ?? '');
}

function decode(octets: readonly number[]): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(octets));
  } catch {
    return undefined;
  }
}

function valueDer(type: string, text: string): Uint8Array | undefined {
  if (text === '' || /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(text)) return undefined;
  // RFC 5280 §4.1.2.4 and appendix A: the types of these are fixed.
  if (type === types.get('c')) return /^[A-Za-z]{2}$/.test(text) ? derPrintable(text) : undefined;
  if (type === types.get('email') || type === types.get('dc')) return /^[\x20-\x7e]+$/.test(text) ? derIa5(text) : undefined;
  return type === types.get('serialnumber') && /^[A-Za-z0-9 '()+,./:=?-]+$/.test(text) ? derPrintable(text) : derUtf8(text);
}

/** X.690 §11.6: a SET OF is sorted by its encodings. */
function sorted(parts: readonly Uint8Array[]): Uint8Array[] {
  return [...parts].sort((a, b) => compareBytes(a, b));
}

function mostSpecificFirst(rdns: readonly (readonly Attribute[])[]): boolean {
  const own = (rdn: readonly Attribute[] | undefined) => rdn?.some(({ type }) => ownTypes.has(type)) === true;
  return own(rdns[0]) || !own(rdns[rdns.length - 1]);
}

const types: ReadonlyMap<string, string> = new Map([
  ['cn', '2.5.4.3'],
  ['sn', '2.5.4.4'],
  ['serialnumber', '2.5.4.5'],
  ['c', '2.5.4.6'],
  ['l', '2.5.4.7'],
  ['st', '2.5.4.8'],
  ['street', '2.5.4.9'],
  ['o', '2.5.4.10'],
  ['ou', '2.5.4.11'],
  ['title', '2.5.4.12'],
  ['t', '2.5.4.12'],
  ['gn', '2.5.4.42'],
  ['g', '2.5.4.42'],
  ['organizationidentifier', '2.5.4.97'],
  ['e', '1.2.840.113549.1.9.1'],
  ['email', '1.2.840.113549.1.9.1'],
  ['emailaddress', '1.2.840.113549.1.9.1'],
  ['dc', '0.9.2342.19200300.100.1.25'],
  ['uid', '0.9.2342.19200300.100.1.1'],
]);
/** What names one person or host. */
const ownTypes: ReadonlySet<string> = new Set(
  ['cn', 'serialnumber', 'e', 'uid', 'gn', 'sn'].map((name) => types.get(name) ?? ''),
);

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return (a[i] ?? 0) - (b[i] ?? 0);
  return a.length - b.length;
}
