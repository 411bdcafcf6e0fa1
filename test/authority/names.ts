/** Distinguished names and general names, written as people write them. */
import { parseAddress } from '../../core/bytes/address.ts';
import { concat } from '../../core/bytes/bytes.ts';
import { type Der, explicit, ia5, implicit, oid, printable, sequence, setOf, tlv, utf8 } from './der.ts';

/** RFC 4514 text, the most specific first: `CN=alice,OU=Sales,O=Office,C=DE`; `\,` for a comma, `+` is not known. Or DER. */
export type NameText = string | Der;

/** DER of a Name. Text of letters, digits and blanks is a PrintableString for C and serialNumber, else UTF-8. */
export function nameDer(name: NameText): Der {
  if (typeof name !== 'string') return name;
  const parts = name === '' ? [] : name.split(/(?<!\\),/);
  return sequence(
    ...parts.reverse().map((part) => {
      const at = part.indexOf('=');
      const type = part.slice(0, at).trim();
      return setOf(attribute(type, part.slice(at + 1).replace(/\\(.)/g, '$1')));
    }),
  );
}

function attribute(type: string, value: string): Der {
  const known = attributeOids[type.toUpperCase()];
  if (known === undefined && !/^\d+(\.\d+)+$/.test(type)) throw new RangeError(`no such attribute of a name: ${type}`);
  const plain = type === 'C' || type === 'serialNumber';
  const text = plain ? printable(value) : known === attributeOids.E || known === attributeOids.DC ? ia5(value) : utf8(value);
  return sequence(oid(known ?? type), text);
}

const attributeOids: Readonly<Record<string, string>> = {
  CN: '2.5.4.3',
  SN: '2.5.4.4',
  SERIALNUMBER: '2.5.4.5',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  STREET: '2.5.4.9',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  UID: '0.9.2342.19200300.100.1.1',
  DC: '0.9.2342.19200300.100.1.25',
  E: '1.2.840.113549.1.9.1',
};

/** RFC 5280 §4.2.1.6: `dns:vpn.office.test`, `ip:192.0.2.1`, `email:`, `uri:`, `dn:CN=…`, `upn:alice@office.test`, `rid:1.2.3`; or DER. */
export type GeneralNameText = string | Der;

export function generalName(name: GeneralNameText): Der {
  if (typeof name !== 'string') return name;
  const { kind, value } = split(name);
  if (kind === 'ip') return implicit(7, parseAddress(value) ?? new Uint8Array(Buffer.from(value, 'hex')));
  return ofKind(kind, value);
}

/** As in name constraints: `ip:` with a prefix length (`ip:10.0.0.0/8`), `dns:` and `email:` with a domain. */
export function subtree(name: GeneralNameText): Der {
  if (typeof name !== 'string') return sequence(name);
  const { kind, value } = split(name);
  if (kind !== 'ip') return sequence(ofKind(kind, value));
  const [text, length] = value.split('/');
  const address = parseAddress(text);
  if (address === undefined) return sequence(implicit(7, new Uint8Array(Buffer.from(value, 'hex'))));
  const bits = Number(length ?? 8 * address.length);
  const mask = address.map((_, i) => (0xff00 >> Math.max(0, Math.min(8, bits - 8 * i))) & 0xff);
  return sequence(implicit(7, concat(address, mask)));
}

function split(name: string): { kind: string; value: string } {
  const at = name.indexOf(':');
  return { kind: name.slice(0, at), value: name.slice(at + 1) };
}

function ofKind(kind: string, value: string): Der {
  const text = new Uint8Array(Buffer.from(value, 'latin1'));
  if (kind === 'email') return implicit(1, text);
  if (kind === 'dns') return implicit(2, text);
  if (kind === 'uri') return implicit(6, text);
  if (kind === 'rid') return implicit(8, oid(value).subarray(2));
  if (kind === 'dn') return explicit(4, nameDer(value));
  if (kind === 'upn') return tlv(0xa0, oid('1.3.6.1.4.1.311.20.2.3'), explicit(0, utf8(value)));
  throw new RangeError(`no such general name: ${kind}`);
}
