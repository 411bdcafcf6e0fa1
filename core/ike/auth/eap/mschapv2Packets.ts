/** Packets of EAP-MSCHAPv2 (draft-kamath-pppext-eap-mschapv2-02 §2) and the texts in them (RFC 2759 §5, §6). */
import { fromHex, fromUtf8 } from '../../../bytes/bytes.ts';
import { Reader } from '../../../bytes/reader.ts';
import { err, ok, type Result } from '../../../bytes/result.ts';
import { Writer } from '../../../bytes/writer.ts';
import { oneLine } from './text.ts';

export const opCode = { challenge: 1, response: 2, success: 3, failure: 4 } as const;

export type MsChapRequest =
  /** 16 octets. */
  | { readonly kind: 'challenge'; readonly id: number; readonly challenge: Uint8Array; readonly server: string }
  /** The 20 octets of `S=`; undefined when there is none that can be read. */
  | { readonly kind: 'success'; readonly id: number; readonly proof: Uint8Array | undefined; readonly text: string }
  | { readonly kind: 'failure'; readonly id: number; readonly refusal: MsChapRefusal };

/** `E=691 R=1 C=… V=3 M=…`; what is missing or makes no sense is left out. */
export interface MsChapRefusal {
  readonly error: number | undefined;
  readonly retry: boolean;
  /** 16 octets. */
  readonly challenge: Uint8Array | undefined;
  readonly text: string;
}

/** The data of a request. The error is one printable line. */
export function parseMsChap(data: Uint8Array): Result<MsChapRequest, string> {
  const reader = new Reader(data);
  const code = reader.u8();
  const id = reader.u8();
  const length = reader.u16();
  if (reader.short) return err(`MSCHAPv2 request of ${data.length} octets`);
  // The draft §2.1: MS-Length is the EAP length less five, that is, all of the data.
  if (length !== data.length) return err(`MSCHAPv2 length ${length} in ${data.length} octets`);
  switch (code) {
    case opCode.challenge: {
      const size = reader.u8();
      const challenge = reader.bytes(16);
      if (reader.short || size !== 16) return err(`MSCHAPv2 challenge of ${size} octets`);
      return ok({ kind: 'challenge', id, challenge: challenge.slice(), server: oneLine(reader.rest()) });
    }
    case opCode.success:
      return ok({ kind: 'success', id, ...parseSuccess(ascii(reader.rest())) });
    case opCode.failure:
      return ok({ kind: 'failure', id, refusal: parseFailure(ascii(reader.rest())) });
    default:
      return err(`MSCHAPv2 code ${code}`);
  }
}

/** The draft §2.2: value of 49 octets (peer challenge, 8 zeros, NT response, flags), then the name. */
export function encodeResponse(id: number, peerChallenge: Uint8Array, response: Uint8Array, name: Uint8Array): Uint8Array {
  const length = 4 + 1 + 49 + name.length;
  return new Writer(length)
    .u8(opCode.response)
    .u8(id)
    .u16(length)
    .u8(49)
    .bytes(peerChallenge)
    .zeros(8)
    .bytes(response)
    .u8(0)
    .bytes(name)
    .finish();
}

/** RFC 2759 §5: `S=` and 40 digits, then ` M=` and words. Everything is found by its end, never by a length that was told. */
export function parseSuccess(message: string): { readonly proof: Uint8Array | undefined; readonly text: string } {
  const digits = /^S=([0-9A-Fa-f]{40})(?![0-9A-Za-z])/.exec(message)?.[1];
  return { proof: digits === undefined ? undefined : fromHex(digits), text: words(message) };
}

/** RFC 2759 §6. */
export function parseFailure(message: string): MsChapRefusal {
  const head = beforeWords(message);
  const error = /(?:^| )E=(\d{1,10})(?= |$)/.exec(head)?.[1];
  const challenge = /(?: )C=([0-9A-Fa-f]{32})(?= |$)/.exec(head)?.[1];
  return {
    error: error === undefined ? undefined : Number(error),
    retry: /(?: )R=1(?= |$)/.test(head),
    challenge: challenge === undefined ? undefined : fromHex(challenge),
    text: words(message),
  };
}

/** `M=` begins the words of the server, which may look like anything. */
function words(message: string): string {
  const at = message.indexOf(' M=');
  return at < 0 ? '' : oneLine(fromUtf8(readable(message.slice(at + 3))));
}

/**
 * Text of octets that are one character each. RFC 2759 §6: "in the appropriate charset and language"; UTF-8 where it is that, be it cut off at its
 * end, else they stay the characters of Latin-1 that they are.
 */
function readable(octets: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(
      Uint8Array.from(octets, (one) => one.charCodeAt(0)),
      { stream: true },
    );
  } catch {
    return octets;
  }
}

function beforeWords(message: string): string {
  const at = message.indexOf(' M=');
  return (at < 0 ? message : message.slice(0, at)).trimEnd();
}

/** Octet by octet, so that no decoder can change a length; bounded before any pattern looks at it. */
function ascii(octets: Uint8Array): string {
  let end = octets.indexOf(0);
  if (end < 0) end = octets.length;
  return String.fromCharCode(...octets.subarray(0, Math.min(end, 512)));
}
