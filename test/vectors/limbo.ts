/**
 * C2SP/x509-limbo through `validatePath`: every case that is not about the web PKI. Each runs twice. Suite `x509-limbo` is strict and must give
 * limbo's verdict. Suite `x509-limbo lenient` is how profiles run: it must give the same, but for the cases of `lenientDifferences`,
 * where limbo wants a certificate refused for a rule about authorities that misleads nobody.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAddress } from '../../core/bytes/address.ts';
import { fromUtf8 } from '../../core/bytes/bytes.ts';
import { parseCertificate } from '../../core/pki/certificate.ts';
import type { Certificate, ExpectedName, PathRequest, PkiFault } from '../../core/pki/contract.ts';
import { validatePath } from '../../core/pki/path.ts';
import { checkRevocation } from '../../core/pki/revocation.ts';
import { failed, passed, skipped, type Verdict } from './wycheproof.ts';

export interface LimboResult extends Verdict {
  readonly suite: string;
  readonly case: string;
}

/** limbo's schema, the part used. */
interface LimboCase {
  readonly id: string;
  readonly trusted_certs: readonly string[];
  readonly untrusted_intermediates: readonly string[];
  readonly peer_certificate: string;
  readonly validation_time: string | null;
  readonly extended_key_usage: readonly string[];
  readonly expected_result: 'SUCCESS' | 'FAILURE';
  readonly expected_peer_name: PeerName | null;
  readonly expected_peer_names: readonly PeerName[];
  readonly max_chain_depth: number | null;
  readonly crls: readonly string[];
}

interface PeerName {
  readonly kind: 'DNS' | 'IP' | 'RFC822';
  readonly value: string;
}

/** Web browsers' own rules (CA/Browser Forum, and name constraints by the thousand against web clients): not what a VPN client goes by. */
const webNamespaces: ReadonlySet<string> = new Set(['webpki', 'bettertls']);

/** Refused by limbo, and by us when strict; taken otherwise. The values are the clauses of RFC 5280 in `core/pki/conformance.ts`. */
const lenientDifferences: Readonly<Record<string, string>> = {
  'rfc5280::aki::critical-aki': '4.2.1.1',
  'rfc5280::aki::leaf-missing-aki': '4.2.1.1',
  'rfc5280::aki::intermediate-missing-aki': '4.2.1.1',
  'rfc5280::aki::cross-signed-root-missing-aki': '4.2.1.1',
  'rfc5280::nc::permitted-dns-match-noncritical': '4.2.1.10',
  'rfc5280::nc::invalid-dnsname-leading-period': '4.2.1.10',
  'rfc5280::nc::not-allowed-in-ee-noncritical': '4.2.1.10',
  'rfc5280::nc::not-allowed-in-ee-critical': '4.2.1.10',
  'rfc5280::pc::ica-noncritical-pc': '4.2.1.11',
  'rfc5280::san::noncritical-with-empty-subject': '4.2.1.6',
  'rfc5280::san::underscore-dns': '4.2.1.6',
  'rfc5280::serial::too-long': '4.1.2.2',
  'rfc5280::serial::zero': '4.1.2.2',
  'rfc5280::serial::negative': '4.1.2.2',
  'rfc5280::ski::critical-ski': '4.2.1.2',
  'rfc5280::ski::root-missing-ski': '4.2.1.2',
  'rfc5280::ski::intermediate-missing-ski': '4.2.1.2',
  'rfc5280::root-non-critical-basic-constraints': '4.2.1.9',
  'rfc5280::leaf-ku-keycertsign': '4.2.1.3',
  'rfc5280::ee-critical-aia-invalid': '4.2.2.1',
};

/** The file, from VECTORS_DIR or beside the checkout; undefined when it is not there. */
export function findLimbo(): string | undefined {
  const file = join(process.env.VECTORS_DIR ?? join(import.meta.dirname, '../../../shared/vectors'), 'x509-limbo.json');
  return existsSync(file) ? file : undefined;
}

/** limbo's verdicts. */
export function* runLimbo(file: string): Generator<LimboResult> {
  for (const limbo of casesOf(file)) {
    const suite = 'x509-limbo';
    if (isWeb(limbo)) yield { suite, case: limbo.id, ...skipped('a rule of browsers (namespace webpki)') };
    else yield { suite, case: limbo.id, ...judge(verdictOf(limbo, true), limbo.expected_result === 'SUCCESS', '') };
  }
}

/** The same cases as profiles are run. */
export function* runLimboLenient(file: string): Generator<LimboResult> {
  for (const limbo of casesOf(file).filter((entry) => !isWeb(entry))) {
    const clause = lenientDifferences[limbo.id];
    const wanted = limbo.expected_result === 'SUCCESS' || clause !== undefined;
    const why = clause === undefined ? '' : ` (RFC 5280 §${clause})`;
    yield { suite: 'x509-limbo lenient', case: limbo.id, ...judge(verdictOf(limbo, false), wanted, why) };
  }
}

function casesOf(file: string): readonly LimboCase[] {
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly testcases: readonly LimboCase[] }).testcases;
}

function isWeb({ id }: LimboCase): boolean {
  return webNamespaces.has(id.split('::')[0]);
}

interface Answer {
  readonly accepted: boolean;
  readonly detail: string;
}

function judge(answer: Answer, wanted: boolean, why: string): Verdict {
  return answer.accepted === wanted
    ? passed(`${answer.detail}${why}`)
    : failed(`${answer.detail}, not ${wanted ? 'accepted' : 'refused'}${why}`);
}

function verdictOf(limbo: LimboCase, strict: boolean): Answer {
  const anchors = limbo.trusted_certs.flatMap(certificateOf);
  const names = [...(limbo.expected_peer_name === null ? [] : [limbo.expected_peer_name]), ...limbo.expected_peer_names];
  const request: PathRequest = {
    presented: [limbo.peer_certificate, ...limbo.untrusted_intermediates].map(derOf),
    anchors,
    at: limbo.validation_time === null ? generatedAt : Date.parse(limbo.validation_time),
    purpose: purposeOf(limbo.extended_key_usage),
    strict,
    ...(limbo.max_chain_depth === null ? {} : { maxIntermediates: limbo.max_chain_depth }),
  };
  for (const name of names.length === 0 ? [undefined] : names.map(expectedName)) {
    const result = validatePath(name === undefined ? request : { ...request, name });
    if (!result.ok) return refusal(result.error);
    const fault = limbo.crls.length === 0 ? undefined : revocationFault(result.value.path, limbo.crls.map(derOf), request.at);
    if (fault !== undefined) return refusal(fault);
  }
  return { accepted: true, detail: 'accepted' };
}

function refusal({ code, evidence }: PkiFault): Answer {
  return { accepted: false, detail: `refused: ${code}: ${evidence}` };
}

/** The lists are all there is: nothing is fetched, and a certificate that no list vouches for is refused. */
function revocationFault(path: readonly Certificate[], crls: readonly Uint8Array[], at: number): PkiFault | undefined {
  const policy = { crl: true, ocsp: false, strict: true };
  const check = checkRevocation({ path, policy, at, random: (length) => new Uint8Array(length), inBand: { ocsp: [], crls } });
  let step = check.next();
  while (!step.done) step = check.next();
  return step.value.fault;
}

/** limbo asks for the usages that it names, and for none where it names none. */
function purposeOf(usages: readonly string[]): PathRequest['purpose'] {
  if (usages.length === 0) return 'any';
  if (usages.length === 1 && usages[0] === 'serverAuth') return 'tls-server';
  if (usages.length === 1 && usages[0] === 'clientAuth') return 'tls-client';
  throw new Error(`usages that no purpose of ours stands for: ${usages.join(' ')}`);
}

/** Cases without a time are about the day the file was made (shared/vectors/README.md). */
const generatedAt = Date.UTC(2026, 10, 20, 12);

function expectedName({ kind, value }: PeerName): ExpectedName {
  switch (kind) {
    case 'DNS':
      return { identity: { type: 'fqdn', data: fromUtf8(value) }, commonName: false };
    case 'RFC822':
      return { identity: { type: 'email', data: fromUtf8(value) }, commonName: false };
    case 'IP':
      return { identity: { type: 'ip', data: parseAddress(value) ?? new Uint8Array(0) }, commonName: false };
  }
}

/** An anchor that does not parse is none. */
function certificateOf(pem: string): Certificate[] {
  const parsed = parseCertificate(derOf(pem));
  return parsed.ok ? [parsed.value] : [];
}

function derOf(pem: string): Uint8Array {
  return new Uint8Array(Buffer.from(pem.replace(/-----[^-]*-----|\s/g, ''), 'base64'));
}
