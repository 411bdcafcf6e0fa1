/** Signatures as no honest office makes them (SECURITY.md 6). */
import { constants, createHash, createPrivateKey, privateEncrypt } from 'node:crypto';
import { concat, fromHex } from '../../core/bytes/bytes.ts';
import { encodeSignatureAlgorithm } from '../../core/crypto/algorithmIdentifier.ts';
import { signingKey } from '../../core/crypto/node/sign.ts';
import { parsePublicKey } from '../../core/crypto/publicKey.ts';
import type { SignatureAlgorithm } from '../../core/crypto/signatureTypes.ts';
import { AUTH_METHOD } from '../../core/ike/wire/constants.ts';
import type { PayloadOf } from '../../core/ike/wire/message.ts';
import { algorithmsOf } from '../../core/pki/privateKey.ts';
import type { OfficeCertificate } from './config.ts';

/** DigestInfo of SHA-256 without its hash (RFC 8017 §9.2 note 1). */
const digestInfo = fromHex('3031300d060960864801650304020105000420') ?? new Uint8Array(0);
const sha256 = (octets: Uint8Array) => new Uint8Array(createHash('sha256').update(octets).digest());

/** What a key can sign with, the preferred first. */
export function algorithmsFor(publicKey: Uint8Array): readonly SignatureAlgorithm[] {
  const key = parsePublicKey(publicKey);
  if (!key.ok) throw new Error(`a key of the tests: ${key.error}`);
  return algorithmsOf(key.value);
}

/** A payload of method 14 with these octets before the signature. */
export function digital(identifier: Uint8Array, signature: Uint8Array, length = identifier.length): PayloadOf<'AUTH'> {
  return {
    kind: 'AUTH',
    method: AUTH_METHOD.DIGITAL_SIGNATURE,
    data: concat(Uint8Array.of(length), identifier, signature),
  };
}

export const pkcs1Sha256 = encodeSignatureAlgorithm({ kind: 'rsa-pkcs1', hash: 'sha256' });

export function sign({ pkcs8 }: OfficeCertificate, algorithm: SignatureAlgorithm, octets: Uint8Array): Uint8Array {
  const signature = signingKey(pkcs8)?.sign(algorithm, octets);
  if (!signature) throw new Error(`the key of the office does not sign by ${algorithm.kind}`);
  return signature;
}

/** The right hash, few octets of padding, and garbage to the end (Bleichenbacher 2006, CVE-2018-16152). */
export function garbageAfterHash(certificate: OfficeCertificate, octets: Uint8Array): Uint8Array {
  const front = concat(Uint8Array.of(0, 1), new Uint8Array(8).fill(0xff), Uint8Array.of(0), digestInfo, sha256(octets));
  return rawRsa(certificate, (length) => concat(front, new Uint8Array(length - front.length).fill(0x5a)));
}

/** The block as it should be: under an exponent of 1 it is its own signature. */
export function pkcs1Block(octets: Uint8Array, length: number): Uint8Array {
  const end = concat(digestInfo, sha256(octets));
  return concat(Uint8Array.of(0, 1), new Uint8Array(length - end.length - 3).fill(0xff), Uint8Array.of(0), end);
}

/** Well padded, and half of the hash. */
export function shortHash(certificate: OfficeCertificate, octets: Uint8Array): Uint8Array {
  const info = digestInfo.slice();
  info[1] -= 16;
  info[info.length - 1] -= 16;
  const end = concat(info, sha256(octets).subarray(0, 16));
  return rawRsa(certificate, (length) =>
    concat(Uint8Array.of(0, 1), new Uint8Array(length - end.length - 3).fill(0xff), Uint8Array.of(0), end),
  );
}

/**
 * Without any private key, for a public exponent of 3: the cube root of a block that begins as it should. Its cube agrees with the
 * block in all but the last two thirds, which is where a careless verifier does not look.
 */
export function cubeRoot(octets: Uint8Array, modulusOctets: number): Uint8Array {
  const front = concat(Uint8Array.of(0, 1), new Uint8Array(8).fill(0xff), Uint8Array.of(0), digestInfo, sha256(octets));
  const block = concat(front, new Uint8Array(modulusOctets - front.length).fill(0xff));
  const wanted = BigInt(`0x${Buffer.from(block).toString('hex')}`);
  let low = 0n;
  let high = 1n << BigInt(modulusOctets * 3);
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (middle ** 3n <= wanted) low = middle;
    else high = middle;
  }
  return new Uint8Array(Buffer.from(low.toString(16).padStart(modulusOctets * 2, '0'), 'hex'));
}

function rawRsa({ pkcs8 }: OfficeCertificate, block: (length: number) => Uint8Array): Uint8Array {
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  const length = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
  return new Uint8Array(privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, block(length)));
}
