/**
 * OCSP (RFC 6960): requests, and answers that came by HTTP, out of a cache or in IKE (RFC 4806). An answer is octets from a stranger
 * until `consultOcsp` says what it says about the certificate.
 */
import { equalBytes } from '../bytes/bytes.ts';
import {
  childrenOf,
  DerFields,
  type DerNode,
  derTag,
  eachChild,
  integerOf,
  octetsOf,
  oidOf,
  onlyChild,
  readDer,
  timeOf,
  wholeBitsOf,
} from '../bytes/der.ts';
import { derContext, derElement, derNull, derOctetString, derOid, derSequence } from '../bytes/derWriter.ts';
import { err, ok, type Result } from '../bytes/result.ts';
import { hashOf, signatureAlgorithmOf } from '../crypto/algorithmIdentifier.ts';
import { digest } from '../crypto/hash.ts';
import type { SignatureAlgorithm, SignatureHash } from '../crypto/signatureTypes.ts';
import { parseCertificate } from './certificate.ts';
import type { Certificate, DistinguishedName } from './contract.ts';
import { parseExtensionList, type RawExtension } from './extensions.ts';
import { parseName, printable, sameName } from './names.ts';
import {
  CLOCK_SKEW,
  keyOctets,
  type RevocationFault,
  type RevocationStatement,
  reasonOf,
  refuse,
  serialOctets,
  signatureFault,
  timeFault,
} from './revocationTypes.ts';

/** Octets of the longest answer that is read. */
export const maxOcspOctets = 65_536;
const maxSingles = 64;
const maxCertificates = 8;

const oid = {
  basic: '1.3.6.1.5.5.7.48.1.1',
  nonce: '1.3.6.1.5.5.7.48.1.2',
  signing: '1.3.6.1.5.5.7.3.9',
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
} as const;

/** RFC 8954 §2.1: a client's nonce has 32 octets. */
export const NONCE_OCTETS = 32;

/**
 * An OCSPRequest for one certificate. `hash` names the issuer: SHA-1 is what every responder knows, and hides nothing by being weak,
 * as the answer is checked against the issuer's name and key themselves.
 */
export function buildOcspRequest(
  certificate: Certificate,
  issuer: Certificate,
  nonce: Uint8Array,
  hash: 'sha1' | 'sha256' = 'sha1',
): Uint8Array {
  const certId = derSequence(
    derSequence(derOid(oid[hash]), derNull()),
    derOctetString(digest(hash, certificate.issuer.der)),
    derOctetString(digest(hash, keyOctets(issuer.publicKey))),
    derElement(derTag.integer, serialOctets(certificate)),
  );
  const extension = derSequence(derOid(oid.nonce), derOctetString(derOctetString(nonce)));
  return derSequence(derSequence(derSequence(derSequence(certId)), derContext(2, derSequence(extension))));
}

export interface OcspAnswer {
  readonly responder: { readonly name: DistinguishedName } | { readonly keyHash: Uint8Array };
  readonly producedAt: number;
  readonly singles: readonly OcspSingle[];
  /** Undefined: the answer has none. */
  readonly nonce: Uint8Array | undefined;
  readonly unknownCritical: readonly string[];
  /** DER, not looked at yet. */
  readonly certificates: readonly Uint8Array[];
  readonly tbs: Uint8Array;
  readonly algorithm: SignatureAlgorithm | undefined;
  readonly signature: Uint8Array;
}

/** What it says about one certificate, §4.2.1. */
export interface OcspSingle {
  readonly hash: SignatureHash | undefined;
  readonly issuerNameHash: Uint8Array;
  readonly issuerKeyHash: Uint8Array;
  readonly serial: Uint8Array;
  readonly status: 'good' | 'revoked' | 'unknown';
  readonly revokedAt: number | undefined;
  readonly reason: string | undefined;
  readonly thisUpdate: number;
  readonly nextUpdate: number | undefined;
  readonly unknownCritical: readonly string[];
}

export function parseOcsp(input: Uint8Array): Result<OcspAnswer, RevocationFault> {
  if (input.length > maxOcspOctets) return refuse('too-large', `an answer of ${input.length} octets`);
  const root = readDer(input, { octets: maxOcspOctets });
  if (!root.ok) return refuse('malformed', `the answer is not strict DER (${root.error.code} at octet ${root.error.offset})`);
  const outer = new DerFields(root.value);
  const status = integerOf(outer.take(derTag.enumerated), derTag.enumerated);
  if (status !== undefined && status !== 0)
    return refuse('refused', `the responder says ${statusNames.get(status) ?? `status ${status}`}`);
  const bytes = new DerFields(onlyChild(outer.take(0xa0)));
  const type = oidOf(bytes.take(derTag.oid));
  const content = octetsOf(bytes.take(derTag.octetString));
  if (!outer.done || !bytes.done || content === undefined)
    return refuse('malformed', 'the answer has other fields than an answer has');
  if (type !== oid.basic) return refuse('malformed', `the answer is of the unknown type ${type}`);
  return parseBasic(content);
}

const statusNames: ReadonlyMap<number, string> = new Map([
  [1, 'that the request is malformed'],
  [2, 'internal error'],
  [3, 'try later'],
  [5, 'that the request must be signed'],
  [6, 'that it may not answer'],
]);

function parseBasic(content: Uint8Array): Result<OcspAnswer, RevocationFault> {
  const root = readDer(content, { octets: maxOcspOctets });
  const fields = new DerFields(root.ok ? root.value : undefined);
  const tbs = fields.take(derTag.sequence);
  const algorithm = fields.take(derTag.sequence);
  const signature = wholeBitsOf(fields.take(derTag.bitString));
  const certificates = certificatesOf(fields.optional(0xa0));
  const data = new DerFields(tbs);
  const version = data.optional(0xa0);
  const responder = responderOf(data.take());
  const producedAt = generalizedTime(data.take());
  const singles = singlesOf(data.take(derTag.sequence));
  const extensions = extensionsOf(data.optional(0xa1));
  if (!fields.done || !data.done || tbs === undefined || signature === undefined || certificates === undefined)
    return refuse('malformed', 'the answer has other fields than an answer has');
  // §4.2.1: version 1 is the number 0 and the default; that it is spelt out is taken.
  if (version !== undefined && integerOf(onlyChild(version)) !== 0)
    return refuse('malformed', 'the answer is of a version that is not known');
  if (responder === undefined) return refuse('malformed', 'the answer has a malformed name of its responder');
  if (producedAt === undefined) return refuse('malformed', 'the answer has a malformed date');
  if (typeof singles === 'string') return refuse('malformed', `the answer has ${singles}`);
  if (typeof extensions === 'string') return refuse('malformed', `the answer has ${extensions}`);
  const nonce = nonceOf(extensions);
  if (nonce === 'malformed') return refuse('malformed', 'the answer has a malformed nonce');
  return ok({
    responder,
    producedAt,
    singles,
    nonce,
    unknownCritical: criticalOf(extensions.filter(({ oid: id }) => id !== oid.nonce)),
    certificates,
    tbs: tbs.der,
    algorithm: signatureAlgorithmOf(algorithm),
    signature,
  });
}

export interface OcspQuestion {
  readonly certificate: Certificate;
  readonly issuer: Certificate;
  readonly at: number;
  /** What was sent. Undefined for answers to somebody else's question: in IKE, from a cache. */
  readonly nonce: Uint8Array | undefined;
}

export interface OcspStatement extends RevocationStatement {
  /** A delegate of the authority signed, and nothing says that its own certificate need not be checked (§4.2.2.2.1). */
  readonly delegateUnchecked: boolean;
}

/**
 * What the answer says about the certificate, §3.2. That it is revoked holds for any answer whose signer may say so, also an old one; that
 * it is good only for one that is current and, where it has a nonce, has ours.
 */
export function consultOcsp(answer: OcspAnswer, question: OcspQuestion): Result<OcspStatement, RevocationFault> {
  const { certificate, issuer, at, nonce } = question;
  const about = answer.singles.filter((single) => isAbout(single, certificate, issuer));
  if (about.length === 0) return refuse('no-answer', 'the answer is not about this certificate');
  const signer = authorizedSigner(answer, issuer, at);
  if (!signer.ok) return signer;
  const single = about.find(({ status }) => status === 'revoked') ?? about[0];
  const critical = [...answer.unknownCritical, ...single.unknownCritical];
  if (critical.length > 0)
    return refuse('unknown-critical-extension', `the answer has the unknown critical extension ${critical[0]}`);
  const statement: OcspStatement = {
    status: single.status,
    producedAt: single.thisUpdate,
    nextUpdate: single.nextUpdate,
    delegateUnchecked: signer.value.delegateUnchecked,
    ...(single.revokedAt !== undefined && { revokedAt: single.revokedAt }),
    ...(single.reason !== undefined && { reason: single.reason }),
  };
  if (single.status === 'revoked') return ok(statement);
  // RFC 6960 §4.4.1; an answer without a nonce is made in advance (RFC 5019 §4), and its dates must do.
  if (nonce !== undefined && answer.nonce !== undefined && !equalBytes(nonce, answer.nonce))
    return refuse('nonce', 'the answer is to another question: its nonce is not ours');
  const fault = ageFault(answer, single, at);
  return fault === undefined ? ok(statement) : err(fault);
}

/** Without nextUpdate newer information is always to be had (§4.2.2.1): such an answer is of now. */
const ALWAYS_NEWER_MS = 3_600_000;

function ageFault(answer: OcspAnswer, { thisUpdate, nextUpdate }: OcspSingle, at: number): RevocationFault | undefined {
  if (answer.producedAt > at + CLOCK_SKEW) return { code: 'not-yet-valid', evidence: 'the answer is of the future' };
  return timeFault('the answer', thisUpdate, nextUpdate ?? thisUpdate + ALWAYS_NEWER_MS, at);
}

function isAbout(single: OcspSingle, certificate: Certificate, issuer: Certificate): boolean {
  if (single.hash === undefined || !equalBytes(single.serial, serialOctets(certificate))) return false;
  return (
    equalBytes(single.issuerKeyHash, digest(single.hash, keyOctets(issuer.publicKey))) &&
    equalBytes(single.issuerNameHash, digest(single.hash, certificate.issuer.der))
  );
}

/** §4.2.2.2: the authority itself, or a delegate whose certificate the same key signed. */
function authorizedSigner(
  answer: OcspAnswer,
  issuer: Certificate,
  at: number,
): Result<{ delegateUnchecked: boolean }, RevocationFault> {
  if (isResponder(answer, issuer)) {
    const fault = signatureFault('the answer', answer, issuer.publicKey);
    return fault === undefined ? ok({ delegateUnchecked: false }) : err(fault);
  }
  let why: RevocationFault = {
    code: 'not-authorized',
    evidence: `the answer is of ${responderText(answer)}, whose certificate is not in it`,
  };
  for (const der of answer.certificates) {
    const parsed = parseCertificate(der);
    if (!parsed.ok || !isResponder(answer, parsed.value)) continue;
    const fault = delegateFault(parsed.value, issuer, at) ?? signatureFault('the answer', answer, parsed.value.publicKey);
    if (fault === undefined) return ok({ delegateUnchecked: parsed.value.extensions.noCheck !== true });
    why = fault;
  }
  return err(why);
}

function isResponder({ responder }: OcspAnswer, certificate: Certificate): boolean {
  if ('name' in responder) return sameName(responder.name, certificate.subject);
  return equalBytes(responder.keyHash, digest('sha1', keyOctets(certificate.publicKey)));
}

function delegateFault(delegate: Certificate, issuer: Certificate, at: number): RevocationFault | undefined {
  const who = `the responder ${printable(delegate.subject.text)}`;
  const fault = (evidence: string): RevocationFault => ({ code: 'not-authorized', evidence: `${who}${evidence}` });
  const { extendedKeyUsage, keyUsage, unknownCritical } = delegate.extensions;
  if (!sameName(delegate.issuer, issuer.subject)) return fault(' is certified by another authority');
  // Said in so many words: anyExtendedKeyUsage designates nobody.
  if (!extendedKeyUsage?.includes(oid.signing)) return fault(' may not sign answers: no OCSPSigning in its certificate');
  if (keyUsage !== undefined && !keyUsage.has('digitalSignature') && !keyUsage.has('nonRepudiation'))
    return fault(' may not sign by its key usage');
  if (unknownCritical.length > 0) return fault(`: unknown critical extension ${unknownCritical[0]} in its certificate`);
  if (at < delegate.notBefore - CLOCK_SKEW || at > delegate.notAfter + CLOCK_SKEW)
    return fault(' has a certificate that is not valid now');
  const signature = { algorithm: delegate.signatureAlgorithm, tbs: delegate.tbs, signature: delegate.signature };
  return signatureFault(`the certificate of ${who}`, signature, issuer.publicKey);
}

function responderText({ responder }: OcspAnswer): string {
  return 'name' in responder ? printable(responder.name.text) : 'a responder named by its key';
}

/** CHOICE { byName [1] Name, byKey [2] KeyHash }. */
function responderOf(node: DerNode | undefined): OcspAnswer['responder'] | undefined {
  if (node?.tag === 0xa1) {
    const name = parseName(onlyChild(node));
    return name && { name };
  }
  const keyHash = node?.tag === 0xa2 ? octetsOf(onlyChild(node)) : undefined;
  return keyHash && { keyHash };
}

/** The line says what is wrong. */
function singlesOf(list: DerNode | undefined): OcspSingle[] | string {
  const singles: OcspSingle[] = [];
  for (const node of list === undefined ? [] : eachChild(list)) {
    if (singles.length >= maxSingles) return `more than ${maxSingles} statements`;
    const single = singleOf(node);
    if (single === undefined) return 'a malformed statement';
    singles.push(single);
  }
  return singles;
}

function singleOf(node: DerNode): OcspSingle | undefined {
  const fields = new DerFields(node);
  const id = new DerFields(fields.take());
  const hash = hashOf(id.take());
  const issuerNameHash = octetsOf(id.take());
  const issuerKeyHash = octetsOf(id.take());
  const serial = id.take(derTag.integer)?.content;
  const status = statusOf(fields.take());
  const thisUpdate = generalizedTime(fields.take());
  const next = fields.optional(0xa0);
  const nextUpdate = next && generalizedTime(onlyChild(next));
  const extensions = extensionsOf(fields.optional(0xa1));
  if (!fields.done || !id.done || issuerNameHash === undefined || issuerKeyHash === undefined || serial === undefined)
    return undefined;
  if (status === undefined || thisUpdate === undefined || (next !== undefined && nextUpdate === undefined)) return undefined;
  if (typeof extensions === 'string') return undefined;
  return {
    hash,
    issuerNameHash,
    issuerKeyHash,
    serial,
    ...status,
    thisUpdate,
    nextUpdate,
    unknownCritical: criticalOf(extensions),
  };
}

/** CHOICE { good [0] NULL, revoked [1] RevokedInfo, unknown [2] NULL }, tagged implicitly. */
function statusOf(node: DerNode | undefined): Pick<OcspSingle, 'status' | 'revokedAt' | 'reason'> | undefined {
  const plain = { revokedAt: undefined, reason: undefined };
  if (node?.tag === 0x80 && node.content.length === 0) return { status: 'good', ...plain };
  if (node?.tag === 0x82 && node.content.length === 0) return { status: 'unknown', ...plain };
  if (node?.tag !== 0xa1) return undefined;
  const [time, reason, ...more] = childrenOf(node);
  const revokedAt = generalizedTime(time);
  if (revokedAt === undefined || more.length > 0 || (reason !== undefined && reason.tag !== 0xa0)) return undefined;
  return { status: 'revoked', revokedAt, reason: reasonOf(onlyChild(reason)) };
}

const generalizedTime = (node: DerNode | undefined): number | undefined =>
  node?.tag === derTag.generalizedTime ? timeOf(node) : undefined;

function extensionsOf(node: DerNode | undefined): readonly RawExtension[] | string {
  if (node === undefined) return [];
  const list = parseExtensionList(onlyChild(node));
  return list.ok ? list.value : list.error;
}

const criticalOf = (list: readonly RawExtension[]): readonly string[] =>
  list.filter(({ critical }) => critical).map((one) => one.oid);

/**
 * RFC 8954 §2.1: an OCTET STRING of 1 to 32 octets, as ours has; RFC 9654 has up to 128, which an answer that others asked for may have.
 * Older responders send the octets without it, and are compared just so.
 */
function nonceOf(list: readonly RawExtension[]): Uint8Array | undefined | 'malformed' {
  const value = list.find(({ oid: id }) => id === oid.nonce)?.value;
  if (value === undefined) return undefined;
  const node = readDer(value);
  const nonce = node.ok ? (octetsOf(node.value) ?? value) : value;
  return nonce.length >= 1 && nonce.length <= 128 ? nonce : 'malformed';
}

/** Undefined when there are more than anybody needs. */
function certificatesOf(node: DerNode | undefined): readonly Uint8Array[] | undefined {
  if (node === undefined) return [];
  const list = onlyChild(node, derTag.sequence);
  const certificates = list === undefined ? undefined : childrenOf(list).map(({ der }) => der);
  return certificates !== undefined && certificates.length <= maxCertificates ? certificates : undefined;
}
