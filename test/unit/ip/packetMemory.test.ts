import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { fold, type PacketMemory, plainMemory } from '../../../core/ip/packetMemory.ts';
import { packetMemory, simdMemory } from '../../../core/ip/simdMemory.ts';

const octets = 262_144;

/** RFC 1071 §1 by big integers: words in memory order, low octet first. */
function judge(bytes: Uint8Array): number {
  let sum = 0n;
  for (const [i, octet] of bytes.entries()) sum += BigInt(octet) << BigInt(8 * (i % 2));
  while (sum > 0xffffn) sum = (sum & 0xffffn) + (sum >> 16n);
  return Number(sum);
}

function filled(memory: PacketMemory): PacketMemory {
  memory.bytes.set(createHash('shake128', { outputLength: memory.bytes.length }).update('packet memory').digest());
  return memory;
}

function simd(): PacketMemory {
  const memory = simdMemory(octets);
  assert.ok(memory, 'this runtime has WebAssembly SIMD');
  return memory;
}

for (const [name, make] of [
  ['plain', () => plainMemory(octets)],
  ['simd', simd],
] as const) {
  test(`${name}: sums of every short length at every alignment, and of long ones`, () => {
    const memory = filled(make());
    for (let at = 0; at < 17; at++) {
      for (let length = 0; length < 200; length++)
        assert.equal(memory.sum(at, length), judge(memory.bytes.subarray(at, at + length)), `${length} octets at ${at}`);
    }
    for (const length of [1399, 1400, 9000, 65_535, 262_127])
      assert.equal(memory.sum(17, length), judge(memory.bytes.subarray(17, 17 + length)));
  });

  test(`${name}: the largest sums do not overflow`, () => {
    const memory = make();
    memory.bytes.fill(0xff);
    assert.equal(memory.sum(0, octets), 0xffff);
    assert.equal(memory.sum(1, 65_535), judge(memory.bytes.subarray(1, 65_536)));
  });

  test(`${name}: copies exactly the octets asked for, and returns their sum`, () => {
    for (let length = 0; length < 200; length++) {
      const memory = filled(make());
      const expected = memory.bytes.slice();
      const to = 4096 + (length % 19);
      const from = 33 + (length % 7);
      expected.copyWithin(to, from, from + length);
      assert.equal(memory.copy(to, from, length), judge(expected.subarray(to, to + length)));
      assert.deepEqual(memory.bytes, expected);
    }
  });
}

test('the memory keeps its size and buffer; the faster one is taken', () => {
  const memory = packetMemory(100_000);
  assert.equal(memory.bytes.length, 131_072);
  assert.equal(fold(0x1_fffe_0001), 1); // 1 + fffe + 1, the carry added back in
});
