/** The authority as an object: it issues certificates, CRLs and OCSP answers. See `certificate.ts` for what can be said. */
import { type CertificateSpec, type IssuedCertificate, makeCertificate } from './certificate.ts';
import { type CrlSpec, type MadeCrl, makeCrl } from './crl.ts';
import { makeOcsp, type OcspSpec } from './ocsp.ts';

export interface Entity extends IssuedCertificate {
  readonly issuer: Authority | undefined;
  /** PEM of this certificate and of the intermediates above it, without the root. */
  readonly chainPem: string;
  /** DER of the same. */
  readonly chain: readonly Uint8Array[];
}

export interface Authority extends Entity {
  /** An end entity. */
  issue(spec: CertificateSpec): Entity;
  /** An authority below this one. */
  authority(spec: CertificateSpec): Authority;
  /** Another certificate for a subject and key that have one already: by this authority, so both lead to the same key. */
  crossSign(other: IssuedCertificate, spec?: CertificateSpec): Authority;
  /** The same authority under a certificate of its own: a renewed root. */
  renew(spec?: CertificateSpec): Authority;
  crl(spec?: CrlSpec): MadeCrl;
  /** An OCSPResponse. */
  ocsp(spec?: OcspSpec): Uint8Array;
}

export const authority = {
  /** A self-signed authority. */
  root: (spec: CertificateSpec = {}): Authority => asAuthority(makeCertificate({ subject: 'CN=Office Root', ca: true, ...spec })),
  /** A certificate that issued itself and is no authority. */
  selfSigned: (spec: CertificateSpec): Entity => asEntity(makeCertificate(spec), undefined),
} as const;

function asAuthority(certificate: IssuedCertificate, issuer?: Authority): Authority {
  const self: Authority = {
    ...asEntity(certificate, issuer),
    issue: (spec) => asEntity(makeCertificate(spec, certificate), self),
    authority: (spec) => asAuthority(makeCertificate({ ca: true, ...spec }, certificate), self),
    crossSign: (other, spec = {}) =>
      asAuthority(makeCertificate({ ca: true, subject: other.subject, key: other.key, ...spec }, certificate), self),
    renew: (spec = {}) => asAuthority(makeCertificate({ ca: true, subject: certificate.subject, key: certificate.key, ...spec })),
    crl: (spec) => makeCrl(certificate, spec),
    ocsp: (spec) => makeOcsp(certificate, spec),
  };
  return self;
}

function asEntity(certificate: IssuedCertificate, issuer: Authority | undefined): Entity {
  const above = issuer?.issuer === undefined ? [] : issuer.chain;
  const abovePem = issuer?.issuer === undefined ? '' : issuer.chainPem;
  return {
    ...certificate,
    issuer,
    chain: [certificate.der, ...above],
    chainPem: certificate.pem + abovePem,
  };
}
