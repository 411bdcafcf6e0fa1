/** Attribute-value pairs of EAP-TTLS (RFC 5281 §10): RADIUS attributes in Diameter's form. */
import { Reader } from '../../../bytes/reader.ts';
import { err, ok, type Result } from '../../../bytes/result.ts';
import { Writer } from '../../../bytes/writer.ts';

/** RFC 2865, RFC 2869, RFC 2548. */
export const avpCode = { userName: 1, userPassword: 2, replyMessage: 18, eapMessage: 79 } as const;
export const MICROSOFT = 311;
export const microsoftCode = { error: 2, challenge: 11, response: 25, success: 26 } as const;

export interface Avp {
  readonly vendor: number;
  readonly code: number;
  readonly mandatory: boolean;
  /** A view. */
  readonly data: Uint8Array;
}

/** More than any server sends in one message. */
const MAX_AVPS = 64;

/** All pairs of one message. The error is one printable line. */
export function parseAvps(bytes: Uint8Array): Result<readonly Avp[], string> {
  const out: Avp[] = [];
  const reader = new Reader(bytes);
  while (reader.remaining > 0) {
    const code = reader.u32();
    const flags = reader.u8();
    const length = reader.u8() * 0x10000 + reader.u16();
    const vendor = (flags & VENDOR) === 0 ? 0 : reader.u32();
    const head = (flags & VENDOR) === 0 ? 8 : 12;
    if (reader.short || length < head || length - head > reader.remaining) return err(`AVP ${code} with length ${length}`);
    // RFC 5281 §10.1: the reserved bits are zero.
    if ((flags & RESERVED) !== 0) return err(`AVP ${code} with flags ${flags}`);
    out.push({ vendor, code, mandatory: (flags & MANDATORY) !== 0, data: reader.bytes(length - head) });
    if (out.length > MAX_AVPS) return err(`more than ${MAX_AVPS} AVPs`);
    // RFC 5281 §10.2: padded to four octets; the last need not be.
    reader.bytes(Math.min(-length & 3, reader.remaining));
  }
  return ok(out);
}

/** All that we send is mandatory: a server that does not know it can not authenticate us. */
export function encodeAvps(
  avps: readonly { readonly vendor: number; readonly code: number; readonly data: Uint8Array }[],
): Uint8Array {
  const writer = new Writer();
  for (const { vendor, code, data } of avps) {
    const length = (vendor === 0 ? 8 : 12) + data.length;
    writer.u32(code).u8(vendor === 0 ? MANDATORY : MANDATORY | VENDOR);
    writer.u8(length >>> 16).u16(length & 0xffff);
    if (vendor !== 0) writer.u32(vendor);
    writer.bytes(data).zeros(-length & 3);
  }
  return writer.finish();
}

const VENDOR = 0x80;
const MANDATORY = 0x40;
const RESERVED = 0x3f;
