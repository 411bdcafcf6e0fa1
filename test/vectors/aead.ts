import { concat, equalBytes } from '../../core/bytes/bytes.ts';
import { recordCipher } from '../../core/crypto/record.ts';
import { findEncr } from '../../core/crypto/transforms.ts';
import type { EncrTransform } from '../../core/crypto/types.ts';
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

export interface AeadTest extends WycheproofTest {
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
}

export interface AeadGroup {
  readonly ivSize: number;
  readonly keySize: number;
  readonly tagSize: number;
  readonly tests: readonly AeadTest[];
}

/**
 * AEAD files through `recordCipher`. `encrId` is the IANA transform; a transform with a shorter ICV takes the valid cases of the same file with the
 * tag cut (that is what RFC 4106 §6 says the shorter ICV is). Which invalid tags stay invalid when cut is not said by the file, so those are left out.
 */
export function* runAead(folder: string, name: string, encrId: number, suite = name): Generator<CaseResult> {
  for (const group of readVectors<AeadGroup>(folder, name).testGroups) {
    for (const test of group.tests) {
      const encr = findEncr(encrId, encrId === 28 ? undefined : group.keySize);
      yield { suite, case: test.tcId, ...judge(group, test, encr) };
    }
  }
}

function judge(group: AeadGroup, test: AeadTest, encr: EncrTransform | undefined): Verdict {
  if (group.ivSize !== 96) return skipped(`nonce of ${group.ivSize} bits; IKEv2 and ESP use salt and iv of 96 bits together`);
  if (group.tagSize !== 128) return skipped(`tag of ${group.tagSize} bits is not in the table`);
  if (encr === undefined || encr.keyBytes * 8 !== group.keySize)
    return skipped(`key of ${group.keySize} bits is not in the table`);
  if (test.result === 'invalid' && encr.icvBytes !== 16)
    return skipped('whether a wrong tag stays wrong when cut is not in the file');

  const nonce = fromHexStrict(test.iv);
  const aad = fromHexStrict(test.aad);
  const message = fromHexStrict(test.msg);
  const sealed = concat(fromHexStrict(test.ct), fromHexStrict(test.tag).subarray(0, encr.icvBytes));
  const cipher = recordCipher(encr, undefined, concat(fromHexStrict(test.key), nonce.subarray(0, 4)), new Uint8Array(0));
  const iv = nonce.subarray(4);
  const opened = cipher.open(iv, aad, sealed);

  if (test.result === 'invalid') return opened === undefined ? passed('refused') : failed('a forged message was opened');
  if (opened === undefined) return failed('a good message was refused');
  if (!equalBytes(opened, message)) return failed('opened to another plaintext');
  return equalBytes(cipher.seal(iv, aad, message), sealed) ? passed('opened and sealed') : failed('sealed to other octets');
}
