import { ctr, gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { concat, equalConstantTime } from '../../bytes/bytes.ts';

/** A combined-mode cipher with its key set. `nonce` is 12 octets; sealed is ciphertext then ICV; `open` gives undefined when the ICV is wrong. */
export interface Aead {
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}

const fullTag = 16;

/** AES-GCM with an ICV of 8, 12 or 16 octets (RFC 4106 §6: the tag of the full length, truncated). */
export function aesGcm(key: Uint8Array, icvBytes: number): Aead {
  const seal: Aead['seal'] = (nonce, aad, plaintext) =>
    gcm(key, nonce, aad)
      .encrypt(plaintext)
      .subarray(0, plaintext.length + icvBytes);

  if (icvBytes === fullTag) {
    return {
      seal,
      open: (nonce, aad, sealed) =>
        sealed.length < fullTag ? undefined : orUndefined(() => gcm(key, nonce, aad).decrypt(sealed)),
    };
  }
  return {
    seal,
    // noble checks full tags only. GCM's ciphertext is CTR from block 2 on (SP 800-38D §7.1), so the full tag is found by sealing again.
    open(nonce, aad, sealed) {
      const textBytes = sealed.length - icvBytes;
      if (textBytes < 0) return undefined;
      const plaintext = ctr(key, concat(nonce, Uint8Array.of(0, 0, 0, 2))).decrypt(sealed.subarray(0, textBytes));
      const expected = gcm(key, nonce, aad).encrypt(plaintext).subarray(textBytes, sealed.length);
      if (equalConstantTime(expected, sealed.subarray(textBytes))) return plaintext;
      plaintext.fill(0);
      return undefined;
    },
  };
}

/** ChaCha20-Poly1305 (RFC 8439 §2.8). */
export function chachaPoly(key: Uint8Array): Aead {
  return {
    seal: (nonce, aad, plaintext) => chacha20poly1305(key, nonce, aad).encrypt(plaintext),
    open: (nonce, aad, sealed) =>
      sealed.length < fullTag ? undefined : orUndefined(() => chacha20poly1305(key, nonce, aad).decrypt(sealed)),
  };
}

/** noble compares the tag in constant time and throws when it is wrong; sizes being right, that is the only thing it can throw for. */
function orUndefined(decrypt: () => Uint8Array): Uint8Array | undefined {
  try {
    return decrypt();
  } catch {
    return undefined;
  }
}
