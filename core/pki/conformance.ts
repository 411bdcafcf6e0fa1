/**
 * What RFC 5280 asks of authorities that make certificates, and whose breach misleads nobody who validates them: shown by the certificate
 * lens, and refused by `validatePath` when it is strict. What can mislead is refused always, where it is looked at.
 */
import { verifySignature } from '../crypto/signatures.ts';
import { isSelfIssued } from './certificate.ts';
import type { Certificate } from './contract.ts';
import { extensionOid } from './extensions.ts';
import { isEmptyName } from './names.ts';

export interface ConformanceRemark {
  /** A section of RFC 5280. */
  readonly clause: string;
  readonly evidence: string;
}

/** `authority`: it issued the certificate below it on a path. */
export function conformanceRemarks(certificate: Certificate, authority: boolean): ConformanceRemark[] {
  return rules.filter((rule) => rule.broken(certificate, authority)).map(({ clause, evidence }) => ({ clause, evidence }));
}

interface ConformanceRule extends ConformanceRemark {
  broken(certificate: Certificate, authority: boolean): boolean;
}

/** Extensions that are always or never critical: §4.2.1.1, .2, .10, .11, .14, .15, §4.2.2.1, §4.2.2.2. */
const alwaysCritical: readonly (readonly [clause: string, oid: string, name: string, present: (c: Certificate) => boolean])[] = [
  ['4.2.1.10', extensionOid.nameConstraints, 'name constraints', (c) => c.extensions.nameConstraints !== undefined],
  ['4.2.1.11', extensionOid.policyConstraints, 'policy constraints', (c) => c.extensions.policyConstraints !== undefined],
  ['4.2.1.14', extensionOid.inhibitAnyPolicy, 'inhibit anyPolicy', (c) => c.extensions.inhibitAnyPolicy !== undefined],
];

const neverCritical: readonly (readonly [clause: string, oid: string, name: string])[] = [
  ['4.2.1.1', extensionOid.authorityKeyId, 'the authority key identifier'],
  ['4.2.1.2', extensionOid.subjectKeyId, 'the subject key identifier'],
  ['4.2.1.15', extensionOid.freshestCrl, 'the freshest CRL'],
  ['4.2.2.1', extensionOid.authorityInfoAccess, 'authority information access'],
  ['4.2.2.2', extensionOid.subjectInfoAccess, 'subject information access'],
];

const rules: readonly ConformanceRule[] = [
  {
    clause: '4.1.2.2',
    evidence: 'the serial number is not positive',
    // What signed itself is revoked by nobody, and roots of every operating system have serial 0.
    broken: (certificate) => (certificate.serial === '00' || certificate.serial.startsWith('-')) && !isSelfIssued(certificate),
  },
  {
    clause: '4.1.2.2',
    evidence: 'the serial number is longer than 20 octets',
    broken: ({ serial }) => serial.length > 40 || (serial.length === 40 && Number.parseInt(serial[0], 16) >= 8),
  },
  {
    clause: '4.2.1.1',
    evidence: 'no authority key identifier',
    // "There is one exception": where an authority hands out its key in a certificate that it signed itself.
    broken: (certificate) =>
      certificate.extensions.authorityKeyId === undefined && !isSelfIssued(certificate) && !isSelfSigned(certificate),
  },
  {
    clause: '4.2.1.2',
    evidence: 'an authority without a subject key identifier',
    broken: ({ extensions }, authority) =>
      extensions.subjectKeyId === undefined && (authority || extensions.basicConstraints?.ca === true),
  },
  {
    clause: '4.2.1.3',
    evidence: 'no authority, yet its key is to sign certificates',
    broken: ({ extensions }) => extensions.keyUsage?.has('keyCertSign') === true && extensions.basicConstraints?.ca !== true,
  },
  {
    clause: '4.2.1.6',
    evidence: 'no subject, and the alternative name is not critical',
    broken: ({ subject, extensions }) => isEmptyName(subject) && !extensions.critical.has(extensionOid.subjectAltName),
  },
  {
    clause: '4.2.1.6',
    evidence: 'a DNS name that is not in preferred syntax',
    broken: ({ extensions }) =>
      extensions.subjectAltName?.some((name) => name.kind === 'dns' && !preferredSyntax.test(name.value)) === true,
  },
  {
    clause: '4.2.1.9',
    evidence: 'the basic constraints of an authority are not critical',
    broken: ({ extensions }) =>
      extensions.basicConstraints?.ca === true && !extensions.critical.has(extensionOid.basicConstraints),
  },
  {
    clause: '4.2.1.9',
    evidence: 'a path length of who is no authority',
    broken: ({ extensions: { basicConstraints } }) => basicConstraints?.ca === false && basicConstraints.pathLength !== undefined,
  },
  {
    clause: '4.2.1.10',
    evidence: 'name constraints of who is no authority',
    broken: ({ extensions }) => extensions.nameConstraints !== undefined && extensions.basicConstraints?.ca !== true,
  },
  {
    clause: '4.2.1.10',
    evidence: 'a constraint on DNS names that begins with a period',
    broken: ({ extensions: { nameConstraints } }) =>
      [...(nameConstraints?.permitted ?? []), ...(nameConstraints?.excluded ?? [])].some(
        (subtree) => subtree.kind === 'dns' && subtree.value.startsWith('.'),
      ),
  },
  ...alwaysCritical.map(
    ([clause, oid, name, present]): ConformanceRule => ({
      clause,
      evidence: `${name} that are not critical`,
      broken: (certificate) => present(certificate) && !certificate.extensions.critical.has(oid),
    }),
  ),
  ...neverCritical.map(
    ([clause, oid, name]): ConformanceRule => ({
      clause,
      evidence: `${name} is critical`,
      broken: ({ extensions }) => extensions.critical.has(oid),
    }),
  ),
];

/** By its own key, whatever name it gives its issuer. */
function isSelfSigned({ signatureAlgorithm, publicKey, tbs, signature }: Certificate): boolean {
  return signatureAlgorithm !== undefined && verifySignature(signatureAlgorithm, publicKey, tbs, signature) === undefined;
}

/** RFC 1034 §3.5 and RFC 1123 §2.1; a wildcard label is RFC 6125's. */
const preferredSyntax = /^(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;
