import type { ECDSA } from '@noble/curves/abstract/weierstrass.js';
import { brainpoolP256r1, brainpoolP384r1, brainpoolP512r1 } from '@noble/curves/misc.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { bytesToNumberBE } from '@noble/curves/utils.js';
import { concat } from '../../bytes/bytes.ts';
import type { Agreement } from '../agreement.ts';
import type { KeyExchangeFault, Random } from '../types.ts';

const uncompressed = Uint8Array.of(4);

/** ECDH over the prime curves of RFC 5903 (19–21) and RFC 6954 (28–30), all of cofactor 1; by IANA group number. */
export const ecpAgreements: ReadonlyMap<number, Agreement> = new Map([
  [19, ecpAgreement(p256)],
  [20, ecpAgreement(p384)],
  [21, ecpAgreement(p521)],
  [28, ecpAgreement(brainpoolP256r1)],
  [29, ecpAgreement(brainpoolP384r1)],
  [30, ecpAgreement(brainpoolP512r1)],
]);

function ecpAgreement(curve: ECDSA): Agreement {
  const { Point } = curve;
  const { Fp, Fn } = Point;

  function start(random: Random) {
    // FIPS 186-5 A.2.1: 64 bits more than the order, reduced to [1, n-1]; no rejection loop a broken source could keep running.
    const seed = random(curve.lengths.seed ?? 0);
    const secret = curve.utils.randomSecretKey(seed);
    seed.fill(0);
    // RFC 5903 §7: x | y, each padded to the field; SEC 1's leading 0x04 is not sent.
    return { secret, publicValue: curve.getPublicKey(secret, false).slice(1) };
  }

  function derive(secret: Uint8Array, peer: Uint8Array): Uint8Array | KeyExchangeFault {
    if (peer.length !== 2 * Fp.BYTES) return { fault: 'length' };
    const x = bytesToNumberBE(peer.subarray(0, Fp.BYTES));
    const y = bytesToNumberBE(peer.subarray(Fp.BYTES));
    if (x >= Fp.ORDER || y >= Fp.ORDER) return { fault: 'range' };
    let point: InstanceType<typeof Point>;
    try {
      // RFC 6989 §2.3: the curve equation. Length and range being right, it is the only thing left to fail.
      point = Point.fromBytes(concat(uncompressed, peer));
      point.assertValidity();
    } catch {
      return { fault: 'off-curve' };
    }
    // RFC 5903 §7: the secret is the x coordinate alone.
    return point
      .multiply(Fn.fromBytes(secret))
      .toBytes(false)
      .slice(1, 1 + Fp.BYTES);
  }

  return { start, derive };
}
