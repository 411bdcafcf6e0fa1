/** Key exchanges of the right lengths, and as secret as a postcard, in the shape of core/crypto/noble/{xdh,ecp}.ts. */
import type { Agreement } from '../../core/crypto/agreement.ts';

/** The public value is the private one; the shared one is the sum of both, octet by octet. */
function agreement(publicBytes: number, sharedBytes: number): Agreement {
  return {
    start(random) {
      const secret = random(publicBytes);
      return { secret, publicValue: secret.slice() };
    },
    derive(secret, peer) {
      if (peer.length !== publicBytes) return { fault: 'length' };
      return Uint8Array.from({ length: sharedBytes }, (_, i) => (secret[i] + peer[i]) & 0xff);
    },
  };
}

export const xdhAgreements: ReadonlyMap<number, Agreement> = new Map([[31, agreement(32, 32)]]);
export const ecpAgreements: ReadonlyMap<number, Agreement> = new Map([[19, agreement(64, 32)]]);
