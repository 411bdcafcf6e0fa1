/** Where the header behind the IP header is. Bounds are checked here again, so that any octets may be asked about. */
import { authenticationHeader, fragmentHeader, isExtension, maxExtensionHeaders } from './header.ts';

/** Returned when there is no upper header: fragments but the first, broken or endless chains of extension headers, not IP. */
export const noUpper = -1;

/**
 * The upper header of the packet of `length` octets at `at`: its distance from `at` times 256, plus the protocol; or `noUpper`. That
 * header itself may be cut short or empty.
 */
export function upperHeader(bytes: Uint8Array, at: number, length: number): number {
  if (length < 20) return noUpper;
  const version = bytes[at] >>> 4;
  if (version === 4) {
    const headerLength = (bytes[at] & 0x0f) * 4;
    const fragmentOffset = ((bytes[at + 6] & 0x1f) << 8) | bytes[at + 7];
    if (headerLength < 20 || headerLength > length || fragmentOffset !== 0) return noUpper;
    return (headerLength << 8) | bytes[at + 9];
  }
  if (version !== 6 || length < 40) return noUpper;
  const first = bytes[at + 6];
  return isExtension(first) ? behindExtensions(bytes, at, length, first) : (40 << 8) | first;
}

function behindExtensions(bytes: Uint8Array, at: number, length: number, first: number): number {
  let next = first;
  let offset = 40;
  for (let count = 0; isExtension(next); count++) {
    if (count === maxExtensionHeaders || length - offset < 8) return noUpper;
    const header = at + offset;
    if (next === fragmentHeader) {
      if (bytes[header + 2] !== 0 || bytes[header + 3] >>> 3 !== 0) return noUpper; // not the first fragment
      offset += 8;
    } else {
      offset += next === authenticationHeader ? (bytes[header + 1] + 2) * 4 : (bytes[header + 1] + 1) * 8;
      if (offset > length) return noUpper;
    }
    next = bytes[header];
  }
  return (offset << 8) | next;
}
