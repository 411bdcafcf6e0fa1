/**
 * What the host is told of a packet of its own that does not fit: "fragmentation needed and DF set" (RFC 792, RFC 1191 §4) and "packet
 * too big" (RFC 4443 §3.2), to be written into the TUN device.
 *
 * The source is the inner destination of the packet. Our own address would be a martian (the host drops what comes from outside with
 * an address of its own), the gateway's inner address is not known, and any other may fail the reverse path filter or a firewall that
 * lets only the granted networks in. The destination is where the packet was routed into this very device, so it passes all of
 * these; stacks look at the quoted packet, not at who complains (RFC 8201 §4, RFC 5927 §4).
 */
import { foldSum, ipv4HeaderSum, pseudoSum6, storeWord } from './checksum.ts';
import type { PacketMemory } from './packetMemory.ts';
import { noUpper, upperHeader } from './upper.ts';

/** Octets that must be free where a message is written. */
export const maxIcmpBytes = 1280;

/** Messages in a row, and milliseconds in which one more is earned: RFC 1812 §4.3.2.8 and RFC 4443 §2.4(f) want a bound. */
const burst = 20;
const interval = 10;

export class TooBigMessages {
  /** Token bucket, in milliseconds: how much of `burst * interval` is left. */
  #credit = burst * interval;
  #then = Number.NEGATIVE_INFINITY;

  /**
   * Writes the message about the packet of `length` octets at `from` that only `mtu` octets of could go, at `to`, where
   * `maxIcmpBytes` are free and do not overlap the packet. Octets written, or 0 where none may be sent. `now` is a monotonic
   * clock's milliseconds. An IPv6 host believes no `mtu` below 1280 (RFC 8201 §4).
   */
  write(memory: PacketMemory, from: number, length: number, mtu: number, to: number, now: number): number {
    if (!mayComplain(memory.bytes, from, length) || !this.#spend(now)) return 0;
    return memory.bytes[from] >>> 4 === 4 ? write4(memory, from, length, mtu, to) : write6(memory, from, length, mtu, to);
  }

  #spend(now: number): boolean {
    const earned = now > this.#then ? now - this.#then : 0;
    this.#then = now;
    this.#credit = Math.min(burst * interval, this.#credit + earned);
    if (this.#credit < interval) return false;
    this.#credit -= interval;
    return true;
  }
}

/** Whether an error about the packet may be sent at all (RFC 1122 §3.2.2, RFC 1812 §4.3.2.7, RFC 4443 §2.4(e)). */
function mayComplain(bytes: Uint8Array, at: number, length: number): boolean {
  const upper = upperHeader(bytes, at, length);
  if (upper === noUpper) return false; // a fragment but the first, or no packet at all
  const header = upper >>> 8;
  const protocol = upper & 0xff;
  const type = header < length ? bytes[at + header] : -1;
  if (bytes[at] >>> 4 === 4) {
    if (protocol === icmp && !isIcmpQuery(type)) return false;
    return isOneHost4(bytes, at + 12) && isOneHost4(bytes, at + 16);
  }
  // RFC 4443 §2.1: errors are those below 128; 137 is a redirect.
  if (protocol === icmp6 && (type < 128 || type === 137)) return false;
  return isOneHost6(bytes, at + 8) && isOneHost6(bytes, at + 24);
}

const icmp = 1;
const icmp6 = 58;

/** All but the errors 3, 4, 5, 11 and 12 (RFC 1122 §3.2.2); what we cannot see counts as one. */
function isIcmpQuery(type: number): boolean {
  return type >= 0 && type !== 3 && type !== 4 && type !== 5 && type !== 11 && type !== 12;
}

/** Not zero, loopback, multicast, class E or broadcast. Broadcast of a subnet cannot be told from here: the device has none. */
function isOneHost4(bytes: Uint8Array, at: number): boolean {
  return bytes[at] !== 0 && bytes[at] !== 127 && bytes[at] < 224;
}

/** Neither multicast nor unspecified or loopback. RFC 4443 §2.4(e.3) would allow multicast, but it has no address that could complain. */
function isOneHost6(bytes: Uint8Array, at: number): boolean {
  if (bytes[at] === 0xff) return false;
  for (let i = 0; i < 15; i++) if (bytes[at + i] !== 0) return true;
  return bytes[at + 15] > 1;
}

const icmpHeader = 8;
/** RFC 1812 §4.3.2.3: as much of the packet as fits into 576 octets, the header of the message included. */
const most4 = 576;
/** RFC 4443 §2.4(c): as much as fits into the least MTU of IPv6. */
const most6 = 1280;
const hopLimit = 64;

function write4(memory: PacketMemory, from: number, length: number, mtu: number, to: number): number {
  const { bytes } = memory;
  const quoted = Math.min(length, most4 - 20 - icmpHeader);
  const total = 20 + icmpHeader + quoted;
  bytes[to] = 0x45;
  bytes[to + 1] = 0xc0; // RFC 1812 §4.3.2.5: precedence 6, internetwork control
  bytes[to + 2] = total >>> 8;
  bytes[to + 3] = total;
  bytes[to + 4] = 0; // RFC 6864 §4.1: the identification of what is never fragmented means nothing
  bytes[to + 5] = 0;
  bytes[to + 6] = 0x40; // DF
  bytes[to + 7] = 0;
  bytes[to + 8] = hopLimit;
  bytes[to + 9] = icmp;
  for (let i = 0; i < 4; i++) {
    bytes[to + 12 + i] = bytes[from + 16 + i];
    bytes[to + 16 + i] = bytes[from + 12 + i];
  }
  storeWord(bytes, to + 10, 0);
  storeWord(bytes, to + 10, ~ipv4HeaderSum(bytes, to));
  const message = to + 20;
  writeHeader(bytes, message, 3, 4, mtu);
  finish(memory, from, quoted, message, 0);
  return total;
}

function write6(memory: PacketMemory, from: number, length: number, mtu: number, to: number): number {
  const { bytes } = memory;
  const quoted = Math.min(length, most6 - 40 - icmpHeader);
  const payload = icmpHeader + quoted;
  bytes[to] = 0x60;
  bytes[to + 1] = 0;
  bytes[to + 2] = 0;
  bytes[to + 3] = 0;
  bytes[to + 4] = payload >>> 8;
  bytes[to + 5] = payload;
  bytes[to + 6] = icmp6;
  bytes[to + 7] = hopLimit;
  for (let i = 0; i < 16; i++) {
    bytes[to + 8 + i] = bytes[from + 24 + i];
    bytes[to + 24 + i] = bytes[from + 8 + i];
  }
  const message = to + 40;
  writeHeader(bytes, message, 2, 0, mtu);
  finish(memory, from, quoted, message, pseudoSum6(bytes, to, icmp6, payload));
  return 40 + payload;
}

/** RFC 1191 §4 has the MTU in the low 16 bits and zero above, RFC 4443 §3.2 in all 32. */
function writeHeader(bytes: Uint8Array, at: number, type: number, code: number, mtu: number): void {
  bytes[at] = type;
  bytes[at + 1] = code;
  bytes[at + 2] = 0;
  bytes[at + 3] = 0;
  bytes[at + 4] = 0;
  bytes[at + 5] = 0;
  bytes[at + 6] = mtu >>> 8;
  bytes[at + 7] = mtu;
}

function finish(memory: PacketMemory, from: number, quoted: number, message: number, pseudo: number): void {
  const sum = pseudo + memory.sum(message, icmpHeader) + memory.copy(message + icmpHeader, from, quoted);
  storeWord(memory.bytes, message + 2, ~foldSum(sum));
}
