/** Writes DER. What it is given comes from our own code; what cannot be written throws. Every function returns whole elements. */
import { concat, fromUtf8 } from './bytes.ts';
import { derTag } from './der.ts';

/** An element of any identifier octet around content. */
export function derElement(tag: number, ...content: Uint8Array[]): Uint8Array {
  const body = concat(...content);
  return concat(Uint8Array.of(tag), lengthOctets(body.length), body);
}

export function derSequence(...children: Uint8Array[]): Uint8Array {
  return derElement(derTag.sequence, ...children);
}

/** SET OF: sorted by encoding (X.690 §11.6). */
export function derSet(...children: Uint8Array[]): Uint8Array {
  return derElement(derTag.set, ...[...children].sort(compareBytes));
}

/** `[number] EXPLICIT`, or an implicitly tagged SEQUENCE when its children are given. */
export function derContext(number: number, ...children: Uint8Array[]): Uint8Array {
  return derElement(0xa0 | number, ...children);
}

export function derBoolean(value: boolean): Uint8Array {
  return derElement(derTag.boolean, Uint8Array.of(value ? 0xff : 0));
}

/** A number or bigint of any sign, or the magnitude of a non-negative one as big-endian octets. */
export function derInteger(value: number | bigint | Uint8Array): Uint8Array {
  return derElement(derTag.integer, value instanceof Uint8Array ? unsignedContent(value) : integerContent(BigInt(value)));
}

export function derNull(): Uint8Array {
  return derElement(derTag.null);
}

/** From dotted text. */
export function derOid(dotted: string): Uint8Array {
  return derElement(derTag.oid, derOidContent(dotted));
}

export function derOidContent(dotted: string): Uint8Array {
  if (!/^[0-2](\.(0|[1-9]\d*))+$/.test(dotted)) throw new RangeError(`not an object identifier: ${dotted}`);
  const [first = 0n, second = 0n, ...others] = dotted.split('.').map(BigInt);
  if (first < 2n && second > 39n) throw new RangeError(`not an object identifier: ${dotted}`);
  const out: number[] = [];
  for (const arc of [first * 40n + second, ...others]) {
    const digits = [Number(arc & 0x7fn)];
    for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) digits.unshift(Number(rest & 0x7fn) | 0x80);
    out.push(...digits);
  }
  return Uint8Array.from(out);
}

export function derOctetString(...content: Uint8Array[]): Uint8Array {
  return derElement(derTag.octetString, ...content);
}

/** Of whole octets, or with `unused` bits (zero) at the end. */
export function derBitString(octets: Uint8Array, unused = 0): Uint8Array {
  return derElement(derTag.bitString, Uint8Array.of(unused), octets);
}

/** A BIT STRING of named bits (X.690 §11.2.2: no trailing zero bits), e.g. key usage. */
export function derNamedBits(bits: readonly number[]): Uint8Array {
  if (bits.length === 0) return derBitString(new Uint8Array(0));
  const last = Math.max(...bits);
  const octets = new Uint8Array(Math.floor(last / 8) + 1);
  for (const bit of bits) octets[bit >> 3] |= 0x80 >> (bit & 7);
  return derBitString(octets, 7 - (last & 7));
}

export function derUtf8(text: string): Uint8Array {
  return derElement(derTag.utf8String, fromUtf8(text));
}

/** The charset is the caller's to keep; tests write others on purpose. */
export function derPrintable(text: string): Uint8Array {
  return derElement(derTag.printableString, fromUtf8(text));
}

export function derIa5(text: string): Uint8Array {
  return derElement(derTag.ia5String, fromUtf8(text));
}

/** RFC 5280 §4.1.2.5: UTCTime until 2049, GeneralizedTime from 2050. `milliseconds` since 1970, cut to seconds. */
export function derTime(milliseconds: number): Uint8Array {
  const text = timeDigits(milliseconds);
  const year = Number(text.slice(0, 4));
  return year >= 1950 && year < 2050
    ? derElement(derTag.utcTime, fromUtf8(`${text.slice(2)}Z`))
    : derElement(derTag.generalizedTime, fromUtf8(`${text}Z`));
}

/** YYYYMMDDHHMMSS in GMT; this folder has no Date. The year is one of four digits, or a RangeError. */
export function timeDigits(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const days = Math.floor(seconds / 86_400);
  const rest = seconds - days * 86_400;
  // Civil date from days, years beginning in March.
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const m = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * m + 2) / 5) + 1;
  const month = m < 10 ? m + 3 : m - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  if (year < 0 || year > 9999) throw new RangeError(`a time in the year ${year}`);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = two(Math.floor(rest / 3600)) + two(Math.floor(rest / 60) % 60) + two(rest % 60);
  return String(year).padStart(4, '0') + two(month) + two(day) + time;
}

function integerContent(value: bigint): Uint8Array {
  const out: number[] = [];
  let rest = value;
  for (;;) {
    const octet = Number(rest & 0xffn);
    out.unshift(octet);
    rest >>= 8n;
    if ((rest === 0n && octet < 0x80) || (rest === -1n && octet >= 0x80)) return Uint8Array.from(out);
  }
}

function unsignedContent(magnitude: Uint8Array): Uint8Array {
  let from = 0;
  while (from < magnitude.length - 1 && magnitude[from] === 0) from += 1;
  const octets = magnitude.subarray(from);
  if (octets.length === 0) return Uint8Array.of(0);
  return octets[0] >= 0x80 ? concat(Uint8Array.of(0), octets) : octets.slice();
}

function lengthOctets(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  const out: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) out.unshift(rest & 0xff);
  return Uint8Array.of(0x80 | out.length, ...out);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}
