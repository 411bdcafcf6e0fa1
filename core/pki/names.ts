/** Distinguished and general names: from DER, as text, and compared (RFC 5280 §4.1.2.4, §4.2.1.6, §7.1; RFC 4514). */
import { toHex } from '../bytes/bytes.ts';
import { childrenOf, DerFields, type DerNode, derTag, eachChild, ia5, oidOf, onlyChild, readDer, textOf } from '../bytes/der.ts';
import { foldedText } from '../bytes/dnText.ts';
import type { DistinguishedName, GeneralName } from './contract.ts';

/** Attributes of one name, and names of one extension. More is no certificate that anybody made to be used. */
const maxAttributes = 4096;
const maxNames = 8192;

export const attribute = {
  commonName: '2.5.4.3',
  email: '1.2.840.113549.1.9.1',
} as const;

export interface NameAttribute {
  readonly type: string;
  readonly value: DerNode;
}

/** A Name, or undefined when it is not well-formed. The octets are copied. */
export function parseName(node: DerNode | undefined): DistinguishedName | undefined {
  const rdns = rdnsOf(node);
  if (node === undefined || rdns === undefined) return undefined;
  return { der: new Uint8Array(node.der), text: nameText(rdns) };
}

/** As `parseName`, of octets that may be anything: an ID_DER_ASN1_DN payload, a file. */
export function readName(der: Uint8Array): DistinguishedName | undefined {
  const node = readDer(der, { octets: 65_535 });
  return node.ok ? parseName(node.value) : undefined;
}

/** RFC 5280 §7.1. */
export function sameName(a: DistinguishedName, b: DistinguishedName): boolean {
  return canonicalName(a) === canonicalName(b);
}

/** Equal for names that are equal by RFC 5280 §7.1, and only for those; for maps. */
export function canonicalName(name: DistinguishedName): string {
  return canonicalRdns(name).join('\n');
}

/** As `canonicalName`, one text for each RDN, the most general first: a subtree is a prefix. */
export function canonicalRdns(name: DistinguishedName): readonly string[] {
  const known = canonical.get(name);
  if (known !== undefined) return known;
  const node = readDer(name.der);
  const rdns = node.ok ? rdnsOf(node.value) : undefined;
  const texts = (rdns ?? []).map((rdn) => rdn.map(canonicalAttribute).sort().join('+'));
  canonical.set(name, texts);
  return texts;
}

/** A path asks often, and a hostile name is long. */
const canonical = new WeakMap<DistinguishedName, readonly string[]>();

export function isEmptyName(name: DistinguishedName): boolean {
  return name.der.length <= 2;
}

/** Values of one attribute as text, the most specific last; those that are no text are left out. */
export function attributeTexts(name: DistinguishedName, type: string): string[] {
  const node = readDer(name.der);
  const attributes = node.ok ? (rdnsOf(node.value) ?? []).flat() : [];
  return attributes
    .filter((entry) => entry.type === type)
    .map(({ value }) => textOf(value))
    .filter((text) => text !== undefined);
}

/** GeneralNames, one or more; undefined when any of them is malformed. `tag`: for implicitly tagged ones. */
export function parseGeneralNames(node: DerNode | undefined, tag: number = derTag.sequence): GeneralName[] | undefined {
  if (node?.tag !== tag) return undefined;
  const names: GeneralName[] = [];
  for (const child of eachChild(node)) {
    const name = parseGeneralName(child);
    if (name === undefined || names.length >= maxNames) return undefined;
    names.push(name);
  }
  return names.length === 0 ? undefined : names;
}

/** RFC 5280 §4.2.1.6. An iPAddress of other than 4 or 16 octets is malformed; what is a sensible host name is the user's to ask. */
export function parseGeneralName(node: DerNode): GeneralName | undefined {
  switch (node.tag) {
    case 0x81:
      return textName('email', node);
    case 0x82:
      return textName('dns', node);
    case 0x86:
      return textName('uri', node);
    case 0x87:
      return node.content.length === 4 || node.content.length === 16
        ? { kind: 'ip', value: new Uint8Array(node.content) }
        : undefined;
    case 0xa4: {
      const value = parseName(onlyChild(node)); // EXPLICIT, for Name is a CHOICE
      return value === undefined ? undefined : { kind: 'directory', value };
    }
    case 0xa0: // otherName
    case 0xa3: // x400Address
    case 0xa5: // ediPartyName
    case 0x88: // registeredID
      return { kind: 'other', tag: node.tag & 0x1f, der: new Uint8Array(node.der) };
    default:
      return undefined;
  }
}

/** Text of hostile octets that is one printable line. */
export function printable(text: string): string {
  const cut = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  return cut.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

function textName(kind: 'dns' | 'email' | 'uri', node: DerNode): GeneralName | undefined {
  const value = ia5(node.content);
  return value === undefined ? undefined : { kind, value };
}

/** RelativeDistinguishedNames in the order of the encoding. */
function rdnsOf(node: DerNode | undefined): NameAttribute[][] | undefined {
  if (node?.tag !== derTag.sequence) return undefined;
  const rdns: NameAttribute[][] = [];
  let count = 0;
  for (const set of eachChild(node)) {
    const rdn = set.tag === derTag.set ? attributesOf(set) : undefined;
    count += rdn?.length ?? 0;
    if (rdn === undefined || rdn.length === 0 || count > maxAttributes) return undefined;
    rdns.push(rdn);
  }
  return rdns;
}

function attributesOf(set: DerNode): NameAttribute[] | undefined {
  const attributes: NameAttribute[] = [];
  for (const entry of childrenOf(set)) {
    const fields = new DerFields(entry);
    const type = oidOf(fields.take(derTag.oid));
    const value = fields.take();
    if (!fields.done || type === undefined || value === undefined) return undefined;
    attributes.push({ type, value });
  }
  return attributes;
}

/** RFC 4514 §2: the last RDN first, `+` within one. */
function nameText(rdns: readonly (readonly NameAttribute[])[]): string {
  return [...rdns]
    .reverse()
    .map((rdn) => rdn.map(attributeText).join('+'))
    .join(',');
}

/** RFC 4514 §2.3–2.4; a type without a short name, or a value that is no text, is written in hexadecimal. */
function attributeText({ type, value }: NameAttribute): string {
  const label = shortNames.get(type);
  const text = textOf(value);
  if (label === undefined || text === undefined) return `${label ?? type}=#${toHex(value.der)}`;
  return `${label}=${escaped(text)}`;
}

/** RFC 4514 §2.4; control characters too, as the line is shown to people. */
function escaped(text: string): string {
  return text
    .replace(/[\\"+,;<>]/g, '\\$&')
    .replace(/^[ #]/, '\\$&')
    .replace(/ $/, '\\ ')
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => toHex(utf8.encode(char)).replace(/../g, '\\$&'));
}

const utf8 = new TextEncoder();

/** RFC 5280 §7.1: whatever string type it is in. What is no text is compared by its octets. */
function canonicalAttribute({ type, value }: NameAttribute): string {
  const text = textOf(value);
  if (text === undefined) return `${type}=#${toHex(value.der)}`;
  // JSON quotes what separates attributes and RDNs here.
  return `${type}=${JSON.stringify(foldedText(text))}`;
}

/** RFC 4514 §3, and what tools usually print besides. */
const shortNames: ReadonlyMap<string, string> = new Map([
  [attribute.commonName, 'CN'],
  ['2.5.4.4', 'SN'],
  ['2.5.4.5', 'serialNumber'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.9', 'STREET'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['2.5.4.12', 'title'],
  ['2.5.4.42', 'GN'],
  ['2.5.4.97', 'organizationIdentifier'],
  [attribute.email, 'emailAddress'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
]);
