/**
 * From the certificates that a peer sent to one that we trust: building paths (RFC 4158) and validating each (RFC 5280 §6.1, `chain.ts`) until
 * one holds. The peer's certificates are hints in any order; all work is bounded, whatever they are.
 */
import { equalBytes, toHex } from '../bytes/bytes.ts';
import { err, ok, type Result } from '../bytes/result.ts';
import { verifySignature } from '../crypto/signatures.ts';
import { describe, parseCertificate } from './certificate.ts';
import { pathFault } from './chain.ts';
import type { Certificate, PathRequest, PkiFault, PkiFaultCode, ValidPath } from './contract.ts';
import { comparisonBudget } from './nameConstraints.ts';
import { canonicalName, printable } from './names.ts';

export type VerifySignature = typeof verifySignature;

/** Bounds on what a peer sends, and on the search. */
const maxPresented = 128;
const maxPresentedOctets = 1 << 21;
const maxPathLength = 16;
const maxSignatureChecks = 64;
const maxCompletePaths = 64;
const maxSteps = 2000;

/** `verify` is for tests that count or fake. */
export function validatePath(request: PathRequest, verify: VerifySignature = verifySignature): Result<ValidPath, PkiFault> {
  const [first, ...others] = request.presented;
  if (first === undefined) return err({ code: 'no-certificate', evidence: 'no certificate was sent' });
  const octets = request.presented.reduce((sum, der) => sum + der.length, 0);
  if (request.presented.length > maxPresented || octets > maxPresentedOctets)
    return err({ code: 'too-large', evidence: `${request.presented.length} certificates of ${octets} octets` });
  const endEntity = parseCertificate(first);
  if (!endEntity.ok) return endEntity;
  const parsed = others.map(parseCertificate);
  const hints = parsed.flatMap((hint) => (hint.ok ? [hint.value] : []));
  const result = new PathSearch(request, [...(request.intermediates ?? []), ...hints], verify).run(endEntity.value);
  const malformed = parsed.find((hint) => !hint.ok);
  // What does not parse is no hint; but it may be the link that is missing.
  if (result.ok || result.error.code !== 'untrusted' || malformed === undefined || malformed.ok) return result;
  return err({ code: 'untrusted', evidence: `${result.error.evidence}; also sent: ${malformed.error.evidence}` });
}

/** Texts that are compared again and again are numbers here: certificates can be long, and the search looks at them often. */
interface Candidate {
  readonly certificate: Certificate;
  readonly anchor: boolean;
  readonly id: number;
  readonly subject: number;
  readonly issuer: number;
  readonly publicKey: number;
}

/** Depth first, the likeliest issuer first; every signature is checked once. */
class PathSearch {
  readonly #request: PathRequest;
  readonly #verify: VerifySignature;
  readonly #numbers = new Map<string, number>();
  readonly #bySubject = new Map<number, Candidate[]>();
  /** Sorted, by child. */
  readonly #issuers = new Map<number, readonly Candidate[]>();
  /** Fault of a link, undefined for a good one, by child and issuer's key. */
  readonly #links = new Map<string, PkiFault | undefined>();
  readonly #budget = comparisonBudget();
  #checks = 0;
  #completed = 0;
  #steps = 0;
  #worn: PkiFault | undefined;
  /** Of the first path that reached an anchor: the likeliest comes first, and what is wrong with others beside it explains nothing. */
  #complete: PkiFault | undefined;
  /** Where a path broke off. */
  #broken: PkiFault | undefined;

  constructor(request: PathRequest, intermediates: readonly Certificate[], verify: VerifySignature) {
    this.#request = request;
    this.#verify = verify;
    const seen = new Set<number>();
    for (const certificate of request.anchors) this.#add(this.#candidateOf(certificate, true), seen);
    for (const certificate of intermediates) this.#add(this.#candidateOf(certificate, false), seen);
  }

  run(certificate: Certificate): Result<ValidPath, PkiFault> {
    const endEntity = this.#candidateOf(certificate, false);
    // A certificate that was chosen as it is needs no issuer.
    const pinned = this.#bySubject.get(endEntity.subject)?.some(({ anchor, id }) => anchor && id === endEntity.id);
    const path = pinned === true && this.#holds([certificate]) ? [certificate] : this.#extend([endEntity]);
    if (path !== undefined) return ok({ path });
    return err(this.#worn ?? this.#complete ?? this.#broken ?? untrusted(endEntity));
  }

  /** The first valid path that begins with this one. */
  #extend(path: readonly Candidate[]): readonly Certificate[] | undefined {
    const child = path[path.length - 1];
    const issuers = this.#issuersOf(child);
    if (issuers.length === 0) this.#note(untrusted(child));
    for (const issuer of issuers) {
      if (this.#worn !== undefined) return undefined;
      // RFC 4158 §2.4.2: the same authority again leads nowhere new.
      if (path.some(({ subject, publicKey }) => subject === issuer.subject && publicKey === issuer.publicKey)) {
        this.#note(untrusted(child));
        continue;
      }
      if (++this.#steps > maxSteps) return this.#wear(child.certificate, `more than ${maxSteps} steps`);
      const linkFault = this.#link(child, issuer);
      if (linkFault !== undefined) {
        this.#note(linkFault);
        continue;
      }
      const longer = [...path, issuer];
      const certificates = longer.map(({ certificate }) => certificate);
      if (issuer.anchor) {
        if (this.#holds(certificates)) return certificates;
      } else if (longer.length < maxPathLength) {
        const found = this.#extend(longer);
        if (found !== undefined) return found;
      } else
        this.#note({ code: 'too-complex', evidence: `${describe(child.certificate)}: a path of more than ${maxPathLength}` });
    }
    return undefined;
  }

  #holds(path: readonly Certificate[]): boolean {
    if (++this.#completed > maxCompletePaths) {
      this.#wear(path[0], `more than ${maxCompletePaths} paths`);
      return false;
    }
    const fault = pathFault(path, this.#request, this.#budget);
    if (fault?.code === 'too-complex') this.#worn = fault;
    else this.#complete ??= fault;
    return fault === undefined;
  }

  /** Whether the child is signed by the issuer's key. */
  #link(child: Candidate, issuer: Candidate): PkiFault | undefined {
    const key = `${child.id}|${issuer.publicKey}`;
    if (this.#links.has(key)) return this.#links.get(key);
    const fault = this.#check(child, issuer);
    this.#links.set(key, fault);
    return fault;
  }

  #check(candidate: Candidate, { certificate: issuer }: Candidate): PkiFault | undefined {
    const { certificate: child } = candidate;
    const { signatureAlgorithm: algorithm, signatureOid } = child;
    const who = describe(child);
    if (weakOids.has(signatureOid) || (algorithm !== undefined && 'hash' in algorithm && algorithm.hash === 'sha1'))
      return { code: 'weak-signature', evidence: `${who}: signed with MD5, SHA-1 or older (${signatureOid})` };
    if (algorithm === undefined)
      return { code: 'bad-signature', evidence: `${who}: signed with ${signatureOid}, which is not supported` };
    if (++this.#checks > maxSignatureChecks) {
      this.#wear(child, `more than ${maxSignatureChecks} signatures`);
      return this.#worn;
    }
    const fault = this.#verify(algorithm, issuer.publicKey, child.tbs, child.signature);
    if (fault === undefined) return undefined;
    if (fault === 'weak-key') return { code: 'weak-key', evidence: `${describe(issuer)}: its key is too weak` };
    // Another authority of the same name: its key says nothing about this signature.
    if (keyMatch(child, issuer) === 'different') return untrusted(candidate);
    return { code: 'bad-signature', evidence: `${who}: not signed by the key of ${describe(issuer)} (${fault})` };
  }

  /** RFC 4158 §3.5: anchors, key identifiers that match, and certificates that are valid now come first; nothing is left out. */
  #issuersOf(child: Candidate): readonly Candidate[] {
    const known = this.#issuers.get(child.id);
    if (known !== undefined) return known;
    const ranked = (this.#bySubject.get(child.issuer) ?? []).map((issuer) => {
      const { notBefore, notAfter } = issuer.certificate;
      const match = keyMatch(child.certificate, issuer.certificate);
      const outdated = this.#request.at < notBefore || this.#request.at > notAfter;
      const cost = (match === 'different' ? 8 : 0) + (outdated ? 4 : 0) + (issuer.anchor ? 0 : 2) + (match === 'same' ? 0 : 1);
      return { issuer, cost };
    });
    const sorted = ranked.sort((a, b) => a.cost - b.cost).map(({ issuer }) => issuer);
    this.#issuers.set(child.id, sorted);
    return sorted;
  }

  #add(candidate: Candidate, seen: Set<number>): void {
    if (seen.has(candidate.id)) return;
    seen.add(candidate.id);
    const list = this.#bySubject.get(candidate.subject);
    if (list === undefined) this.#bySubject.set(candidate.subject, [candidate]);
    else list.push(candidate);
  }

  #candidateOf(certificate: Certificate, anchor: boolean): Candidate {
    return {
      certificate,
      anchor,
      id: this.#number(toHex(certificate.der)),
      subject: this.#number(canonicalName(certificate.subject)),
      issuer: this.#number(canonicalName(certificate.issuer)),
      publicKey: this.#number(toHex(certificate.publicKey)),
    };
  }

  #number(text: string): number {
    const number = this.#numbers.get(text) ?? this.#numbers.size;
    this.#numbers.set(text, number);
    return number;
  }

  /** Keeps the fault that says most; of equals the first, whose issuer was the likeliest. */
  #note(fault: PkiFault): void {
    const weight = ({ code }: PkiFault): number => byWeight.indexOf(code);
    if (this.#broken === undefined || weight(fault) > weight(this.#broken)) this.#broken = fault;
  }

  #wear(certificate: Certificate, what: string): undefined {
    this.#worn ??= { code: 'too-complex', evidence: `${describe(certificate)}: ${what} to find a path` };
  }
}

function untrusted({ certificate, subject, issuer }: Candidate): PkiFault {
  const who = describe(certificate);
  if (subject === issuer) return { code: 'untrusted', evidence: `${who}: issued by itself, and not trusted` };
  return { code: 'untrusted', evidence: `${who}: issued by ${printable(certificate.issuer.text)}, which is not trusted` };
}

/** RFC 5280 §4.2.1.1: a hint, not a proof. */
function keyMatch(child: Certificate, issuer: Certificate): 'same' | 'different' | 'unknown' {
  const wanted = child.extensions.authorityKeyId;
  const is = issuer.extensions.subjectKeyId;
  if (wanted === undefined || is === undefined) return 'unknown';
  return equalBytes(wanted, is) ? 'same' : 'different';
}

/** Of links that do not hold: how much they say about why there is no path. */
const byWeight: readonly PkiFaultCode[] = [
  'untrusted',
  'too-complex',
  'bad-signature',
  'malformed',
  'weak-key',
  'weak-signature',
];

/** RFC 8017 §A.2.4, RFC 3279, RFC 4055: md2, md4, md5 and SHA-1 with RSA, SHA-1 with DSA and ECDSA. */
const weakOids: ReadonlySet<string> = new Set([
  '1.2.840.113549.1.1.2',
  '1.2.840.113549.1.1.3',
  '1.2.840.113549.1.1.4',
  '1.2.840.113549.1.1.5',
  '1.2.840.10040.4.3',
  '1.2.840.10045.4.1',
  '1.3.14.3.2.29',
]);
