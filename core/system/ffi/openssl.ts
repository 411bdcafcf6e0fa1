/**
 * OpenSSL 3 inside Node's own binary: the EVP functions that ESP needs, each declared once. All arguments are addresses or lengths; what
 * returns `int` returns 1 for success. A program without OpenSSL 3 (Electron has BoringSSL) lacks one of them.
 */
import koffi from 'koffi';

export interface OpenSsl {
  /** Addresses of algorithms, 0 where this OpenSSL has none of that name. They live as long as the process. */
  readonly fetchCipher: (name: string) => number;
  readonly fetchHmac: () => number;
  readonly EVP_CIPHER_CTX_new: () => number;
  readonly EVP_CIPHER_CTX_free: (context: number) => void;
  readonly EVP_CIPHER_CTX_set_padding: (context: number, padding: number) => number;
  readonly EVP_CIPHER_CTX_get_params: (context: number, params: number) => number;
  readonly EVP_CipherInit_ex2: (
    context: number,
    cipher: number,
    key: number,
    iv: number,
    encrypt: number,
    params: number,
  ) => number;
  readonly EVP_CipherUpdate: (context: number, out: number, outLength: number, input: number, length: number) => number;
  readonly EVP_CipherFinal_ex: (context: number, out: number, outLength: number) => number;
  readonly EVP_MAC_CTX_new: (mac: number) => number;
  readonly EVP_MAC_CTX_free: (context: number) => void;
  readonly EVP_MAC_init: (context: number, key: number, keyLength: number, params: number) => number;
  readonly EVP_MAC_update: (context: number, data: number, length: number) => number;
  readonly EVP_MAC_final: (context: number, out: number, outLength: number, room: number) => number;
  readonly ERR_clear_error: () => void;
}

/** OSSL_PARAM(3): name, type, data, size of the data, size returned; an array ends with one without a name. */
export const paramBytes = 40;
export const OSSL_PARAM_UTF8_STRING = 4;
export const OSSL_PARAM_OCTET_STRING = 5;

/** Why it cannot be used, as a string. */
export function loadOpenSsl(): OpenSsl | string {
  try {
    return bind(koffi.load(null));
  } catch (error) {
    return `OpenSSL: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function bind(library: ReturnType<typeof koffi.load>): OpenSsl {
  const a = 'uintptr_t';
  const fetchCipher: (context: number, name: string, properties: null) => number = library.func('EVP_CIPHER_fetch', a, [
    a,
    'str',
    'str',
  ]);
  const fetchMac: (context: number, name: string, properties: null) => number = library.func('EVP_MAC_fetch', a, [
    a,
    'str',
    'str',
  ]);
  return {
    fetchCipher: (name) => fetchCipher(0, name, null),
    fetchHmac: () => fetchMac(0, 'HMAC', null),
    EVP_CIPHER_CTX_new: library.func('EVP_CIPHER_CTX_new', a, []),
    EVP_CIPHER_CTX_free: library.func('EVP_CIPHER_CTX_free', 'void', [a]),
    EVP_CIPHER_CTX_set_padding: library.func('EVP_CIPHER_CTX_set_padding', 'int', [a, 'int']),
    EVP_CIPHER_CTX_get_params: library.func('EVP_CIPHER_CTX_get_params', 'int', [a, a]),
    EVP_CipherInit_ex2: library.func('EVP_CipherInit_ex2', 'int', [a, a, a, a, 'int', a]),
    EVP_CipherUpdate: library.func('EVP_CipherUpdate', 'int', [a, a, a, a, 'int']),
    EVP_CipherFinal_ex: library.func('EVP_CipherFinal_ex', 'int', [a, a, a]),
    EVP_MAC_CTX_new: library.func('EVP_MAC_CTX_new', a, [a]),
    EVP_MAC_CTX_free: library.func('EVP_MAC_CTX_free', 'void', [a]),
    EVP_MAC_init: library.func('EVP_MAC_init', 'int', [a, a, 'size_t', a]),
    EVP_MAC_update: library.func('EVP_MAC_update', 'int', [a, a, 'size_t']),
    EVP_MAC_final: library.func('EVP_MAC_final', 'int', [a, a, a, 'size_t']),
    ERR_clear_error: library.func('ERR_clear_error', 'void', []),
  };
}
