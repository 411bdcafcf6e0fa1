/**
 * Frames of the RPC: 4-byte big-endian length, then that many octets of UTF-8 JSON. The decoder keeps no more than the
 * sender has really sent (a length of 1 GiB allocates nothing), copies each octet a constant number of times however
 * small the pieces are, and refuses a longer frame before its body arrives.
 */
import { err, ok, type Result } from '../bytes/result.ts';
import { MAX_FRAME } from './contract.ts';

const HEADER = 4;
const FIRST_ALLOCATION = 4096;

/** `too-long`: the peer announced more than the limit; the connection cannot go on. */
export type FrameError = { readonly code: 'too-long'; readonly announced: number };

export interface FrameDecoder {
  /** Takes any piece of the stream and hands over every frame it completes, in order. The frames are the receiver's own. */
  push(piece: Uint8Array, onFrame: (frame: Uint8Array) => void): Result<undefined, FrameError>;
  /** A frame has begun and is not complete. */
  partial(): boolean;
}

export function createFrameDecoder(limit: number = MAX_FRAME): FrameDecoder {
  const header = new Uint8Array(HEADER);
  let headerFilled = 0;
  let body = new Uint8Array(0);
  let filled = 0;
  let announced = 0;

  function grow(needed: number): void {
    if (needed <= body.length) return;
    // Doubling, so that a frame sent octet by octet costs no more than twice its size; never beyond what was announced.
    const larger = new Uint8Array(Math.min(announced, Math.max(needed, body.length * 2, FIRST_ALLOCATION)));
    larger.set(body.subarray(0, filled));
    body = larger;
  }

  return {
    push(piece, onFrame) {
      let at = 0;
      while (at < piece.length || (headerFilled === HEADER && filled === announced)) {
        if (headerFilled < HEADER) {
          header[headerFilled++] = piece[at++];
          if (headerFilled < HEADER) continue;
          announced = new DataView(header.buffer).getUint32(0);
          if (announced > limit) return err({ code: 'too-long', announced });
        }
        const take = Math.min(announced - filled, piece.length - at);
        grow(filled + take);
        body.set(piece.subarray(at, at + take), filled);
        filled += take;
        at += take;
        if (filled < announced) continue;
        const frame = body.subarray(0, announced);
        body = new Uint8Array(0);
        headerFilled = 0;
        filled = 0;
        announced = 0;
        onFrame(frame);
      }
      return ok(undefined);
    },
    partial: () => headerFilled > 0,
  };
}

/** The frame of one JSON value, or undefined when it would be longer than the limit. */
export function encodeFrame(value: unknown, limit: number = MAX_FRAME): Uint8Array | undefined {
  const body = Buffer.from(JSON.stringify(value), 'utf8');
  if (body.length > limit) return undefined;
  const frame = Buffer.allocUnsafe(HEADER + body.length);
  frame.writeUInt32BE(body.length, 0);
  frame.set(body, HEADER);
  return frame;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The JSON value of a frame's body; undefined when it is not UTF-8 or not JSON (no JSON value is undefined). */
export function decodeFrame(frame: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(frame));
  } catch {
    return undefined;
  }
}
