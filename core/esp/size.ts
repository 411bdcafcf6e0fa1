/** How large packets become by ESP in UDP (RFC 4303 §2, RFC 3948 §2.1), and how large one may be to fit. Octets of whole IP packets. */
import { espHeaderBytes } from '../crypto/espCipher.ts';
import type { EncrTransform, IntegTransform } from '../crypto/types.ts';
import { padLength } from './packet.ts';

/** What of a suite decides the size; an `EspCipher` is one. */
export interface EspShape {
  readonly ivBytes: number;
  readonly icvBytes: number;
  readonly alignment: number;
}

export function espShape(encr: EncrTransform, integ: IntegTransform | undefined): EspShape {
  // RFC 4303 §2.4: payload and trailer end at a multiple of 4 whatever the cipher.
  return { ivBytes: encr.ivBytes, icvBytes: integ?.icvBytes ?? encr.icvBytes, alignment: Math.max(4, encr.blockBytes) };
}

/** The packet on the wire for an inner one of `inner` octets; `family` is the outer one. */
export function outerSize(shape: EspShape, family: 4 | 6, inner: number): number {
  return overhead(shape, family) + inner + padLength(inner, shape.alignment) + trailerBytes;
}

/** The largest inner packet whose outer one has at most `outer` octets; 0 when none has. */
export function largestInner(shape: EspShape, family: 4 | 6, outer: number): number {
  const blocks = Math.floor((outer - overhead(shape, family)) / shape.alignment);
  return Math.max(0, blocks * shape.alignment - trailerBytes);
}

/** Pad length and next header. */
const trailerBytes = 2;
const udpHeaderBytes = 8;

function overhead({ ivBytes, icvBytes }: EspShape, family: 4 | 6): number {
  return (family === 4 ? 20 : 40) + udpHeaderBytes + espHeaderBytes + ivBytes + icvBytes;
}
