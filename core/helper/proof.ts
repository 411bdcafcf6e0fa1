/**
 * What both sides of one connection prove themselves with: the user's key, certificates and EAP, and whom the gateway must be. Made from
 * the profile before a message is sent, so that whatever is missing is known by then; it answers the machine's asks afterwards.
 */

import { equalBytes, fromUtf8 } from '../bytes/bytes.ts';
import { err, ok, type Result } from '../bytes/result.ts';
import { sha1 } from '../crypto/hash.ts';
import { chosenSignatures } from '../crypto/signatureNames.ts';
import type { GatewayAuth, IkeAuthentication, LocalAuth } from '../ike/auth/contract.ts';
import type { Ppk } from '../ike/auth/ppk.ts';
import { makeIdentity, parseIdentity } from '../ike/identity.ts';
import type { Identity, IkeFailure } from '../ike/sa/contract.ts';
import { ID } from '../ike/wire/constants.ts';
import type { Certificate, PkiFault } from '../pki/contract.ts';
import { keyMismatch } from '../pki/privateKey.ts';
import type { RevocationResult } from '../pki/revocation.ts';
import { expiryWarnings } from '../profile/expiry.ts';
import type { Profile } from '../profile/model.ts';
import type { Failure, Warning } from '../rpc/contract.ts';
import type { Log } from '../system/log.ts';
import { failure, ikeFailure } from '../tunnel/explain.ts';
import { type Asks, type CheckRevocation, createAsks, type SigningKey, type TlsSession } from './asks.ts';
import type { Credentials } from './credentials.ts';
import { createGatewayTrust, type GatewayTrust, parseAll, type TrustPorts } from './gatewayTrust.ts';

export interface ProofPorts {
  readonly trust: TrustPorts;
  readonly checkRevocation: CheckRevocation;
  /** TLS inside EAP; the server's chain is judged by `trust`. */
  readonly openTls: (request: TlsRequest) => TlsSession;
}

export interface TlsRequest {
  readonly trust: GatewayTrust;
  /** Own chain, the end entity first; [] without. */
  readonly certificates: readonly Certificate[];
  readonly signer: SigningKey | undefined;
  /** May the path of the server be used still? Undefined: it is not asked. */
  readonly revocation: ((path: readonly Certificate[], signal: AbortSignal) => Promise<RevocationResult>) | undefined;
  readonly log: Log;
}

export interface ProofRequest {
  readonly profile: Profile;
  readonly psk: Uint8Array | undefined;
  /** The post-quantum preshared key. */
  readonly ppk?: Uint8Array | undefined;
  readonly signer: SigningKey | undefined;
  readonly credentials: Pick<Credentials, 'answer'>;
  readonly log: Log;
  readonly onChange: () => void;
}

export interface Proof {
  readonly auth: IkeAuthentication;
  /** IDi; `local` is our own address, as text. */
  localIdentity(local: string): Result<Identity, 'malformed'>;
  readonly asks: Asks;
  /** Of the profile and of what the gateway showed, as it is now. */
  warnings(): readonly Warning[];
  /** The refusal of a gateway in the light of what we showed it. */
  explain(cause: IkeFailure): IkeFailure;
}

/** CERTREQ must not make IKE_AUTH larger than a datagram gets through: 20 octets each (RFC 7296 §3.7). */
const MOST_AUTHORITIES = 32;
/** Octets. Whoever records one attempt can try shorter ones at home (SECURITY.md 8). */
const SHORT_PSK = 20;

export function prepareProof(ports: ProofPorts, request: ProofRequest): Result<Proof, Failure> {
  const { profile, psk, signer, log } = request;
  const damaged = ({ code, evidence }: PkiFault) =>
    err(failure('profile-malformed', `a stored certificate: ${code}: ${evidence}`));
  const trust = createGatewayTrust(ports.trust, profile);
  if (!trust.ok) return damaged(trust.error);
  const own = parseAll(ports.trust.pki, profile.certificates);
  if (!own.ok) return damaged(own.error);
  const certificates = own.value;

  const local = localAuth(profile, psk, signer, certificates);
  if (!local.ok) return err(ikeFailure(local.error));
  const gateway = gatewayAuth(profile, psk, trust.value);
  if (!gateway.ok) return err(ikeFailure(gateway.error));

  const ppk = ppkOf(profile, request.ppk);
  if (!ppk.ok) return err(ikeFailure(ppk.error));

  const usesTls = profile.eap?.methods.some((method) => method === 'tls' || method === 'ttls' || method === 'peap') === true;
  const asks = createAsks({
    pki: ports.trust.pki,
    trust: profile.trust.method === 'psk' ? undefined : trust.value,
    revocationPolicy: profile.trust.revocation,
    checkRevocation: ports.checkRevocation,
    signer,
    tls: usesTls
      ? ports.openTls({ trust: trust.value, certificates, signer, revocation: serverRevocation(ports, profile), log })
      : undefined,
    credentials: request.credentials,
    eapOnly: profile.trust.method === 'eap-only',
    log,
    onChange: request.onChange,
    now: ports.trust.now,
  });

  for (const { code, subject, days } of warningsOf(psk, certificates, trust.value, asks, ports.trust.now())) {
    log('warn', 'trust', code, { subject, ...(days !== undefined && { days }) });
  }
  return ok({
    auth: { local: local.value, gateway: gateway.value, ...(ppk.value && { ppk: ppk.value }) },
    localIdentity: (address) => localIdentity(profile, certificates[0], address),
    asks,
    warnings: () => warningsOf(psk, certificates, trust.value, asks, ports.trust.now()),
    explain(cause) {
      const [mine] = certificates;
      const refused = cause.code === 'own-cert-refused' || cause.code === 'authentication-failed';
      if (!refused || !mine || mine.notAfter >= ports.trust.now()) return cause;
      const day = new Date(mine.notAfter).toISOString().slice(0, 10);
      return { code: 'own-cert-expired', evidence: `${mine.subject.text}: valid until ${day}; ${cause.evidence}` };
    },
  });
}

/**
 * In EAP alone the certificate inside TLS is all that proves the gateway. Beside a proof in IKE it is asked about only where nothing may be
 * left unknown: the server is spoken to through the gateway, and a second wait is a login that may come too late.
 */
function serverRevocation({ checkRevocation }: ProofPorts, { trust }: Profile): TlsRequest['revocation'] {
  const policy = trust.revocation;
  if (trust.method !== 'eap-only' && !policy.strict) return undefined;
  return (path, signal) => checkRevocation({ path, ocsp: [], policy, signal });
}

function warningsOf(
  psk: Uint8Array | undefined,
  own: readonly Certificate[],
  { authorities }: GatewayTrust,
  asks: Asks,
  now: number,
): readonly Warning[] {
  const path = asks.path();
  const verdicts = asks.facts().gatewayCertificate?.revocation ?? [];
  // An authority that publishes nothing leaves nothing to be warned of: only who said where to ask, and was not heard, counts.
  const unknown = verdicts.filter(({ status }, at) => status === 'unknown' && namesPlace(path[at]));
  return [
    ...expiryWarnings({ own, gateway: path, authorities }, now),
    ...unknown.map(({ subject }) => ({ code: 'revocation-unknown', subject }) as const),
    ...(psk && psk.length < SHORT_PSK ? [{ code: 'psk-short', subject: '' } as const] : []),
  ];
}

function namesPlace(certificate: Certificate | undefined): boolean {
  const { crlDistributionPoints = [], ocspResponders = [] } = certificate?.extensions ?? {};
  return crlDistributionPoints.length + ocspResponders.length > 0;
}

/** The rounds in which the user proves who they are (RFC 4739: the certificate first). */
function localAuth(
  profile: Profile,
  psk: Uint8Array | undefined,
  signer: SigningKey | undefined,
  certificates: readonly Certificate[],
): Result<readonly LocalAuth[], IkeFailure> {
  const rounds: LocalAuth[] = [];
  if (profile.auth === 'psk') {
    if (!psk) return err({ code: 'own-key-failed', evidence: 'there is no pre-shared key' });
    rounds.push({ method: 'psk', secret: psk });
  }
  if (profile.auth === 'certificate' || profile.auth === 'certificate-eap') {
    const [mine] = certificates;
    if (!mine) return err({ code: 'own-key-failed', evidence: 'the profile has no certificate of yours' });
    if (!signer) return err({ code: 'own-key-failed', evidence: 'the profile has no private key' });
    const mismatch = keyMismatch(signer.info, mine.publicKey);
    if (mismatch) return err({ code: 'own-key-failed', evidence: mismatch.evidence });
    // The root is the gateway's to know.
    const sent = certificates.filter(({ subject, issuer }, at) => at === 0 || !equalBytes(subject.der, issuer.der));
    const algorithms = chosenSignatures(signer.info.algorithms, profile.signatures);
    if (algorithms.length === 0)
      return err({ code: 'own-key-failed', evidence: `the key cannot sign with ${profile.signatures.join(', ')}` });
    rounds.push({ method: 'certificate', certificates: sent.map(({ der }) => der), algorithms });
  }
  if (profile.auth === 'eap' || profile.auth === 'certificate-eap') {
    const settings = profile.eap;
    if (!settings) return err({ code: 'eap-no-common-method', evidence: 'the profile has no EAP settings' });
    const methods = settings.methods.filter((method) => method !== 'tls' || (signer !== undefined && certificates.length > 0));
    if (methods.length === 0) return err({ code: 'own-key-failed', evidence: 'EAP-TLS needs a certificate and its key' });
    const onlyTls = methods.every((method) => method === 'tls');
    const identity = settings.identity || (onlyTls ? certificateIdentity(certificates[0])?.text : undefined);
    rounds.push({
      method: 'eap',
      eap: {
        methods,
        identity,
        mutualOnly: profile.trust.method === 'eap-only',
        inner: ['mschapv2', 'gtc', ...(methods.includes('md5') ? (['md5'] as const) : [])],
      },
    });
  }
  return ok(rounds);
}

function gatewayAuth(profile: Profile, psk: Uint8Array | undefined, trust: GatewayTrust): Result<GatewayAuth, IkeFailure> {
  const { method, certreq } = profile.trust;
  if (method === 'psk') {
    return psk ? ok({ method, secret: psk }) : err({ code: 'own-key-failed', evidence: 'there is no pre-shared key' });
  }
  // RFC 7296 §3.7: SHA-1 names the key here and protects nothing. The profile's own come first.
  const authorities = certreq
    ? trust
        .anchors()
        .slice(0, MOST_AUTHORITIES)
        .map(({ publicKey }) => sha1(publicKey))
    : [];
  return ok({ method, authorities, ...(certreq && profile.trust.revocation.ocsp && { ocsp: true }) });
}

/** One that may be done without, and of which only the name is there, is done without. */
function ppkOf({ ppk }: Profile, secret: Uint8Array | undefined): Result<Ppk | undefined, IkeFailure> {
  if (!ppk) return ok(undefined);
  if (secret) return ok({ id: fromUtf8(ppk.id), secret, required: ppk.required });
  return ppk.required ? err({ code: 'own-key-failed', evidence: 'there is no post-quantum preshared key' }) : ok(undefined);
}

/**
 * IDi where the profile names none. With a certificate it is what the certificate is about (RFC 4945 §3.1). With EAP it is our address, as
 * other clients do it: IDi goes to a gateway that has proven nothing yet, so the user's name does not (SECURITY.md 3).
 */
function localIdentity(profile: Profile, mine: Certificate | undefined, local: string): Result<Identity, 'malformed'> {
  if (profile.localId !== '') return parseIdentity(profile.localId);
  const signs = profile.auth === 'certificate' || profile.auth === 'certificate-eap';
  const found = signs ? certificateIdentity(mine) : undefined;
  return found ? ok(found) : parseIdentity(local);
}

/** The first e-mail address or host name of the certificate, else its subject. */
export function certificateIdentity(mine: Certificate | undefined): Identity | undefined {
  if (!mine) return undefined;
  const names = mine.extensions.subjectAltName ?? [];
  for (const kind of ['email', 'dns'] as const) {
    for (const name of names) {
      const parsed = name.kind === kind ? parseIdentity(name.value) : undefined;
      if (parsed?.ok && parsed.value.type === (kind === 'email' ? ID.RFC822_ADDR : ID.FQDN)) return parsed.value;
    }
  }
  return { ...makeIdentity(ID.DER_ASN1_DN, mine.subject.der), text: mine.subject.text };
}
