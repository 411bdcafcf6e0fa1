import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { publicKeyFault, verifySignature } from '../../../core/crypto/signatures.ts';
import { parseCertificate } from '../../../core/pki/certificate.ts';
import { conformanceRemarks } from '../../../core/pki/conformance.ts';
import type { Certificate } from '../../../core/pki/contract.ts';
import { generalNameText } from '../../../core/pki/identity.ts';
import { type CertificateSpec, makeCertificate } from '../../authority/certificate.ts';
import { boolean, integer, octetString, oid, sequence } from '../../authority/der.ts';
import { extension } from '../../authority/extensions.ts';

function made(spec: CertificateSpec): Certificate {
  const parsed = parseCertificate(makeCertificate(spec).der);
  return parsed.ok ? parsed.value : assert.fail(parsed.error.evidence);
}

/** Evidence, or `parsed`. */
function said(spec: CertificateSpec): string {
  const parsed = parseCertificate(makeCertificate(spec).der);
  return parsed.ok ? 'parsed' : `${parsed.error.code}: ${parsed.error.evidence}`;
}

const bundle = '/etc/ssl/certs/ca-certificates.crt';

test('every root of this computer is read as Node reads it', (t) => {
  if (!existsSync(bundle)) {
    t.diagnostic(`NOT RUN: no ${bundle}`);
    return;
  }
  const pems = readFileSync(bundle, 'utf8').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  assert.ok(pems.length > 50, `only ${pems.length} roots`);
  let verified = 0;
  for (const pem of pems) {
    const other = new X509Certificate(pem);
    const parsed = parseCertificate(other.raw);
    assert.ok(parsed.ok, parsed.ok ? '' : `${other.subject}: ${parsed.error.evidence}`);
    const certificate = parsed.value;
    assert.equal(certificate.serial, other.serialNumber.toLowerCase().padStart(2, '0'));
    assert.equal(certificate.notBefore, other.validFromDate.getTime());
    assert.equal(certificate.notAfter, other.validToDate.getTime());
    assert.equal(certificate.extensions.basicConstraints?.ca, other.ca);
    assert.deepEqual(certificate.publicKey, new Uint8Array(other.publicKey.export({ type: 'spki', format: 'der' })));
    assert.equal(publicKeyFault(certificate.publicKey), undefined, other.subject);
    const { signatureAlgorithm: algorithm, publicKey, tbs, signature } = certificate;
    if (algorithm !== undefined && verifySignature(algorithm, publicKey, tbs, signature) === undefined) verified++;
  }
  assert.equal(verified, pems.length, 'roots whose own signature holds');
});

test('every extension is read', () => {
  const { extensions, version } = made({
    subject: 'CN=x',
    ca: { pathLength: 3 },
    san: [
      'dns:a.test',
      'email:a@b.test',
      'uri:http://c.test/',
      'ip:192.0.2.1',
      'ip:2001:db8::1',
      'dn:CN=d',
      'rid:1.2',
      'upn:a@b',
    ],
    keyUsage: ['digitalSignature', 'keyCertSign', 'decipherOnly'],
    eku: ['ipsecIKE', 'any'],
    nameConstraints: { permitted: ['ip:10.0.0.0/8', 'dn:O=x'], excluded: ['dns:b.test'] },
    policies: ['1.2.3'],
    crlUrl: [
      { uris: ['http://crl.test/', 'ldap://crl.test/'], reasons: ['keyCompromise'] },
      { uris: ['http://i.test/'], issuer: 'CN=I' },
    ],
    ocspUrl: ['http://ocsp.test/', 'ftp://no.test/'],
    issuerUrl: 'http://ca.test/',
    noCheck: true,
    subjectKeyId: Uint8Array.of(1, 2),
    authorityKeyId: Uint8Array.of(3, 4),
    extensions: [extension.policyConstraints(1, 0), extension.inhibitAnyPolicy(5), extension.issuerAltName(['dns:i.test'])],
  });
  assert.equal(version, 3);
  assert.deepEqual(extensions.basicConstraints, { ca: true, pathLength: 3 });
  assert.deepEqual([...(extensions.keyUsage ?? [])], ['digitalSignature', 'keyCertSign', 'decipherOnly']);
  assert.deepEqual(extensions.extendedKeyUsage, ['1.3.6.1.5.5.7.3.17', '2.5.29.37.0']);
  assert.deepEqual(extensions.subjectAltName?.map(generalNameText), [
    'a.test',
    'a@b.test',
    'http://c.test/',
    '192.0.2.1',
    '2001:db8::1',
    'CN=d',
    'a name of kind [8]',
    'a name of kind [0]',
  ]);
  assert.deepEqual(extensions.issuerAltName, [{ kind: 'dns', value: 'i.test' }]);
  const { permitted, excluded } = extensions.nameConstraints ?? assert.fail('no name constraints');
  assert.deepEqual(permitted[0], { kind: 'ip', address: Uint8Array.of(10, 0, 0, 0), mask: Uint8Array.of(255, 0, 0, 0) });
  assert.equal(permitted[1].kind, 'directory');
  assert.deepEqual(excluded, [{ kind: 'dns', value: 'b.test' }]);
  assert.deepEqual(extensions.policies, ['1.2.3']);
  assert.deepEqual(extensions.policyConstraints, { requireExplicit: 1, inhibitMapping: 0 });
  assert.equal(extensions.inhibitAnyPolicy, 5);
  assert.deepEqual(extensions.crlDistributionPoints, [
    { uris: ['http://crl.test/'], partial: true, indirect: false },
    { uris: ['http://i.test/'], partial: false, indirect: true },
  ]);
  assert.deepEqual(extensions.ocspResponders, ['http://ocsp.test/']);
  assert.deepEqual(extensions.issuerCertificates, ['http://ca.test/']);
  assert.equal(extensions.noCheck, true);
  assert.deepEqual(extensions.subjectKeyId, Uint8Array.of(1, 2));
  assert.deepEqual(extensions.authorityKeyId, Uint8Array.of(3, 4));
  assert.deepEqual(extensions.unknownCritical, []);
});

const raw = (id: string, value: Uint8Array): CertificateSpec => ({ subject: 'CN=x', extensions: [{ oid: id, value }] });

const malformed: readonly (readonly [rule: string, spec: CertificateSpec])[] = [
  ['§4.1.1.2: two signature algorithms', { subject: 'CN=x', innerAlgorithm: sequence(oid('1.2.840.10045.4.3.3')) }],
  ['§4.1.2.4: no issuer', { subject: 'CN=x', issuer: '' }],
  ['§4.1.2.6: an authority without a name', { subject: '', issuer: 'CN=x', ca: true }],
  ['§4.2.1.3: key usage without any', raw('2.5.29.15', Uint8Array.of(0x03, 0x01, 0x00))],
  ['§4.2.1.4: a policy twice', { subject: 'CN=x', policies: ['1.2.3', '1.2.3'] }],
  ['§4.2.1.6: no name in subjectAltName', { subject: 'CN=x', san: [] }],
  ['§4.2.1.6: an address of five octets', { subject: 'CN=x', san: ['ip:c000020101'] }],
  ['§4.2.1.9: a negative path length', raw('2.5.29.19', sequence(boolean(true), Uint8Array.of(0x02, 0x01, 0xff)))],
  ['§4.2.1.10: constraints that constrain nothing', raw('2.5.29.30', sequence())],
  ['§4.2.1.10: a mask with holes', { subject: 'CN=x', nameConstraints: { excluded: ['ip:0a000000ff00ff00'] } }],
  ['§4.2.1.10: an address without a mask', { subject: 'CN=x', nameConstraints: { excluded: ['ip:0a000000'] } }],
  ['§4.2.1.10: a maximum', raw('2.5.29.30', sequence(Uint8Array.of(0xa0, 8, 0x30, 6, 0x82, 1, 0x61, 0x81, 1, 5)))],
  ['§4.2.1.11: an empty policy constraint', raw('2.5.29.36', sequence())],
  ['§4.2.1.12: no usage', { subject: 'CN=x', eku: [] }],
  ['§4.2.1.13: only reasons', { subject: 'CN=x', crlUrl: [{ reasons: ['keyCompromise'] }] }],
  ['octets after the value', raw('2.5.29.14', Uint8Array.of(...octetString(Uint8Array.of(1)), 0))],
];

for (const [rule, spec] of malformed) {
  test(`malformed: RFC 5280 ${rule}`, () => {
    assert.match(said(spec), /^malformed: /);
  });
}

test('what is forbidden, common and misleads nobody is read: a default spelt out, a path length of an end entity', () => {
  assert.equal(said(raw('2.5.29.19', sequence(boolean(false)))), 'parsed');
  const { extensions } = made(raw('2.5.29.19', sequence(integer(0))));
  assert.deepEqual(extensions.basicConstraints, { ca: false, pathLength: 0 });
});

test('the certificate is copied: changing what was read changes nothing', () => {
  // A Buffer, whose `slice` is no copy.
  const der = Buffer.from(makeCertificate({ subject: 'CN=x' }).der);
  const parsed = parseCertificate(der);
  const before = new Uint8Array(der);
  der.fill(0);
  assert.deepEqual(parsed.ok && parsed.value.der, before);
});

test('remarks name the clause that an authority broke', () => {
  const remarks = conformanceRemarks(
    made({ subject: 'CN=x', issuer: 'CN=y', serial: 0, authorityKeyId: null, ca: false, keyUsage: ['keyCertSign'] }),
    false,
  );
  assert.deepEqual(remarks.map(({ clause }) => clause).sort(), ['4.1.2.2', '4.2.1.3']);
  const issued = makeCertificate(
    { subject: 'CN=x', authorityKeyId: null, subjectKeyId: null, ca: true },
    makeCertificate({ subject: 'CN=y', ca: true }),
  );
  const parsed = parseCertificate(issued.der);
  assert.deepEqual(parsed.ok && conformanceRemarks(parsed.value, true).map(({ clause }) => clause), ['4.2.1.1', '4.2.1.2']);
});
