import { toUtf8 } from '../../../bytes/bytes.ts';

const MAX_CHARACTERS = 256;

/** More octets than are looked at can not become more characters than are shown. */
const MAX_OCTETS = 4 * MAX_CHARACTERS;

/**
 * Words of the other side as one printable line of at most 256 characters: control, format and direction characters (which could make a
 * prompt say something else than it does) are dropped, and blanks of every kind become one.
 */
export function oneLine(octets: Uint8Array): string {
  const text = toUtf8(octets.subarray(0, MAX_OCTETS))
    .replace(/[\s\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}]/gu, '')
    .trim();
  return [...text].slice(0, MAX_CHARACTERS).join('');
}
