/** The certificate lens: what a chain is, what it is held against, and what is wrong with it. No network: revocation comes as verdicts. */
import { createHash } from 'node:crypto';
import { equalBytes } from '../bytes/bytes.ts';
import { parsePublicKey } from '../crypto/publicKey.ts';
import type { SignerInfo } from '../crypto/signatureTypes.ts';
import { isSelfIssued } from '../pki/certificate.ts';
import type { Certificate, ExpectedName, PathRequest, PkiFault, RevocationVerdict } from '../pki/contract.ts';
import { nameFault } from '../pki/identity.ts';
import { sameName } from '../pki/names.ts';
import { validatePath } from '../pki/path.ts';
import { keyMismatch } from '../pki/privateKey.ts';
import { expiryWarnings } from '../profile/expiry.ts';
import type { CertificateReport, CertificateView } from '../rpc/contract.ts';
import { certificateText, publicKeyText } from './certificateView.ts';

export interface ReportRequest {
  /** The end entity first; the others in any order. */
  readonly certificates: readonly Certificate[];
  readonly intermediates: readonly Certificate[];
  /** What the chain must lead to; empty: there is nothing to hold it against. */
  readonly anchors: readonly Certificate[];
  readonly purpose: PathRequest['purpose'];
  /** As text and as what is compared; undefined: whatever it is about. */
  readonly expected: { readonly text: string; readonly name: ExpectedName } | undefined;
  readonly key: SignerInfo | undefined;
  /** Whose they are, for the warnings. */
  readonly side: 'own' | 'gateway';
  /** Date.now() milliseconds: what the chain is held against. */
  readonly at: number;
}

export interface Judged {
  readonly report: CertificateReport;
  /** To ask for revocation of; undefined without a path. */
  readonly path: readonly Certificate[] | undefined;
}

export function certificateReport(request: ReportRequest): Judged {
  const { certificates, at } = request;
  const [mine] = certificates;
  const view = (certificate: Certificate): CertificateView =>
    certificateText(certificate, at, createHash('sha256').update(certificate.der).digest());
  const valid = mine && judge(request);
  const way = valid?.ok ? valid.value.path : undefined;
  const anchored = request.anchors.length > 0;
  const chain = way ?? (mine ? climb(mine, [...certificates, ...request.intermediates]) : []);
  const problems: { code: CertificateReport['problems'][number]['code']; evidence: string }[] = [];
  // That nothing leads to an anchor says nothing where there is none.
  if (valid && !valid.ok && !(valid.error.code === 'untrusted' && !anchored)) problems.push(valid.error);
  const name = mine && expectedReport(mine, request);
  if (name?.fault && !problems.some(({ code }) => code === 'wrong-name')) problems.push(name.fault);
  const mismatch = mine && request.key ? keyMismatch(request.key, mine.publicKey) : undefined;
  if (mismatch) problems.push({ code: 'key-mismatch', evidence: mismatch.evidence });
  if (!anchored) problems.push(...bareFaults(chain, at, problems));
  const report: CertificateReport = {
    chain: chain.map(view),
    others: certificates.filter((one) => !chain.some((other) => equalBytes(other.der, one.der))).map(view),
    verdict: problems.length > 0 ? 'refused' : anchored ? 'trusted' : 'unanchored',
    problems,
    ...(name && request.expected && { expected: { identity: request.expected.text, fits: name.fault === undefined } }),
    ...(request.key && { key: { kind: keyKind(request.key), fits: mine !== undefined && mismatch === undefined } }),
    revocation: [],
    warnings: expiryWarnings({ own: [], gateway: [], authorities: [], [whoseOf(mine, request.side)]: chain }, at),
  };
  return { report, path: anchored ? way : undefined };
}

/** With what the network said of it. */
export function withRevocation(
  report: CertificateReport,
  verdicts: readonly RevocationVerdict[],
  fault: PkiFault | undefined,
): CertificateReport {
  // Who names no place to ask leaves nothing to be warned of.
  const named = ({ crls, ocsp }: CertificateView) => crls.length + ocsp.length > 0;
  const unknown = verdicts.filter(({ status }, at) => status === 'unknown' && report.chain.slice(at, at + 1).some(named));
  return {
    ...report,
    ...(fault && { verdict: 'refused', problems: [...report.problems, fault] }),
    revocation: verdicts,
    warnings: [...report.warnings, ...unknown.map(({ subject }) => ({ code: 'revocation-unknown' as const, subject }))],
  };
}

function whoseOf(mine: Certificate | undefined, side: ReportRequest['side']): 'own' | 'gateway' | 'authorities' {
  if (mine?.extensions.basicConstraints?.ca === true) return 'authorities';
  const purposes = mine?.extensions.extendedKeyUsage;
  // RFC 5280 §4.2.1.12: clientAuth and nothing that a gateway could be known by.
  return purposes?.length === 1 && purposes[0] === '1.3.6.1.5.5.7.3.2' ? 'own' : side;
}

function judge({ certificates, intermediates, anchors, at, purpose, expected }: ReportRequest) {
  const presented = certificates.map(({ der }) => der);
  // With nothing to hold it against, it should hang together at least.
  const roots = anchors.length > 0 ? anchors : certificates.filter(isSelfIssued);
  return validatePath({ presented, intermediates, anchors: roots, at, purpose, ...(expected && { name: expected.name }) });
}

function expectedReport(
  mine: Certificate,
  { expected, purpose }: Pick<ReportRequest, 'expected' | 'purpose'>,
): { readonly fault: PkiFault | undefined } | undefined {
  if (!expected) return undefined;
  // As `validatePath` has it.
  const evidence = nameFault(mine, expected.name, purpose !== 'ike');
  return { fault: evidence === undefined ? undefined : { code: 'wrong-name', evidence } };
}

/** Each one's issuer, as far as there is one. */
function climb(mine: Certificate, all: readonly Certificate[]): readonly Certificate[] {
  const chain: Certificate[] = [];
  let next: Certificate | undefined = mine;
  while (next && chain.length < 16) {
    const below: Certificate = next;
    chain.push(below);
    next = all.find((one) => !chain.some((other) => equalBytes(other.der, one.der)) && sameName(one.subject, below.issuer));
  }
  return chain;
}

/** Dates are right or wrong by themselves. */
function bareFaults(chain: readonly Certificate[], at: number, known: readonly { readonly code: string }[]): readonly PkiFault[] {
  if (known.some(({ code }) => code === 'expired' || code === 'not-yet-valid')) return [];
  return chain.flatMap((certificate): PkiFault[] => {
    const day = (time: number) => new Date(time).toISOString().slice(0, 10);
    const { subject, notBefore, notAfter } = certificate;
    if (at > notAfter) return [{ code: 'expired', evidence: `${subject.text}: valid until ${day(notAfter)}` }];
    return at < notBefore ? [{ code: 'not-yet-valid', evidence: `${subject.text}: valid from ${day(notBefore)}` }] : [];
  });
}

function keyKind({ publicKey }: SignerInfo): string {
  const key = parsePublicKey(publicKey);
  return key.ok ? publicKeyText(key.value) : 'of a kind that is not known';
}
