import { derContext, derInteger, derNull, derOid, derSequence } from '../../core/bytes/derWriter.ts';
import { readSignatureAlgorithm } from '../../core/crypto/algorithmIdentifier.ts';
import { verifySignature } from '../../core/crypto/signatures.ts';
import type { SignatureAlgorithm } from '../../core/crypto/signatureTypes.ts';
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

interface SignatureTest extends WycheproofTest {
  readonly msg: string;
  readonly sig: string;
}

interface SignatureGroup {
  /** DER SubjectPublicKeyInfo, hex. */
  readonly publicKeyDer: string;
  readonly sha?: string;
  readonly mgfSha?: string;
  readonly sLen?: number;
  readonly tests: readonly SignatureTest[];
}

export type SignatureKind = 'ecdsa' | 'ecdsa-p1363' | 'eddsa' | 'rsa-pkcs1' | 'rsa-pss';

/** Files of signatures through `verifySignature`, with the algorithm read from its AlgorithmIdentifier as it would stand in a certificate. */
export function* runSignatures(folder: string, name: string, kind: SignatureKind): Generator<CaseResult> {
  for (const group of readVectors<SignatureGroup>(folder, name).testGroups) {
    const spki = fromHexStrict(group.publicKeyDer);
    const identifier = identifierOf(kind, name, group);
    const read = readSignatureAlgorithm(identifier);
    const algorithm: SignatureAlgorithm | undefined =
      kind === 'ecdsa-p1363' && read?.kind === 'ecdsa' ? { ...read, format: 'p1363' } : read;
    for (const test of group.tests) {
      yield { suite: name, case: test.tcId, ...judge(algorithm, group, spki, test) };
    }
  }
}

function judge(algorithm: SignatureAlgorithm | undefined, group: SignatureGroup, spki: Uint8Array, test: SignatureTest): Verdict {
  if (algorithm === undefined) return skipped(`refused by choice: ${group.sha} with MGF1 of ${group.mgfSha}`);
  const fault = verifySignature(algorithm, spki, fromHexStrict(test.msg), fromHexStrict(test.sig));
  if (test.result === 'valid') return fault === undefined ? passed('verified') : failed(`a good signature was refused: ${fault}`);
  if (fault === undefined) {
    return failed(test.result === 'acceptable' ? 'a questionable signature was accepted' : 'a bad signature was accepted');
  }
  return passed(`refused: ${fault}`);
}

/** Written here by hand and not with our encoder; hashes we do not have as well. */
function identifierOf(kind: SignatureKind, name: string, group: SignatureGroup): Uint8Array {
  const sha = group.sha ?? '';
  switch (kind) {
    case 'eddsa':
      return derSequence(derOid(name.startsWith('ed25519') ? '1.3.101.112' : '1.3.101.113'));
    case 'ecdsa':
    case 'ecdsa-p1363':
      return derSequence(derOid(`1.2.840.10045.4.3.${arcOf(sha, ['SHA-224', 'SHA-256', 'SHA-384', 'SHA-512'], 1)}`));
    case 'rsa-pkcs1':
      return derSequence(derOid(`1.2.840.113549.1.1.${arcOf(sha, ['SHA-256', 'SHA-384', 'SHA-512', 'SHA-224'], 11)}`), derNull());
    case 'rsa-pss': {
      const mask = derSequence(derOid('1.2.840.113549.1.1.8'), hashIdentifier(group.mgfSha ?? ''));
      return derSequence(
        derOid('1.2.840.113549.1.1.10'),
        derSequence(derContext(0, hashIdentifier(sha)), derContext(1, mask), derContext(2, derInteger(group.sLen ?? -1))),
      );
    }
  }
}

function arcOf(sha: string, order: readonly string[], first: number): number {
  const index = order.indexOf(sha);
  if (index < 0) throw new Error(`no OID for ${sha}`);
  return first + index;
}

function hashIdentifier(sha: string): Uint8Array {
  if (sha === 'SHA-1') return derSequence(derOid('1.3.14.3.2.26'), derNull());
  return derSequence(derOid(`2.16.840.1.101.3.4.2.${arcOf(sha, ['SHA-256', 'SHA-384', 'SHA-512', 'SHA-224'], 1)}`), derNull());
}
