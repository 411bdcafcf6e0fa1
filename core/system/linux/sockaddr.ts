/** `struct sockaddr_in` and `sockaddr_in6` to and from text; one slot of 28 octets holds either. */
import { AF_INET, AF_INET6 } from '../ffi/constants.ts';
import { SOCKADDR_IN, SOCKADDR_IN6 } from '../ffi/layouts.ts';
import { inetNtop, inetPton } from '../ffi/libc.ts';
import { Pinned } from '../ffi/memory.ts';

export const SOCKADDR_SLOT = 28;

/** Text form as inet_ntop writes it (RFC 5952 for IPv6, no zone), and port. */
export interface SocketEndpoint {
  readonly address: string;
  readonly port: number;
}

/** 28 octets, zero filled after an IPv4 one. Undefined when the address is no numeric one or the port is out of range. */
export function packSockaddr(endpoint: SocketEndpoint): Uint8Array | undefined {
  if (!Number.isInteger(endpoint.port) || endpoint.port < 0 || endpoint.port > 0xffff) return undefined;
  const address = addressBytes(endpoint.address);
  if (address === undefined) return undefined;
  const slot = new Uint8Array(SOCKADDR_SLOT);
  const view = new DataView(slot.buffer);
  const v4 = address.length === 4;
  view.setUint16(SOCKADDR_IN.offset.family, v4 ? AF_INET : AF_INET6, true);
  view.setUint16(SOCKADDR_IN.offset.port, endpoint.port);
  slot.set(address, v4 ? SOCKADDR_IN.offset.address : SOCKADDR_IN6.offset.address);
  return slot;
}

/** The endpoint in a slot, undefined when it holds neither family. */
export function unpackSockaddr(slot: Uint8Array): SocketEndpoint | undefined {
  const view = new DataView(slot.buffer, slot.byteOffset, slot.byteLength);
  const family = slot.length >= SOCKADDR_IN.size ? view.getUint16(SOCKADDR_IN.offset.family, true) : 0;
  const v4 = family === AF_INET;
  if (!v4 && !(family === AF_INET6 && slot.length >= SOCKADDR_IN6.size)) return undefined;
  const at = v4 ? SOCKADDR_IN.offset.address : SOCKADDR_IN6.offset.address;
  const address = addressText(slot.subarray(at, at + (v4 ? 4 : 16)));
  return address === undefined ? undefined : { address, port: view.getUint16(SOCKADDR_IN.offset.port) };
}

/** Octets of `sockaddr` that count: 16 or 28. */
export function sockaddrLength(slot: Uint8Array): number {
  return slot[0] === AF_INET6 ? SOCKADDR_IN6.size : SOCKADDR_IN.size;
}

const binary = new Pinned(16);
const textual = new Pinned(64);

/** 4 or 16 octets of a numeric address without zone, or undefined. */
export function addressBytes(text: string): Uint8Array | undefined {
  if (text.length > 45 || text.includes('\0')) return undefined;
  const family = text.includes(':') ? AF_INET6 : AF_INET;
  if (inetPton(family, text, binary.address) !== 1) return undefined;
  return binary.bytes.slice(0, family === AF_INET ? 4 : 16);
}

/** Text of 4 or 16 octets. */
export function addressText(bytes: Uint8Array): string | undefined {
  if (bytes.length !== 4 && bytes.length !== 16) return undefined;
  binary.bytes.set(bytes);
  return inetNtop(bytes.length === 4 ? AF_INET : AF_INET6, binary.address, textual.address, textual.bytes.length) ?? undefined;
}
