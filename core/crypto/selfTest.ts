import { equalConstantTime, fromHex, toHex } from '../bytes/bytes.ts';
import { err, ok, type Result } from '../bytes/result.ts';
import { answerKeyExchange, startKeyExchange } from './ke.ts';
import { prf } from './prf.ts';
import { recordCipher } from './record.ts';
import { hmacVectors, type KeyExchangeVector, keyExchangeVectors, type RecordVector, recordVectors } from './selfTestVectors.ts';
import { byKeyword, findKe, findPrf } from './transforms.ts';
import type { KeTransform } from './types.ts';

/** `test` names the primitive whose known answer did not come out, e.g. `AES_GCM_16 128`. */
export interface SelfTestFault {
  readonly code: 'self-test';
  readonly test: string;
}

/** What the self-test compares with. Only its own tests give another set, to see it fail. */
export interface KnownAnswers {
  /** HMAC of `hmacVectors.data` by PRF transform id. */
  readonly hmacs: ReadonlyMap<number, string>;
  readonly records: readonly RecordVector[];
  readonly keyExchanges: readonly KeyExchangeVector[];
}

const knownAnswers: KnownAnswers = { hmacs: hmacVectors.outputs, records: recordVectors, keyExchanges: keyExchangeVectors };

/** X25519, ECP_256, ECP_384, MODP_2048: what gateways mostly choose; ML-KEM-768 beside them. */
const commonGroups: readonly number[] = [31, 19, 20, 14, 36];

/** Symmetric code is compiled after a few calls; the curves' tables of the base point are built by one. */
const symmetricRounds = 8;
const keyExchangeRounds = 1;

/**
 * Runs the known-answer tests through the functions IKE uses. It is the start-up self-test, and it makes the first connection quick: the
 * first use of a curve builds tables for 25–110 ms, the first use of a cipher takes milliseconds instead of tenths.
 * `groups` are IANA key exchange methods beyond which nothing asymmetric is warmed; those without a known answer
 * (15–18, which share all code with 14) are passed over.
 */
export function warmUp(
  groups: readonly number[] = commonGroups,
  answers: Partial<KnownAnswers> = {},
): Result<void, SelfTestFault> {
  const { hmacs, records, keyExchanges } = { ...knownAnswers, ...answers };
  for (let round = 0; round < symmetricRounds; round++) {
    for (const [id, output] of hmacs) if (!hmacHolds(id, output)) return failed(`HMAC ${findPrf(id)?.hash}`);
    for (const vector of records) if (!recordHolds(vector)) return failed(`record ${vector.encr}`);
  }
  for (const vector of keyExchanges) {
    if (!groups.includes(vector.id)) continue;
    for (let round = 0; round < keyExchangeRounds; round++)
      if (!keyExchangeHolds(vector)) return failed(`key exchange ${vector.id}`);
  }
  return ok(undefined);
}

function failed(test: string): Result<void, SelfTestFault> {
  return err({ code: 'self-test', test });
}

function hmacHolds(id: number, output: string): boolean {
  const transform = findPrf(id);
  return transform !== undefined && toHex(prf(transform, octets(hmacVectors.key), octets(hmacVectors.data))) === output;
}

function recordHolds(vector: RecordVector): boolean {
  const encr = byKeyword(vector.encr);
  const integ = vector.integ === undefined ? undefined : byKeyword(vector.integ);
  if (encr?.type !== 1 || (integ !== undefined && integ.type !== 3)) return false;
  const cipher = recordCipher(encr, integ, octets(vector.key), new Uint8Array(integ?.keyBytes ?? 0));
  const iv = octets(vector.iv);
  const aad = octets(vector.aad);
  const sealed = cipher.seal(iv, aad, octets(vector.plaintext));
  if (!toHex(sealed).startsWith(vector.sealed) || sealed.length !== vector.plaintext.length / 2 + cipher.icvBytes) return false;
  const opened = cipher.open(iv, aad, sealed);
  if (opened === undefined || toHex(opened) !== vector.plaintext) return false;
  // A cipher that accepts everything is the worst fault of all.
  const last = sealed.length - 1;
  sealed[last] ^= 1;
  return cipher.open(iv, aad, sealed) === undefined;
}

function keyExchangeHolds(vector: KeyExchangeVector): boolean {
  const transform = findKe(vector.id);
  if (transform === undefined) return false;
  const exchange = startKeyExchange(transform, (length) => octets(vector.random.padStart(2 * length, '0')));
  const shared = exchange.derive(vector.peer === undefined ? exchange.publicValue : octets(vector.peer));
  return (
    shared instanceof Uint8Array &&
    shared.length === transform.sharedBytes &&
    exchange.publicValue.length === transform.publicBytes &&
    toHex(exchange.publicValue).endsWith(vector.publicTail) &&
    toHex(shared).endsWith(vector.sharedTail) &&
    (vector.kem !== true || bothSidesAgree(transform))
  );
}

/** A KEM has another part for the responder; decapsulation makes its ciphertext once more and compares (FIPS 203 §6.3), so this sees both. */
function bothSidesAgree(transform: KeTransform): boolean {
  const initiator = startKeyExchange(transform, (length) => new Uint8Array(length).fill(7));
  const answered = answerKeyExchange(transform, initiator.publicValue, (length) => new Uint8Array(length).fill(9));
  if (!('shared' in answered)) return false;
  const shared = initiator.derive(answered.publicValue);
  return shared instanceof Uint8Array && equalConstantTime(shared, answered.shared);
}

function octets(hex: string): Uint8Array {
  const value = fromHex(hex);
  if (value === undefined) throw new Error(`not hex: ${hex}`);
  return value;
}
