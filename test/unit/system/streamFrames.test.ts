import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameReader, longestFrame, streamPrefix, writeFrameHead } from '../../../core/system/streamFrames.ts';
import { pattern } from './datagrams.ts';

/** The stream that carries these frames. */
function stream(prefixed: boolean, frames: readonly Uint8Array[]): Uint8Array {
  const octets = frames.flatMap((frame) => {
    const head = new Uint8Array(2);
    assert.equal(writeFrameHead(head, 0, frame.length), 2);
    return [...head, ...frame];
  });
  return Uint8Array.from([...(prefixed ? streamPrefix : []), ...octets]);
}

/** What a reader makes of octets that come in such pieces. */
function readAll(reader: FrameReader, octets: Uint8Array, pieces: () => number): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at < octets.length; ) {
    const cursor = reader.cursor();
    assert.ok(reader.room >= 65_536, 'there is always room for the longest frame');
    const piece = octets.subarray(at, at + Math.min(Math.max(1, pieces()), reader.room));
    reader.bytes.set(piece, cursor);
    reader.filled(piece.length);
    at += piece.length;
    while (reader.next()) found.push(reader.bytes.slice(reader.offset, reader.offset + reader.length));
  }
  return found;
}

test('the prefix is IKETCP', () => assert.equal(new TextDecoder().decode(streamPrefix), 'IKETCP'));

test('frames come out as they went in, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 40 }),
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 }),
      (prefixed, frames, sizes) => {
        const reader = new FrameReader(prefixed);
        let turn = 0;
        const found = readAll(reader, stream(prefixed, frames), () => sizes[turn++ % sizes.length] ?? 1);
        assert.deepEqual(found, frames);
        assert.equal(reader.fault, undefined);
        assert.equal(reader.pending, 0);
      },
    ),
  );
});

test('the longest frames, many of them, octet counts that never fit together', () => {
  const frames = Array.from({ length: 12 }, (_, i) => pattern(longestFrame - i, i));
  for (const size of [65_536, 40_961, 1_447])
    assert.deepEqual(
      readAll(new FrameReader(true), stream(true, frames), () => size),
      frames,
    );
});

test('a length of 0 or 1 ends the stream, and what came before it counts', () => {
  for (const length of [0, 1]) {
    const reader = new FrameReader(false);
    const good = pattern(20);
    const octets = Uint8Array.from([...stream(false, [good]), 0, length, ...stream(false, [good])]);
    assert.deepEqual(
      readAll(reader, octets, () => 1_000),
      [good],
    );
    assert.equal(reader.fault, 'bad-length');
    assert.equal(reader.next(), false);
  }
});

test('without the prefix nothing is read, and that is known at the first octet that is wrong', () => {
  for (const start of ['GET / HTTP/1.1\r\n', 'IKETCQ', 'X', '\0\0\0\0', 'IKE ']) {
    const reader = new FrameReader(true);
    const octets = new TextEncoder().encode(start);
    assert.deepEqual(
      readAll(reader, Uint8Array.from([...octets, ...stream(false, [pattern(9)])]), () => 100),
      [],
    );
    assert.equal(reader.fault, 'no-prefix', start);
  }
  const patient = new FrameReader(true);
  assert.deepEqual(
    readAll(patient, streamPrefix.subarray(0, 5), () => 1),
    [],
  );
  assert.equal(patient.fault, undefined);
});

test('a truncated frame is none', () => {
  const reader = new FrameReader(false);
  const octets = stream(false, [pattern(500)]);
  assert.deepEqual(
    readAll(reader, octets.subarray(0, octets.length - 1), () => 77),
    [],
  );
  assert.equal(reader.fault, undefined);
  assert.equal(reader.pending, octets.length - 1);
});

test('streams of anything: no throw, nothing beyond what came, and an end once there is a fault', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.uint8Array({ maxLength: 2_000 }), fc.integer({ min: 1, max: 900 }), (prefixed, noise, size) => {
      const octets = prefixed && noise.length % 2 === 0 ? Uint8Array.from([...streamPrefix, ...noise]) : noise;
      const reader = new FrameReader(prefixed);
      const found = readAll(reader, octets, () => size);
      const total = found.reduce((sum, { length }) => sum + length + 2, 0);
      assert.ok(total + reader.pending <= octets.length);
      if (reader.fault !== undefined) assert.equal(reader.next(), false);
      // What was found is what stands there.
      const again = stream(prefixed && found.length > 0, found);
      assert.deepEqual(again, octets.slice(0, again.length));
    }),
    { numRuns: 400 },
  );
});
