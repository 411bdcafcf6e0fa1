/**
 * Messages of D-Bus (its specification, "Message Protocol") as octets, as far as this program has a use for them: pure. Bodies are not
 * looked into but by whoever knows what is in them.
 */
import { concat, fromUtf8, toUtf8 } from '../../bytes/bytes.ts';

export const BUS_TYPE = { CALL: 1, RETURN: 2, ERROR: 3, SIGNAL: 4 } as const;

/** Codes of header fields; all others are ignored. */
const FIELD = { PATH: 1, INTERFACE: 2, MEMBER: 3, ERROR_NAME: 4, REPLY_SERIAL: 5, DESTINATION: 6, SIGNATURE: 8 } as const;

export interface BusMessage {
  /** One of BUS_TYPE; others are to be ignored. */
  readonly type: number;
  readonly path?: string | undefined;
  readonly interface?: string | undefined;
  readonly member?: string | undefined;
  readonly errorName?: string | undefined;
  readonly replySerial?: number | undefined;
  /** Of a signal: it was sent to us alone, and not to whoever listens. */
  readonly destination?: string | undefined;
  readonly signature?: string | undefined;
  readonly body: Uint8Array;
}

/** Far more than any message that is waited for. Octets. */
const MOST = 64 * 1024;
const FIXED = 16;

/** Strings as a body of theirs (`s`, `ss`, …). */
export function encodeStrings(...values: readonly string[]): Uint8Array {
  return joined(values.map(encodeString), 4);
}

/** Little-endian. The lengths of what is put in are ours to know. */
export function encodeMessage(serial: number, message: BusMessage): Uint8Array {
  const { type, path, interface: name, member, destination, signature, body } = message;
  const fields = [
    ...(path === undefined ? [] : [encodeField(FIELD.PATH, 'o', encodeString(path))]),
    ...(name === undefined ? [] : [encodeField(FIELD.INTERFACE, 's', encodeString(name))]),
    ...(member === undefined ? [] : [encodeField(FIELD.MEMBER, 's', encodeString(member))]),
    ...(destination === undefined ? [] : [encodeField(FIELD.DESTINATION, 's', encodeString(destination))]),
    ...(signature === undefined ? [] : [encodeField(FIELD.SIGNATURE, 'g', encodeSignature(signature))]),
  ];
  const inner = joined(fields, 8);
  const fixed = new Uint8Array(FIXED);
  const view = new DataView(fixed.buffer);
  fixed.set([0x6c, type, 0, 1]);
  view.setUint32(4, body.length, true);
  view.setUint32(8, serial, true);
  view.setUint32(12, inner.length, true);
  return concat(padded(concat(fixed, inner), 8), body);
}

/** The first message and how many octets it is; undefined while it is not whole, `malformed` when it never will be one. */
export function decodeMessage(
  bytes: Uint8Array,
): { readonly message: BusMessage; readonly size: number } | 'malformed' | undefined {
  if (bytes.length < FIXED) return undefined;
  const little = bytes[0] === 0x6c;
  if ((!little && bytes[0] !== 0x42) || bytes[3] !== 1) return 'malformed';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bodyLength = view.getUint32(4, little);
  const fieldsEnd = FIXED + view.getUint32(12, little);
  const bodyStart = align(fieldsEnd, 8);
  const size = bodyStart + bodyLength;
  if (size > MOST) return 'malformed';
  if (bytes.length < size) return undefined;
  const fields = decodeFields(bytes.subarray(0, fieldsEnd), little);
  if (fields === undefined) return 'malformed';
  const text = (code: number): string | undefined => {
    const value = fields.get(code);
    return typeof value === 'string' ? value : undefined;
  };
  const replySerial = fields.get(FIELD.REPLY_SERIAL);
  return {
    size,
    message: {
      type: bytes[1],
      path: text(FIELD.PATH),
      interface: text(FIELD.INTERFACE),
      member: text(FIELD.MEMBER),
      errorName: text(FIELD.ERROR_NAME),
      destination: text(FIELD.DESTINATION),
      signature: text(FIELD.SIGNATURE),
      ...(typeof replySerial === 'number' && { replySerial }),
      body: bytes.slice(bodyStart, size),
    },
  };
}

/** An array of (code, variant), each at a multiple of 8; variants of headers are strings, paths, signatures or numbers. */
function decodeFields(bytes: Uint8Array, little: boolean): Map<number, string | number> | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = new Map<number, string | number>();
  for (let at = FIXED; at < bytes.length; at = align(at, 8)) {
    // The code, a signature of one letter with its length before and a zero behind it.
    if (at + 4 > bytes.length || bytes[at + 1] !== 1 || bytes[at + 3] !== 0) return undefined;
    const code = bytes[at];
    const kind = String.fromCharCode(bytes[at + 2]);
    at += 4;
    if (kind === 'u') {
      if (at + 4 > bytes.length) return undefined;
      found.set(code, view.getUint32(at, little));
      at += 4;
      continue;
    }
    const wide = kind === 's' || kind === 'o';
    if ((!wide && kind !== 'g') || at + (wide ? 4 : 1) > bytes.length) return undefined;
    const length = wide ? view.getUint32(at, little) : bytes[at];
    at += wide ? 4 : 1;
    if (at + length + 1 > bytes.length) return undefined;
    found.set(code, toUtf8(bytes.subarray(at, at + length)));
    at += length + 1;
  }
  return found;
}

function encodeField(code: number, kind: string, value: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(code, 1, kind.charCodeAt(0), 0), value);
}

function encodeString(text: string): Uint8Array {
  const octets = fromUtf8(text);
  const out = new Uint8Array(4 + octets.length + 1);
  new DataView(out.buffer).setUint32(0, octets.length, true);
  out.set(octets, 4);
  return out;
}

function encodeSignature(text: string): Uint8Array {
  const octets = fromUtf8(text);
  return concat(Uint8Array.of(octets.length), octets, Uint8Array.of(0));
}

/** Each but the first at a multiple of `to`. */
function joined(parts: readonly Uint8Array[], to: number): Uint8Array {
  return concat(...parts.map((part, i) => (i === parts.length - 1 ? part : padded(part, to))));
}

function padded(bytes: Uint8Array, to: number): Uint8Array {
  const out = new Uint8Array(align(bytes.length, to));
  out.set(bytes);
  return out;
}

function align(at: number, to: number): number {
  return Math.ceil(at / to) * to;
}
