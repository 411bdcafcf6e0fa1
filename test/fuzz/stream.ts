/**
 * The framing of IKE and ESP in TCP (RFC 9329 §3, §4) under hostile streams, cut anywhere. For every input: no throw; no frame beyond what
 * came; frames are where their lengths say; the way it was cut makes no difference; after a fault there is nothing more.
 */
import { equalBytes } from '../../core/bytes/bytes.ts';
import { FrameReader, streamPrefix } from '../../core/system/streamFrames.ts';
import { type CaseResult, demand, runTarget } from './harness.ts';
import { EDGES, mutateBytes, type Prng } from './mutate.ts';

const SUITE = 'fuzz-stream';

export function fuzzStream(runs = 12_000, seed = 9329): CaseResult[] {
  return [
    runTarget({
      suite: SUITE,
      name: 'mutated streams',
      seed,
      runs,
      input: (prng) => mutateBytes(prng, seedStream(prng), [seedStream(prng)]),
      check,
    }),
    runTarget({
      suite: SUITE,
      name: 'random octets',
      seed,
      runs: runs / 4,
      input: (prng) => prng.octets(prng.below(400)),
      check,
    }),
  ];
}

/** Prefix, and frames of edgy lengths. */
function seedStream(prng: Prng): Uint8Array {
  const parts: number[] = [...streamPrefix];
  for (let frames = prng.below(8); frames > 0; frames--) {
    const length = prng.oneIn(3) ? Math.min(600, prng.pick(EDGES)) : prng.below(200);
    const told = prng.oneIn(6) ? prng.pick(EDGES) : length + 2;
    parts.push(told >>> 8, told & 0xff, ...prng.octets(length));
  }
  return Uint8Array.from(parts);
}

function check(stream: Uint8Array, prng: Prng): string {
  const prefixed = !prng.oneIn(4);
  const whole = read(stream, prefixed, () => stream.length);
  const cut = read(stream, prefixed, () => 1 + prng.below(64));
  demand(whole.fault === cut.fault, 'the cuts make a difference');
  demand(whole.frames.length === cut.frames.length, 'the cuts make other frames');
  let at = prefixed ? streamPrefix.length : 0;
  for (const [i, frame] of whole.frames.entries()) {
    demand(equalBytes(frame, cut.frames[i] ?? new Uint8Array(0)), 'the cuts make another frame');
    demand(((stream[at] ?? 0) << 8) + (stream[at + 1] ?? 0) === frame.length + 2, 'a frame is not as long as it says');
    demand(equalBytes(frame, stream.subarray(at + 2, at + 2 + frame.length)), 'a frame is not what stands there');
    at += 2 + frame.length;
  }
  demand(whole.frames.length === 0 || at <= stream.length, 'more than what came');
  return whole.fault ?? (whole.frames.length > 0 ? 'frames' : 'nothing');
}

function read(
  stream: Uint8Array,
  prefixed: boolean,
  piece: () => number,
): { readonly frames: Uint8Array[]; readonly fault: string | undefined } {
  const reader = new FrameReader(prefixed);
  const frames: Uint8Array[] = [];
  for (let at = 0; at < stream.length; ) {
    const cursor = reader.cursor();
    const part = stream.subarray(at, at + Math.min(Math.max(1, piece()), reader.room));
    reader.bytes.set(part, cursor);
    reader.filled(part.length);
    at += part.length;
    while (reader.next()) {
      demand(reader.fault === undefined, 'a frame after a fault');
      frames.push(reader.bytes.slice(reader.offset, reader.offset + reader.length));
    }
  }
  return { frames, fault: reader.fault };
}
