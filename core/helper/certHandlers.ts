/** The certificate lens over RPC: files, profiles and gateways. Files come as octets; nothing here reads a path a client named. */
import { err, ok, type Result } from '../bytes/result.ts';
import { parseIdentity } from '../ike/identity.ts';
import { parseCertificate } from '../pki/certificate.ts';
import type { Certificate, ExpectedName } from '../pki/contract.ts';
import { validatePath } from '../pki/path.ts';
import { readBundle } from '../profile/bundle.ts';
import { DEFAULTS, defaultTrust, type Profile, type StoredProfile } from '../profile/model.ts';
import { hostOf } from '../profile/schema.ts';
import type { ProfileStore } from '../profile/store.ts';
import type { CertificateReport, ValidParams } from '../rpc/contract.ts';
import { reasonOf } from '../tunnel/explain.ts';
import type { CheckRevocation } from './asks.ts';
import type { FetchGatewayCertificate } from './certificateFetch.ts';
import { certificateReport, type Judged, type ReportRequest, withRevocation } from './certificateReport.ts';
import { expectedName, parseAll } from './gatewayTrust.ts';
import { filesOf } from './profileHandlers.ts';
import type { Handlers, HelperError } from './rpcServer.ts';

export interface CertParts {
  readonly profiles: Pick<ProfileStore, 'find' | 'secretOf'>;
  readonly certificates: {
    readonly fetchGatewayCertificate: FetchGatewayCertificate;
    readonly systemRoots: () => readonly Certificate[];
    readonly checkRevocation: CheckRevocation;
  };
}

type Answer = Result<CertificateReport, HelperError>;

/** Milliseconds for all that is asked about revocation. */
const REVOCATION_PATIENCE = 20_000;
const PKI = { parseCertificate, validatePath };

export function createCertHandlers(parts: CertParts): Pick<Handlers, 'cert.show' | 'cert.fetch'> {
  return {
    'cert.show': (given, peer) => show(parts, given, peer.uid),
    'cert.fetch': (given, peer) => fetchAndShow(parts, given, peer.uid),
  };
}

async function show(parts: CertParts, given: ValidParams<'cert.show'>, uid: number): Promise<Answer> {
  const found = profileFor(parts, given.profile, uid);
  if (!found.ok) return found;
  const profile = found.value?.profile;
  const files = given.text === undefined && given.data === undefined ? undefined : filesOf(given);
  if (!files && !profile) return err({ code: 'bad-request', detail: 'expected files or a profile' });
  const shown = files ? ofFiles(files, given.password || undefined) : ofProfile(profile);
  if (!shown.ok) return shown;
  const extra = authoritiesOf(given.authorities);
  if (!extra.ok) return extra;
  const trust = trustOf(profile);
  const expected = expectedOf(given.expect, trust.commonName);
  if (!expected.ok) return expected;
  const roots = given.systemRoots || (trust.systemRoots && files !== undefined) ? parts.certificates.systemRoots() : [];
  const judged = certificateReport({
    certificates: shown.value.certificates,
    intermediates: trust.intermediates,
    anchors: [...extra.value, ...(files ? trust.authorities : ownAnchors(shown.value.certificates, trust.authorities)), ...roots],
    // Of a file nobody knows what it is for, and an authority is for more than IKE.
    purpose: files || profile?.certificates.length === 0 ? 'any' : 'ike-user',
    expected: expected.value,
    key: shown.value.key,
    side: files && !shown.value.key ? 'gateway' : 'own',
    at: given.at ?? Date.now(),
  });
  return ok(given.revocation ? await checked(parts, judged, profile, []) : judged.report);
}

async function fetchAndShow(parts: CertParts, given: ValidParams<'cert.fetch'>, uid: number): Promise<Answer> {
  const found = profileFor(parts, given.profile, uid);
  if (!found.ok) return found;
  const profile = found.value?.profile;
  const gateway = given.gateway === undefined ? profile?.gateway : hostOf(given.gateway.trim());
  if (gateway === undefined) return err({ code: 'bad-request', detail: 'gateway: expected a host name or an address' });
  const trust = trustOf(profile);
  const wanted = given.expect ?? (profile ? (profile.remoteId ?? profile.gateway) : gateway);
  const expected = expectedOf(wanted, trust.commonName);
  if (!expected.ok) return expected;
  const roots = (profile ? trust.systemRoots : given.systemRoots) ? parts.certificates.systemRoots() : [];
  const fetched = await parts.certificates.fetchGatewayCertificate({
    owner: uid,
    gateway,
    ports: profile?.gatewayPorts ?? { ike: DEFAULTS.ikePort, natt: DEFAULTS.nattPort },
    remoteId: profile?.remoteId,
    ikeProposals: profile?.ikeProposals,
    authorities: [...trust.authorities, ...roots],
  });
  if (!fetched.ok) return err({ code: reasonOf(fetched.error.code), detail: fetched.error.evidence });
  const [first, ...others] = fetched.value.certificates.map(parseCertificate);
  if (!first) return err({ code: 'gateway-no-certificate', detail: 'it sent none' });
  if (!first.ok) return err({ code: 'gateway-cert-invalid', detail: first.error.evidence });
  const judged = certificateReport({
    certificates: [first.value, ...others.flatMap((one) => (one.ok ? [one.value] : []))],
    intermediates: trust.intermediates,
    anchors: [...trust.authorities, ...roots],
    purpose: 'ike',
    expected: expected.value,
    key: undefined,
    side: 'gateway',
    at: Date.now(),
  });
  return ok(await checked(parts, judged, profile, fetched.value.ocsp));
}

/** Nothing is asked of a network before there is a path (SECURITY.md 7). */
async function checked(
  parts: CertParts,
  { report, path }: Judged,
  profile: Profile | undefined,
  ocsp: readonly Uint8Array[],
): Promise<CertificateReport> {
  if (!path) return report;
  const policy = profile?.trust.revocation ?? defaultTrust('certificate').revocation;
  const signal = AbortSignal.timeout(REVOCATION_PATIENCE);
  const { verdicts, fault } = await parts.certificates.checkRevocation({ path, ocsp, policy, signal });
  return withRevocation(report, verdicts, fault);
}

function profileFor(
  parts: CertParts,
  reference: string | undefined,
  uid: number,
): Result<StoredProfile | undefined, HelperError> {
  return reference === undefined ? ok(undefined) : parts.profiles.find(reference, uid);
}

interface Trust {
  readonly authorities: readonly Certificate[];
  readonly intermediates: readonly Certificate[];
  readonly systemRoots: boolean;
  readonly commonName: boolean;
}

function trustOf(profile: Profile | undefined): Trust {
  const authorities = parseAll(PKI, profile?.trust.authorities ?? []);
  const intermediates = parseAll(PKI, profile?.trust.intermediates ?? []);
  return {
    authorities: authorities.ok ? authorities.value : [],
    intermediates: intermediates.ok ? intermediates.value : [],
    systemRoots: profile?.trust.systemRoots ?? false,
    commonName: profile?.trust.commonName ?? false,
  };
}

interface Shown {
  readonly certificates: readonly Certificate[];
  readonly key: ReportRequest['key'];
}

function ofFiles(files: readonly Uint8Array[], password: string | undefined): Result<Shown, HelperError> {
  const bundle = readBundle(files, password);
  for (const file of files) file.fill(0);
  if (!bundle.ok) {
    const { code, detail } = bundle.error;
    return err({ code: code === 'profile-malformed' ? 'certificate-unreadable' : code, detail });
  }
  const { key, chain, authorities, others } = bundle.value;
  key?.pkcs8.fill(0);
  return ok({ certificates: [...chain, ...authorities.filter((one) => !chain.includes(one)), ...others], key: key?.signer });
}

/** Its own; of a profile without, whom it trusts. */
function ofProfile(profile: Profile | undefined): Result<Shown, HelperError> {
  const texts = profile?.certificates.length ? profile.certificates : (profile?.trust.authorities ?? []);
  const certificates = parseAll(PKI, texts);
  if (!certificates.ok) return err({ code: 'certificate-unreadable', detail: certificates.error.evidence });
  return ok({ certificates: certificates.value, key: undefined });
}

/**
 * Whether the gateway trusts the user's certificate is the gateway's to say: an authority of the profile is an anchor of it only where
 * the chain leads there.
 */
function ownAnchors(own: readonly Certificate[], authorities: readonly Certificate[]): readonly Certificate[] {
  const presented = own.map(({ der }) => der);
  const leads = validatePath({ presented, anchors: authorities, at: own[0]?.notBefore ?? 0, purpose: 'any' });
  return leads.ok || leads.error.code !== 'untrusted' ? authorities : [];
}

function authoritiesOf(files: readonly string[] | undefined): Result<readonly Certificate[], HelperError> {
  if (!files || files.length === 0) return ok([]);
  const octets = filesOf({ data: files });
  const bundle = octets && readBundle(octets, undefined);
  if (!bundle?.ok)
    return err({ code: 'certificate-unreadable', detail: bundle ? `authorities: ${bundle.error.detail}` : 'authorities' });
  bundle.value.key?.pkcs8.fill(0);
  return ok([...bundle.value.chain, ...bundle.value.authorities]);
}

function expectedOf(
  text: string | undefined,
  commonName: boolean,
): Result<{ readonly text: string; readonly name: ExpectedName } | undefined, HelperError> {
  if (text === undefined || text === '') return ok(undefined);
  if (!parseIdentity(text).ok)
    return err({ code: 'bad-request', detail: 'expect: a name, an address, user@domain or a distinguished name' });
  return ok({ text, name: expectedName(text, text, commonName) });
}
