/**
 * Is any certificate of a valid path revoked? A generator without input or output of its own: it yields what it needs and is given it.
 *
 *   const check = checkRevocation(question);
 *   let step = check.next();
 *   while (!step.done) step = check.next(await provide(step.value));
 *   step.value.verdicts, step.value.fault
 *
 * For each certificate, the one below the anchor first: what the peer sent along, what was kept, OCSP, CRL; the first conclusive word
 * counts. Addresses are in certificates, so the caller MUST have a path to an anchor before it asks: `path` is a `ValidPath`'s.
 */

import { toHex, toUtf8 } from '../bytes/bytes.ts';
import type { Result } from '../bytes/result.ts';
import { digest } from '../crypto/hash.ts';
import { describe } from './certificate.ts';
import type { Certificate, PkiFault, RevocationVerdict } from './contract.ts';
import { believeCrl, type Crl, consultCrl, deltaFault, parseCrl } from './crl.ts';
import { printable } from './names.ts';
import { buildOcspRequest, consultOcsp, NONCE_OCTETS, parseOcsp } from './ocsp.ts';
import { maxPemCharacters, readPem } from './pem.ts';
import { type RevocationFault, type RevocationStatement, refuse, serialOctets } from './revocationTypes.ts';

export interface RevocationPolicy {
  readonly crl: boolean;
  readonly ocsp: boolean;
  /** Nothing conclusive is as bad as revoked. */
  readonly strict: boolean;
}

export interface RevocationQuestion {
  /** The end entity first, the anchor last; the anchor is not asked about. */
  readonly path: readonly Certificate[];
  readonly policy: RevocationPolicy;
  /** Date.now() milliseconds. */
  readonly at: number;
  /** Fresh random octets, for nonces. */
  readonly random: (length: number) => Uint8Array;
  /** OCSP answers (RFC 4806) and lists (RFC 7296 §3.6, encoding 7) the peer sent, or that are at hand for another reason. */
  readonly inBand?: { readonly ocsp: readonly Uint8Array[]; readonly crls: readonly Uint8Array[] };
}

export type RevocationNeed =
  /** Octets kept under this key before. */
  | { readonly kind: 'recall'; readonly key: string }
  /** POST `body` there, or GET. */
  | { readonly kind: 'fetch'; readonly what: 'ocsp' | 'crl'; readonly url: string; readonly body?: Uint8Array }
  /** Worth keeping until then (Date.now() ms), at most. Nothing is given back. */
  | { readonly kind: 'keep'; readonly key: string; readonly octets: Uint8Array; readonly until: number };

/** The octets, or one printable line about why there are none. */
export type RevocationGiven = Result<Uint8Array, string> | undefined;

export interface RevocationResult {
  /** As in the path, without the anchor. */
  readonly verdicts: readonly RevocationVerdict[];
  /** `revoked`, or in strict mode `revocation-unknown`. Undefined: nothing speaks against the path. */
  readonly fault: PkiFault | undefined;
}

type Need<T> = Generator<RevocationNeed, T, RevocationGiven>;

/** Of one check, whatever the certificates ask for: they are not ours. */
const MOST_FETCHES = 8;
const MOST_URLS = 2;
const MOST_IN_BAND = 8;

export function* checkRevocation(question: RevocationQuestion): Need<RevocationResult> {
  const { path, policy } = question;
  const verdicts = path.slice(0, -1).map((certificate) => notChecked(certificate, 'not looked at'));
  if (!policy.crl && !policy.ocsp) {
    // No new profile says so; one that was stored before that is taken at its word.
    const evidence = 'strict, and neither lists nor OCSP are to be asked';
    return { verdicts, fault: policy.strict && verdicts.length > 0 ? { code: 'revocation-unknown', evidence } : undefined };
  }
  const budget: Budget = { fetches: 0, pages: new Map() };
  // An authority that is revoked itself says nothing of worth about those below it, so it comes before them.
  for (let i = path.length - 2; i >= 0; i--) {
    const verdict = yield* judge(question, path[i], path[i + 1], budget);
    verdicts[i] = verdict;
    const fault = faultOf(path[i], verdict, policy.strict);
    if (fault !== undefined) return { verdicts, fault };
  }
  return { verdicts, fault: undefined };
}

function faultOf(
  certificate: Certificate,
  { status, evidence, reason }: RevocationVerdict,
  strict: boolean,
): PkiFault | undefined {
  const who = describe(certificate);
  if (status === 'revoked')
    return { code: 'revoked', evidence: `${who} is revoked${reason === undefined ? '' : ` (${reason})`}: ${evidence}` };
  return strict && status !== 'good' ? { code: 'revocation-unknown', evidence: `${who}: ${evidence}` } : undefined;
}

interface Budget {
  fetches: number;
  /** Lists that were fetched, as several certificates may name the same. */
  readonly pages: Map<string, Result<Uint8Array, string>>;
}

/** One certificate and its issuer. `notes` gathers what was tried in vain. */
interface Inquiry {
  readonly question: RevocationQuestion;
  readonly certificate: Certificate;
  readonly issuer: Certificate;
  readonly budget: Budget;
  readonly notes: string[];
  /** Addresses of lists that are for some reasons only. */
  readonly partial: ReadonlySet<string>;
}

type Source = RevocationVerdict['source'];

function* judge(
  question: RevocationQuestion,
  certificate: Certificate,
  issuer: Certificate,
  budget: Budget,
): Need<RevocationVerdict> {
  const { policy } = question;
  const all = policy.crl ? (certificate.extensions.crlDistributionPoints ?? []) : [];
  const points = all.filter(({ indirect }) => !indirect);
  const urlsOf = (some: typeof points) => some.flatMap(({ uris }) => uris);
  const whole = new Set(urlsOf(points.filter(({ partial }) => !partial)));
  const partial = new Set(urlsOf(points).filter((url) => !whole.has(url)));
  const inquiry: Inquiry = { question, certificate, issuer, budget, notes: [], partial };
  const responders = policy.ocsp ? fetchable(certificate.extensions.ocspResponders ?? []) : [];
  const lists = fetchable([...whole, ...partial]);
  const verdict =
    inBand(inquiry) ??
    (policy.ocsp ? yield* recallOcsp(inquiry) : undefined) ??
    (yield* tryAll(lists, (url) => askList(inquiry, url, 'cache'))) ??
    (yield* tryAll(responders, (url) => askResponder(inquiry, url))) ??
    (yield* tryAll(lists, (url) => askList(inquiry, url, 'crl')));
  if (verdict !== undefined) return verdict;
  if (all.length > points.length) inquiry.notes.push('its list is made by another authority (indirect), which is not supported');
  else if (responders.length + lists.length === 0) inquiry.notes.push('the certificate does not say where to ask');
  return { subject: nameOf(certificate), status: 'unknown', source: 'none', evidence: inquiry.notes.join('; ') };
}

/** http before https, which is refused in the end; not more than are worth waiting for. */
function fetchable(urls: readonly string[]): readonly string[] {
  const rank = (url: string): number => (/^http:/i.test(url) ? 0 : 1);
  return [...new Set(urls)].sort((a, b) => rank(a) - rank(b)).slice(0, MOST_URLS);
}

function* tryAll(
  urls: readonly string[],
  ask: (url: string) => Need<RevocationVerdict | undefined>,
): Need<RevocationVerdict | undefined> {
  for (const url of urls) {
    const verdict = yield* ask(url);
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}

/** Anything of what the peer sent may be about any certificate; what is about others is no news. */
function inBand(inquiry: Inquiry): RevocationVerdict | undefined {
  const { policy, inBand: sent } = inquiry.question;
  const quiet: ReadonlySet<string> = new Set(['no-answer', 'wrong-issuer']);
  const answers = policy.ocsp ? (sent?.ocsp ?? []).slice(0, MOST_IN_BAND) : [];
  for (const octets of answers) {
    const verdict = settle(inquiry, 'ocsp-in-band', 'the answer sent along', readOcsp(inquiry, octets, undefined), quiet);
    if (verdict !== undefined) return verdict;
  }
  const lists = policy.crl ? (sent?.crls ?? []).slice(0, MOST_IN_BAND) : [];
  for (const octets of lists) {
    const list = readList(inquiry, octets);
    const statement = list.ok ? consultCrl(list.value, undefined, inquiry.certificate, inquiry.question.at) : list;
    const verdict = settle(inquiry, 'crl', 'the list at hand', statement, quiet);
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}

function* recallOcsp(inquiry: Inquiry): Need<RevocationVerdict | undefined> {
  const kept = yield { kind: 'recall', key: ocspKey(inquiry) };
  return kept?.ok ? settle(inquiry, 'cache', 'the answer kept', readOcsp(inquiry, kept.value, undefined), new Set()) : undefined;
}

function* askResponder(inquiry: Inquiry, url: string): Need<RevocationVerdict | undefined> {
  const { certificate, issuer, question, budget } = inquiry;
  const what = `OCSP ${printable(url)}`;
  if (budget.fetches >= MOST_FETCHES) return note(inquiry, `${what}: not asked, enough was fetched`);
  budget.fetches += 1;
  const nonce = question.random(NONCE_OCTETS);
  const given = yield { kind: 'fetch', what: 'ocsp', url, body: buildOcspRequest(certificate, issuer, nonce) };
  if (!given?.ok) return note(inquiry, `${what}: ${given?.error ?? 'nothing'}`);
  const statement = readOcsp(inquiry, given.value, nonce);
  if (statement.ok && statement.value.nextUpdate !== undefined && statement.value.status !== 'unknown') {
    yield { kind: 'keep', key: ocspKey(inquiry), octets: given.value, until: statement.value.nextUpdate };
  }
  return settle(inquiry, 'ocsp', what, statement, new Set());
}

/** From the cache, or fetched. A list that is whole and says "good" is asked for its delta, if it has one. */
function* askList(inquiry: Inquiry, url: string, from: 'cache' | 'crl'): Need<RevocationVerdict | undefined> {
  const { certificate, question } = inquiry;
  const what = `CRL ${printable(url)}`;
  const given = from === 'cache' ? yield* recallList(url) : yield* fetchList(inquiry, url);
  if (!given.ok) return from === 'cache' ? undefined : note(inquiry, `${what}: ${given.error}`);
  const list = readList(inquiry, given.value);
  if (!list.ok) return note(inquiry, `${what}: ${list.error.evidence}`);
  const first = consultCrl(list.value, undefined, certificate, question.at);
  // RFC 5280 §6.3.3 (d), (e): the reasons that are left would have to come from other lists.
  if (inquiry.partial.has(url) && first.ok && first.value.status === 'good')
    return note(inquiry, `${what}: the distribution point is for some reasons only`);
  if (from === 'crl' && first.ok && first.value.nextUpdate !== undefined) {
    yield { kind: 'keep', key: listKey(url), octets: given.value, until: first.value.nextUpdate };
  }
  const hold = first.ok && first.value.reason === 'certificateHold';
  const wantsDelta = list.value.freshest.length > 0 && first.ok && (first.value.status === 'good' || hold);
  const delta = wantsDelta ? yield* findDelta(inquiry, list.value) : undefined;
  const statement = delta === undefined ? first : consultCrl(list.value, delta, certificate, question.at);
  return settle(inquiry, from, what, statement, new Set());
}

/** §5.2.6. Without it the base is conclusive as long as it is current; that the delta could not be had is noted. */
function* findDelta(inquiry: Inquiry, base: Crl): Need<Crl | undefined> {
  const [url] = fetchable(base.freshest);
  const kept = yield* recallList(url);
  for (const from of kept.ok ? (['cache', 'crl'] as const) : (['crl'] as const)) {
    const given = from === 'cache' ? kept : yield* fetchList(inquiry, url);
    const list = given.ok ? readList(inquiry, given.value) : undefined;
    const why = list?.ok ? deltaFault(base, list.value, inquiry.question.at)?.evidence : list?.error.evidence;
    if (list?.ok && why === undefined) {
      const until = list.value.nextUpdate;
      if (from === 'crl' && given.ok && until !== undefined)
        yield { kind: 'keep', key: listKey(url), octets: given.value, until };
      return list.value;
    }
    if (from === 'crl') note(inquiry, `delta CRL ${printable(url)}: ${given.ok ? why : given.error}`);
  }
  return undefined;
}

function* recallList(url: string): Need<Result<Uint8Array, string>> {
  const kept = yield { kind: 'recall', key: listKey(url) };
  return kept ?? { ok: false, error: 'nothing kept' };
}

function* fetchList({ budget }: Inquiry, url: string): Need<Result<Uint8Array, string>> {
  const known = budget.pages.get(url);
  if (known !== undefined) return known;
  if (budget.fetches >= MOST_FETCHES) return { ok: false, error: 'not fetched, enough was' };
  budget.fetches += 1;
  const given = (yield { kind: 'fetch', what: 'crl', url }) ?? { ok: false, error: 'nothing' };
  budget.pages.set(url, given);
  return given;
}

function readList({ issuer }: Inquiry, octets: Uint8Array): Result<Crl, RevocationFault> {
  const list = parseCrl(derOfList(octets));
  const fault = list.ok ? believeCrl(list.value, issuer) : undefined;
  return fault === undefined ? list : { ok: false, error: fault };
}

/** RFC 2585 §3 wants DER. Many an office publishes PEM by mistake, and other clients take it. */
function derOfList(octets: Uint8Array): Uint8Array {
  if (octets[0] !== 0x2d || octets.length > maxPemCharacters) return octets;
  const blocks = readPem(toUtf8(octets));
  return (blocks.ok && blocks.value.find(({ label }) => label === 'X509 CRL')?.der) || octets;
}

/** Strict is also about who speaks: a delegate whose own certificate nobody vouches for is not conclusive there. */
function readOcsp(
  { certificate, issuer, question }: Inquiry,
  octets: Uint8Array,
  nonce: Uint8Array | undefined,
): Result<RevocationStatement, RevocationFault> {
  const answer = parseOcsp(octets);
  if (!answer.ok) return answer;
  const statement = consultOcsp(answer.value, { certificate, issuer, at: question.at, nonce });
  if (statement.ok && statement.value.delegateUnchecked && question.policy.strict && statement.value.status === 'good')
    return refuse(
      'not-authorized',
      'the responder has a certificate that would have to be checked itself (no id-pkix-ocsp-nocheck)',
    );
  return statement;
}

/** A verdict when the statement is conclusive, otherwise a note, unless the fault is one to be quiet about. */
function settle(
  inquiry: Inquiry,
  source: Source,
  what: string,
  statement: Result<RevocationStatement, RevocationFault>,
  quiet: ReadonlySet<string>,
): RevocationVerdict | undefined {
  if (!statement.ok) return quiet.has(statement.error.code) ? undefined : note(inquiry, `${what}: ${statement.error.evidence}`);
  const { status, producedAt, nextUpdate, revokedAt, reason } = statement.value;
  if (status === 'unknown') return note(inquiry, `${what}: the responder does not know the certificate`);
  return {
    subject: nameOf(inquiry.certificate),
    status,
    source,
    producedAt,
    ...(nextUpdate !== undefined && { nextUpdate }),
    ...(revokedAt !== undefined && { revokedAt }),
    ...(reason !== undefined && { reason }),
    evidence: [...inquiry.notes, `${what}: ${status}`].join('; '),
  };
}

function note(inquiry: Inquiry, line: string): undefined {
  inquiry.notes.push(line);
  return undefined;
}

/** Whatever is kept is verified again when it is recalled, so the key needs no secret. */
function ocspKey({ certificate, issuer }: Inquiry): string {
  return `ocsp ${toHex(digest('sha256', issuer.publicKey, certificate.issuer.der))} ${toHex(serialOctets(certificate))}`;
}

const listKey = (url: string): string => `crl ${url}`;

const nameOf = (certificate: Certificate): string => printable(certificate.subject.text);

const notChecked = (certificate: Certificate, evidence: string): RevocationVerdict => ({
  subject: nameOf(certificate),
  status: 'not-checked',
  source: 'none',
  evidence,
});
