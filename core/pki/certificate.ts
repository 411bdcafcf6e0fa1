/** X.509 certificates (RFC 5280 §4.1) from DER, whole or not at all. Whether they may be believed is `path.ts`. */
import { toHex } from '../bytes/bytes.ts';
import { type DerFault, DerFields, derTag, integerOf, oidOf, onlyChild, readDer, timeOf, wholeBitsOf } from '../bytes/der.ts';
import { err, ok, type Result } from '../bytes/result.ts';
import { readSignatureAlgorithm } from '../crypto/algorithmIdentifier.ts';
import type { Certificate, CertificateExtensions, PkiFault, PkiFaultCode } from './contract.ts';
import { parseExtensionList, readCertificateExtensions } from './extensions.ts';
import { isEmptyName, parseName, printable, sameName } from './names.ts';

/** Octets of one certificate: far above any that is used, far below what it costs to be flooded with. */
export const maxCertificateOctets = 1 << 18;

export function parseCertificate(input: Uint8Array): Result<Certificate, PkiFault> {
  if (input.length > maxCertificateOctets) return fault('too-large', `a certificate of ${input.length} octets`);
  // Not `slice`, which is no copy of a Buffer.
  const der = new Uint8Array(input);
  const root = readDer(der, { octets: maxCertificateOctets, elements: 50_000 });
  if (!root.ok) return fault('malformed', `not a certificate: ${derFaultText(root.error)}`);
  const outer = new DerFields(root.value);
  const tbsNode = outer.take(derTag.sequence);
  const algorithm = outer.take(derTag.sequence);
  const signature = wholeBitsOf(outer.take(derTag.bitString));
  const fields = new DerFields(tbsNode);
  const version = versionOf(fields);
  const serial = fields.take(derTag.integer);
  const innerAlgorithm = fields.take(derTag.sequence);
  const issuer = parseName(fields.take());
  const validity = new DerFields(fields.take());
  const subject = parseName(fields.take());
  const publicKey = fields.take(derTag.sequence);
  const issuerUniqueId = fields.optional(0x81);
  const subjectUniqueId = fields.optional(0x82);
  const extensionsNode = fields.optional(0xa3);
  const notBefore = timeOf(validity.take());
  const notAfter = timeOf(validity.take());
  const signatureOid = oidOf(new DerFields(algorithm).take());
  if (!outer.done || tbsNode === undefined || algorithm === undefined || signature === undefined)
    return fault('malformed', 'not a certificate: the outer fields are not those of one');
  if (!fields.done || version === undefined || serial === undefined || publicKey === undefined)
    return fault('malformed', 'not a certificate: the signed fields are not those of one');
  if (issuer === undefined || subject === undefined) return fault('malformed', 'a certificate with a malformed name');
  const who = `the certificate of ${printable(subject.text) || '(no subject)'}`;
  // RFC 5280 §4.1.2.4
  if (isEmptyName(issuer)) return fault('malformed', `${who}: no issuer`);
  if (!validity.done || notBefore === undefined || notAfter === undefined) return fault('malformed', `${who}: its dates`);
  // §4.1.1.2: the same algorithm inside and outside.
  if (signatureOid === undefined || toHex(algorithm.der) !== toHex(innerAlgorithm?.der ?? new Uint8Array(0)))
    return fault('malformed', `${who}: two different signature algorithms`);
  // §4.1.2.8, §4.1.2.9
  if ((issuerUniqueId !== undefined || subjectUniqueId !== undefined) && version < 2)
    return fault('malformed', `${who}: unique identifiers in version 1`);
  if (extensionsNode !== undefined && version !== 3) return fault('malformed', `${who}: extensions in version ${version}`);
  const extensions = extensionsOf(extensionsNode);
  if (!extensions.ok) return fault('malformed', `${who}: ${extensions.error}`);
  // §4.1.2.6: a CA has a name.
  if (isEmptyName(subject) && extensions.value.basicConstraints?.ca === true)
    return fault('malformed', 'an authority without a name');
  return ok({
    der,
    tbs: tbsNode.der,
    version,
    serial: serialText(serial.content),
    issuer,
    subject,
    notBefore,
    notAfter,
    publicKey: publicKey.der,
    signatureAlgorithm: readSignatureAlgorithm(algorithm.der),
    signatureOid,
    signature,
    extensions: extensions.value,
  });

  function extensionsOf(node: typeof extensionsNode): Result<CertificateExtensions, string> {
    if (node === undefined) return ok({ unknownCritical: [], critical: new Set() });
    const list = parseExtensionList(onlyChild(node));
    return list.ok ? readCertificateExtensions(list.value) : list;
  }
}

/**
 * A CertificateSerialNumber as `Certificate.serial` and lists of revoked ones have it, from the content octets of the INTEGER: hexadecimal of
 * its size, with `-` in front of the negative ones that RFC 5280 forbids and some authorities made.
 */
export function serialText(content: Uint8Array): string {
  if (content.length === 0 || content[0] < 0x80) return toHex(content).replace(/^00(?=..)/, '');
  const size = (1n << BigInt(8 * content.length)) - BigInt(`0x${toHex(content)}`);
  const hex = size.toString(16);
  return `-${hex.length % 2 === 0 ? hex : `0${hex}`}`;
}

/** "The certificate of …" for evidence. */
export function describe(certificate: Certificate): string {
  const subject = printable(certificate.subject.text);
  return subject === ''
    ? `the certificate ${certificate.serial} of ${printable(certificate.issuer.text)}`
    : `the certificate of ${subject}`;
}

export function isSelfIssued(certificate: Certificate): boolean {
  return sameName(certificate.subject, certificate.issuer);
}

/** §4.1.2.1: version 1 is the default and not encoded. */
function versionOf(fields: DerFields): number | undefined {
  const node = fields.optional(0xa0);
  if (node === undefined) return 1;
  const value = integerOf(onlyChild(node));
  return value === 1 || value === 2 ? value + 1 : undefined;
}

function derFaultText({ code, offset }: DerFault): string {
  return `not strict DER (${code} at octet ${offset})`;
}

function fault(code: PkiFaultCode, evidence: string): { readonly ok: false; readonly error: PkiFault } {
  return err({ code, evidence });
}
