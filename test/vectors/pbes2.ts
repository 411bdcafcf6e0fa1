import { equalBytes } from '../../core/bytes/bytes.ts';
import { type DerNode, readDer } from '../../core/bytes/der.ts';
import { derInteger, derNull, derOctetString, derOid, derSequence } from '../../core/bytes/derWriter.ts';
import { openPbes2, readPbes2 } from '../../core/pki/pbes2.ts';
import { type CaseResult, failed, fromHexStrict, passed, readVectors, type Verdict, type WycheproofTest } from './wycheproof.ts';

interface PbeTest extends WycheproofTest {
  readonly password: string;
  readonly salt: string;
  readonly iterationCount: number;
  readonly iv: string;
  readonly msg: string;
  readonly ct: string;
}

/** PBES2 files: the parameters go the way of a file's, as the AlgorithmIdentifier of RFC 8018 §A.4. */
export function* runPbes2(folder: string, name: string, prf: string, cipher: string): Generator<CaseResult> {
  for (const group of readVectors<{ readonly tests: readonly PbeTest[] }>(folder, name).testGroups) {
    for (const test of group.tests) yield { suite: name, case: test.tcId, ...judge(test, prf, cipher) };
  }
}

function judge(test: PbeTest, prf: string, cipher: string): Verdict {
  const derivation = derSequence(
    derOid('1.2.840.113549.1.5.12'),
    derSequence(derOctetString(fromHexStrict(test.salt)), derInteger(test.iterationCount), derSequence(derOid(prf), derNull())),
  );
  const scheme = derSequence(derOid(cipher), derOctetString(fromHexStrict(test.iv)));
  const read = readPbes2(nodeOf(derSequence(derOid('1.2.840.113549.1.5.13'), derSequence(derivation, scheme))));
  if (!read.ok) return failed(`good parameters were refused: ${read.error.code}`);
  const opened = openPbes2(read.value, fromHexStrict(test.password), fromHexStrict(test.ct));
  if (opened === undefined) return test.result === 'valid' ? failed('a good message was refused') : passed('refused');
  const equal = equalBytes(opened, fromHexStrict(test.msg));
  if (test.result === 'valid') return equal ? passed('opened') : failed('opened to another plaintext');
  return equal ? failed('a bad message was opened') : passed('opened to something else');
}

function nodeOf(der: Uint8Array): DerNode {
  const node = readDer(der);
  if (!node.ok) throw new Error('the harness writes no DER');
  return node.value;
}
