import { equalBytes, toHex } from '../../core/bytes/bytes.ts';
import { startKeyExchange } from '../../core/crypto/ke.ts';
import { type EcKind, parsePublicKey } from '../../core/crypto/publicKey.ts';
import { findKe } from '../../core/crypto/transforms.ts';
import type { KeTransform, Random } from '../../core/crypto/types.ts';
import {
  type CaseResult,
  failed,
  fromHexStrict,
  passed,
  readVectors,
  skipped,
  type Verdict,
  type WycheproofTest,
} from './wycheproof.ts';

interface DhTest extends WycheproofTest {
  readonly public: string;
  readonly private: string;
  readonly shared: string;
}

interface DhGroup {
  readonly tests: readonly DhTest[];
}

/** Curves whose file has SPKI keys. */
const brainpoolCurves: ReadonlyMap<number, EcKind> = new Map([
  [28, 'brainpoolP256r1'],
  [29, 'brainpoolP384r1'],
  [30, 'brainpoolP512r1'],
]);

/** X25519 and X448 through `startKeyExchange`: the private key of the case is what `random` gives. */
export function* runXdh(folder: string, name: string, keId: number): Generator<CaseResult> {
  const transform = keTransform(keId);
  for (const group of readVectors<DhGroup>(folder, name).testGroups) {
    for (const test of group.tests) yield { suite: name, case: test.tcId, ...judgeXdh(transform, test) };
  }
}

/** SEC 1 points; the prefix 04 is taken off, because RFC 5903 §7 sends x | y alone. */
export function* runEcPoint(folder: string, name: string, keId: number): Generator<CaseResult> {
  const transform = keTransform(keId);
  for (const group of readVectors<DhGroup>(folder, name).testGroups) {
    for (const test of group.tests) {
      yield { suite: name, case: test.tcId, ...judgePoint(transform, test, fromHexStrict(test.public)) };
    }
  }
}

/** Keys as SPKI, read as those of certificates are; IKEv2 itself sends the bare point. */
export function* runEcSpki(folder: string, name: string, keId: number): Generator<CaseResult> {
  const transform = keTransform(keId);
  for (const group of readVectors<DhGroup>(folder, name).testGroups) {
    for (const test of group.tests) yield { suite: name, case: test.tcId, ...judgeSpki(transform, test) };
  }
}

function keTransform(id: number): KeTransform {
  const transform = findKe(id);
  if (transform === undefined) throw new Error(`group ${id} is not in the table`);
  return transform;
}

/**
 * What `acceptable` means here, by flag. Wycheproof leaves these to the protocol:
 * - ZeroSharedSecret: must be refused; the secret would be known to everybody (RFC 7748 §6.1, RFC 8031 by reference).
 * - NonCanonicalPublic: must be accepted (RFC 8031 §3.2: "implementations MUST accept non-canonical values").
 * - Twist, LowOrderPublic without a zero secret, SmallPublicKey and the like: must be accepted; RFC 8031 §3.2 asks for no
 *   other test and the ladder is safe on the twist (RFC 7748 §7).
 * So the shared secret decides: all zero is refused, everything else gives the exact result.
 */
function judgeXdh(transform: KeTransform, test: DhTest): Verdict {
  const expected = fromHexStrict(test.shared);
  const refuse = test.result === 'invalid' || (test.result === 'acceptable' && expected.every((octet) => octet === 0));
  return judgeDerive(transform, () => fromHexStrict(test.private), fromHexStrict(test.public), refuse ? undefined : expected);
}

/**
 * A point as SEC 1 writes it. The prefix 04 comes off; every other form (compressed, infinity, empty) has no encoding in RFC 5903 §7 and is given
 * to `derive` as it is and without its prefix: both must be refused, also where the file says `acceptable` (CompressedPublic).
 */
function judgePoint(transform: KeTransform, test: DhTest, point: Uint8Array): Verdict {
  const random = scalarAsRandom(test.private);
  if (point[0] !== 4) {
    if (test.result === 'valid') return skipped('no encoding for this form of point in IKEv2');
    const whole = judgeDerive(transform, random, point, undefined);
    return whole.outcome === 'passed' ? judgeDerive(transform, random, point.subarray(1), undefined) : whole;
  }
  return judgeDerive(transform, random, point.subarray(1), test.result === 'invalid' ? undefined : fromHexStrict(test.shared));
}

function judgeSpki(transform: KeTransform, test: DhTest): Verdict {
  const curve = brainpoolCurves.get(transform.id);
  const key = parsePublicKey(fromHexStrict(test.public));
  if (!key.ok || key.value.kind !== curve || !('point' in key.value)) {
    const why = key.ok ? `a key of ${key.value.kind}` : key.error;
    return test.result === 'valid' ? failed(`a good key was refused: ${why}`) : passed(`refused: ${why}`);
  }
  const random = scalarAsRandom(test.private);
  const point = key.value.point.subarray(1);
  if (test.result === 'invalid') return judgeDerive(transform, random, point, undefined);
  const verdict = judgeDerive(transform, random, point, fromHexStrict(test.shared));
  if (test.result === 'valid' || verdict.outcome === 'passed') return verdict;
  // `acceptable`: it may be refused, but if it is taken the secret must be right.
  return judgeDerive(transform, random, point, undefined);
}

/** `expected` undefined: the value must be refused. */
function judgeDerive(transform: KeTransform, random: Random, peer: Uint8Array, expected: Uint8Array | undefined): Verdict {
  const shared = startKeyExchange(transform, random).derive(peer);
  if (!(shared instanceof Uint8Array)) {
    return expected === undefined ? passed(`refused: ${shared.fault}`) : failed(`a good value was refused: ${shared.fault}`);
  }
  if (expected === undefined) return failed('a bad value was accepted');
  return equalBytes(shared, expected) ? passed('equal') : failed(`another secret came out: ${toHex(shared)}`);
}

/**
 * The private key d by way of `random`. Our exchange reduces n-bit-and-64-more random octets to (value mod (n-1)) + 1, so d-1 gives d;
 * every d of the files is in [1, n-1].
 */
function scalarAsRandom(privateHex: string): Random {
  const seed = (BigInt(`0x${privateHex}`) - 1n).toString(16);
  return (length) => fromHexStrict(seed.padStart(2 * length, '0'));
}
