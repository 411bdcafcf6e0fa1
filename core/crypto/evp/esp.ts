/** ESP protection by the EVP functions of the OpenSSL inside Node, called through FFI with contexts that are kept. */
import { loadOpenSsl, type OpenSsl } from '../../system/ffi/openssl.ts';
import { type EspBackend, keysFit } from '../espCipher.ts';
import { opensslName } from '../opensslName.ts';
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
      const cipher = ciphers.get(opensslName(suite) ?? '') ?? 0;
      if (cipher === 0) return undefined;
      if (suite.integ === undefined) return new EvpAead(openssl, evpName, cipher, suite, keys);
      return hmac === 0 ? undefined : new EvpCbcHmac(openssl, evpName, { cipher, hmac }, suite.integ, suite.esn, keys);
    },
  };
}

const cipherNames = [...[128, 192, 256].flatMap((bits) => [`aes-${bits}-gcm`, `aes-${bits}-cbc`]), 'chacha20-poly1305'];
