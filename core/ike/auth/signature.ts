/**
 * AUTH by a signature over the octets of RFC 7296 §2.15, both directions:
 *
 *   14       Digital Signature (RFC 7427): AlgorithmIdentifier before the signature; Ed25519 and Ed448 by RFC 8420
 *   9 10 11  ECDSA with P-256, P-384, P-521 and their hashes, r | s (RFC 4754)
 *   1        RSA PKCS#1 v1.5 (RFC 7296 §3.8), for gateways that never heard of RFC 7427
 *
 * SHA-1 is taken in one case alone: method 1 of a gateway that did not announce hashes, where nothing else exists (§3.8: it is
 * the default there). That the announcement was not cut out on the way is what this very signature proves.
 */
import { concat } from '../../bytes/bytes.ts';
import { encodeSignatureAlgorithm, readSignatureAlgorithm } from '../../crypto/algorithmIdentifier.ts';
import { parsePublicKey } from '../../crypto/publicKey.ts';
import { verifySignature } from '../../crypto/signatures.ts';
import type { PublicKeyKind, SignatureAlgorithm, SignatureFault, SignatureHash } from '../../crypto/signatureTypes.ts';
import type { IkeFailure } from '../sa/contract.ts';
import { AUTH_METHOD, HASH_ALGORITHM, nameOf } from '../wire/constants.ts';
import type { PayloadOf } from '../wire/message.ts';
import { algorithmText, type TakenMethod, takesMethod, takesSignature } from './takenMethods.ts';

/** Contents of our SIGNATURE_HASH_ALGORITHMS (RFC 7427 §4, RFC 8420 §2). SHA-1 is not among them. */
export const announcedHashes: Uint8Array = Uint8Array.from(
  [HASH_ALGORITHM.SHA2_256, HASH_ALGORITHM.SHA2_384, HASH_ALGORITHM.SHA2_512, HASH_ALGORITHM.IDENTITY].flatMap((id) => [
    id >>> 8,
    id,
  ]),
);

/** Contents of the peer's; an odd last octet says nothing. */
export function readHashes(data: Uint8Array): ReadonlySet<number> {
  const hashes = new Set<number>();
  for (let at = 0; at + 1 < data.length && hashes.size < 64; at += 2) hashes.add((data[at] << 8) | data[at + 1]);
  return hashes;
}

/** How we sign for this peer. */
export interface OwnSignature {
  readonly algorithm: SignatureAlgorithm;
  /** The payload that carries the signature. */
  readonly payload: (signature: Uint8Array) => PayloadOf<'AUTH'>;
}

/**
 * `algorithms` are what the key can do, `hashes` what the peer announced, if anything, `taken` what it says that it takes besides (RFC 9593):
 * of several that suit the hashes one that is taken. Undefined: nothing suits both.
 */
export function chooseSignature(
  algorithms: readonly SignatureAlgorithm[],
  hashes: ReadonlySet<number> | undefined,
  taken?: readonly TakenMethod[],
): OwnSignature | undefined {
  if (!hashes) {
    const suited = taken && classicSignature(algorithms, taken);
    return suited ?? classicSignature(algorithms);
  }
  // RFC 7427 §3: with announcements of both sides this method MUST be used, and one of the peer's hashes.
  const able = algorithms.filter((one) => hashes.has(hashIdOf(one)) && hashNameOf(one) !== 'sha1' && isInX509Form(one));
  const algorithm = able.find((one) => taken && takesSignature(taken, one)) ?? able[0];
  if (!algorithm) return undefined;
  const identifier = encodeSignatureAlgorithm(algorithm);
  const prefix = concat(Uint8Array.of(identifier.length), identifier);
  return { algorithm, payload: (signature) => auth(AUTH_METHOD.DIGITAL_SIGNATURE, concat(prefix, signature)) };
}

/** Why there is nothing to choose, for people. */
export function signatureMismatch(algorithms: readonly SignatureAlgorithm[], hashes: ReadonlySet<number> | undefined): string {
  const ours = [...new Set(algorithms.map(algorithmText))].join(', ');
  const theirs = hashes ? [...hashes].map((id) => nameOf(HASH_ALGORITHM, id)).join(', ') : 'RSA and ECDSA';
  return `the gateway takes signatures with ${theirs || 'no hash'}, and the own key makes ${ours || 'none'}`;
}

/** Undefined: the signature is the peer's. `announced`: the peer sent SIGNATURE_HASH_ALGORITHMS. */
export function signatureFailure(
  { method, data }: PayloadOf<'AUTH'>,
  publicKey: Uint8Array,
  octets: Uint8Array,
  announced: boolean,
): IkeFailure | undefined {
  switch (method) {
    case AUTH_METHOD.DIGITAL_SIGNATURE:
      return digitalSignatureFailure(data, publicKey, octets);
    case AUTH_METHOD.ECDSA_256:
    case AUTH_METHOD.ECDSA_384:
    case AUTH_METHOD.ECDSA_521:
      return ecdsaFailure(method, data, publicKey, octets);
    case AUTH_METHOD.RSA:
      return rsaFailure(data, publicKey, octets, announced);
    default:
      return { code: 'auth-method-mismatch', evidence: `AUTH method ${nameOf(AUTH_METHOD, method)}, not a signature,` };
  }
}

/** RFC 4754 §3: curve and hash go together. */
const ecdsaMethods: ReadonlyMap<number, { readonly hash: SignatureHash; readonly key: PublicKeyKind }> = new Map([
  [AUTH_METHOD.ECDSA_256, { hash: 'sha256', key: 'p256' }],
  [AUTH_METHOD.ECDSA_384, { hash: 'sha384', key: 'p384' }],
  [AUTH_METHOD.ECDSA_521, { hash: 'sha512', key: 'p521' }],
]);

const hashIds: Readonly<Record<SignatureHash, number>> = {
  sha1: HASH_ALGORITHM.SHA1,
  sha256: HASH_ALGORITHM.SHA2_256,
  sha384: HASH_ALGORITHM.SHA2_384,
  sha512: HASH_ALGORITHM.SHA2_512,
};

function classicSignature(algorithms: readonly SignatureAlgorithm[], taken?: readonly TakenMethod[]): OwnSignature | undefined {
  const takes = (method: number) => !taken || takesMethod(taken, method);
  for (const algorithm of algorithms) {
    if (algorithm.kind !== 'ecdsa' || algorithm.format !== 'p1363') continue;
    for (const [method, { hash }] of ecdsaMethods)
      if (hash === algorithm.hash && takes(method)) return { algorithm, payload: (signature) => auth(method, signature) };
  }
  if (!takes(AUTH_METHOD.RSA)) return undefined;
  const rsa = algorithms.filter((one) => one.kind === 'rsa-pkcs1');
  // RFC 7296 §3.8: SHA-1 is the default here, and gateways of that age know no other.
  const algorithm = rsa.find(({ hash }) => hash === 'sha1') ?? rsa[0];
  return algorithm && { algorithm, payload: (signature) => auth(AUTH_METHOD.RSA, signature) };
}

function digitalSignatureFailure(data: Uint8Array, publicKey: Uint8Array, octets: Uint8Array): IkeFailure | undefined {
  // RFC 7427 §3: the length of the AlgorithmIdentifier, the AlgorithmIdentifier, the signature.
  const length = data[0] ?? 0;
  if (length > 0 && 1 + length === data.length) return refused('AUTH without a signature behind its algorithm');
  if (length === 0 || 1 + length > data.length) return refused(`AUTH with an algorithm of ${length} of ${data.length} octets`);
  const algorithm = readSignatureAlgorithm(data.subarray(1, 1 + length));
  if (!algorithm) return refused('AUTH with an algorithm identifier that is not known');
  if (hashNameOf(algorithm) === 'sha1') return refused('AUTH with SHA-1, which was not announced,');
  return faultFailure(
    verifySignature(algorithm, publicKey, octets, data.subarray(1 + length)),
    `AUTH by ${algorithmText(algorithm)}`,
  );
}

function ecdsaFailure(method: number, data: Uint8Array, publicKey: Uint8Array, octets: Uint8Array): IkeFailure | undefined {
  const wanted = ecdsaMethods.get(method);
  const key = parsePublicKey(publicKey);
  const name = `AUTH by ${nameOf(AUTH_METHOD, method)}`;
  if (!wanted || !key.ok) return refused(`${name}: ${key.ok ? 'unsupported' : key.error}`);
  if (key.value.kind !== wanted.key) return refused(`${name} with a key of ${key.value.kind}`);
  return faultFailure(verifySignature({ kind: 'ecdsa', hash: wanted.hash, format: 'p1363' }, publicKey, octets, data), name);
}

/** The hash is inside the signature, so each that is allowed is tried; a verification costs a fraction of a millisecond. */
function rsaFailure(data: Uint8Array, publicKey: Uint8Array, octets: Uint8Array, announced: boolean): IkeFailure | undefined {
  const verify = (hash: SignatureHash) => verifySignature({ kind: 'rsa-pkcs1', hash }, publicKey, octets, data);
  let fault: SignatureFault | undefined = 'does-not-verify';
  for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
    fault = verify(hash);
    if (fault !== 'does-not-verify') return faultFailure(fault, 'AUTH by RSA');
  }
  const old = verify('sha1');
  if (old === undefined && announced) return refused('AUTH by RSA with SHA-1 although better hashes were agreed');
  return faultFailure(old, 'AUTH by RSA');
}

function faultFailure(fault: SignatureFault | undefined, what: string): IkeFailure | undefined {
  if (fault === undefined) return undefined;
  if (fault === 'does-not-verify') return { code: 'gateway-authentication-failed', evidence: `${what} does not verify` };
  return refused(`${what}: ${fault}`);
}

function refused(evidence: string): IkeFailure {
  return { code: 'gateway-signature-refused', evidence };
}

function auth(method: number, data: Uint8Array): PayloadOf<'AUTH'> {
  return { kind: 'AUTH', method, data };
}

/** RFC 8420 §2: the Edwards curves sign the octets themselves, which is called the "Identity" hash. */
function hashIdOf(algorithm: SignatureAlgorithm): number {
  const hash = hashNameOf(algorithm);
  return hash === undefined ? HASH_ALGORITHM.IDENTITY : hashIds[hash];
}

function hashNameOf(algorithm: SignatureAlgorithm): SignatureHash | undefined {
  return 'hash' in algorithm ? algorithm.hash : undefined;
}

/** What stands beside an AlgorithmIdentifier is in the form certificates have it. */
function isInX509Form(algorithm: SignatureAlgorithm): boolean {
  return algorithm.kind !== 'ecdsa' || algorithm.format === 'der';
}
