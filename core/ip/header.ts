/**
 * What selectors need to know of an inner packet (RFC 4301 §4.4.1.1), read without allocation into one reused object. Every length
 * is checked against the octets that are there; IPv6 extension headers are bounded in number.
 */

/** Why octets are not an inner packet. */
export type InnerFault =
  | 'version' // neither IPv4 nor IPv6
  | 'short' // fewer octets than the header or its total length says
  | 'header'; // a header length below the minimum, a broken or endless chain of extension headers

/** The protocol or a port that the packet does not show (RFC 4301 calls it OPAQUE). */
export const opaque = -1;

export class InnerHeader {
  version: 4 | 6 = 4;
  /** Octets of the whole packet by its own header; what follows is padding. */
  totalLength = 0;
  /** IP protocol behind the extension headers; `opaque` in IPv6 fragments whose extension headers went with the first one. */
  protocol = opaque;
  /**
   * Ports of TCP, UDP, SCTP, DCCP and UDP-Lite; for ICMP both are type * 256 + code (RFC 7296 §3.13.1). `opaque` for other
   * protocols and in all fragments but the first.
   */
  sourcePort = opaque;
  destinationPort = opaque;
  /** Addresses as 32-bit words, most significant first; IPv4 uses the first one only. */
  readonly source = new Uint32Array(4);
  readonly destination = new Uint32Array(4);

  /** Reads the packet of `length` octets at `at`. On a fault the fields mean nothing. */
  read(buffer: Uint8Array, at: number, length: number): InnerFault | undefined {
    if (length < 1) return 'short';
    const version = buffer[at] >>> 4;
    if (version === 4) return this.#readIpv4(buffer, at, length);
    if (version === 6) return this.#readIpv6(buffer, at, length);
    return 'version';
  }

  #readIpv4(buffer: Uint8Array, at: number, length: number): InnerFault | undefined {
    if (length < 20) return 'short';
    const headerLength = (buffer[at] & 0x0f) * 4;
    const total = u16(buffer, at + 2);
    if (headerLength < 20 || total < headerLength) return 'header';
    if (total > length) return 'short';
    this.version = 4;
    this.totalLength = total;
    this.protocol = buffer[at + 9];
    this.source[0] = u32(buffer, at + 12);
    this.destination[0] = u32(buffer, at + 16);
    const fragmentOffset = u16(buffer, at + 6) & 0x1fff;
    this.#readPorts(buffer, at + headerLength, fragmentOffset === 0 ? at + total : 0);
    return undefined;
  }

  #readIpv6(buffer: Uint8Array, at: number, length: number): InnerFault | undefined {
    if (length < 40) return 'short';
    // A jumbogram says 0 here (RFC 2675); it cannot fit into UDP encapsulation, so 0 is an empty packet.
    const total = 40 + u16(buffer, at + 4);
    if (total > length) return 'short';
    this.version = 6;
    this.totalLength = total;
    for (let i = 0; i < 4; i++) {
      this.source[i] = u32(buffer, at + 8 + 4 * i);
      this.destination[i] = u32(buffer, at + 24 + 4 * i);
    }
    return this.#readExtensions(buffer, at + 40, at + total, buffer[at + 6]);
  }

  /** RFC 8200 §4. Headers are looked at in the order they come in. */
  #readExtensions(buffer: Uint8Array, from: number, end: number, first: number): InnerFault | undefined {
    let at = from;
    let next = first;
    for (let count = 0; isExtension(next); count++) {
      if (count === maxExtensionHeaders || end - at < 8) return 'header';
      const following = buffer[at];
      if (next === fragmentHeader) {
        if (u16(buffer, at + 2) >>> 3 !== 0) {
          // The rest of the chain, if any, went with the first fragment.
          this.protocol = isExtension(following) ? opaque : following;
          this.#readPorts(buffer, at, 0);
          return undefined;
        }
        at += 8;
      } else {
        const octets = next === authenticationHeader ? (buffer[at + 1] + 2) * 4 : (buffer[at + 1] + 1) * 8;
        if (octets > end - at) return 'header';
        at += octets;
      }
      next = following;
    }
    this.protocol = next;
    this.#readPorts(buffer, at, end);
    return undefined;
  }

  /** `end` is 0 where the upper header is not in this packet. */
  #readPorts(buffer: Uint8Array, at: number, end: number): void {
    this.sourcePort = opaque;
    this.destinationPort = opaque;
    switch (this.protocol) {
      case 6: // TCP
      case 17: // UDP
      case 33: // DCCP
      case 132: // SCTP
      case 136: // UDP-Lite
        if (end - at < 4) return;
        this.sourcePort = u16(buffer, at);
        this.destinationPort = u16(buffer, at + 2);
        return;
      case 1: // ICMP
      case 58: // ICMPv6
        if (end - at < 2) return;
        this.sourcePort = u16(buffer, at);
        this.destinationPort = this.sourcePort;
        return;
      default:
        return;
    }
  }
}

/** RFC 8200 §4.1 asks for at most one of each kind (destination options twice); more than this is an attack on the reader. */
export const maxExtensionHeaders = 8;

export const fragmentHeader = 44;
export const authenticationHeader = 51;

/** Hop-by-hop, routing, fragment, authentication, destination options (IANA: IPv6 extension header types, less ESP, which hides the rest). */
export function isExtension(protocol: number): boolean {
  return protocol === 0 || protocol === 43 || protocol === fragmentHeader || protocol === authenticationHeader || protocol === 60;
}

function u16(buffer: Uint8Array, at: number): number {
  return (buffer[at] << 8) | buffer[at + 1];
}

function u32(buffer: Uint8Array, at: number): number {
  return ((buffer[at] << 24) | (buffer[at + 1] << 16) | (buffer[at + 2] << 8) | buffer[at + 3]) >>> 0;
}
