/** The certificates and the key of a profile file, read out of their PEM. What is wrong is told by field. */
import { equalBytes } from '../bytes/bytes.ts';
import { parseCertificate } from '../pki/certificate.ts';
import type { Certificate } from '../pki/contract.ts';
import { sameName } from '../pki/names.ts';
import { fromBase64, looksLikePem, readPem, toBase64 } from '../pki/pem.ts';
import { keyMismatch } from '../pki/privateKey.ts';
import type { ProfileProblem } from '../rpc/contract.ts';
import { type ReadKey, readKeyPem } from './keys.ts';
import type { AnyAuthFile, GatewayAuthFile } from './schemaAuth.ts';

export interface Material {
  /** The user's own, the end entity first. */
  readonly certificates: readonly Certificate[];
  readonly key: ReadKey | undefined;
  readonly eapAuthorities: readonly Certificate[];
  readonly authorities: readonly Certificate[];
  readonly intermediates: readonly Certificate[];
}

export const NO_MATERIAL: Material = {
  certificates: [],
  key: undefined,
  eapAuthorities: [],
  authorities: [],
  intermediates: [],
};

const MOST_CERTIFICATES = 100;

export function readMaterial(
  auth: AnyAuthFile,
  gatewayAuth: GatewayAuthFile | undefined,
): { readonly material: Material; readonly problems: readonly ProfileProblem[] } {
  const problems: ProfileProblem[] = [];
  const certificates = (field: string, given: string | readonly string[] | undefined): readonly Certificate[] => {
    const read = readCertificates(given === undefined ? [] : typeof given === 'string' ? [given] : given);
    if (read.ok) return read.value;
    problems.push({ field, code: 'certificate-invalid', message: read.error });
    return [];
  };
  const own = certificates('certificates', auth.certificate);
  let key: ReadKey | undefined;
  if (auth.key !== undefined) {
    const read = readKeyPem(auth.key, auth.keyPassword);
    if (read.ok) key = read.value;
    else problems.push({ field: 'key', ...keyProblem(read.error.code), message: read.error.message });
  }
  const material: Material = {
    certificates: chainFirst(own, key),
    key,
    eapAuthorities: certificates('eap.authorities', auth.authorities),
    authorities: certificates('trust.authorities', gatewayAuth?.authorities),
    intermediates: certificates('trust.intermediates', gatewayAuth?.intermediates),
  };
  return { material, problems };
}

function keyProblem(code: string): { readonly code: ProfileProblem['code'] } {
  return { code: code === 'password-needed' || code === 'password-wrong' ? 'key-password' : 'key-invalid' };
}

/** Of PEM texts with one certificate or more each, or base64 of DER. The error says what was expected of which. */
export function readCertificates(
  texts: readonly string[],
): { readonly ok: true; readonly value: readonly Certificate[] } | { readonly ok: false; readonly error: string } {
  const found: Certificate[] = [];
  const fail = (at: number, why: string) => {
    return { ok: false, error: `${texts.length > 1 ? `number ${at + 1}: ` : ''}expected certificates in PEM (${why})` } as const;
  };
  for (const [at, text] of texts.entries()) {
    const octets = derOf(text);
    if (typeof octets === 'string') return fail(at, octets);
    for (const der of octets) {
      const certificate = parseCertificate(der);
      if (!certificate.ok) return fail(at, certificate.error.evidence);
      if (!found.some((earlier) => equalBytes(earlier.der, certificate.value.der))) found.push(certificate.value);
    }
    if (found.length > MOST_CERTIFICATES) return fail(at, `more than ${MOST_CERTIFICATES}`);
  }
  return { ok: true, value: found };
}

/** The octets, or why there are none. */
function derOf(text: string): readonly Uint8Array[] | string {
  if (!looksLikePem(text)) {
    const der = fromBase64(text);
    return der && der.length > 0 ? [der] : 'neither PEM nor base64';
  }
  const blocks = readPem(text);
  if (!blocks.ok) return blocks.error.evidence;
  const other = blocks.value.find(({ label }) => !CERTIFICATE_LABELS.has(label));
  return other ? `there is a block "${other.label}"` : blocks.value.map(({ der }) => der);
}

/** RFC 7468 §5, and what OpenSSL has written. */
export const CERTIFICATE_LABELS: ReadonlySet<string> = new Set(['CERTIFICATE', 'X509 CERTIFICATE', 'X.509 CERTIFICATE']);

export function base64Of(certificates: readonly Certificate[]): readonly string[] {
  return certificates.map(({ der }) => toBase64(der));
}

/** The certificate of the key (else the first), then each one's issuer as far as there is one, then the rest. */
export function chainFirst(all: readonly Certificate[], key: Pick<ReadKey, 'signer'> | undefined): readonly Certificate[] {
  const chain: Certificate[] = [];
  let next: Certificate | undefined = (key && newest(all.filter((one) => !keyMismatch(key.signer, one.publicKey)))) ?? all[0];
  while (next) {
    const below: Certificate = next;
    chain.push(below);
    const issuers = all.filter((one) => !chain.includes(one) && sameName(one.subject, below.issuer));
    next = newest(issuers.filter((one) => namesKeyOf(below, one))) ?? newest(issuers);
  }
  return [...chain, ...all.filter((one) => !chain.includes(one))];
}

/** Who renews a certificate often keeps its key, and the old one in the file. */
function newest(all: readonly Certificate[]): Certificate | undefined {
  return all.reduce<Certificate | undefined>((best, one) => (best && best.notAfter >= one.notAfter ? best : one), undefined);
}

/** RFC 5280 §4.2.1.1: authorities of one name are told apart by the key. */
function namesKeyOf(child: Certificate, issuer: Certificate): boolean {
  const [wanted, is] = [child.extensions.authorityKeyId, issuer.extensions.subjectKeyId];
  return wanted !== undefined && is !== undefined && equalBytes(wanted, is);
}
