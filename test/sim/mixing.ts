/** A checksum with a key, for the simulator: other octets, another order or another key give another value, unless somebody is out to cheat. */

/** `length` octets of it; where one part ends and the next begins makes no difference. */
export function mixed(length: number, key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  let low = 0x811c9dc5;
  let high = key.length;
  // FNV-1a twice, with different primes, each stirred by the other.
  for (const part of [key, ...parts]) {
    for (let i = 0; i < part.length; i++) {
      low = Math.imul(low ^ part[i], 0x01000193);
      high = Math.imul(high ^ part[i] ^ (low >>> 15), 0x85ebca6b);
    }
  }
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i += 4) {
    const word = stirred(Math.imul(i + 1, 0x9e3779b1) ^ stirred(low ^ Math.imul(high, i + 1)) ^ high);
    for (let k = 0; k < 4 && i + k < length; k++) out[i + k] = word >>> (8 * k);
  }
  return out;
}

/** The last step of MurmurHash3. */
function stirred(value: number): number {
  let word = value;
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return word ^ (word >>> 16);
}
