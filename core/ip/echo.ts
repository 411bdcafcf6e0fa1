/**
 * ICMP and ICMPv6 echo (RFC 792, RFC 4443 §4) as a probe of a path: padded to any size, and proven to be the answer to what was sent by
 * 16 octets that come back in it: 8 that are the same in all probes of a session, so that the packet path can tell its answers from
 * the user's pings, and 8 of each probe.
 */
import { foldSum, ipv4HeaderSum, pseudoSum6, storeWord } from './checksum.ts';
import { sumOf } from './packetMemory.ts';
import { noUpper, upperHeader } from './upper.ts';

export interface Echo {
  /** 4 or 16 octets, both alike. */
  readonly source: Uint8Array;
  readonly target: Uint8Array;
  /** 16 bits each. */
  readonly identifier: number;
  readonly sequence: number;
  /** 8 octets of the session and 8 of the probe. */
  readonly token: Uint8Array;
}

/** What all probes of a session have in common: 16 bits, and the first 8 octets of the token. */
export type EchoSession = Pick<Echo, 'identifier' | 'token'>;

/** The smallest probe that holds its token, of either version. */
export const leastEchoBytes = 64;

/** An echo request of `octets` octets in all, at least `leastEchoBytes` and at most 65,535. */
export function echoRequest({ source, target, identifier, sequence, token }: Echo, octets: number): Uint8Array {
  const version4 = source.length === 4;
  const header = version4 ? 20 : 40;
  const out = new Uint8Array(octets);
  const length = octets - header;
  out.set(source, version4 ? 12 : 8);
  out.set(target, version4 ? 16 : 24);
  if (version4) {
    out[0] = 0x45;
    writeU16(out, 2, octets);
    // Without DF, so that a small link behind the gateway fragments it: what is probed is the tunnel.
    writeU16(out, 4, sequence);
    out[8] = hopLimit;
    out[9] = icmp;
    storeWord(out, 10, ~ipv4HeaderSum(out, 0));
  } else {
    out[0] = 0x60;
    writeU16(out, 4, length);
    out[6] = icmp6;
    out[7] = hopLimit;
  }
  out[header] = version4 ? 8 : 128;
  writeU16(out, header + 4, identifier);
  writeU16(out, header + 6, sequence);
  out.set(token, header + icmpHeader);
  const pseudo = version4 ? 0 : pseudoSum6(out, 0, icmp6, length);
  storeWord(out, header + 2, ~foldSum(pseudo + sumOf(out, header, length)));
  return out;
}

/**
 * Whether the packet of `length` octets at `at` is an echo reply of the session. For the packet path: no allocation, and all but ICMP
 * is told apart in a compare or two. Its first fragment is enough: it says that the request arrived.
 */
export function isEchoReply(bytes: Uint8Array, at: number, length: number, identifier: number, session: Uint8Array): boolean {
  if (length < 40 + icmpHeader) return false; // no token in either version
  const version4 = bytes[at] >>> 4 === 4;
  if (version4 ? bytes[at + 9] !== icmp : bytes[at + 6] !== icmp6 && bytes[at + 6] !== fragment) return false;
  const upper = upperHeader(bytes, at, length);
  if (upper === noUpper || (upper & 0xff) !== (version4 ? icmp : icmp6)) return false;
  const header = at + (upper >>> 8);
  if (at + length - header < icmpHeader + tokenBytes) return false;
  if (bytes[header] !== (version4 ? 0 : 129) || readU16(bytes, header + 4) !== identifier) return false;
  for (let i = 0; i < sessionBytes; i++) if (bytes[header + icmpHeader + i] !== session[i]) return false;
  return true;
}

/** Whether the packet, of which `isEchoReply` is true, answers exactly this probe, from whom it was sent to. */
export function answers(bytes: Uint8Array, at: number, length: number, echo: Echo): boolean {
  const header = at + (upperHeader(bytes, at, length) >>> 8);
  const size = echo.source.length;
  const from = at + (size === 4 ? 12 : 8);
  return (
    bytes[at] >>> 4 === (size === 4 ? 4 : 6) &&
    readU16(bytes, header + 6) === echo.sequence &&
    same(bytes, from, echo.target) &&
    same(bytes, from + size, echo.source) &&
    same(bytes, header + icmpHeader, echo.token)
  );
}

const icmp = 1;
const icmp6 = 58;
const fragment = 44;
const icmpHeader = 8;
const sessionBytes = 8;
const tokenBytes = 16;
const hopLimit = 64;

function same(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  let difference = 0;
  for (let i = 0; i < expected.length; i++) difference |= bytes[at + i] ^ expected[i];
  return difference === 0;
}

function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}

function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}
