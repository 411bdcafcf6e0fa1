/** A certificate in the words of people: names, key, usage, days left. Pure: time and fingerprint come from outside. */
import { toHex } from '../bytes/bytes.ts';
import { keyBits, type PublicKey, parsePublicKey } from '../crypto/publicKey.ts';
import type { SignatureAlgorithm } from '../crypto/signatureTypes.ts';
import type { Certificate } from '../pki/contract.ts';
import { generalNameText } from '../pki/identity.ts';
import { printable } from '../pki/names.ts';
import type { CertificateView } from '../rpc/contract.ts';

const DAY = 24 * 3600_000;
/** What is shown of lists that somebody else filled. */
const MOST_SHOWN = 50;

/** `now`: Date.now() milliseconds. `fingerprint`: SHA-256 of the DER. */
export function certificateText(certificate: Certificate, now: number, fingerprint: Uint8Array): CertificateView {
  const { extensions, notBefore, notAfter, serial } = certificate;
  const key = parsePublicKey(certificate.publicKey);
  return {
    subject: printable(certificate.subject.text),
    issuer: printable(certificate.issuer.text),
    serial,
    notBefore,
    notAfter,
    days: Math.floor((notAfter - now) / DAY),
    names: (extensions.subjectAltName ?? []).slice(0, MOST_SHOWN).map((name) => {
      const kind = name.kind === 'directory' ? 'dn' : name.kind;
      return `${kind}:${generalNameText(name)}`;
    }),
    key: key.ok ? publicKeyText(key.value) : 'of a kind that is not known',
    signature: certificate.signatureAlgorithm ? signatureText(certificate.signatureAlgorithm) : certificate.signatureOid,
    ca: extensions.basicConstraints?.ca === true,
    pathLength: extensions.basicConstraints?.pathLength,
    keyUsage: extensions.keyUsage && [...extensions.keyUsage],
    extendedKeyUsage: extensions.extendedKeyUsage?.slice(0, MOST_SHOWN).map((oid) => purposes.get(oid) ?? oid),
    crls: (extensions.crlDistributionPoints ?? []).flatMap(({ uris }) => uris.map(printable)).slice(0, MOST_SHOWN),
    ocsp: (extensions.ocspResponders ?? []).map(printable).slice(0, MOST_SHOWN),
    fingerprint: toHex(fingerprint),
  };
}

const curveNames: Readonly<Record<string, string>> = {
  p256: 'ECDSA P-256',
  p384: 'ECDSA P-384',
  p521: 'ECDSA P-521',
  ed25519: 'Ed25519',
  ed448: 'Ed448',
};

export function publicKeyText(key: PublicKey): string {
  if (key.kind === 'rsa') return `RSA ${keyBits(key)}${key.use === 'pss' ? ' for PSS' : ''}`;
  return curveNames[key.kind] ?? `ECDSA ${key.kind}`;
}

export function signatureText(algorithm: SignatureAlgorithm): string {
  const hash = (name: string) => name.replace(/^sha(\d+)$/, 'SHA-$1');
  switch (algorithm.kind) {
    case 'rsa-pkcs1':
      return `RSA with ${hash(algorithm.hash)}`;
    case 'rsa-pss':
      return `RSA-PSS with ${hash(algorithm.hash)}`;
    case 'ecdsa':
      return `ECDSA with ${hash(algorithm.hash)}`;
    case 'ed25519':
      return 'Ed25519';
    case 'ed448':
      return 'Ed448';
  }
}

/** RFC 5280 §4.2.1.12, RFC 4945 §5.1.3.12. */
const purposes: ReadonlyMap<string, string> = new Map([
  ['2.5.29.37.0', 'any'],
  ['1.3.6.1.5.5.7.3.1', 'serverAuth'],
  ['1.3.6.1.5.5.7.3.2', 'clientAuth'],
  ['1.3.6.1.5.5.7.3.3', 'codeSigning'],
  ['1.3.6.1.5.5.7.3.4', 'emailProtection'],
  ['1.3.6.1.5.5.7.3.5', 'ipsecEndSystem'],
  ['1.3.6.1.5.5.7.3.6', 'ipsecTunnel'],
  ['1.3.6.1.5.5.7.3.7', 'ipsecUser'],
  ['1.3.6.1.5.5.7.3.8', 'timeStamping'],
  ['1.3.6.1.5.5.7.3.9', 'OCSPSigning'],
  ['1.3.6.1.5.5.7.3.17', 'ipsecIKE'],
  ['1.3.6.1.5.5.8.2.2', 'iKEIntermediate'],
]);
