import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  adjust,
  foldSum,
  ipv4HeaderSum,
  pseudoSum4,
  pseudoSum6,
  storeWord,
  swapWord,
  wordAt,
} from '../../../core/ip/checksum.ts';
import { sumOf } from '../../../core/ip/packetMemory.ts';

/** The worked example that most texts on the Internet checksum use; its checksum is 0xb861. */
const ipv4 = Uint8Array.from([
  0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7,
]);

test('the sum of an IPv4 header gives the checksum known for it', () => {
  assert.equal(swapWord(~ipv4HeaderSum(ipv4, 0) & 0xffff), 0xb861);
  assert.equal(foldSum(ipv4HeaderSum(ipv4, 0) + wordAt(ipv4, 10)), 0xffff);
});

test('the sum of an IPv4 header counts its options', () => {
  const options = Uint8Array.from([...ipv4, 0x94, 0x04, 0x00, 0x00]);
  options[0] = 0x46;
  assert.equal(foldSum(ipv4HeaderSum(options, 0)), foldSum(ipv4HeaderSum(ipv4, 0) + 0x0001 + 0x0494));
});

test('pseudo header sums are those of the pseudo headers written out', () => {
  const pseudo4 = Uint8Array.from([...ipv4.subarray(12, 20), 0, 17, 0x12, 0x34]);
  assert.equal(pseudoSum4(ipv4, 0, 17, 0x1234), sumOf(pseudo4, 0, pseudo4.length));
  const ipv6 = new Uint8Array(40);
  for (let i = 8; i < 40; i++) ipv6[i] = 37 * i;
  const pseudo6 = Uint8Array.from([...ipv6.subarray(8, 40), 0, 0, 0xfe, 0xdc, 0, 0, 0, 6]);
  assert.equal(pseudoSum6(ipv6, 0, 6, 0xfedc), sumOf(pseudo6, 0, pseudo6.length));
});

test('adjust gives what summing again gives, at every word and over the ends of the range', () => {
  const header = ipv4.slice();
  for (const at of [0, 2, 4, 6, 8, 12, 14, 16, 18]) {
    for (const word of [0x0045, 0x0145, 0x0f45, 0xff45, 0x0000, 0xffff, 0x5555].filter((w) => at !== 0 || (w & 0xff) === 0x45)) {
      const old = wordAt(header, at);
      const checksum = adjust(~ipv4HeaderSum(header, 0) & 0xffff, old, word);
      storeWord(header, at, word);
      assert.equal(checksum, ~ipv4HeaderSum(header, 0) & 0xffff, `${at} ${old} ${word}`);
    }
  }
});

test('adjust gives 0 where RFC 1141 gave 0xffff (RFC 1624 §4)', () => {
  // The example of the RFC: 0xdd2f, one word from 0x5555 to 0x3285.
  assert.equal(swapWord(adjust(swapWord(0xdd2f), swapWord(0x5555), swapWord(0x3285))), 0x0000);
});
