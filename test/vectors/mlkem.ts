import { equalBytes, toHex } from '../../core/bytes/bytes.ts';
import { answerKeyExchange, startKeyExchange } from '../../core/crypto/ke.ts';
import { findKe } from '../../core/crypto/transforms.ts';
import type { KeTransform } from '../../core/crypto/types.ts';
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

interface KemTest extends WycheproofTest {
  readonly seed?: string;
  readonly ek: string;
  readonly c?: string;
  readonly K?: string;
}

type Kind = 'decaps' | 'encaps' | 'keygen';

/** One file of ML-KEM through `startKeyExchange` and `answerKeyExchange`; the seed of the case is what `random` gives. */
export function* runMlkem(folder: string, name: string, keId: number, kind: Kind): Generator<CaseResult> {
  const transform = findKe(keId);
  if (transform === undefined) throw new Error(`key exchange ${keId} is not in the table`);
  for (const group of readVectors<{ readonly tests: readonly KemTest[] }>(folder, name).testGroups) {
    for (const test of group.tests) yield { suite: name, case: test.tcId, ...judge(transform, test, kind) };
  }
}

function judge(transform: KeTransform, test: KemTest, kind: Kind): Verdict {
  return kind === 'encaps' ? judgeKey(transform, test) : judgePair(transform, test);
}

/** The key pair of the seed, and what comes of the ciphertext where there is one. */
function judgePair(transform: KeTransform, test: KemTest): Verdict {
  const seed = fromHexStrict(test.seed ?? '');
  // FIPS 203 §7.1 makes 64 octets of randomness; that is what is asked of `random`, so no other length can come.
  if (seed.length !== 64) return skipped(`a seed of ${seed.length} octets`);
  const exchange = startKeyExchange(transform, () => seed);
  const ek = toHex(exchange.publicValue);
  if (ek !== test.ek && test.result === 'valid') return failed(`another encapsulation key came out: ${ek}`);
  if (test.c === undefined) return ek === test.ek ? passed('equal') : failed('a bad key was accepted');
  const shared = exchange.derive(fromHexStrict(test.c));
  if (!(shared instanceof Uint8Array))
    return test.result === 'valid'
      ? failed(`a good ciphertext was refused: ${shared.fault}`)
      : passed(`refused: ${shared.fault}`);
  if (test.result !== 'valid') return failed('a bad ciphertext was accepted');
  const right = equalBytes(shared, fromHexStrict(test.K ?? ''));
  return right ? passed('equal') : failed(`another secret came out: ${toHex(shared)}`);
}

/** Encapsulation draws its own octets, so of the answer only the sizes can be held against the table. */
function judgeKey(transform: KeTransform, test: KemTest): Verdict {
  const answered = answerKeyExchange(transform, fromHexStrict(test.ek), () => new Uint8Array(0));
  if ('fault' in answered)
    return test.result === 'valid' ? failed(`a good key was refused: ${answered.fault}`) : passed(`refused: ${answered.fault}`);
  if (test.result !== 'valid') return failed('a bad key was accepted');
  const { publicValue, shared } = answered;
  const right = publicValue.length === transform.answerBytes && shared.length === transform.sharedBytes;
  return right ? passed('taken') : failed(`an answer of ${publicValue.length} octets`);
}
