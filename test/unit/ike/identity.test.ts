import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromUtf8, toHex } from '../../../core/bytes/bytes.ts';
import { identityText, makeIdentity, parseIdentity, sameIdentity } from '../../../core/ike/identity.ts';
import { ID } from '../../../core/ike/wire/constants.ts';

test('each form has its type and comes back as text', () => {
  const forms: readonly (readonly [string, number, string?])[] = [
    ['vpn.office.test', ID.FQDN],
    ['gateway', ID.FQDN],
    ['_x.office.test', ID.FQDN],
    ['CN=alice, O=Office', ID.DER_ASN1_DN],
    ['192.0.2.1', ID.IPV4_ADDR],
    ['2001:db8::1', ID.IPV6_ADDR],
    ['2001:DB8:0::1', ID.IPV6_ADDR, '2001:db8::1'],
    ['alice@office.test', ID.RFC822_ADDR],
    ['keyid:0badcafe', ID.KEY_ID],
    ['  vpn.office.test ', ID.FQDN, 'vpn.office.test'],
  ];
  for (const [text, type, shown] of forms) {
    const parsed = parseIdentity(text);
    assert.ok(parsed.ok, text);
    assert.equal(parsed.value.type, type, text);
    assert.equal(parsed.value.text, shown ?? text);
  }
});

test('what is no identity', () => {
  const wrong = [
    '',
    ' ',
    'a b',
    'a..b',
    '.a',
    'a.',
    '-a',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    'keyid:',
    'keyid:0',
    'keyid:xy',
    '@',
    'a@',
    '@b',
    'a@b@c',
    'x'.repeat(254),
    'ü.test',
  ];
  for (const text of wrong) assert.deepEqual(parseIdentity(text), { ok: false, error: 'malformed' }, text);
});

test('addresses are octets, names are text', () => {
  const address = parseIdentity('192.0.2.1');
  const keyId = parseIdentity('keyid:00ff');
  assert.ok(address.ok && keyId.ok);
  assert.equal(toHex(address.value.data), 'c0000201');
  assert.equal(toHex(keyId.value.data), '00ff');
});

test('octets of a peer are printable whatever they are', () => {
  assert.equal(identityText(ID.FQDN, fromUtf8('vpn.office.test')), 'vpn.office.test');
  assert.equal(identityText(ID.FQDN, fromUtf8('a\u001b[2Jb')), 'fqdn:611b5b324a62');
  assert.equal(identityText(ID.FQDN, new Uint8Array(0)), 'fqdn:');
  assert.equal(identityText(ID.DER_ASN1_DN, Uint8Array.of(0x30, 0)), 'der_asn1_dn:3000');
  assert.equal(identityText(200, Uint8Array.of(1)), '200:01');
  assert.equal(identityText(ID.IPV4_ADDR, Uint8Array.of(1, 2, 3)), 'ipv4_addr:010203');
  assert.ok(identityText(ID.KEY_ID, new Uint8Array(65_000)).length < 600);
});

test('equality: type and data, letter case only where it counts', () => {
  const fqdn = (text: string) => makeIdentity(ID.FQDN, fromUtf8(text));
  assert.equal(sameIdentity(fqdn('VPN.office.test'), fqdn('vpn.OFFICE.test')), true);
  assert.equal(sameIdentity(fqdn('vpn.office.test'), fqdn('vpn.office.tes')), false);
  assert.equal(sameIdentity(fqdn('vpn.office.test'), makeIdentity(ID.RFC822_ADDR, fromUtf8('vpn.office.test'))), false);
  assert.equal(sameIdentity(makeIdentity(ID.KEY_ID, fromUtf8('A')), makeIdentity(ID.KEY_ID, fromUtf8('a'))), false);
  assert.equal(sameIdentity(fqdn('a@'), fqdn('a`')), false, '@ and ` differ by the bit that letters differ by');
});

test('a distinguished name is shown as people write it (RFC 4514), unless it is none or too long', () => {
  const typed = parseIdentity('CN=vpn, O=Office');
  assert.ok(typed.ok);
  assert.equal(identityText(ID.DER_ASN1_DN, typed.value.data), 'CN=vpn,O=Office');
  const long = parseIdentity(`CN=${'x'.repeat(300)}`);
  assert.ok(long.ok);
  assert.match(identityText(ID.DER_ASN1_DN, long.value.data), /^der_asn1_dn:30/);
  assert.equal(identityText(ID.DER_ASN1_DN, Uint8Array.of(0x30, 5)), 'der_asn1_dn:3005');
});

test('an identity keeps no view of the datagram', () => {
  const data = fromUtf8('vpn');
  const kept = makeIdentity(ID.FQDN, data);
  data.fill(0);
  assert.equal(toHex(kept.data), '76706e');
});
