/**
 * Identities (RFC 7296 §3.5) between text and payload. Text forms:
 * `vpn.office.test` (FQDN), `192.0.2.1`, `2001:db8::1`, `alice@office.test` (RFC 822 address), `keyid:0badcafe` (hex octets),
 * `CN=alice, O=Office` (distinguished name, see core/bytes/dnText.ts).
 */

import { formatAddress, parseAddress } from '../bytes/address.ts';
import { equalBytes, fromHex, fromUtf8, toHex, toUtf8 } from '../bytes/bytes.ts';
import { parseDistinguishedName, sameDistinguishedName } from '../bytes/dnText.ts';
import type { Result } from '../bytes/result.ts';
import { err, ok } from '../bytes/result.ts';
import { readName } from '../pki/names.ts';
import type { Identity } from './sa/contract.ts';
import { ID, nameOf } from './wire/constants.ts';

/** RFC 1035 §2.3.4 for names; the same is plenty for the other forms. */
const MAX_TEXT = 253;

/** `malformed`: the text is none of the forms above. */
export function parseIdentity(text: string): Result<Identity, 'malformed'> {
  const identity = readIdentity(text.trim());
  return identity ? ok(identity) : err('malformed');
}

/** An identity as it came from a peer; the data are copied. */
export function makeIdentity(type: number, data: Uint8Array, reserved?: number): Identity {
  return { type, data: data.slice(), text: identityText(type, data), ...(reserved !== undefined && { reserved }) };
}

/** Printable whatever the octets are; what is not readable comes as hex. At most a few hundred characters. */
export function identityText(type: number, data: Uint8Array): string {
  if (type === ID.IPV4_ADDR && data.length === 4) return formatAddress(data);
  if (type === ID.IPV6_ADDR && data.length === 16) return formatAddress(data);
  const shown = data.subarray(0, 256);
  if (type === ID.KEY_ID) return `keyid:${toHex(shown)}`;
  const text = toUtf8(shown);
  // Letters, digits and punctuation only: the text goes to terminals and windows.
  if ((type === ID.FQDN || type === ID.RFC822_ADDR) && /^[\x21-\x7e]+$/.test(text)) return text;
  // RFC 4514, with what is no letter, digit or punctuation escaped.
  const name = type === ID.DER_ASN1_DN ? (readName(data)?.text ?? '') : '';
  if (name !== '' && name.length <= MAX_TEXT) return name;
  return `${nameOf(ID, type).toLowerCase()}:${toHex(shown)}`;
}

/** Equal types and data; letter case does not count in host names, nor in mail addresses (RFC 4945 §3.1), nor in names (RFC 5280 §7.1). */
export function sameIdentity(
  a: { readonly type: number; readonly data: Uint8Array },
  b: { readonly type: number; readonly data: Uint8Array },
): boolean {
  if (a.type !== b.type) return false;
  // Gateways send the name as their certificate has it, in whatever string types.
  if (a.type === ID.DER_ASN1_DN && sameDistinguishedName(a.data, b.data)) return true;
  if (a.type !== ID.FQDN && a.type !== ID.RFC822_ADDR) return equalBytes(a.data, b.data);
  return equalBytes(lowerAscii(a.data), lowerAscii(b.data));
}

function lowerAscii(data: Uint8Array): Uint8Array {
  return data.map((octet) => (octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet));
}

function readIdentity(trimmed: string): Identity | undefined {
  const name = trimmed.includes('=') ? parseDistinguishedName(trimmed) : undefined;
  if (name) return { type: ID.DER_ASN1_DN, data: name, text: trimmed };
  if (trimmed === '' || trimmed.length > MAX_TEXT) return undefined;
  if (trimmed.startsWith('keyid:')) {
    const data = fromHex(trimmed.slice('keyid:'.length));
    return data && data.length > 0 ? makeIdentity(ID.KEY_ID, data) : undefined;
  }
  const address = parseAddress(trimmed);
  if (address) return makeIdentity(address.length === 4 ? ID.IPV4_ADDR : ID.IPV6_ADDR, address);
  if (/^[^\s@]+@[^\s@]+$/.test(trimmed)) return makeIdentity(ID.RFC822_ADDR, fromUtf8(trimmed));
  if (/^[0-9.]+$/.test(trimmed)) return undefined; // a mistyped address is no host name
  // RFC 7296 §3.5: an FQDN without terminators; one label will do, many gateways use such names.
  if (/^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i.test(trimmed))
    return makeIdentity(ID.FQDN, fromUtf8(trimmed));
  return undefined;
}
