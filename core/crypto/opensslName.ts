/** One table for the two backends that ask OpenSSL. */
import type { EspSuite } from './espCipher.ts';

/** OpenSSL's name for the encryption transform (IANA transform type 1), undefined for one that is not for ESP. */
export function opensslName({ encr }: EspSuite): string | undefined {
  switch (encr.id) {
    case 12: // ENCR_AES_CBC, RFC 3602
      return `aes-${8 * encr.keyBytes}-cbc`;
    case 18: // AES-GCM with ICVs of 8, 12 and 16 octets, RFC 4106
    case 19:
    case 20:
      return `aes-${8 * encr.keyBytes}-gcm`;
    case 28: // ENCR_CHACHA20_POLY1305, RFC 7634
      return 'chacha20-poly1305';
    default:
      return undefined;
  }
}
