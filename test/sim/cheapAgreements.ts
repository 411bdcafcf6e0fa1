/** Key exchanges of the right lengths, and as secret as a postcard, in the shape of core/crypto/noble/{xdh,ecp}.ts and core/crypto/node/mlkem.ts. */
import type { Agreement, Encapsulation } from '../../core/crypto/agreement.ts';
import { mixed } from './mixing.ts';

/** The public value is the private one; the shared one is the sum of both, octet by octet. */
function agreement(publicBytes: number, sharedBytes: number): Agreement {
  return {
    start(random) {
      const secret = random(publicBytes);
      return { secret, publicValue: secret.slice() };
    },
    derive(secret, peer) {
      if (peer.length !== publicBytes) return { fault: 'length' };
      const shared = new Uint8Array(sharedBytes);
      for (let i = 0; i < sharedBytes; i++) shared[i] = secret[i] + peer[i];
      return shared;
    },
  };
}

/** The secret is what both have seen: the public value and the ciphertext that answers it. */
function encapsulation(keyBytes: number, ciphertextBytes: number): Encapsulation<Uint8Array> {
  const shared = (key: Uint8Array, ciphertext: Uint8Array) => mixed(32, key, [ciphertext]);
  return {
    start(random) {
      const publicValue = mixed(keyBytes, random(64), []);
      return { secret: publicValue, publicValue };
    },
    derive: (key, ciphertext) => (ciphertext.length === ciphertextBytes ? shared(key, ciphertext) : { fault: 'length' }),
    encapsulate(key) {
      if (key.length !== keyBytes) return { fault: 'length' };
      const ciphertext = mixed(ciphertextBytes, key, []);
      return { publicValue: ciphertext, shared: shared(key, ciphertext) };
    },
  };
}

export const xdhAgreements: ReadonlyMap<number, Agreement> = new Map([[31, agreement(32, 32)]]);
export const ecpAgreements: ReadonlyMap<number, Agreement> = new Map([[19, agreement(64, 32)]]);
export const mlkemEncapsulations: ReadonlyMap<number, Encapsulation<Uint8Array>> = new Map([
  [35, encapsulation(800, 768)],
  [36, encapsulation(1184, 1088)],
  [37, encapsulation(1568, 1568)],
]);
