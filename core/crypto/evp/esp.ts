/** ESP protection by the EVP functions of the OpenSSL inside Node, called through FFI with contexts that are kept. */
import { loadOpenSsl, type OpenSsl } from '../../system/ffi/openssl.ts';
import { type EspBackend, type EspSuite, keysFit } from '../espCipher.ts';
import { EvpAead } from './aead.ts';
import { EvpCbcHmac } from './cbcHmac.ts';

export const evpName = 'evp';

/** Or why there is none. */
export function evpBackend(): EspBackend | string {
  const openssl = loadOpenSsl();
  return typeof openssl === 'string' ? openssl : backendOf(openssl);
}

function backendOf(openssl: OpenSsl): EspBackend {
  // Fetched now: later OpenSSL might want to read a file.
  const ciphers = new Map(cipherNames.map((name) => [name, openssl.fetchCipher(name)]));
  const hmac = openssl.fetchHmac();
  openssl.ERR_clear_error();
  return {
    name: evpName,
    cipher(suite, keys) {
      if (!keysFit(suite, keys)) return undefined;
      const cipher = ciphers.get(nameOf(suite) ?? '') ?? 0;
      if (cipher === 0) return undefined;
      if (suite.integ === undefined) return new EvpAead(openssl, evpName, cipher, suite, keys);
      return hmac === 0 ? undefined : new EvpCbcHmac(openssl, evpName, { cipher, hmac }, suite.integ, suite.esn, keys);
    },
  };
}

const cipherNames = [...[128, 192, 256].flatMap((bits) => [`AES-${bits}-GCM`, `AES-${bits}-CBC`]), 'ChaCha20-Poly1305'];

/** Undefined for an encryption transform that is not for ESP. */
function nameOf({ encr }: EspSuite): string | undefined {
  switch (encr.id) {
    case 12: // ENCR_AES_CBC, RFC 3602
      return `AES-${8 * encr.keyBytes}-CBC`;
    case 18: // AES-GCM with ICVs of 8, 12 and 16 octets, RFC 4106
    case 19:
    case 20:
      return `AES-${8 * encr.keyBytes}-GCM`;
    case 28: // ENCR_CHACHA20_POLY1305, RFC 7634
      return 'ChaCha20-Poly1305';
    default:
      return undefined;
  }
}
