/**
 * Verification by `node:crypto`, that is by the OpenSSL inside Node. Keys and sizes were checked by `signatures.ts`. `malformed-key`: OpenSSL does
 * not take the key, which after those checks means a point that is not on its curve.
 */
import { constants, createHash, createPublicKey, type KeyObject, publicDecrypt, verify } from 'node:crypto';
import { concat, equalBytes, fromHex } from '../../bytes/bytes.ts';
import { derBitString, derOid, derSequence } from '../../bytes/derWriter.ts';
import { ed448Oid, ed25519Oid } from '../algorithmIdentifier.ts';
import { curves, type EcKind, ecKeyOid, type RsaPublicKey } from '../publicKey.ts';
import type { SignatureHash } from '../signatureTypes.ts';

type Outcome = boolean | 'malformed-key';

/**
 * RFC 8017 §8.2.2: the block is not parsed but made anew and compared as a whole, so there is nothing where a forged one could hide anything
 * (Bleichenbacher 2006; CVE-2018-16152).
 */
export function verifyPkcs1(key: RsaPublicKey, hash: SignatureHash, message: Uint8Array, signature: Uint8Array): Outcome {
  const object = rsaObject(key);
  if (object === undefined) return 'malformed-key';
  let block: Uint8Array;
  try {
    block = publicDecrypt({ key: object, padding: constants.RSA_NO_PADDING }, signature);
  } catch {
    return false;
  }
  return equalBytes(block, encodedBlock(hash, message, key.modulus.length));
}

/** RFC 8017 §8.1.2 with MGF1 of the same hash and exactly this salt. */
export function verifyPss(
  key: RsaPublicKey,
  { hash, saltLength }: { readonly hash: SignatureHash; readonly saltLength: number },
  message: Uint8Array,
  signature: Uint8Array,
): Outcome {
  const object = rsaObject(key);
  if (object === undefined) return 'malformed-key';
  return attempt(() => verify(hash, message, { key: object, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, signature));
}

/** `signature` is r | s of the curve's length. */
export function verifyEcdsa(
  kind: EcKind,
  point: Uint8Array,
  hash: SignatureHash,
  message: Uint8Array,
  signature: Uint8Array,
): Outcome {
  const object = keyObject(derSequence(derSequence(derOid(ecKeyOid), derOid(curves[kind].oid)), derBitString(point)));
  if (object === undefined) return 'malformed-key';
  return attempt(() => verify(hash, message, { key: object, dsaEncoding: 'ieee-p1363' }, signature));
}

export function verifyEdwards(kind: 'ed25519' | 'ed448', key: Uint8Array, message: Uint8Array, signature: Uint8Array): Outcome {
  const oid = kind === 'ed25519' ? ed25519Oid : ed448Oid;
  const object = keyObject(derSequence(derSequence(derOid(oid)), derBitString(key)));
  if (object === undefined) return 'malformed-key';
  return attempt(() => verify(null, message, object, signature));
}

/** DER DigestInfo up to the digest, RFC 8017 §9.2 note 1. */
const digestInfo: Readonly<Record<SignatureHash, Uint8Array>> = {
  sha1: prefix('3021300906052b0e03021a05000414'),
  sha256: prefix('3031300d060960864801650304020105000420'),
  sha384: prefix('3041300d060960864801650304020205000430'),
  sha512: prefix('3051300d060960864801650304020305000440'),
};

/** EMSA-PKCS1-v1_5 (RFC 8017 §9.2): 00 01 FF … FF 00 DigestInfo. The keys are long enough for all four. */
function encodedBlock(hash: SignatureHash, message: Uint8Array, length: number): Uint8Array {
  const info = concat(digestInfo[hash], createHash(hash).update(message).digest());
  const block = new Uint8Array(length).fill(0xff);
  block.set([0, 1]);
  block.set(info, length - info.length);
  block[length - info.length - 1] = 0;
  return block;
}

function prefix(hex: string): Uint8Array {
  return fromHex(hex) ?? new Uint8Array(0);
}

function rsaObject({ pkcs1 }: RsaPublicKey): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(pkcs1), format: 'der', type: 'pkcs1' });
  } catch {
    return undefined;
  }
}

function keyObject(spki: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

function attempt(call: () => boolean): boolean {
  try {
    return call();
  } catch {
    return false; // OpenSSL's way of saying that r or s is out of range, among others
  }
}
