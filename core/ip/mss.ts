/**
 * The maximum segment size that the two ends of a TCP connection tell each other (RFC 9293 §3.7.1), brought down to what fits into the
 * tunnel, so that TCP does not depend on ICMP that firewalls swallow. Done in both directions: outbound it bounds what the far end
 * sends, inbound what the host sends. A SYN without the option stays without: the default, 536 and 1220, is small enough.
 */
import { adjust, storeWord, wordAt } from './checksum.ts';
import { noUpper, upperHeader } from './upper.ts';

/**
 * Clamps the packet of `length` octets at `at`, which may be anything, to an inner packet size of `mtu`; whether it was changed. `partial`:
 * the checksum field holds the sum of the pseudo header only (virtio's `needsChecksum`) and whoever finishes it will sum the new option.
 */
export function clampMss(bytes: Uint8Array, at: number, length: number, mtu: number, partial: boolean): boolean {
  if (length < 40) return false;
  // By far the most packets end in one of these lines: not TCP, or not SYN.
  const version4 = bytes[at] >>> 4 === 4;
  const plain = version4 ? bytes[at + 9] : bytes[at + 6];
  if (plain === tcp) {
    const flagsAt = (version4 ? (bytes[at] & 0x0f) * 4 : 40) + 13;
    if (flagsAt < length && (bytes[at + flagsAt] & syn) === 0) return false;
  } else if (version4 || plain === udp) {
    return false;
  }
  const upper = upperHeader(bytes, at, length);
  if (upper === noUpper || (upper & 0xff) !== tcp) return false;
  // RFC 9293 §3.7.1: the size less the fixed headers; options of either are the sender's to subtract.
  return clampOptions(bytes, at + (upper >>> 8), at + length, mtu - (version4 ? 40 : 60), partial);
}

const tcp = 6;
const udp = 17;
const syn = 0x02;
const fixedHeader = 20;
const endOfOptions = 0;
const noOperation = 1;
const maximumSegmentSize = 2;

function clampOptions(bytes: Uint8Array, header: number, end: number, most: number, partial: boolean): boolean {
  if (end - header < fixedHeader || (bytes[header + 13] & syn) === 0) return false;
  const stop = Math.min(end, header + (bytes[header + 12] >>> 4) * 4);
  let changed = false;
  let at = header + fixedHeader;
  while (at < stop) {
    const kind = bytes[at];
    if (kind === endOfOptions) break;
    if (kind === noOperation) {
      at++;
      continue;
    }
    const octets = at + 1 < stop ? bytes[at + 1] : 0;
    if (octets < 2 || octets > stop - at) break;
    // Twice in one SYN is nobody's right, but stacks differ in which of the two they take: both are clamped.
    if (kind === maximumSegmentSize && octets === 4 && lower(bytes, header, at + 2, most, partial)) changed = true;
    at += octets;
  }
  return changed;
}

function lower(bytes: Uint8Array, header: number, at: number, most: number, partial: boolean): boolean {
  const old = (bytes[at] << 8) | bytes[at + 1];
  if (old <= most) return false;
  const before = summand(bytes, header, at);
  bytes[at] = most >>> 8;
  bytes[at + 1] = most;
  if (!partial) storeWord(bytes, header + 16, adjust(wordAt(bytes, header + 16), before, summand(bytes, header, at)));
  return true;
}

/**
 * What the two octets at `at` add to the sum over the segment. At an odd distance they are halves of two words, the first one high
 * and the second one low, which adds up to the word read the other way round.
 */
function summand(bytes: Uint8Array, header: number, at: number): number {
  return ((at - header) & 1) === 0 ? wordAt(bytes, at) : (bytes[at] << 8) | bytes[at + 1];
}
