/**
 * Keys as lines of Wireshark's tables, so that a capture can be read: `ikev2_decryption_table` and `esp_sa` in its profile
 * folder. The names are those of Wireshark 4.0 (packet-isakmp.c, packet-ipsec.c); ChaCha20-Poly1305 is in neither list of
 * that version, so no line is made for it. Only made when the user asked for a key log.
 */
import { toHex } from '../../bytes/bytes.ts';
import type { EncrTransform, IntegTransform } from '../../crypto/types.ts';
import type { IkeSuite } from '../negotiation.ts';
import type { ChildSa } from '../sa/contract.ts';
import type { IkeKeys } from './ikeKeys.ts';

/** SPIi, SPIr, SK_ei, SK_er, "encryption", SK_ai, SK_ar, "integrity"; undefined when Wireshark has no name for the cipher. */
export function ikeKeyLogLine(spiI: Uint8Array, spiR: Uint8Array, suite: IkeSuite, keys: IkeKeys): string | undefined {
  const encr = ikeEncryption(suite.encr);
  if (encr === undefined) return undefined;
  const integ = suite.integ ? `${integIke[suite.integ.id]}` : 'NONE [RFC4306]';
  const hex = [spiI, spiR, keys.ei, keys.er].map(toHex).join(',');
  return `${hex},"${encr}",${toHex(keys.ai)},${toHex(keys.ar)},"${integ}"`;
}

/** Both directions of a CHILD SA: protocol, source, destination, SPI, encryption, key, authentication, key; any source and destination. */
export function espKeyLogLines(child: ChildSa): readonly string[] {
  const encr = espEncryption(child.encr);
  if (encr === undefined) return [];
  const integ = child.integ ? `${integEsp[child.integ.id]}` : 'NULL';
  const protocol = child.remote.address.includes(':') ? 'IPv6' : 'IPv4';
  const line = (spi: number, keys: ChildSa['keysIn']) =>
    `"${protocol}","*","*","0x${spi.toString(16).padStart(8, '0')}","${encr}","${hexOrEmpty(keys.encryption)}","${integ}","${hexOrEmpty(keys.integrity)}"`;
  return [line(child.spiIn, child.keysIn), line(child.spiOut, child.keysOut)];
}

const integIke: Readonly<Record<IntegTransform['id'], string>> = {
  2: 'HMAC_SHA1_96 [RFC2404]',
  12: 'HMAC_SHA2_256_128 [RFC4868]',
  13: 'HMAC_SHA2_384_192 [RFC4868]',
  14: 'HMAC_SHA2_512_256 [RFC4868]',
};

const integEsp: Readonly<Record<IntegTransform['id'], string>> = {
  2: 'HMAC-SHA-1-96 [RFC2404]',
  12: 'HMAC-SHA-256-128 [RFC4868]',
  13: 'HMAC-SHA-384-192 [RFC4868]',
  14: 'HMAC-SHA-512-256 [RFC4868]',
};

function ikeEncryption(encr: EncrTransform): string | undefined {
  if (encr.name === 'AES_CBC') return `AES-CBC-${encr.keyLength} [RFC3602]`;
  if (encr.name.startsWith('AES_GCM')) return `AES-GCM-${encr.keyLength} with ${encr.icvBytes} octet ICV [RFC5282]`;
  return undefined;
}

function espEncryption(encr: EncrTransform): string | undefined {
  if (encr.name === 'AES_CBC') return 'AES-CBC [RFC3602]';
  if (encr.name.startsWith('AES_GCM')) return `AES-GCM with ${encr.icvBytes} octet ICV [RFC4106]`;
  return undefined;
}

function hexOrEmpty(key: Uint8Array): string {
  return key.length === 0 ? '' : `0x${toHex(key)}`;
}
