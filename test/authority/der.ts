/**
 * A DER writer of the kit's own: it shares no code with what it tests, and writes wrong things as readily as right ones.
 */
import { concat } from '../../core/bytes/bytes.ts';

export type Der = Uint8Array;

export function tlv(tag: number, ...content: readonly Uint8Array[]): Der {
  const body = concat(...content);
  return concat(Uint8Array.of(tag), lengthOctets(body.length), body);
}

/** As `sequence`, of more elements than a function takes arguments. */
export const sequenceOf = (items: readonly Der[]): Der => tlv(0x30, new Uint8Array(Buffer.concat(items)));
export const sequence = (...items: readonly Der[]): Der => tlv(0x30, ...items);
/** X.690 §11.6: the elements of a SET OF are sorted. */
export const setOf = (...items: readonly Der[]): Der => tlv(0x31, ...[...items].sort((a, b) => Buffer.compare(a, b)));
export const boolean = (value: boolean): Der => tlv(0x01, Uint8Array.of(value ? 0xff : 0));
export const octetString = (bytes: Uint8Array): Der => tlv(0x04, bytes);
export const bitString = (bytes: Uint8Array, unused = 0): Der => tlv(0x03, Uint8Array.of(unused), bytes);
export const nothing = (): Der => tlv(0x05);
export const enumerated = (value: number): Der => tlv(0x0a, Uint8Array.of(value));
/** `[tag]` around a whole element. */
export const explicit = (tag: number, ...inner: readonly Der[]): Der => tlv(0xa0 | tag, ...inner);
/** `[tag]` in place of a primitive element's own. */
export const implicit = (tag: number, content: Uint8Array): Der => tlv(0x80 | tag, content);

export function integer(value: number | bigint | Uint8Array): Der {
  if (value instanceof Uint8Array) return tlv(0x02, value);
  if (BigInt(value) < 0n) throw new RangeError('give a negative integer as octets');
  let hex = BigInt(value).toString(16);
  if (hex.length % 2 === 1) hex = `0${hex}`;
  if (Number.parseInt(hex.slice(0, 2), 16) >= 0x80) hex = `00${hex}`;
  return tlv(0x02, Buffer.from(hex, 'hex'));
}

export function oid(dotted: string): Der {
  const [first, second, ...rest] = dotted.split('.').map(Number);
  const octets: number[] = [];
  for (const arc of [40 * first + second, ...rest]) {
    const groups = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift(0x80 | (left % 128));
    octets.push(...groups);
  }
  return tlv(0x06, Uint8Array.from(octets));
}

const latin = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));
export const ia5 = (text: string): Der => tlv(0x16, latin(text));
export const printable = (text: string): Der => tlv(0x13, latin(text));
export const utf8 = (text: string): Der => tlv(0x0c, new Uint8Array(Buffer.from(text, 'utf8')));

/** RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime afterwards. */
export function time(at: Date): Der {
  const year = at.getUTCFullYear();
  return year >= 1950 && year < 2050 ? tlv(0x17, latin(`${digits(at).slice(2)}Z`)) : generalizedTime(at);
}

export const generalizedTime = (at: Date): Der => tlv(0x18, latin(`${digits(at)}Z`));

/** A BIT STRING of named bits, without trailing zeros (X.690 §11.2.2). */
export function namedBits(bits: readonly number[]): Der {
  if (bits.length === 0) return tlv(0x03, Uint8Array.of(0));
  const highest = Math.max(...bits);
  const octets = new Uint8Array(Math.floor(highest / 8) + 1);
  for (const bit of bits) octets[Math.floor(bit / 8)] |= 0x80 >>> (bit % 8);
  return bitString(octets, 7 - (highest % 8));
}

function digits(at: Date): string {
  return at.toISOString().slice(0, 19).replace(/[-:T]/g, '');
}

function lengthOctets(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  const hex = length.toString(16);
  const octets = Buffer.from(hex.length % 2 === 1 ? `0${hex}` : hex, 'hex');
  return concat(Uint8Array.of(0x80 | octets.length), octets);
}
