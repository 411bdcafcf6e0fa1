/** Every ESP suite of the table, and keys for it. */
import type { EspKeys, EspSuite } from '../../../core/crypto/espCipher.ts';
import { byKeyword, transforms } from '../../../core/crypto/transforms.ts';
import type { EncrTransform, IntegTransform } from '../../../core/crypto/types.ts';

const encrs = transforms.filter((row): row is EncrTransform => row.type === 1);
const integs = transforms.filter((row): row is IntegTransform => row.type === 3);

/** AEADs alone, the others with every integrity transform; without and with ESN. */
export const allSuites: readonly EspSuite[] = encrs.flatMap((encr) =>
  (encr.aead ? [undefined] : integs).flatMap((integ) => [
    { encr, integ, esn: false },
    { encr, integ, esn: true },
  ]),
);

export function suiteName({ encr, integ, esn }: EspSuite): string {
  return `${encr.keyword}${integ === undefined ? '' : `-${integ.keyword}`}${esn ? '-esn' : ''}`;
}

/** `aes256gcm16-esn`, `aes128-sha256`. */
export function suiteOf(text: string): EspSuite {
  const rows = text.split('-').map((keyword) => byKeyword(keyword));
  const encr = rows.find((row): row is EncrTransform => row?.type === 1);
  if (encr === undefined) throw new Error(`no encryption in ${text}`);
  return { encr, integ: rows.find((row): row is IntegTransform => row?.type === 3), esn: text.endsWith('-esn') };
}

/** Octets that look random and are the same every time. */
export function octets(length: number, seed: number): Uint8Array {
  let state = seed >>> 0 || 1;
  return Uint8Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0xff;
  });
}

export function keysFor({ encr, integ }: EspSuite, seed = 7): EspKeys {
  return { encryption: octets(encr.keyBytes + encr.saltBytes, seed), integrity: octets(integ?.keyBytes ?? 0, seed + 1) };
}

/** An IPv4 UDP packet from 10.0.0.1:1000 to 10.0.0.2:2000 of this many octets in all. */
export function ipv4Packet(length: number): Uint8Array {
  const packet = octets(length, length);
  packet.set([0x45, 0, length >> 8, length & 0xff, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2].slice(0, length));
  if (length >= 24) packet.set([1000 >> 8, 1000 & 0xff, 2000 >> 8, 2000 & 0xff], 20);
  return packet;
}
