/** `struct sockaddr_in` and `sockaddr_in6` to and from text; one slot of 28 octets holds either. */
import { formatAddress, parseAddress } from '../../bytes/address.ts';
import { AF_INET, AF_INET6 } from '../ffi/constants.ts';
import { SOCKADDR_IN, SOCKADDR_IN6 } from '../ffi/layouts.ts';

export const SOCKADDR_SLOT = 28;

/** Text of an address without zone (RFC 5952 for IPv6), and port. */
export interface SocketEndpoint {
  readonly address: string;
  readonly port: number;
}

/** 28 octets, zero filled after an IPv4 one. Undefined when the address is no numeric one or the port is out of range. */
export function packSockaddr(endpoint: SocketEndpoint): Uint8Array | undefined {
  if (!Number.isInteger(endpoint.port) || endpoint.port < 0 || endpoint.port > 0xffff) return undefined;
  const address = parseAddress(endpoint.address);
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
  return { address: formatAddress(slot.subarray(at, at + (v4 ? 4 : 16))), port: view.getUint16(SOCKADDR_IN.offset.port) };
}

/** Octets of `sockaddr` that count: 16 or 28. */
export function sockaddrLength(slot: Uint8Array): number {
  return slot[0] === AF_INET6 ? SOCKADDR_IN6.size : SOCKADDR_IN.size;
}
