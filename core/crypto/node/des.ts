import { createCipheriv } from 'node:crypto';

/**
 * One block of DES under the 56 bits of `key` (7 octets), for MS-CHAPv2 (RFC 2759 §8.6). OpenSSL keeps plain DES in its legacy provider;
 * triple DES with one key three times is the same.
 */
export function desEncryptBlock(key: Uint8Array, block: Uint8Array): Uint8Array {
  const single = withParity(key);
  const triple = new Uint8Array(24);
  for (let i = 0; i < 3; i++) triple.set(single, 8 * i);
  const cipher = createCipheriv('des-ede3-ecb', triple, null).setAutoPadding(false);
  const out = Uint8Array.from(cipher.update(block));
  cipher.final();
  single.fill(0);
  triple.fill(0);
  return out;
}

/** Seven bits of key in the high bits of each of eight octets. The parity bits are not looked at. */
function withParity(key: Uint8Array): Uint8Array {
  const out = new Uint8Array(8);
  for (let bit = 0; bit < 56; bit++) {
    const set = (key[bit >>> 3] >>> (7 - (bit & 7))) & 1;
    out[Math.floor(bit / 7)] |= set << (7 - (bit % 7));
  }
  return out;
}
