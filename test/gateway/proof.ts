/** AUTH and certificates of both sides, as the office makes and checks them (RFC 7296 §2.15, §3.6; RFC 7427; RFC 4754). */

import { readSignatureAlgorithm } from '../../core/crypto/algorithmIdentifier.ts';
import { signingKey } from '../../core/crypto/node/sign.ts';
import { readCertificates } from '../../core/ike/auth/certificates.ts';
import { pskAuth, type SignedParts, signedOctets, verifyPskAuth } from '../../core/ike/auth/psk.ts';
import { chooseSignature, signatureFailure } from '../../core/ike/auth/signature.ts';
import { readTakenMethods, type TakenMethod, takesSignature } from '../../core/ike/auth/takenMethods.ts';
import type { Identity } from '../../core/ike/sa/contract.ts';
import { AUTH_METHOD, CERT_ENCODING, ID } from '../../core/ike/wire/constants.ts';
import type { Payload, PayloadOf } from '../../core/ike/wire/message.ts';
import { allPayloads } from '../../core/ike/wire/payloads.ts';
import { parseCertificate } from '../../core/pki/certificate.ts';
import type { ExpectedName } from '../../core/pki/contract.ts';
import { validatePath } from '../../core/pki/path.ts';
import type { HeadOfficeUser, OfficeCertificate } from './config.ts';
import type { SaServices } from './sa.ts';
import { type HalfOpen, takenBy } from './saInit.ts';

export function signedByOffice(half: HalfOpen, identity: Identity): SignedParts {
  return { prf: half.suite.prf, message: half.response, peerNonce: half.ni, skP: half.keys.pr, identity, intAuth: half.intAuth };
}

export function signedByClient(half: HalfOpen, identity: Pick<Identity, 'type' | 'data'>): SignedParts {
  return { prf: half.suite.prf, message: half.request, peerNonce: half.nr, skP: half.keys.pi, identity, intAuth: half.intAuth };
}

/** [CERT+] AUTH, or undefined when the office has nothing to prove itself with to this user. */
export function officeProof(
  half: HalfOpen,
  request: readonly Payload[],
  identity: Identity,
  user: HeadOfficeUser,
  services: SaServices,
): readonly Payload[] | undefined {
  let { certificate } = services.config;
  const parts = signedByOffice(half, identity);
  if (certificate === undefined) {
    if (user.secret === undefined) return undefined;
    return [{ kind: 'AUTH', method: AUTH_METHOD.SHARED_KEY, data: pskAuth(user.secret, parts) }];
  }
  for (const hooks of services.hooks) if (hooks.certificate) certificate = hooks.certificate(certificate);
  let auth = signed(certificate, signedOctets(parts), half, readTakenMethods(request));
  for (const hooks of services.hooks) if (hooks.sign) auth = hooks.sign(auth, certificate, signedOctets(parts));
  const wantsOcsp = allPayloads(request, 'CERTREQ').some(({ encoding }) => encoding === CERT_ENCODING.OCSP_CONTENT);
  return [
    ...certificate.chain.map((data) => ({ kind: 'CERT', encoding: CERT_ENCODING.X509_SIGNATURE, data }) as const),
    // RFC 4806 §4.2: a payload of its own.
    ...(wantsOcsp ? (certificate.ocsp ?? []) : []).map(
      (data) => ({ kind: 'CERT', encoding: CERT_ENCODING.OCSP_CONTENT, data }) as const,
    ),
    auth,
  ];
}

function signed(
  certificate: OfficeCertificate,
  octets: Uint8Array,
  half: HalfOpen,
  taken: readonly TakenMethod[] | undefined,
): PayloadOf<'AUTH'> {
  // RFC 7427 §4: for a client that announced hashes, when we announced ours.
  const how = chooseSignature(certificate.algorithms, half.announced ? half.hashes : undefined, taken);
  const signature = how && signingKey(certificate.pkcs8)?.sign(how.algorithm, octets);
  if (!signature) throw new Error('the key of the head office cannot sign in a way that the client takes');
  return how.payload(signature);
}

/** Why the client's AUTH is not believed, or undefined when it is. */
export function clientProblem(
  half: HalfOpen,
  request: readonly Payload[],
  auth: PayloadOf<'AUTH'>,
  user: HeadOfficeUser,
  expected: 'psk' | 'certificate' | 'eap',
  services: SaServices,
): string | undefined {
  const parts = signedByClient(half, user.identity);
  if (expected === 'eap') return 'AUTH where EAP was due';
  if (expected === 'psk') {
    if (auth.method !== AUTH_METHOD.SHARED_KEY || user.secret === undefined) return 'no pre-shared key';
    return verifyPskAuth(user.secret, parts, auth.data) ? undefined : 'wrong key';
  }
  const { takes } = services.config;
  if (takes && !isTaken(auth, takenBy(takes))) return 'a signature that is not taken';
  const sent = readCertificates(request);
  if (!sent.ok) return sent.error;
  const anchors = (services.config.userAuthorities ?? []).map((der) => {
    const parsed = parseCertificate(der);
    if (!parsed.ok) throw new Error(`an authority of the head office: ${parsed.error.evidence}`);
    return parsed.value;
  });
  const name = expectedName(user.identity);
  const at = services.config.at ?? Date.now();
  const valid = validatePath({ presented: sent.value.certificates, anchors, at, purpose: 'ike-user', ...(name && { name }) });
  const [own] = valid.ok ? valid.value.path : [];
  if (own === undefined) return valid.ok ? 'an empty path' : `${valid.error.code}: ${valid.error.evidence}`;
  return signatureFailure(auth, own.publicKey, signedOctets(parts), half.announced)?.evidence;
}

function isTaken({ method, data }: PayloadOf<'AUTH'>, taken: readonly TakenMethod[]): boolean {
  if (method !== AUTH_METHOD.DIGITAL_SIGNATURE) return taken.some((one) => one.method === method);
  const algorithm = readSignatureAlgorithm(data.subarray(1, 1 + (data[0] ?? 0)));
  return algorithm !== undefined && takesSignature(taken, algorithm);
}

function expectedName({ type, data }: Identity): ExpectedName | undefined {
  const kinds: Readonly<Record<number, ExpectedName['identity']['type']>> = {
    [ID.FQDN]: 'fqdn',
    [ID.IPV4_ADDR]: 'ip',
    [ID.IPV6_ADDR]: 'ip',
    [ID.RFC822_ADDR]: 'email',
    [ID.DER_ASN1_DN]: 'dn',
  };
  const kind = kinds[type];
  return kind && { identity: { type: kind, data }, commonName: false };
}
