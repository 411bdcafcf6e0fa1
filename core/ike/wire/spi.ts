/** Sizes and texts of the SPIs that IKE messages carry. */
import { toHex } from '../../bytes/bytes.ts';
import { PROTOCOL } from './constants.ts';

/** RFC 7296 §3.3.1: none in the initial IKE SA, 8 octets when it is rekeyed, 4 for AH and ESP. Unknown protocols are values (§3.3.6). */
export function isProposalSpiSize(protocol: number, size: number): boolean {
  if (protocol === PROTOCOL.IKE) return size === 0 || size === 8;
  if (protocol === PROTOCOL.AH || protocol === PROTOCOL.ESP) return size === 4;
  return true;
}

/** RFC 7296 §3.10: 4 octets for AH and ESP; what concerns the IKE SA, or no SA, has none (its SPIs are in the header). */
export function isNotifySpiSize(protocol: number, size: number): boolean {
  if (size === 0) return true;
  if (protocol === PROTOCOL.AH || protocol === PROTOCOL.ESP) return size === 4;
  return protocol !== PROTOCOL.NONE && protocol !== PROTOCOL.IKE;
}

/** RFC 7296 §3.11: zero for IKE, four for AH and ESP. */
export function isDeleteSpiSize(protocol: number, size: number): boolean {
  if (protocol === PROTOCOL.IKE) return size === 0;
  return size > 0 && isNotifySpiSize(protocol, size);
}

/** Four octets of an ESP or AH SPI, from host-order 32 bits. */
export function spiBytes(spi: number): Uint8Array {
  return Uint8Array.of(spi >>> 24, spi >>> 16, spi >>> 8, spi);
}

/** Host-order 32 bits of an ESP or AH SPI; undefined when `bytes` is not four octets. */
export function spiNumber(bytes: Uint8Array): number | undefined {
  return bytes.length === 4 ? new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) : undefined;
}

/** `0x` and 8 digits for an ESP or AH SPI, 16 digits for one of IKE; the forms of core/rpc/contract.ts. */
export function spiText(spi: Uint8Array | number): string {
  const bytes = typeof spi === 'number' ? spiBytes(spi) : spi;
  return bytes.length === 4 ? `0x${toHex(bytes)}` : toHex(bytes);
}
