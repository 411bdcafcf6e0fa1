import { cbc } from '@noble/ciphers/aes.js';

/** AES-CBC without padding of its own (RFC 3602); `plaintext` is whole blocks. */
export function cbcEncrypt(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Uint8Array {
  return cbc(key, iv, { disablePadding: true }).encrypt(plaintext);
}

export function cbcDecrypt(key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return cbc(key, iv, { disablePadding: true }).decrypt(ciphertext);
}
