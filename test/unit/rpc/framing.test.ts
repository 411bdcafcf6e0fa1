import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_FRAME } from '../../../core/rpc/contract.ts';
import { createFrameDecoder, decodeFrame, encodeFrame } from '../../../core/rpc/framing.ts';

function frame(value: unknown): Uint8Array {
  const bytes = encodeFrame(value);
  assert.ok(bytes);
  return bytes;
}

test('frames survive every way of cutting the stream', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { maxLength: 8 }), fc.array(fc.nat(200), { maxLength: 30 }), (values, cuts) => {
      const stream = Buffer.concat(values.map(frame));
      const decoder = createFrameDecoder();
      const seen: unknown[] = [];
      const offsets = [0, ...cuts.map((cut) => cut % (stream.length + 1)), stream.length].sort((a, b) => a - b);
      for (let i = 1; i < offsets.length; i++) {
        const pushed = decoder.push(stream.subarray(offsets[i - 1], offsets[i]), (body) => seen.push(decodeFrame(body)));
        assert.ok(pushed.ok);
      }
      assert.deepEqual(seen, JSON.parse(JSON.stringify(values)));
      assert.equal(decoder.partial(), false);
    }),
    { numRuns: 300, seed: 7 },
  );
});

test('a frame of exactly the limit passes; one octet more is refused before its body', () => {
  const decoder = createFrameDecoder(16);
  const sizes: number[] = [];
  assert.ok(decoder.push(Buffer.concat([Buffer.from([0, 0, 0, 16]), Buffer.alloc(16)]), (body) => sizes.push(body.length)).ok);
  assert.deepEqual(sizes, [16]);
  const refused = decoder.push(Uint8Array.of(0, 0, 0, 17), () => assert.fail('no frame'));
  assert.deepEqual(refused, { ok: false, error: { code: 'too-long', announced: 17 } });
});

test('an announced length allocates nothing', () => {
  const before = process.memoryUsage().arrayBuffers;
  const decoders = Array.from({ length: 200 }, () => {
    const decoder = createFrameDecoder();
    assert.ok(decoder.push(Uint8Array.of(0, 0x0f, 0xff, 0xff, 0x7b), () => {}).ok);
    return decoder;
  });
  const grown = process.memoryUsage().arrayBuffers - before;
  assert.equal(
    decoders.every((decoder) => decoder.partial()),
    true,
  );
  assert.ok(grown < 200 * 16 * 1024, `${grown} octets for 1 octet each of a promised MiB`);
});

test('a frame octet by octet copies each octet a constant number of times', () => {
  // 1 MiB in single octets: quadratic copying would move half a tebibyte and not end within the test's patience.
  const decoder = createFrameDecoder();
  const body = Buffer.alloc(MAX_FRAME, 0x20);
  const stream = Buffer.concat([Buffer.from([0, 0x10, 0, 0]), body]);
  let frames = 0;
  for (let i = 0; i < stream.length; i++) {
    decoder.push(stream.subarray(i, i + 1), (whole) => {
      frames++;
      assert.equal(whole.length, MAX_FRAME);
    });
  }
  assert.equal(frames, 1);
});

test('what is not UTF-8 or not JSON decodes to undefined', () => {
  assert.equal(decodeFrame(Uint8Array.of(0xff, 0xfe)), undefined);
  assert.equal(decodeFrame(Buffer.from('{"a":')), undefined);
  assert.equal(decodeFrame(new Uint8Array(0)), undefined);
  assert.deepEqual(decodeFrame(Buffer.from('{"a":1}')), { a: 1 });
});

test('a value longer than the limit is not encoded', () => {
  assert.equal(encodeFrame('x'.repeat(20), 16), undefined);
  assert.ok(encodeFrame('x'.repeat(10), 16));
});
