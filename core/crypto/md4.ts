/** MD4 (RFC 1320), because MS-CHAPv2 stores passwords so. It is broken as a hash and serves nothing else here. */

import { secretOctets } from '../bytes/bytes.ts';

/** 16 octets. */
export function md4(message: Uint8Array): Uint8Array {
  const padded = pad(message);
  const view = new DataView(padded.buffer);
  const state = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  const words = new Uint32Array(secretOctets(64).buffer);
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 16; i++) words[i] = view.getUint32(at + 4 * i, true);
    compress(state, words);
  }
  const out = new Uint8Array(16);
  const outView = new DataView(out.buffer);
  for (const [i, word] of state.entries()) outView.setUint32(4 * i, word, true);
  padded.fill(0);
  words.fill(0);
  return out;
}

/** RFC 1320 §3.1, §3.2: a one bit, zeros, and the length in bits, up to a multiple of 64 octets. */
function pad(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = secretOctets(Math.ceil((message.length + 9) / 64) * 64);
  out.set(message);
  out[message.length] = 0x80;
  const view = new DataView(out.buffer);
  view.setUint32(out.length - 8, message.length * 8, true);
  view.setUint32(out.length - 4, Math.floor(message.length / 0x20000000), true);
  return out;
}

interface Round {
  /** The order in which the words are taken. */
  readonly order: readonly number[];
  readonly shifts: readonly [number, number, number, number];
  readonly add: number;
  mix(x: number, y: number, z: number): number;
}

/** RFC 1320 §3.4. */
const rounds: readonly Round[] = [
  {
    order: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    shifts: [3, 7, 11, 19],
    add: 0,
    mix: (x, y, z) => (x & y) | (~x & z),
  },
  {
    order: [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
    shifts: [3, 5, 9, 13],
    add: 0x5a827999,
    mix: (x, y, z) => (x & y) | (x & z) | (y & z),
  },
  {
    order: [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
    shifts: [3, 9, 11, 15],
    add: 0x6ed9eba1,
    mix: (x, y, z) => x ^ y ^ z,
  },
];

function compress(state: Uint32Array, words: Uint32Array): void {
  let [a, b, c, d] = state;
  for (const { order, shifts, add, mix } of rounds) {
    for (const [step, word] of order.entries()) {
      const sum = (a + mix(b, c, d) + words[word] + add) >>> 0;
      const shift = shifts[step % 4];
      const turned = ((sum << shift) | (sum >>> (32 - shift))) >>> 0;
      [a, b, c, d] = [d, turned, b, c];
    }
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
}
