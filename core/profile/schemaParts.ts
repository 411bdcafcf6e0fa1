/** Pieces of the schema of profile files: each fault of a field is answered with what is expected of it. */
import * as v from 'valibot';

export const NAME_MAX = 100;
export const TEXT_MAX = 512;
export const SECRET_MAX = 1024;

/** A field whose every fault is answered with what is expected of it. */
export function text(expected: string, fits: (value: string) => boolean, max: number = TEXT_MAX) {
  return v.pipe(
    v.string(expected),
    v.check((value) => value.length > 0 && value.length <= max && fits(value), expected),
  );
}

export function whole(expected: string, fits: (value: number) => boolean) {
  return v.pipe(
    v.number(expected),
    v.check((value) => Number.isInteger(value) && fits(value), expected),
  );
}

export function list(expected: string, item: string, max: number, fits: (value: string) => boolean, min = 1) {
  return v.pipe(
    v.array(text(item, fits), expected),
    v.check((value) => value.length >= min && value.length <= max, expected),
  );
}

export const between = (low: number, high: number) => (value: number) => value >= low && value <= high;
export const zeroOr = (low: number, high: number) => (value: number) => value === 0 || (value >= low && value <= high);
export const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
export const HEX = /^(?:[0-9a-f]{2})+$/i;
/** Control, format (direction marks and the like), line separators, lone surrogates. */
export const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
