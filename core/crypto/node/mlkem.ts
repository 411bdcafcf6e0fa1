/**
 * ML-KEM (FIPS 203) by OpenSSL through node:crypto, with the octets of draft-ietf-ipsecme-ikev2-mlkem: the initiator sends its encapsulation
 * key, the responder the ciphertext. Key pairs are made of a seed of our `random`; the 32 octets of an encapsulation are OpenSSL's own, since
 * Node has no way to give them. That the ciphertext is the right one for its secret is what every decapsulation checks by making it again.
 */
import { createPrivateKey, createPublicKey, decapsulate, encapsulate, type KeyObject } from 'node:crypto';
import { derBitString, derElement, derInteger, derOctetString, derOid, derSequence } from '../../bytes/derWriter.ts';
import type { Encapsulation } from '../agreement.ts';
import type { KeyExchangeFault, Random } from '../types.ts';

/** By IANA number of the key exchange method. */
export const mlkemEncapsulations: ReadonlyMap<number, Encapsulation<KeyObject>> = new Map([
  [35, mlkem({ oid: '2.16.840.1.101.3.4.4.1', keyBytes: 800, ciphertextBytes: 768 })],
  [36, mlkem({ oid: '2.16.840.1.101.3.4.4.2', keyBytes: 1184, ciphertextBytes: 1088 })],
  [37, mlkem({ oid: '2.16.840.1.101.3.4.4.3', keyBytes: 1568, ciphertextBytes: 1568 })],
]);

interface ParameterSet {
  readonly oid: string;
  readonly keyBytes: number;
  readonly ciphertextBytes: number;
}

/** FIPS 203 §7.1: d and z, 32 octets each. */
const SEED_BYTES = 64;
/** FIPS 203 §2.4: coefficients are integers modulo q. */
const Q = 3329;
/** FIPS 203 §4.2.1, §5: ρ follows the encoded polynomials. */
const RHO_BYTES = 32;

function mlkem({ oid, keyBytes, ciphertextBytes }: ParameterSet): Encapsulation<KeyObject> {
  const algorithm = derSequence(derOid(oid));

  function start(random: Random) {
    const seed = random(SEED_BYTES);
    // RFC 9935 §6: the private key as its seed alone, [0] IMPLICIT OCTET STRING.
    const der = derSequence(derInteger(0), algorithm, derOctetString(derElement(0x80, seed)));
    seed.fill(0);
    const secret = createPrivateKey({ key: bufferOf(der), format: 'der', type: 'pkcs8' });
    der.fill(0);
    const spki = createPublicKey(secret).export({ format: 'der', type: 'spki' });
    // The key is the end of the SubjectPublicKeyInfo.
    return { secret, publicValue: new Uint8Array(spki.subarray(spki.length - keyBytes)) };
  }

  /** A ciphertext that was tampered with gives a secret that nobody else has (FIPS 203 §6.3, implicit rejection). */
  function derive(secret: KeyObject, peer: Uint8Array): Uint8Array | KeyExchangeFault {
    // FIPS 203 §7.3: the ciphertext type check; the key is our own.
    if (peer.length !== ciphertextBytes) return { fault: 'length' };
    return taken(decapsulate(secret, bufferOf(peer)));
  }

  function encapsulateTo(peer: Uint8Array) {
    // FIPS 203 §7.2: the type check and the modulus check of the encapsulation key; OpenSSL does both, but does not say which failed.
    if (peer.length !== keyBytes) return { fault: 'length' } as const;
    if (!isReduced(peer.subarray(0, keyBytes - RHO_BYTES))) return { fault: 'range' } as const;
    const spki = bufferOf(derSequence(algorithm, derBitString(peer)));
    const { ciphertext, sharedKey } = encapsulate(createPublicKey({ key: spki, format: 'der', type: 'spki' }));
    return { publicValue: new Uint8Array(ciphertext), shared: taken(sharedKey) };
  }

  return { start, derive, encapsulate: encapsulateTo };
}

/** FIPS 203 §4.2.1 (ByteEncode with 12 bits): two coefficients in three octets, each of them below q. */
function isReduced(polynomials: Uint8Array): boolean {
  for (let at = 0; at + 2 < polynomials.length; at += 3) {
    const middle = polynomials[at + 1];
    if ((polynomials[at] | ((middle & 0x0f) << 8)) >= Q || ((middle >>> 4) | (polynomials[at + 2] << 4)) >= Q) return false;
  }
  return true;
}

/** A copy that its owner can wipe; Node's is overwritten here. */
function taken(shared: Buffer): Uint8Array {
  const copy = new Uint8Array(shared);
  shared.fill(0);
  return copy;
}

function bufferOf(octets: Uint8Array): Buffer {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
}
