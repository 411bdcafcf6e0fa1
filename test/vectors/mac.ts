import { equalConstantTime } from '../../core/bytes/bytes.ts';
import { integ, prf } from '../../core/crypto/prf.ts';
import { findInteg, findPrf } from '../../core/crypto/transforms.ts';
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

interface MacTest extends WycheproofTest {
  readonly key: string;
  readonly msg: string;
  readonly tag: string;
}

interface MacGroup {
  readonly keySize: number;
  readonly tagSize: number;
  readonly tests: readonly MacTest[];
}

/** HMAC files: whole tags through `prf` (keys of any size), tags of the table's length through `integ`. */
export function* runMac(folder: string, name: string, prfId: number, integId: number): Generator<CaseResult> {
  for (const group of readVectors<MacGroup>(folder, name).testGroups) {
    const compute = pick(group, prfId, integId);
    for (const test of group.tests) {
      yield { suite: name, case: test.tcId, ...(typeof compute === 'string' ? skipped(compute) : judge(test, compute)) };
    }
  }
}

type Compute = (key: Uint8Array, message: Uint8Array) => Uint8Array;

/** What computes this group's tags, or why nothing of ours does. */
function pick(group: MacGroup, prfId: number, integId: number): Compute | string {
  const prfTransform = findPrf(prfId);
  const integTransform = findInteg(integId);
  if (prfTransform === undefined || integTransform === undefined) return 'not in the table';
  if (group.tagSize === prfTransform.outBytes * 8) return (key, message) => prf(prfTransform, key, message);
  if (group.tagSize !== integTransform.icvBytes * 8) return `tag of ${group.tagSize} bits is not in the table`;
  // RFC 4868 §2.1.1: other key lengths MUST NOT be supported.
  if (group.keySize !== integTransform.keyBytes * 8) return `integrity key of ${group.keySize} bits is not in the table`;
  return (key, message) => integ(integTransform, key, message);
}

function judge(test: MacTest, compute: Compute): Verdict {
  const equal = equalConstantTime(compute(fromHexStrict(test.key), fromHexStrict(test.msg)), fromHexStrict(test.tag));
  if (test.result === 'valid') return equal ? passed('equal') : failed('another tag came out');
  return equal ? failed('a wrong tag was accepted') : passed('refused');
}
