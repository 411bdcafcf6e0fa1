import type { MontgomeryECDH } from '@noble/curves/abstract/montgomery.js';
import { x448 } from '@noble/curves/ed448.js';
import { x25519 } from '@noble/curves/ed25519.js';
import type { Agreement } from '../agreement.ts';
import type { KeyExchangeFault, Random } from '../types.ts';

/** X25519 (31) and X448 (32) of RFC 7748 as RFC 8031 uses them; by IANA group number. */
export const xdhAgreements: ReadonlyMap<number, Agreement> = new Map([
  [31, xdhAgreement(x25519, 32)],
  [32, xdhAgreement(x448, 56)],
]);

function xdhAgreement(curve: MontgomeryECDH, bytes: number): Agreement {
  function start(random: Random) {
    // RFC 7748 §5: any octets are a private key; clamping is part of the function.
    const secret = random(bytes);
    return { secret, publicValue: curve.getPublicKey(secret) };
  }

  function derive(secret: Uint8Array, peer: Uint8Array): Uint8Array | KeyExchangeFault {
    if (peer.length !== bytes) return { fault: 'length' };
    // RFC 8031 §3.2: the top bit of an X25519 value is masked and non-canonical values are accepted; noble's decoder does both.
    try {
      const shared = curve.getSharedSecret(secret, peer);
      // RFC 7748 §6.1, §6.2: all zero means a small-order point, and a secret that everybody knows. noble throws for it; this line does not rely on that.
      return shared.every((octet) => octet === 0) ? { fault: 'zero' } : shared;
    } catch {
      // Lengths are right, so the one cause left is a small-order point.
      return { fault: 'zero' };
    }
  }

  return { start, derive };
}
