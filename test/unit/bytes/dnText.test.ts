import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../../core/bytes/bytes.ts';
import { parseDistinguishedName, sameDistinguishedName } from '../../../core/bytes/dnText.ts';
import { canonicalRdns, readName } from '../../../core/pki/names.ts';
import { authority } from '../../authority/authority.ts';

const textOf = (text: string) => {
  const der = parseDistinguishedName(text);
  return der && readName(der)?.text;
};

test('both orders are the same name: the most general part comes first in DER', () => {
  const wanted = 'CN=alice,OU=Sales,O=Office,C=CH';
  for (const text of [
    wanted,
    'CN=alice, OU=Sales, O=Office, C=CH',
    'C=CH, O=Office, OU=Sales, CN=alice',
    'c=CH;o=Office;ou=Sales;cn=alice',
  ])
    assert.equal(textOf(text), wanted, text);
  assert.equal(textOf('DC=office,DC=test'), 'DC=office,DC=test', 'RFC 4514 where nothing tells');
  assert.equal(textOf('O=Office, CN=alice'), 'CN=alice,O=Office');
});

test('escapes, quotes, hexadecimal and OIDs (RFC 4514 §2.4, §4)', () => {
  assert.equal(textOf('CN=Smith\\, Alice,O=a\\+b'), 'CN=Smith\\, Alice,O=a\\+b');
  assert.equal(textOf('CN="Smith, Alice" , O=Office'), 'CN=Smith\\, Alice,O=Office');
  assert.equal(textOf('CN=Lu\\C4\\8Di\\C4\\87'), 'CN=Lučić');
  assert.equal(textOf('2.5.4.3=#0c02484c'), 'CN=HL');
  assert.equal(textOf('CN=a+UID=b,O=c'), textOf('UID=b+CN=a,O=c'), 'a SET has no order of its own');
  assert.equal(textOf('CN=x\\ '), 'CN=x\\ ', 'an escaped blank at the end stays');
});

test('what is none is none', () => {
  for (const text of [
    '',
    'alice',
    'CN',
    'CN=',
    '=x',
    'CN=a,',
    'CN=a,,O=b',
    'XX=a',
    'C=Switzerland',
    'CN=a\\',
    'CN="a',
    'CN="a"b',
    'CN=#zz',
    'CN=#0c',
    '9.9=a',
    'CN=a\u0000',
    'CN=a\\00',
  ])
    assert.equal(parseDistinguishedName(text), undefined, text);
  assert.equal(parseDistinguishedName(`CN=${'a'.repeat(3000)}`), undefined);
  assert.equal(parseDistinguishedName(Array.from({ length: 70 }, () => 'OU=a').join(',')), undefined);
});

test('the text of a certificate’s subject is its subject again', () => {
  for (const subject of ['C=CH, O=strongSwan, CN=moon.strongswan.org', 'DC=test, DC=office, CN=alice', 'CN=a "b" \\\\c']) {
    const { der } = authority.selfSigned({ subject });
    assert.ok(der.length > 0);
    const name = parseDistinguishedName(subject);
    assert.ok(name, subject);
    const read = readName(name);
    assert.ok(read);
    const again = parseDistinguishedName(read.text);
    assert.equal(again && toHex(again), toHex(name));
    assert.ok(canonicalRdns(read).length > 0);
  }
});

test('names are the same whatever string types, letter case and blanks (RFC 5280 §7.1)', () => {
  const of = (text: string) => parseDistinguishedName(text) ?? new Uint8Array(0);
  const printable = '2.5.4.3=#1306416C6963202041'; // PrintableString "Alic  A"
  assert.equal(
    sameDistinguishedName(of(`${printable},O=Office`), of('CN=alic a, O=OFFICE')),
    false,
    'a length that lies is no name',
  );
  assert.equal(sameDistinguishedName(of('2.5.4.3=#1305416C696365,O=Office'), of('O=office, CN=alice')), true);
  assert.equal(sameDistinguishedName(of('CN=alice,O=Office'), of('CN=alice,O=Office 2')), false);
  assert.equal(sameDistinguishedName(of('CN=alice,O=Office'), of('CN=alice')), false);
  assert.equal(sameDistinguishedName(new Uint8Array(0), new Uint8Array(0)), false, 'nothing is no name');
});
