/**
 * More of what an office's certificates can do wrong (SECURITY.md 7): chains that are too much, and addresses in them that nobody may be
 * made to fetch from. `WEB` is the router of the lab, where the tests serve what the names here promise.
 */
import { type Authority, authority } from '../authority/authority.ts';
import type { CertificateSpec } from '../authority/certificate.ts';
import type { OfficeCertificate } from './config.ts';
import { another, authorityOf } from './misbehaveProof.ts';
import type { Misbehaviour } from './misbehaviours.ts';

export const WEB = 'http://198.51.100.1:8080';
/** Of the certificate that `/revoked.crl` lists. */
export const REVOKED = Uint8Array.of(0x5e, 0x7e, 0xd0);

export const chainMisbehaviours = [
  {
    name: 'authority-excludes-name',
    what: 'comes from an authority that may issue for all names but its own',
    clause: 'RFC 5280 §4.2.1.10, S7',
    needs: 'certificate',
    hooks: { certificate: (honest) => from(honest, { nameConstraints: { excluded: ['dns:office.test'] } }) },
  },
  {
    name: 'authority-critical-extension',
    what: 'comes from an authority with a critical extension that nobody knows',
    clause: 'RFC 5280 §4.2, S7',
    needs: 'certificate',
    hooks: {
      certificate: (honest) => from(honest, { extensions: [{ oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }] }),
    },
  },
  {
    name: 'authority-may-not-sign',
    what: 'comes from an authority whose key usage has no keyCertSign',
    clause: 'RFC 5280 §6.1.4 (n), S7',
    needs: 'certificate',
    hooks: { certificate: (honest) => from(honest, { keyUsage: ['cRLSign'] }) },
  },
  {
    name: 'authority-expired',
    what: 'comes from an authority that has expired',
    clause: 'RFC 5280 §6.1.3 (a), S7',
    needs: 'certificate',
    hooks: { certificate: (honest) => from(honest, { notAfter: new Date(Date.now() - 60_000) }) },
  },
  {
    name: 'certificate-chain-of-20',
    what: 'comes from the twentieth authority below the root',
    clause: 'RFC 5280 §6.1, S7, S15',
    needs: 'certificate',
    hooks: { certificate: (honest) => another({ ...honest, authority: below(authorityOf(honest), 20) }, {}) },
  },
  {
    name: 'certificate-of-nobody-with-addresses',
    what: 'has a certificate that it made itself, with addresses for lists, answers and issuers in it',
    clause: 'RFC 5280 §4.2.1.13, S7',
    needs: 'certificate',
    hooks: {
      certificate: (honest) => {
        const nobody = authority.root({ subject: 'CN=Office Root' });
        const addresses = { crlUrl: `${WEB}/nobody.crl`, ocspUrl: `${WEB}/nobody.ocsp`, issuerUrl: `${WEB}/nobody.der` };
        return another({ ...honest, authority: nobody.authority({ subject: 'CN=Nobody', ...addresses }) }, addresses);
      },
    },
  },
  {
    name: 'certificate-revoked',
    what: 'has a certificate that was revoked',
    clause: 'RFC 5280 §6.3, S7',
    needs: 'web',
    hooks: { certificate: (honest) => another(honest, { crlUrl: `${WEB}/revoked.crl`, serial: REVOKED }) },
  },
  listed('list-of-somebody-else', 'whose list of revoked certificates somebody else signed', '/somebody-else.crl'),
  listed('list-out-of-date', 'whose list of revoked certificates is of last year', '/out-of-date.crl'),
  listed('list-too-large', 'whose list of revoked certificates is larger than any', '/too-large.crl'),
  listed('list-without-end', 'whose list of revoked certificates never ends', '/without-end.crl'),
  listed('list-redirected-for-ever', 'whose list of revoked certificates is always somewhere else', '/for-ever.crl'),
  listed('list-redirected-to-file', 'whose list of revoked certificates is said to be a file of the client', '/to-file.crl'),
  listed('list-redirected-to-https', 'whose list of revoked certificates is said to be behind TLS', '/to-https.crl'),
  listed('list-redirected-inside', 'whose list of revoked certificates is said to be in the LAN of the client', '/inside.crl'),
  listed('list-redirected-to-loopback', 'whose list of revoked certificates is said to be on the client itself', '/loopback.crl'),
  {
    name: 'list-on-loopback',
    what: 'has a certificate that names the client itself for its list of revoked certificates',
    clause: 'RFC 5280 §4.2.1.13, S7',
    needs: 'web',
    hooks: { certificate: (honest) => another(honest, { crlUrl: 'http://127.0.0.1:8080/loopback.crl' }) },
  },
] as const satisfies readonly Misbehaviour[];

function listed<N extends string>(name: N, what: string, path: string) {
  return {
    name,
    what: `has a certificate ${what}`,
    clause: 'RFC 5280 §4.2.1.13, S7',
    needs: 'web',
    hooks: { certificate: (honest: OfficeCertificate) => another(honest, { crlUrl: `${WEB}${path}` }) },
  } as const;
}

function from(honest: OfficeCertificate, spec: CertificateSpec): OfficeCertificate {
  return another({ ...honest, authority: authorityOf(honest).authority({ subject: 'CN=Below', ...spec }) }, {});
}

function below(root: Authority, levels: number): Authority {
  let last = root;
  for (let level = 1; level <= levels; level++) last = last.authority({ subject: `CN=Level ${level}` });
  return last;
}
