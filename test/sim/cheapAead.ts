/** AES-GCM by OpenSSL, in the shape of core/crypto/noble/aead.ts. */
import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';
import type { Aead } from '../../core/crypto/noble/aead.ts';

const tag = 16;

export function aesGcm(key: Uint8Array, icvBytes: number): Aead {
  if (icvBytes !== tag) throw new RangeError('only whole tags here');
  const name = key.length === 32 ? 'aes-256-gcm' : 'aes-128-gcm';
  const secret = createSecretKey(key);
  return {
    seal(nonce, aad, plaintext) {
      const cipher = createCipheriv(name, secret, nonce);
      cipher.setAAD(aad);
      const text = cipher.update(plaintext);
      cipher.final();
      const out = new Uint8Array(text.length + tag);
      out.set(text);
      out.set(cipher.getAuthTag(), text.length);
      return out;
    },
    open(nonce, aad, sealed) {
      if (sealed.length < tag) return undefined;
      const cipher = createDecipheriv(name, secret, nonce);
      cipher.setAAD(aad);
      cipher.setAuthTag(sealed.subarray(sealed.length - tag));
      const text = cipher.update(sealed.subarray(0, sealed.length - tag));
      try {
        cipher.final();
      } catch {
        return undefined;
      }
      return new Uint8Array(text);
    },
  };
}

export function chachaPoly(): Aead {
  throw new RangeError('not used here');
}
