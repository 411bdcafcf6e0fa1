/** A cipher of the lengths of AES-GCM that hides nothing, in the shape of core/crypto/noble/aead.ts: who has another key cannot open it. */
import { equalBytes } from '../../core/bytes/bytes.ts';
import type { Aead } from '../../core/crypto/noble/aead.ts';
import { mixed } from './mixing.ts';

const tag = 16;

export function aesGcm(key: Uint8Array, icvBytes: number): Aead {
  if (icvBytes !== tag) throw new RangeError('only whole tags here');
  const own = key.slice();
  return {
    seal(nonce, aad, plaintext) {
      const out = new Uint8Array(plaintext.length + tag);
      out.set(plaintext);
      out.set(mixed(tag, own, [nonce, aad, plaintext]), plaintext.length);
      return out;
    },
    open(nonce, aad, sealed) {
      if (sealed.length < tag) return undefined;
      const text = sealed.slice(0, sealed.length - tag);
      return equalBytes(mixed(tag, own, [nonce, aad, text]), sealed.subarray(text.length)) ? text : undefined;
    },
  };
}

export function chachaPoly(): Aead {
  throw new RangeError('not used here');
}
