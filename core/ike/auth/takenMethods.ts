/**
 * SUPPORTED_AUTH_METHODS (RFC 9593): how a side lets the other prove itself. The gateway's comes in IKE_SA_INIT, or in IKE_INTERMEDIATE where it
 * is long, before anything is proven, and AUTH covers it later: it is advice for choosing, and never a reason to end. Ours goes with IKE_AUTH, to a gateway that
 * sent one. Each announcement is a length, an AUTH method, then a CERTREQ it is linked to (0: any) and an AlgorithmIdentifier.
 */
import { concat, equalBytes } from '../../bytes/bytes.ts';
import { Reader } from '../../bytes/reader.ts';
import { encodeSignatureAlgorithm, readSignatureAlgorithm } from '../../crypto/algorithmIdentifier.ts';
import type { SignatureAlgorithm, SignatureHash } from '../../crypto/signatureTypes.ts';
import { AUTH_METHOD, NOTIFY, nameOf } from '../wire/constants.ts';
import type { Payload } from '../wire/message.ts';
import { allNotifies, notify } from '../wire/payloads.ts';
import type { GatewayAuth } from './contract.ts';

export interface TakenMethod {
  readonly method: number;
  /** Of method 14: undefined is any, or one that is not known here. */
  readonly algorithm?: SignatureAlgorithm;
  /** It names an algorithm that is not known here. */
  readonly unknown?: true;
}

/** More than anybody can mean; those after them are not looked at. */
const MAX_METHODS = 256;

/** Of all notifies of a message (RFC 9593 §3.2); undefined when it has none, or none with anything in it. */
export function readTakenMethods(payloads: readonly Payload[]): readonly TakenMethod[] | undefined {
  const taken: TakenMethod[] = [];
  for (const { data } of allNotifies(payloads, NOTIFY.SUPPORTED_AUTH_METHODS)) {
    const reader = new Reader(data);
    while (reader.remaining > 0 && taken.length < MAX_METHODS) {
      const length = reader.u8();
      const method = reader.u8();
      const rest = length < 2 || reader.short ? undefined : reader.bytes(length - 2);
      // What is cut short says nothing, nor does what is behind it.
      if (rest === undefined || reader.short) break;
      taken.push(takenMethod(method, rest));
    }
  }
  return taken.length > 0 ? taken : undefined;
}

/** `rest` is empty, a link, or a link and an AlgorithmIdentifier. We have one certificate to show, so links do not choose. */
function takenMethod(method: number, rest: Uint8Array): TakenMethod {
  if (method !== AUTH_METHOD.DIGITAL_SIGNATURE || rest.length < 2) return { method };
  const algorithm = readSignatureAlgorithm(rest.subarray(1));
  return algorithm ? { method, algorithm } : { method, unknown: true };
}

/** The notify that says this. */
export function takenMethodsNotify(taken: readonly TakenMethod[]): Payload {
  const announcements = taken.map(({ method, algorithm }) => {
    const rest = method === AUTH_METHOD.SHARED_KEY ? [] : [0, ...(algorithm ? encodeSignatureAlgorithm(algorithm) : [])];
    return Uint8Array.of(2 + rest.length, method, ...rest);
  });
  return notify(NOTIFY.SUPPORTED_AUTH_METHODS, concat(...announcements));
}

const HASHES: readonly SignatureHash[] = ['sha256', 'sha384', 'sha512'];

/** What `signatureFailure` takes of a gateway that knows RFC 7427. */
const TAKEN_SIGNATURES: readonly SignatureAlgorithm[] = [
  { kind: 'ed25519' },
  { kind: 'ed448' },
  ...HASHES.map((hash) => ({ kind: 'ecdsa', hash, format: 'der' }) as const),
  ...HASHES.map((hash, index) => ({ kind: 'rsa-pss', hash, saltLength: 32 + 16 * index }) as const),
  ...HASHES.map((hash) => ({ kind: 'rsa-pkcs1', hash }) as const),
];

/** How a gateway that is to be proven like this may prove itself. */
export function takenOf(gateway: GatewayAuth): readonly TakenMethod[] {
  if (gateway.method === 'psk') return [{ method: AUTH_METHOD.SHARED_KEY }];
  return TAKEN_SIGNATURES.map((algorithm) => ({ method: AUTH_METHOD.DIGITAL_SIGNATURE, algorithm }));
}

export function takesMethod(taken: readonly TakenMethod[], method: number): boolean {
  return taken.some((one) => one.method === method);
}

export function takesSignature(taken: readonly TakenMethod[], algorithm: SignatureAlgorithm): boolean {
  const identifier = encodeSignatureAlgorithm(algorithm);
  return taken.some((one) => {
    if (one.method !== AUTH_METHOD.DIGITAL_SIGNATURE || one.unknown) return false;
    return !one.algorithm || equalBytes(encodeSignatureAlgorithm(one.algorithm), identifier);
  });
}

/** `SHARED_KEY, rsa-pss with sha256`, for people. */
export function takenText(taken: readonly TakenMethod[]): string {
  const names = taken.map(({ method, algorithm, unknown }) => {
    if (algorithm) return algorithmText(algorithm);
    return unknown ? 'a signature that is not known here' : nameOf(AUTH_METHOD, method);
  });
  return [...new Set(names)].slice(0, 12).join(', ');
}

/** `ecdsa with sha256`, for the log and evidence. */
export function algorithmText(algorithm: SignatureAlgorithm): string {
  return 'hash' in algorithm ? `${algorithm.kind} with ${algorithm.hash}` : algorithm.kind;
}
