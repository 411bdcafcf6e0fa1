import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../../core/bytes/address.ts';
import { fromUtf8 } from '../../../core/bytes/bytes.ts';
import { derElement, derIa5, derOid, derPrintable, derSequence, derSet, derUtf8 } from '../../../core/bytes/derWriter.ts';
import { sameDistinguishedName } from '../../../core/bytes/dnText.ts';
import { parseCertificate } from '../../../core/pki/certificate.ts';
import type { Certificate, DistinguishedName, ExpectedName } from '../../../core/pki/contract.ts';
import { nameFault } from '../../../core/pki/identity.ts';
import { printable, readName, sameName } from '../../../core/pki/names.ts';
import { authority } from '../../authority/authority.ts';
import { type NameText, nameDer } from '../../authority/names.ts';
import { quickest } from '../quickest.ts';

function name(der: Uint8Array): DistinguishedName {
  return readName(der) ?? assert.fail('not a name');
}

function commonName(value: Uint8Array): Uint8Array {
  return derSequence(derSet(derSequence(derOid('2.5.4.3'), value)));
}

test('RFC 4514: the most specific RDN first, what separates is escaped, what has no short name is hexadecimal', () => {
  assert.equal(name(nameDer('CN=alice,OU=Sales,O=Office\\, Inc,C=DE')).text, 'CN=alice,OU=Sales,O=Office\\, Inc,C=DE');
  assert.equal(name(commonName(derUtf8(' a"b\\c<d>e;f+g '))).text, 'CN=\\ a\\"b\\\\c\\<d\\>e\\;f\\+g\\ ');
  assert.equal(name(commonName(derUtf8('#1'))).text, 'CN=\\#1');
  assert.equal(name(commonName(derUtf8('a\nb\u202e'))).text, 'CN=a\\0ab\\e2\\80\\ae');
  assert.equal(name(derSequence(derSet(derSequence(derOid('1.2.3'), derUtf8('x'))))).text, '1.2.3=#0c0178');
  const two = derSet(derSequence(derOid('2.5.4.3'), derUtf8('a')), derSequence(derOid('2.5.4.11'), derUtf8('b')));
  assert.equal(name(derSequence(two)).text, 'CN=a+OU=b');
});

const same: readonly (readonly [rule: string, a: Uint8Array, b: Uint8Array, equal: boolean])[] = [
  ['case', nameDer('CN=Office CA,O=OFFICE'), nameDer('CN=office ca,O=office'), true],
  ['blanks around and within', commonName(derUtf8(' Office   CA ')), commonName(derUtf8('Office CA')), true],
  ['string types', commonName(derPrintable('Office')), commonName(derUtf8('office')), true],
  ['compatibility forms', commonName(derUtf8('\ufb01x')), commonName(derUtf8('fix')), true],
  ['composed and decomposed letters', commonName(derUtf8('B\u00fcro')), commonName(derUtf8('Bu\u0308ro')), true],
  ['another value', nameDer('CN=a'), nameDer('CN=b'), false],
  ['another type', nameDer('CN=a'), nameDer('OU=a'), false],
  ['the order of RDNs', nameDer('CN=a,O=b'), nameDer('O=b,CN=a'), false],
  ['a prefix', nameDer('CN=a,O=b'), nameDer('O=b'), false],
  ['a value that looks like two', commonName(derUtf8('a"\n2.5.4.10="b')), nameDer('CN=a,O=b'), false],
];

for (const [rule, a, b, equal] of same) {
  test(`RFC 5280 §7.1: names that differ in ${rule} are ${equal ? 'the same' : 'two'}`, () => {
    assert.equal(sameName(name(a), name(b)), equal);
  });
}

test('heaped marks cost no seconds, and long texts are still the same in any letter case', () => {
  const heap = (first: string) => name(commonName(derUtf8(first + '\u0316\u0315'.repeat(15_000))));
  const took = quickest(() => {
    assert.deepEqual([sameName(heap('a'), heap('A')), sameName(heap('a'), heap('b'))], [true, false]);
    assert.equal(sameDistinguishedName(heap('a').der, heap('A').der), true);
  });
  assert.ok(took < 500, `${took} ms`);
});

test('what is no Name is none', () => {
  for (const der of [
    derSet(),
    derSequence(derSequence()),
    derSequence(derSet()),
    derSequence(derSet(derSequence(derOid('2.5.4.3')))),
  ])
    assert.equal(readName(der), undefined);
  assert.equal(readName(Uint8Array.of(0x30, 0x80)), undefined);
});

test('evidence is one printable line', () => {
  assert.equal(printable('a\u0000b\u2028c\u202e'), 'a\\u{0}b\\u{2028}c\\u{202e}');
  assert.equal(printable('x'.repeat(300)).length, 201);
});

interface Case {
  readonly rule: string;
  readonly subject?: NameText;
  readonly san?: readonly string[];
  readonly expect: readonly [ExpectedName['identity']['type'], string];
  readonly commonName?: boolean;
  readonly wildcards?: boolean;
  readonly matches: boolean;
}

const office: NameText = 'CN=vpn.office.test,O=Office';

const cases: readonly Case[] = [
  { rule: 'a dNSName, whatever the case', san: ['dns:VPN.office.test'], expect: ['fqdn', 'vpn.OFFICE.test'], matches: true },
  { rule: 'any of several', san: ['dns:a.test', 'dns:b.test'], expect: ['fqdn', 'b.test'], matches: true },
  { rule: 'no substring', san: ['dns:vpn.office.test'], expect: ['fqdn', 'office.test'], matches: false },
  { rule: 'no suffix', san: ['dns:office.test'], expect: ['fqdn', 'vpn.office.test'], matches: false },
  {
    rule: 'a name with a NUL inside is nobody',
    san: ['dns:vpn.office.test\u0000.evil.test'],
    expect: ['fqdn', 'vpn.office.test'],
    matches: false,
  },
  {
    rule: 'RFC 4945 §3.1.2: no wildcards for IKE',
    san: ['dns:*.office.test'],
    expect: ['fqdn', 'vpn.office.test'],
    matches: false,
  },
  {
    rule: 'RFC 6125 §6.4.3: a wildcard as left-most label for TLS',
    san: ['dns:*.office.test'],
    expect: ['fqdn', 'vpn.office.test'],
    wildcards: true,
    matches: true,
  },
  {
    rule: 'a wildcard is one label',
    san: ['dns:*.office.test'],
    expect: ['fqdn', 'a.vpn.office.test'],
    wildcards: true,
    matches: false,
  },
  {
    rule: 'a wildcard is not no label',
    san: ['dns:*.office.test'],
    expect: ['fqdn', 'office.test'],
    wildcards: true,
    matches: false,
  },
  {
    rule: 'no wildcard below a top-level domain',
    san: ['dns:*.test'],
    expect: ['fqdn', 'office.test'],
    wildcards: true,
    matches: false,
  },
  {
    rule: 'no wildcard within a label',
    san: ['dns:v*.office.test'],
    expect: ['fqdn', 'vpn.office.test'],
    wildcards: true,
    matches: false,
  },
  {
    rule: 'nobody is asked for by a wildcard',
    san: ['dns:*.office.test'],
    expect: ['fqdn', '*.office.test'],
    wildcards: true,
    matches: false,
  },
  { rule: 'the common name is not looked at', subject: office, expect: ['fqdn', 'vpn.office.test'], matches: false },
  {
    rule: 'the common name when it is allowed',
    subject: office,
    expect: ['fqdn', 'vpn.office.test'],
    commonName: true,
    matches: true,
  },
  {
    rule: 'no common name beside a dNSName',
    subject: office,
    san: ['dns:a.test'],
    expect: ['fqdn', 'vpn.office.test'],
    commonName: true,
    matches: false,
  },
  {
    rule: 'the common name beside other kinds',
    subject: office,
    san: ['ip:192.0.2.1'],
    expect: ['fqdn', 'vpn.office.test'],
    commonName: true,
    matches: true,
  },
  { rule: 'an iPAddress', san: ['ip:192.0.2.1'], expect: ['ip', '192.0.2.1'], matches: true },
  { rule: 'an IPv6 address', san: ['ip:2001:db8::1'], expect: ['ip', '2001:db8:0::1'], matches: true },
  { rule: 'another address', san: ['ip:192.0.2.1'], expect: ['ip', '192.0.2.2'], matches: false },
  { rule: 'limbo ip-in-dns: no address in a dNSName', san: ['dns:192.0.2.1'], expect: ['ip', '192.0.2.1'], matches: false },
  { rule: 'no address as a host name', san: ['dns:192.0.2.1'], expect: ['fqdn', '192.0.2.1'], matches: false },
  {
    rule: 'an rfc822Name, whatever the case (RFC 4945 §3.1.3)',
    san: ['email:Alice@office.test'],
    expect: ['email', 'alice@OFFICE.test'],
    matches: true,
  },
  {
    rule: 'no mailbox in the subject',
    subject: 'E=alice@office.test',
    expect: ['email', 'alice@office.test'],
    commonName: true,
    matches: false,
  },
  { rule: 'no mailbox by its domain', san: ['dns:office.test'], expect: ['email', 'alice@office.test'], matches: false },
  { rule: 'the whole subject (RFC 4945 §3.1.5)', subject: office, expect: ['dn', 'CN=VPN.office.test,O=office'], matches: true },
  { rule: 'not part of the subject', subject: office, expect: ['dn', 'CN=vpn.office.test'], matches: false },
  { rule: 'no directoryName in place of the subject', subject: office, san: ['dn:CN=x'], expect: ['dn', 'CN=x'], matches: false },
  { rule: 'an empty name is nobody', subject: '', san: ['dns:a.test'], expect: ['dn', ''], matches: false },
];

const root = authority.root({ key: 'p256' });

for (const { rule, subject = 'CN=x', san, expect, commonName: allowed = false, wildcards = false, matches } of cases) {
  test(`identity: ${rule}`, () => {
    const { der } = root.issue({ subject, ...(san !== undefined && { san }) });
    const fault = nameFault(certificate(der), { identity: identity(...expect), commonName: allowed }, wildcards);
    assert.equal(fault === undefined, matches, fault);
  });
}

test('a name that is there and does not count is told with the reason', () => {
  const faultOf = (
    spec: { readonly subject: string; readonly san?: readonly `dns:${string}`[] },
    ...expect: Parameters<typeof identity>
  ) => nameFault(certificate(root.issue(spec).der), { identity: identity(...expect), commonName: false }, false) ?? 'none';
  // easy-rsa and many a gateway's own page make them so.
  assert.match(faultOf({ subject: 'CN=vpn.office.test' }, 'fqdn', 'vpn.office.test'), /common name counts only .*"commonName"/);
  assert.match(faultOf({ subject: 'CN=x', san: ['dns:*.office.test'] }, 'fqdn', 'vpn.office.test'), /name with \*.*RFC 4945/);
  assert.match(
    faultOf({ subject: 'CN=x', san: ['dns:192.0.2.1'] }, 'ip', '192.0.2.1'),
    /as a host name \(DNS\), and not as an address/,
  );
  // Of those that are not there, and of names beside which a common name never counts, there is nothing more to say.
  assert.match(faultOf({ subject: 'CN=mail.office.test' }, 'fqdn', 'vpn.office.test'), /the host vpn\.office\.test$/);
  assert.match(faultOf({ subject: 'CN=vpn.office.test', san: ['dns:x.test'] }, 'fqdn', 'vpn.office.test'), /vpn\.office\.test$/);
  assert.match(faultOf({ subject: 'CN=x', san: ['dns:192.0.2.2'] }, 'ip', '192.0.2.1'), /the address 192\.0\.2\.1$/);
});

test('a mailbox and an address are matched in the common name only when they are one', () => {
  const { der } = root.issue({ subject: 'CN=192.0.2.1' });
  assert.equal(nameFault(certificate(der), { identity: identity('ip', '192.0.2.1'), commonName: true }, false), undefined);
  const other = certificate(root.issue({ subject: 'CN=vpn' }).der);
  const none = { type: 'ip', data: new Uint8Array(0) } as const;
  assert.notEqual(nameFault(other, { identity: none, commonName: true }, false), undefined);
});

test('a name that is no IA5String makes the certificate malformed', () => {
  const parsed = parseCertificate(root.issue({ subject: 'CN=x', san: [derElement(0x82, Uint8Array.of(0xc3, 0xbc))] }).der);
  assert.equal(parsed.ok ? 'parsed' : parsed.error.code, 'malformed');
  assert.ok(parseCertificate(root.issue({ subject: derSequence(derSet(derSequence(derOid('2.5.4.3'), derIa5('x')))) }).der).ok);
});

function identity(type: ExpectedName['identity']['type'], text: string): ExpectedName['identity'] {
  if (type === 'dn') return { type, data: nameDer(text) };
  return { type, data: type === 'ip' ? (parseAddress(text) ?? assert.fail(text)) : fromUtf8(text) };
}

function certificate(der: Uint8Array): Certificate {
  const parsed = parseCertificate(der);
  return parsed.ok ? parsed.value : assert.fail(parsed.error.evidence);
}
